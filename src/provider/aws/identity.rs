//! What the nodes may do: a role with the least that they need, and the profile that gives it to them.

use std::time::Duration;

use serde_json::{Value, json};

use super::{
    AwsOptions, bucket,
    client::Clients,
    error::{code, failed, is_gone, is_held},
    firewall::stranger,
    tag,
};
use crate::provider::{
    Condition, ProviderError, Stranger,
    cloud::{CloudOptions, Found, Making, blueprint::kind, permanent, tags::Tags},
};

/// Name of the policy inside the role.
const POLICY: &str = "refarch";
/// AWS's own policy for its tunnel.
const TUNNEL: &str = "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore";

/// Name of role and profile.
pub fn name(environment: &str) -> String {
    format!("{environment}-identity")
}

/// Who may take the role: machines.
fn trust() -> String {
    json!({
        "Version": "2012-10-17",
        "Statement": [{ "Effect": "Allow", "Principal": { "Service": "ec2.amazonaws.com" }, "Action": "sts:AssumeRole" }],
    })
    .to_string()
}

/// What it may do: read and write objects of the environment's own buckets.
fn policy(buckets: &[String], kms_key: Option<&str>) -> String {
    let arn = |bucket: &String| format!("arn:aws:s3:::{bucket}");
    let all: Vec<String> = buckets.iter().map(arn).collect();
    let objects: Vec<String> = all.iter().map(|arn| format!("{arn}/*")).collect();
    let mut statements = vec![
        json!({
            "Effect": "Allow",
            "Action": ["s3:ListBucket", "s3:ListBucketMultipartUploads", "s3:GetBucketLocation"],
            "Resource": all,
        }),
        json!({
            "Effect": "Allow",
            "Action": [
                "s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload",
                "s3:ListMultipartUploadParts",
            ],
            "Resource": objects,
        }),
    ];
    if let Some(key) = kms_key.filter(|key| key.starts_with("arn:")) {
        statements.push(json!({
            "Effect": "Allow", "Action": ["kms:Decrypt", "kms:GenerateDataKey"], "Resource": key,
        }));
    }
    json!({ "Version": "2012-10-17", "Statement": statements }).to_string()
}

/// Makes role and profile what they should be.
pub async fn create(
    clients: &Clients,
    options: &CloudOptions,
    aws: &AwsOptions,
    making: &Making<'_>,
) -> Result<String, ProviderError> {
    let doing = "create the nodes' role";
    let (name, iam) = (name(&options.environment), &clients.iam);
    let list = tag::iam(making.tags)?;
    let create = iam.create_role().role_name(&name).path(&aws.iam_path).assume_role_policy_document(trust());
    let create = create.set_permissions_boundary(aws.permissions_boundary.clone()).set_tags(Some(list.clone()));
    match create.send().await {
        Err(error) if code(&error) == "EntityAlreadyExists" => {
            if !role(clients, &name).await?.is_some_and(|tags| tag::is_own(&tags, &options.environment)) {
                return Err(stranger(doing, "identity", &format!("role {name}"), &name));
            }
        }
        Err(error) => return Err(failed(doing, "iam:CreateRole", &error)),
        Ok(_) => {}
    }
    set(clients, options, aws, making).await?;
    match iam
        .create_instance_profile()
        .instance_profile_name(&name)
        .path(&aws.iam_path)
        .set_tags(Some(list))
        .send()
        .await
    {
        Err(error) if code(&error) != "EntityAlreadyExists" => {
            return Err(failed(doing, "iam:CreateInstanceProfile", &error));
        }
        _ => {}
    }
    match iam.add_role_to_instance_profile().instance_profile_name(&name).role_name(&name).send().await {
        // A profile holds one role: it is ours already.
        Err(error) if code(&error) != "LimitExceeded" => {
            return Err(failed(doing, "iam:AddRoleToInstanceProfile", &error));
        }
        _ => {}
    }
    settle(clients, &name).await?;
    Ok(name)
}

