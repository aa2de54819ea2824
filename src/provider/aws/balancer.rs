//! Network load balancers: at the door, as an alternative to an address for each node there; between the nodes, as an
//! alternative to nodes that balance. A balancer has a listener and a group of targets for each of its services.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_elasticloadbalancingv2::types::{
    Action, ActionTypeEnum, Listener, LoadBalancer, LoadBalancerSchemeEnum, LoadBalancerTypeEnum, Matcher,
    ProtocolEnum, TargetDescription, TargetGroup, TargetGroupAttribute, TargetTypeEnum,
};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::{
    client::Clients,
    error::{code, failed, is_gone, is_held},
    firewall::stranger,
    network::nothing,
    tag,
};
use crate::provider::{
    Condition, ErrorClass, ProviderError, Stranger,
    cloud::{
        Book, CloudOptions, Found, Making,
        balance::Service,
        blueprint::kind,
        tags::{self, Tags},
    },
};

/// The longest name that AWS takes for a balancer or a group of targets.
const NAME: usize = 32;
/// The balancer at the door.
pub const EXTERNAL: &str = "balancer/external";

/// A name that is short enough and still the environment's own.
fn shorten(whole: &str) -> String {
    if whole.len() <= NAME {
        return whole.to_owned();
    }
    let digest: String = Sha256::digest(whole).iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{digest}", whole[..NAME - digest.len() - 1].trim_end_matches('-'))
}

/// Name of a balancer.
fn name(environment: &str, id: &str) -> String {
    match id {
        EXTERNAL => shorten(&format!("{environment}-lb")),
        _ => shorten(&format!("{environment}-{}", id.trim_start_matches("balancer/"))),
    }
}

/// Name of the targets behind one of its ports.
fn targets_name(environment: &str, id: &str, listen: u16) -> String {
    match id {
        EXTERNAL => shorten(&format!("{environment}-{listen}")),
        _ => shorten(&format!("{environment}-{}-{listen}", id.trim_start_matches("balancer/"))),
    }
}

/// Makes the balancer, and a group of targets and a listener for each service.
pub async fn create(clients: &Clients, options: &CloudOptions, making: &Making<'_>) -> Result<String, ProviderError> {
    let (id, doing) = (making.resource.id.as_str(), format!("create {}", making.resource.id));
    let elb = &clients.elb;
    let short = name(&options.environment, id);
    let external = id == EXTERNAL;
    let subnets = |side: &str| -> Vec<String> {
        let start = format!("subnet/{side}-");
        let ids = making.book.ids().into_iter().filter(|id| id.starts_with(&start));
        ids.filter_map(|id| making.book.handle(&id)).collect()
    };
    let inside = || Some(subnets("private")).filter(|found| !found.is_empty()).unwrap_or_else(|| subnets("public"));
    let firewall = if external { "firewall/balancer".to_owned() } else { id.replacen("balancer/", "firewall/", 1) };
    let create = elb
        .create_load_balancer()
        .name(&short)
        .r#type(LoadBalancerTypeEnum::Network)
        .scheme(if external { LoadBalancerSchemeEnum::InternetFacing } else { LoadBalancerSchemeEnum::Internal })
        .set_subnets(Some(if external { subnets("public") } else { inside() }))
        // With a group of its own, the nodes let in the balancer and its questions, and nobody else.
        .security_groups(making.book.need(&doing, &firewall)?)
        .set_tags(Some(tag::elb(making.tags)));
    let arn = match create.send().await {
        Ok(made) => made.load_balancers().first().and_then(|one| one.load_balancer_arn()).map(str::to_owned),
        Err(error) if code(&error).starts_with("DuplicateLoadBalancerName") => match find(clients, &short).await? {
            Some((arn, tags)) if tag::is_own(&tags, &options.environment) => Some(arn),
            Some((arn, _)) => return Err(stranger(&doing, id, &format!("balancer {short}"), &arn)),
            None => None,
        },
        Err(error) => return Err(failed(&doing, "elasticloadbalancing:CreateLoadBalancer", &error)),
    };
    let arn = arn.ok_or_else(|| nothing(&doing))?;
    set(clients, options, making, &arn).await?;
    Ok(arn)
}

