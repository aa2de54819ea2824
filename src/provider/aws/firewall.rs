//! Security groups and their rules.

use std::collections::BTreeSet;

use aws_sdk_ec2::types::{IpPermission, IpRange, Ipv6Range, ResourceType as R, UserIdGroupPair};
use serde_json::Value;

use super::{
    client::Clients,
    error::{code, failed, is_gone},
    network::nothing,
    tag,
};
use crate::provider::{
    ProviderError, Stranger,
    cloud::{
        Book, Making, permanent,
        reach::{Rule, Source},
        tags,
    },
};

/// Makes a group without rules.
pub async fn create(clients: &Clients, making: &Making<'_>) -> Result<String, ProviderError> {
    let doing = format!("create {}", making.resource.id);
    let vpc = making.book.need(&doing, "network")?;
    let name = making.tags.get(tags::NAME).map_or("", String::as_str);
    let create = clients.ec2.create_security_group().group_name(name).vpc_id(&vpc);
    let create = create.description(format!("refarch: {}", making.resource.reason));
    match create.tag_specifications(tag::spec(R::SecurityGroup, making.tags)).send().await {
        Ok(made) => made.group_id().map(str::to_owned).ok_or_else(|| nothing(&doing)),
        Err(error) if code(&error) == "InvalidGroup.Duplicate" => {
            let own = making.tags.get(tags::ENVIRONMENT).map_or("", String::as_str);
            match by_name(clients, &doing, &vpc, name).await? {
                Some((id, tags)) if tag::is_own(&tags, own) => Ok(id),
                Some((id, _)) => Err(stranger(&doing, &making.resource.id, &format!("security group {name}"), &id)),
                None => Err(failed(&doing, "ec2:CreateSecurityGroup", &error)),
            }
        }
        Err(error) => Err(failed(&doing, "ec2:CreateSecurityGroup", &error)),
    }
}

/// Refusal to touch what is somebody else's.
pub fn stranger(doing: &str, resource: &str, what: &str, handle: &str) -> ProviderError {
    let hint = format!(
        "rename the environment, remove it, or take it over if it is yours: `refarch adopt ENVIRONMENT {resource}={handle}`"
    );
    permanent(doing, format!("{what} ({handle}) is there and is not this environment's"), Some(&hint))
}

/// Group of a name in a network, with its tags.
pub async fn by_name(
    clients: &Clients,
    doing: &str,
    vpc: &str,
    name: &str,
) -> Result<Option<(String, tags::Tags)>, ProviderError> {
    let filters = vec![tag::by("vpc-id", &[vpc]), tag::by("group-name", &[name])];
    let there = clients.ec2.describe_security_groups().set_filters(Some(filters)).send().await;
    let there = there.map_err(|error| failed(doing, "ec2:DescribeSecurityGroups", &error))?;
    Ok(there
        .security_groups()
        .first()
        .map(|group| (group.group_id().unwrap_or_default().to_owned(), tag::read(group.tags()))))
}

/// A group of somebody else's under a name of ours.
pub async fn look_for(
    clients: &Clients,
    own: &str,
    vpc: &str,
    id: &str,
    name: &str,
) -> Result<Option<Stranger>, ProviderError> {
    let found = by_name(clients, "look for others' security groups", vpc, name).await?;
    Ok(found.filter(|(_, tags)| !tag::is_own(tags, own)).map(|(handle, _)| Stranger {
        resource: id.to_owned(),
        what: format!("security group {name}"),
        handle,
    }))
}

/// What a group lets in, in the blueprint's words.
pub fn rules(permissions: &[IpPermission], book: &dyn Fn(&str) -> Option<String>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for permission in permissions {
        let protocol = match permission.ip_protocol() {
            Some("tcp" | "6") => "tcp",
            Some("udp" | "17") => "udp",
            Some(other) => other,
            None => "?",
        };
        let (first, last) = (permission.from_port().unwrap_or(0), permission.to_port().unwrap_or(65535));
        let ports = if first == last { first.to_string() } else { format!("{first}-{last}") };
        let ranges = permission.ip_ranges().iter().filter_map(IpRange::cidr_ip).map(str::to_owned);
        let wide = permission.ipv6_ranges().iter().filter_map(Ipv6Range::cidr_ipv6).map(str::to_owned);
        let groups = permission.user_id_group_pairs().iter().filter_map(UserIdGroupPair::group_id);
        let groups = groups.map(|id| {
            let resource = book(id).and_then(|resource| resource.strip_prefix("firewall/").map(str::to_owned));
            resource.unwrap_or_else(|| id.to_owned())
        });
        found.extend(ranges.chain(wide).chain(groups).map(|from| format!("{protocol}/{ports} from {from}")));
    }
    found
}