/// Writes the role's policies.
pub async fn set(
    clients: &Clients,
    options: &CloudOptions,
    aws: &AwsOptions,
    making: &Making<'_>,
) -> Result<(), ProviderError> {
    let doing = "set the nodes' role";
    let (name, iam) = (name(&options.environment), &clients.iam);
    if options.buckets.is_empty() {
        match iam.delete_role_policy().role_name(&name).policy_name(POLICY).send().await {
            Err(error) if !is_gone(&error) => return Err(failed(doing, "iam:DeleteRolePolicy", &error)),
            _ => {}
        }
    } else {
        let buckets = bucket::names(clients, options).await?;
        let text = policy(&buckets, aws.kms_key.as_deref());
        let put = iam.put_role_policy().role_name(&name).policy_name(POLICY).policy_document(text).send().await;
        put.map_err(|error| failed(doing, "iam:PutRolePolicy", &error))?;
    }
    if making.resource.attributes.get("tunnel") == Some(&Value::Bool(true)) {
        let attach = iam.attach_role_policy().role_name(&name).policy_arn(TUNNEL).send().await;
        attach.map_err(|error| failed(doing, "iam:AttachRolePolicy", &error))?;
    } else {
        match iam.detach_role_policy().role_name(&name).policy_arn(TUNNEL).send().await {
            Err(error) if !is_gone(&error) => return Err(failed(doing, "iam:DetachRolePolicy", &error)),
            _ => {}
        }
    }
    Ok(())
}

/// Tags of a role; none where there is no such role.
async fn role(clients: &Clients, name: &str) -> Result<Option<Tags>, ProviderError> {
    match clients.iam.get_role().role_name(name).send().await {
        Ok(there) => {
            let tags = there.role().map(|role| role.tags()).unwrap_or_default();
            Ok(Some(tags.iter().map(|tag| (tag.key().to_owned(), tag.value().to_owned())).collect()))
        }
        Err(error) if is_gone(&error) => Ok(None),
        Err(error) => Err(failed("look for the nodes' role", "iam:GetRole", &error)),
    }
}

/// The environment's role, with the profile or without.
pub async fn list(clients: &Clients, options: &CloudOptions, aws: &AwsOptions) -> Result<Vec<Found>, ProviderError> {
    // Who has a profile of one's own may have no right to look at roles at all.
    if aws.instance_profile.is_some() {
        return Ok(Vec::new());
    }
    let (name, iam) = (name(&options.environment), &clients.iam);
    let Some(tags) = role(clients, &name).await? else { return Ok(Vec::new()) };
    if !tag::is_own(&tags, &options.environment) {
        return Ok(Vec::new());
    }
    let policies = iam.list_role_policies().role_name(&name).send().await;
    let policies = policies.map_err(|error| failed("look at the nodes' role", "iam:ListRolePolicies", &error))?;
    let attached = iam.list_attached_role_policies().role_name(&name).send().await;
    let attached =
        attached.map_err(|error| failed("look at the nodes' role", "iam:ListAttachedRolePolicies", &error))?;
    let tunnel = attached.attached_policies().iter().any(|policy| policy.policy_arn() == Some(TUNNEL));
    let allowed = match policies.policy_names().iter().any(|policy| policy == POLICY) {
        true => allowed(clients, &name).await?,
        false => Vec::new(),
    };
    let known = bucket::names(clients, options).await?;
    // Told in the file's own words; an ARN that is none of ours stays as it is.
    let words: Vec<String> = allowed
        .into_iter()
        .map(|arn| {
            let name = arn.trim_start_matches("arn:aws:s3:::");
            let position = known.iter().position(|known| known == name);
            position.map_or(arn.clone(), |position| options.buckets[position].clone())
        })
        .collect();
    let profile = match iam.get_instance_profile().instance_profile_name(&name).send().await {
        Ok(there) => there.instance_profile().is_some_and(|profile| !profile.roles().is_empty()),
        Err(error) if is_gone(&error) => false,
        Err(error) => return Err(failed("look at the nodes' role", "iam:GetInstanceProfile", &error)),
    };
    // Without its profile a role is of no use to a machine: told as a difference, which making it anew mends.
    let tunnel = if profile { Value::Bool(tunnel) } else { Value::Null };
    let attributes = tag::attributes(vec![("tunnel", tunnel), ("buckets", json!(words))]);
    let id = "identity".to_owned();
    Ok(vec![Found {
        id,
        kind: kind::IDENTITY,
        handle: name,
        tags,
        attributes,
        condition: Condition::Good,
        machine: None,
    }])
}