/// Makes listeners and targets what they should be.
pub async fn set(
    clients: &Clients,
    options: &CloudOptions,
    making: &Making<'_>,
    arn: &str,
) -> Result<(), ProviderError> {
    let (id, doing) = (making.resource.id.as_str(), format!("set {}", making.resource.id));
    let wanted = Service::all(making.resource);
    let there = listeners(clients, arn, &doing).await?;
    let known = groups(clients, &doing).await?;
    for service in &wanted {
        let short = targets_name(&options.environment, id, service.listen);
        let fits = |group: &&TargetGroup| group.target_group_name() == Some(&short) && asks(group, service);
        let group = match known.values().find(fits).and_then(TargetGroup::target_group_arn) {
            Some(group) => group.to_owned(),
            None => {
                // Another port or another question wants another group of targets.
                let old = known.values().find(|group| group.target_group_name() == Some(&short));
                if let Some(old) = old.and_then(TargetGroup::target_group_arn) {
                    let on = there.iter().filter(|listener| forwards_to(listener) == Some(old));
                    for listener in on.filter_map(Listener::listener_arn) {
                        delete_listener(clients, listener, &doing).await?;
                    }
                    delete_group(clients, old, &doing).await?;
                }
                make_group(clients, making, &short, service, &doing).await?
            }
        };
        if id != EXTERNAL {
            hide_clients(clients, &group, &doing).await?;
        }
        register(clients, making, &group, service, &doing).await?;
        let listens = |listener: &&Listener| listener.port() == Some(service.listen.into());
        match there.iter().find(listens) {
            Some(listener) if forwards_to(listener) == Some(&group) => continue,
            // Somebody had it lead elsewhere.
            Some(listener) => delete_listener(clients, listener.listener_arn().unwrap_or_default(), &doing).await?,
            None => {}
        }
        let forward = Action::builder().r#type(ActionTypeEnum::Forward).target_group_arn(&group).build();
        let listen = clients.elb.create_listener().load_balancer_arn(arn).protocol(ProtocolEnum::Tcp);
        match listen.port(service.listen.into()).default_actions(forward).send().await {
            Err(error) if !code(&error).starts_with("DuplicateListener") => {
                return Err(failed(&doing, "elasticloadbalancing:CreateListener", &error));
            }
            _ => {}
        }
    }
    for listener in &there {
        let port = listener.port().and_then(|port| u16::try_from(port).ok());
        if wanted.iter().any(|service| Some(service.listen) == port) {
            continue;
        }
        if let Some(arn) = listener.listener_arn() {
            delete_listener(clients, arn, &doing).await?;
        }
        if let Some(group) = forwards_to(listener) {
            delete_group(clients, group, &doing).await?;
        }
    }
    Ok(())
}

/// Whether a group of targets has the port and the question of a service.
fn asks(group: &TargetGroup, service: &Service) -> bool {
    let (asked, path) = question(group);
    group.port() == Some(service.port.into()) && asked == Some(service.asked) && path == service.path
}

/// Port and path that a group asks at.
fn question(group: &TargetGroup) -> (Option<u16>, Option<String>) {
    let own = group.port().and_then(|port| u16::try_from(port).ok());
    let asked = group.health_check_port().and_then(|port| port.parse().ok()).or(own);
    let http = group.health_check_protocol() == Some(&ProtocolEnum::Http);
    (asked, group.health_check_path().filter(|_| http).map(str::to_owned))
}