/// Makes a group's rules what they should be: adds first, takes away then.
pub async fn set_rules(clients: &Clients, making: &Making<'_>) -> Result<String, ProviderError> {
    let doing = format!("set {}", making.resource.id);
    let name = making.resource.id.trim_start_matches("rules/");
    let group = making.book.need(&doing, &format!("firewall/{name}"))?;
    let there = clients.ec2.describe_security_groups().group_ids(&group).send().await;
    let there = there.map_err(|error| failed(&doing, "ec2:DescribeSecurityGroups", &error))?;
    let permissions = there.security_groups().first().map(|group| group.ip_permissions()).unwrap_or_default();
    let present = rules(permissions, &|id| making.book.resource(id));
    let wanted: BTreeSet<String> = making
        .resource
        .attributes
        .get("rules")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|rule| rule.as_str().map(str::to_owned))
        .collect();
    let add: Vec<IpPermission> =
        wanted.difference(&present).map(|rule| permission(rule, making.book, &doing)).collect::<Result<_, _>>()?;
    if !add.is_empty() {
        let authorize = clients.ec2.authorize_security_group_ingress().group_id(&group).set_ip_permissions(Some(add));
        match authorize.send().await {
            // Somebody was quicker, or an answer was lost: the next look tells.
            Err(error) if code(&error) == "InvalidPermission.Duplicate" => {
                let mut error = failed(&doing, "ec2:AuthorizeSecurityGroupIngress", &error);
                error.class = crate::provider::ErrorClass::Transient;
                return Err(error);
            }
            Err(error) => return Err(failed(&doing, "ec2:AuthorizeSecurityGroupIngress", &error)),
            Ok(_) => {}
        }
    }
    if present.difference(&wanted).next().is_some() {
        let gone = unwanted(permissions, &wanted, making.book);
        let revoke = clients.ec2.revoke_security_group_ingress().group_id(&group).set_ip_permissions(Some(gone));
        match revoke.send().await {
            Err(error) if !is_gone(&error) => return Err(failed(&doing, "ec2:RevokeSecurityGroupIngress", &error)),
            _ => {}
        }
    }
    Ok(group)
}

/// Takes all rules away, so that groups that name each other can go.
pub async fn clear(clients: &Clients, group: &str) -> Result<(), ProviderError> {
    let doing = format!("take the rules of {group} away");
    let there = match clients.ec2.describe_security_groups().group_ids(group).send().await {
        Ok(there) => there,
        Err(error) if is_gone(&error) => return Ok(()),
        Err(error) => return Err(failed(&doing, "ec2:DescribeSecurityGroups", &error)),
    };
    let all: Vec<IpPermission> =
        there.security_groups().iter().flat_map(|group| group.ip_permissions()).cloned().collect();
    if all.is_empty() {
        return Ok(());
    }
    match clients.ec2.revoke_security_group_ingress().group_id(group).set_ip_permissions(Some(all)).send().await {
        Err(error) if !is_gone(&error) => Err(failed(&doing, "ec2:RevokeSecurityGroupIngress", &error)),
        _ => Ok(()),
    }
}

fn permission(rule: &str, book: &Book, doing: &str) -> Result<IpPermission, ProviderError> {
    let parsed = Rule::parse(rule).ok_or_else(|| permanent(doing, format!("`{rule}` is not a rule"), None))?;
    let one = IpPermission::builder()
        .ip_protocol(if parsed.udp { "udp" } else { "tcp" })
        .from_port(parsed.first.into())
        .to_port(parsed.last.into());
    Ok(match parsed.from {
        Source::Firewall(name) => {
            let group = book.need(doing, &format!("firewall/{name}"))?;
            one.user_id_group_pairs(UserIdGroupPair::builder().group_id(group).build())
        }
        Source::Range(range) if range.contains(':') => one.ipv6_ranges(Ipv6Range::builder().cidr_ipv6(range).build()),
        Source::Range(range) => one.ip_ranges(IpRange::builder().cidr_ip(range).build()),
    }
    .build())
}

/// The parts of permissions that are not wanted, each as it stands.
fn unwanted(permissions: &[IpPermission], wanted: &BTreeSet<String>, book: &Book) -> Vec<IpPermission> {
    let mut gone = Vec::new();
    for permission in permissions {
        let alone = || {
            IpPermission::builder()
                .set_ip_protocol(permission.ip_protocol.clone())
                .set_from_port(permission.from_port)
                .set_to_port(permission.to_port)
        };
        let parts = permission.ip_ranges().iter().map(|range| alone().ip_ranges(range.clone()).build());
        let parts =
            parts.chain(permission.ipv6_ranges().iter().map(|range| alone().ipv6_ranges(range.clone()).build()));
        let pairs = permission.user_id_group_pairs().iter().map(|pair| {
            let pair = UserIdGroupPair::builder().set_group_id(pair.group_id.clone()).build();
            alone().user_id_group_pairs(pair).build()
        });
        gone.extend(parts.chain(pairs).filter(|part| {
            rules(std::slice::from_ref(part), &|id| book.resource(id)).iter().all(|text| !wanted.contains(text))
        }));
    }
    gone
}
