//! Tags in the words of each service.

use std::collections::BTreeMap;

use aws_sdk_ec2::types::{Filter, ResourceType, Tag, TagSpecification};

use super::{client::Clients, error::failed};
use crate::provider::{
    ProviderError,
    cloud::{
        blueprint::kind,
        permanent,
        tags::{self, Tags},
    },
};

/// Tags of EC2.
pub fn ec2(tags: &Tags) -> Vec<Tag> {
    tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect()
}

/// Tags for something of EC2 that is being made.
pub fn spec(kind: ResourceType, tags: &Tags) -> TagSpecification {
    TagSpecification::builder().resource_type(kind).set_tags(Some(ec2(tags))).build()
}

/// Reads tags of EC2.
pub fn read(tags: &[Tag]) -> Tags {
    tags.iter().filter_map(|tag| Some((tag.key()?.to_owned(), tag.value().unwrap_or_default().to_owned()))).collect()
}

/// Whatever carries this tag.
pub fn filter(key: &str, value: &str) -> Filter {
    Filter::builder().name(format!("tag:{key}")).values(value).build()
}

/// Filter of another kind.
pub fn by(name: &str, values: &[&str]) -> Filter {
    let values = values.iter().map(|value| (*value).to_owned()).collect();
    Filter::builder().name(name).set_values(Some(values)).build()
}

/// One environment's resource.
pub fn one(environment: &str, resource: &str) -> [Filter; 2] {
    [filter(tags::ENVIRONMENT, environment), filter(tags::RESOURCE, resource)]
}

/// Whether something carries the tags of this environment.
pub fn is_own(tags: &Tags, environment: &str) -> bool {
    tags.get(tags::ENVIRONMENT).is_some_and(|value| value == environment)
}

/// Whether something of EC2 is this resource of this environment. Asked of every answer to a question by tag: what a
/// filter let through by mistake would be taken for ours, changed and destroyed.
pub fn is(tags: &[Tag], environment: &str, resource: &str) -> bool {
    let found = read(tags);
    is_own(&found, environment) && found.get(tags::RESOURCE).is_some_and(|value| value == resource)
}

/// Writes tags on something that is there.
pub async fn write(clients: &Clients, kind: &str, handle: &str, tags: &Tags) -> Result<(), ProviderError> {
    let doing = format!("tag {handle}");
    match kind {
        // Rules are a part of their group and have no tags.
        kind::RULES => Ok(()),
        kind::IDENTITY => {
            let list = iam(tags)?;
            let role = clients.iam.tag_role().role_name(handle).set_tags(Some(list)).send().await;
            role.map(drop).map_err(|error| failed(&doing, "iam:TagRole", &error))
        }
        kind::BUCKET => {
            let tagging = s3(tags)?;
            let put = clients.s3.put_bucket_tagging().bucket(handle).tagging(tagging).send().await;
            put.map(drop).map_err(|error| failed(&doing, "s3:PutBucketTagging", &error))
        }
        kind::BALANCER => {
            let list = elb(tags);
            let add = clients.elb.add_tags().resource_arns(handle).set_tags(Some(list)).send().await;
            add.map(drop).map_err(|error| failed(&doing, "elasticloadbalancing:AddTags", &error))
        }
        _ => {
            let create = clients.ec2.create_tags().resources(handle).set_tags(Some(ec2(tags))).send().await;
            create.map(drop).map_err(|error| failed(&doing, "ec2:CreateTags", &error))
        }
    }
}

/// Takes tags away.
pub async fn remove(clients: &Clients, kind: &str, handle: &str, keys: &[String]) -> Result<(), ProviderError> {
    let doing = format!("take tags from {handle}");
    match kind {
        // A bucket's tags are written as a whole.
        kind::RULES | kind::BUCKET => Ok(()),
        kind::IDENTITY => {
            let untag = clients.iam.untag_role().role_name(handle).set_tag_keys(Some(keys.to_vec())).send().await;
            untag.map(drop).map_err(|error| failed(&doing, "iam:UntagRole", &error))
        }
        kind::BALANCER => {
            let untag = clients.elb.remove_tags().resource_arns(handle).set_tag_keys(Some(keys.to_vec())).send().await;
            untag.map(drop).map_err(|error| failed(&doing, "elasticloadbalancing:RemoveTags", &error))
        }
        _ => {
            let list = keys.iter().map(|key| Tag::builder().key(key).build()).collect();
            let delete = clients.ec2.delete_tags().resources(handle).set_tags(Some(list)).send().await;
            delete.map(drop).map_err(|error| failed(&doing, "ec2:DeleteTags", &error))
        }
    }
}

/// Tags of IAM.
pub fn iam(tags: &Tags) -> Result<Vec<aws_sdk_iam::types::Tag>, ProviderError> {
    let tag = |(key, value): (&String, &String)| aws_sdk_iam::types::Tag::builder().key(key).value(value).build();
    tags.iter().map(tag).collect::<Result<_, _>>().map_err(|error| unfit(&error))
}

/// Tags of a bucket.
pub fn s3(tags: &Tags) -> Result<aws_sdk_s3::types::Tagging, ProviderError> {
    let tag = |(key, value): (&String, &String)| aws_sdk_s3::types::Tag::builder().key(key).value(value).build();
    let set: Vec<_> = tags.iter().map(tag).collect::<Result<_, _>>().map_err(|error| unfit(&error))?;
    aws_sdk_s3::types::Tagging::builder().set_tag_set(Some(set)).build().map_err(|error| unfit(&error))
}

/// Tags of a balancer.
pub fn elb(tags: &Tags) -> Vec<aws_sdk_elasticloadbalancingv2::types::Tag> {
    let tag = |(key, value): (&String, &String)| {
        aws_sdk_elasticloadbalancingv2::types::Tag::builder().key(key).value(value).build()
    };
    tags.iter().map(tag).collect()
}

/// Something that the SDK does not take.
pub fn unfit(error: &dyn std::fmt::Display) -> ProviderError {
    permanent("ask AWS", error.to_string(), None)
}

/// Attributes from pairs.
pub fn attributes(pairs: Vec<(&str, serde_json::Value)>) -> BTreeMap<String, serde_json::Value> {
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