async fn make_group(
    clients: &Clients,
    making: &Making<'_>,
    short: &str,
    service: &Service,
    doing: &str,
) -> Result<String, ProviderError> {
    let elb = &clients.elb;
    let create = elb
        .create_target_group()
        .name(short)
        .protocol(ProtocolEnum::Tcp)
        .port(service.port.into())
        .vpc_id(making.book.need(doing, "network")?)
        .target_type(TargetTypeEnum::Instance)
        .health_check_protocol(if service.path.is_some() { ProtocolEnum::Http } else { ProtocolEnum::Tcp })
        .health_check_port(service.asked.to_string())
        .set_health_check_path(service.path.clone())
        .set_matcher(service.path.as_ref().map(|_| Matcher::builder().http_code("200").build()))
        .set_tags(Some(tag::elb(making.tags)));
    let made = match create.send().await {
        Ok(made) => made.target_groups.unwrap_or_default(),
        // An answer was lost: it is there.
        Err(error) if code(&error).starts_with("DuplicateTargetGroupName") => {
            let there = elb.describe_target_groups().names(short).send().await;
            let there = there.map_err(|error| failed(doing, "elasticloadbalancing:DescribeTargetGroups", &error))?;
            there.target_groups.unwrap_or_default()
        }
        Err(error) => return Err(failed(doing, "elasticloadbalancing:CreateTargetGroup", &error)),
    };
    let arn = made.first().and_then(TargetGroup::target_group_arn);
    arn.map(str::to_owned).ok_or_else(|| nothing(doing))
}

/// A node behind a balancer may be its client as well: with its own address it would not reach itself.
async fn hide_clients(clients: &Clients, group: &str, doing: &str) -> Result<(), ProviderError> {
    let keep = TargetGroupAttribute::builder().key("preserve_client_ip.enabled").value("false").build();
    let modify = clients.elb.modify_target_group_attributes().target_group_arn(group).attributes(keep).send().await;
    modify.map(drop).map_err(|error| failed(doing, "elasticloadbalancing:ModifyTargetGroupAttributes", &error))
}

async fn register(
    clients: &Clients,
    making: &Making<'_>,
    group: &str,
    service: &Service,
    doing: &str,
) -> Result<(), ProviderError> {
    let nodes = service.nodes.iter().map(|node| making.book.need(doing, node));
    let wanted: BTreeSet<String> = nodes.collect::<Result<_, _>>()?;
    let present = members(clients, group, doing).await?;
    let target = |id: &String| TargetDescription::builder().id(id).build();
    let add: Vec<_> = wanted.difference(&present).map(target).collect();
    if !add.is_empty() {
        let register = clients.elb.register_targets().target_group_arn(group).set_targets(Some(add)).send().await;
        register.map_err(|error| failed(doing, "elasticloadbalancing:RegisterTargets", &error))?;
    }
    let gone: Vec<_> = present.difference(&wanted).map(target).collect();
    if !gone.is_empty() {
        let leave = clients.elb.deregister_targets().target_group_arn(group).set_targets(Some(gone)).send().await;
        leave.map_err(|error| failed(doing, "elasticloadbalancing:DeregisterTargets", &error))?;
    }
    Ok(())
}

async fn members(clients: &Clients, group: &str, doing: &str) -> Result<BTreeSet<String>, ProviderError> {
    let there = clients.elb.describe_target_health().target_group_arn(group).send().await;
    let there = there.map_err(|error| failed(doing, "elasticloadbalancing:DescribeTargetHealth", &error))?;
    let targets = there.target_health_descriptions().iter().filter_map(|one| one.target());
    Ok(targets.map(|target| target.id().unwrap_or_default().to_owned()).collect())
}

/// The group of targets that a listener leads to.
fn forwards_to(listener: &Listener) -> Option<&str> {
    listener.default_actions().iter().find_map(Action::target_group_arn)
}

async fn listeners(clients: &Clients, arn: &str, doing: &str) -> Result<Vec<Listener>, ProviderError> {
    let pages = clients.elb.describe_listeners().load_balancer_arn(arn).into_paginator().items().send();
    let found: Result<Vec<Listener>, _> = pages.try_collect().await;
    match found {
        Err(error) if is_gone(&error) || code(&error).contains("NotFound") => Ok(Vec::new()),
        found => found.map_err(|error| failed(doing, "elasticloadbalancing:DescribeListeners", &error)),
    }
}