/// ARNs of the buckets that the role's own policy allows.
async fn allowed(clients: &Clients, name: &str) -> Result<Vec<String>, ProviderError> {
    let there = clients.iam.get_role_policy().role_name(name).policy_name(POLICY).send().await;
    let there = there.map_err(|error| failed("look at the nodes' role", "iam:GetRolePolicy", &error))?;
    let text = percent_decoded(there.policy_document());
    let document: Value = serde_json::from_str(&text).unwrap_or_default();
    let first = document["Statement"].as_array().and_then(|statements| statements.first()).cloned().unwrap_or_default();
    let arns = first["Resource"].as_array().cloned().unwrap_or_default();
    Ok(arns.iter().filter_map(|arn| arn.as_str().map(str::to_owned)).collect())
}

/// IAM hands policies out as they stand in a URL.
fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let hex = (*first == b'%').then(|| tail.get(..2)).flatten();
        let byte = hex.and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        match byte {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Removes profile, policies and role, whatever of them is there.
pub async fn remove(clients: &Clients, name: &str) -> Result<(), ProviderError> {
    let doing = "remove the nodes' role";
    let iam = &clients.iam;
    macro_rules! gone {
        ($call:expr, $permission:literal) => {
            match $call.send().await {
                Err(error) if !is_gone(&error) => {
                    let mut told = failed(doing, $permission, &error);
                    if is_held(&error) {
                        told.class = crate::provider::ErrorClass::Transient;
                    }
                    return Err(told);
                }
                _ => {}
            }
        };
    }
    gone!(
        iam.remove_role_from_instance_profile().instance_profile_name(name).role_name(name),
        "iam:RemoveRoleFromInstanceProfile"
    );
    gone!(iam.delete_instance_profile().instance_profile_name(name), "iam:DeleteInstanceProfile");
    gone!(iam.delete_role_policy().role_name(name).policy_name(POLICY), "iam:DeleteRolePolicy");
    gone!(iam.detach_role_policy().role_name(name).policy_arn(TUNNEL), "iam:DetachRolePolicy");
    gone!(iam.delete_role().role_name(name), "iam:DeleteRole");
    Ok(())
}

/// Somebody else's role under our name.
pub async fn look_for(clients: &Clients, environment: &str) -> Result<Option<Stranger>, ProviderError> {
    let name = name(environment);
    let found = role(clients, &name).await?;
    Ok(found.filter(|tags| !tag::is_own(tags, environment)).map(|_| Stranger {
        resource: "identity".to_owned(),
        what: "role".to_owned(),
        handle: name,
    }))
}

/// Waits until EC2 knows a profile that IAM made a moment ago; IAM itself answers at once.
async fn settle(clients: &Clients, name: &str) -> Result<(), ProviderError> {
    let doing = "wait for the nodes' profile";
    let end = tokio::time::Instant::now() + Duration::from_secs(60);
    loop {
        match clients.iam.get_instance_profile().instance_profile_name(name).send().await {
            Ok(there) if there.instance_profile().is_some_and(|profile| !profile.roles().is_empty()) => return Ok(()),
            Err(error) if !is_gone(&error) => return Err(failed(doing, "iam:GetInstanceProfile", &error)),
            _ if tokio::time::Instant::now() > end => {
                return Err(permanent(doing, "IAM does not show it after 60 s", Some("`apply` again")));
            }
            _ => tokio::time::sleep(Duration::from_secs(1)).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_role_reaches_its_buckets_and_nothing_else() {
        let text = policy(&["demo-lfs-1".to_owned()], Some("arn:aws:kms:eu:1:key/k"));
        let policy: Value = serde_json::from_str(&text).unwrap();
        for statement in policy["Statement"].as_array().unwrap() {
            for resource in statement["Resource"]
                .as_array()
                .into_iter()
                .flatten()
                .chain(statement["Resource"].as_str().map(|_| &statement["Resource"]))
            {
                let resource = resource.as_str().unwrap();
                assert!(
                    resource.starts_with("arn:aws:s3:::demo-lfs-1") || resource.starts_with("arn:aws:kms:"),
                    "{resource}"
                );
            }
            for action in statement["Action"].as_array().unwrap() {
                assert!(!action.as_str().unwrap().contains('*'));
            }
        }
    }

    #[test]
    fn a_policy_from_a_url() {
        assert_eq!(percent_decoded("%7B%22a%22%3A%20%22b%22%7D%"), "{\"a\": \"b\"}%");
    }
}