/// ARN -> group of targets, of all in the account.
async fn groups(clients: &Clients, doing: &str) -> Result<BTreeMap<String, TargetGroup>, ProviderError> {
    let pages = clients.elb.describe_target_groups().into_paginator().items().send();
    let found: Vec<TargetGroup> = pages
        .try_collect()
        .await
        .map_err(|error| failed(doing, "elasticloadbalancing:DescribeTargetGroups", &error))?;
    Ok(found.into_iter().filter_map(|group| Some((group.target_group_arn()?.to_owned(), group))).collect())
}

/// Tags of things of this service.
async fn tags_of(clients: &Clients, arns: Vec<String>, doing: &str) -> Result<BTreeMap<String, Tags>, ProviderError> {
    let mut found = BTreeMap::new();
    // One question is about 20 things at most.
    for arns in arns.chunks(20) {
        let there = clients.elb.describe_tags().set_resource_arns(Some(arns.to_vec())).send().await;
        let there = there.map_err(|error| failed(doing, "elasticloadbalancing:DescribeTags", &error))?;
        for one in there.tag_descriptions.unwrap_or_default() {
            let all = one.tags().iter();
            let all = all.filter_map(|tag| Some((tag.key()?.to_owned(), tag.value().unwrap_or_default().to_owned())));
            let all: Tags = all.collect();
            found.extend(one.resource_arn().map(|arn| (arn.to_owned(), all)));
        }
    }
    Ok(found)
}

async fn find(clients: &Clients, name: &str) -> Result<Option<(String, Tags)>, ProviderError> {
    let doing = "look for the balancer";
    let there = match clients.elb.describe_load_balancers().names(name).send().await {
        Ok(there) => there,
        Err(error) if is_gone(&error) || code(&error).starts_with("LoadBalancerNotFound") => return Ok(None),
        Err(error) => return Err(failed(doing, "elasticloadbalancing:DescribeLoadBalancers", &error)),
    };
    let Some(arn) = there.load_balancers().first().and_then(LoadBalancer::load_balancer_arn) else { return Ok(None) };
    let tags = tags_of(clients, vec![arn.to_owned()], doing).await?.remove(arn).unwrap_or_default();
    Ok(Some((arn.to_owned(), tags)))
}

/// The environment's balancers. `machines` tells which resource a machine is.
pub async fn list(
    clients: &Clients,
    options: &CloudOptions,
    machines: &BTreeMap<String, String>,
) -> Result<Vec<Found>, ProviderError> {
    let doing = "look for the balancers";
    let pages = clients.elb.describe_load_balancers().into_paginator().items().send();
    let all: Vec<LoadBalancer> = pages
        .try_collect()
        .await
        .map_err(|error| failed(doing, "elasticloadbalancing:DescribeLoadBalancers", &error))?;
    let arns: Vec<String> = all.iter().filter_map(|one| one.load_balancer_arn().map(str::to_owned)).collect();
    let mut tags = tags_of(clients, arns, doing).await?;
    tags.retain(|_, tags| tag::is_own(tags, &options.environment));
    if tags.is_empty() {
        return Ok(Vec::new());
    }
    let groups = groups(clients, doing).await?;
    let mut found = Vec::new();
    for (handle, tags) in tags {
        let mut services = Vec::new();
        for listener in listeners(clients, &handle, doing).await? {
            let group = forwards_to(&listener).and_then(|arn| groups.get(arn));
            let ports = listener.port().zip(group.and_then(TargetGroup::port));
            let (Some(group), Some((listen, port))) = (group, ports) else { continue };
            let (asked, path) = question(group);
            let members = members(clients, group.target_group_arn().unwrap_or_default(), doing).await?;
            let named = members.into_iter().map(|id| machines.get(&id).cloned().unwrap_or(id));
            let number = |port: i32| u16::try_from(port).unwrap_or_default();
            services.push(Service {
                listen: number(listen),
                port: number(port),
                asked: asked.unwrap_or_default(),
                path,
                nodes: named.collect(),
            });
        }
        let one = all.iter().find(|one| one.load_balancer_arn() == Some(&handle));
        let public = one.and_then(LoadBalancer::scheme) == Some(&LoadBalancerSchemeEnum::InternetFacing);
        let attributes = vec![("services", Service::texts(services)), ("public", json!(public))];
        found.push(Found {
            id: tags.get(tags::RESOURCE).cloned().unwrap_or_else(|| EXTERNAL.to_owned()),
            kind: kind::BALANCER,
            handle,
            tags,
            attributes: tag::attributes(attributes),
            condition: Condition::Good,
            machine: None,
        });
    }
    Ok(found)
}

async fn delete_listener(clients: &Clients, arn: &str, doing: &str) -> Result<(), ProviderError> {
    match clients.elb.delete_listener().listener_arn(arn).send().await {
        Err(error) if !code(&error).contains("NotFound") => {
            Err(failed(doing, "elasticloadbalancing:DeleteListener", &error))
        }
        _ => Ok(()),
    }
}

async fn delete_group(clients: &Clients, arn: &str, doing: &str) -> Result<(), ProviderError> {
    match clients.elb.delete_target_group().target_group_arn(arn).send().await {
        Err(error) if !code(&error).contains("NotFound") => {
            let mut told = failed(doing, "elasticloadbalancing:DeleteTargetGroup", &error);
            if is_held(&error) {
                told.class = ErrorClass::Transient;
            }
            Err(told)
        }
        _ => Ok(()),
    }
}

/// Removes a balancer and its groups of targets. The balancer goes last, so that what is left is found by the next
/// attempt.
pub async fn remove(clients: &Clients, options: &CloudOptions, handle: &str, id: &str) -> Result<(), ProviderError> {
    let doing = format!("remove {id}");
    for arn in listeners(clients, handle, &doing).await?.iter().filter_map(Listener::listener_arn) {
        delete_listener(clients, arn, &doing).await?;
    }
    let arns: Vec<String> = groups(clients, &doing).await?.into_keys().collect();
    for (arn, tags) in tags_of(clients, arns, &doing).await? {
        let of = tags.get(tags::RESOURCE).is_none_or(|resource| resource == id);
        if of && tag::is_own(&tags, &options.environment) {
            delete_group(clients, &arn, &doing).await?;
        }
    }
    match clients.elb.delete_load_balancer().load_balancer_arn(handle).send().await {
        Err(error) if !code(&error).contains("NotFound") => {
            Err(failed(&doing, "elasticloadbalancing:DeleteLoadBalancer", &error))
        }
        _ => Ok(()),
    }
}

/// Host name of a balancer that is there. Its addresses differ from zone to zone; the name leads to those that are well.
pub async fn host(clients: &Clients, role: &str, book: &Book) -> Result<Option<String>, ProviderError> {
    let Some(arn) = book.handle(&format!("balancer/{role}")) else { return Ok(None) };
    let there = clients.elb.describe_load_balancers().load_balancer_arns(arn).send().await;
    let there = there
        .map_err(|error| failed("ask for the balancer's name", "elasticloadbalancing:DescribeLoadBalancers", &error))?;
    Ok(there.load_balancers().first().and_then(LoadBalancer::dns_name).map(str::to_owned))
}

/// Somebody else's balancer under our name.
pub async fn look_for(clients: &Clients, environment: &str, id: &str) -> Result<Option<Stranger>, ProviderError> {
    let name = name(environment, id);
    let found = find(clients, &name).await?;
    Ok(found.filter(|(_, tags)| !tag::is_own(tags, environment)).map(|(handle, _)| Stranger {
        resource: id.to_owned(),
        what: format!("balancer {name}"),
        handle,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_and_stay_apart() {
        assert_eq!(name("demo", EXTERNAL), "demo-lb");
        assert_eq!(targets_name("demo", "balancer/haproxy-internal", 6432), "demo-haproxy-internal-6432");
        let long = "an-environment-with-a-long-name";
        let all: BTreeSet<String> =
            [80, 443, 6432].map(|port| targets_name(long, "balancer/haproxy-internal", port)).into();
        assert!(all.len() == 3 && all.iter().all(|name| name.len() <= NAME && !name.ends_with('-')), "{all:?}");
    }
}
