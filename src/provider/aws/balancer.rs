//! Network load balancers: an alternative to an address for each node at the door.

use std::collections::BTreeSet;

use aws_sdk_elasticloadbalancingv2::types::{
    Action, ActionTypeEnum, LoadBalancerSchemeEnum, LoadBalancerTypeEnum, ProtocolEnum, TargetDescription,
    TargetTypeEnum,
};
use serde_json::{Value, json};

use super::{
    client::Clients,
    error::{code, failed, is_gone, is_held},
    firewall::stranger,
    network::nothing,
    tag,
};
use crate::provider::{
    Condition, ErrorClass, ProviderError, Stranger,
    cloud::{CloudOptions, Found, Making, blueprint::kind, tags},
};

/// The longest name that AWS takes for a balancer or a group of targets.
const NAME: usize = 32;

/// A name that is short enough and still the environment's own.
fn name(environment: &str, part: &str) -> String {
    let whole = format!("{environment}-{part}");
    whole.chars().take(NAME).collect::<String>().trim_end_matches('-').to_owned()
}

fn ports(making: &Making<'_>) -> Vec<i32> {
    let list = making.resource.attributes.get("ports").and_then(Value::as_array);
    list.into_iter().flatten().filter_map(Value::as_i64).filter_map(|port| i32::try_from(port).ok()).collect()
}

/// Makes the balancer, a group of targets and a listener for each port, with every node at the door in it.
pub async fn create(clients: &Clients, options: &CloudOptions, making: &Making<'_>) -> Result<String, ProviderError> {
    let doing = format!("create {}", making.resource.id);
    let elb = &clients.elb;
    let short = name(&options.environment, "lb");
    let subnets: Vec<String> = making
        .book
        .ids()
        .iter()
        .filter(|id| id.starts_with("subnet/public-"))
        .filter_map(|id| making.book.handle(id))
        .collect();
    let create = elb
        .create_load_balancer()
        .name(&short)
        .r#type(LoadBalancerTypeEnum::Network)
        .scheme(LoadBalancerSchemeEnum::InternetFacing)
        .set_subnets(Some(subnets))
        // With a group of its own, the nodes let in the balancer and its questions, and nobody else.
        .security_groups(making.book.need(&doing, "firewall/balancer")?)
        .set_tags(Some(tag::elb(making.tags)));
    let arn = match create.send().await {
        Ok(made) => made.load_balancers().first().and_then(|one| one.load_balancer_arn()).map(str::to_owned),
        Err(error) if code(&error).starts_with("DuplicateLoadBalancerName") => match find(clients, &short).await? {
            Some((arn, tags)) if tag::is_own(&tags, &options.environment) => Some(arn),
            Some((arn, _)) => return Err(stranger(&doing, &making.resource.id, &format!("balancer {short}"), &arn)),
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
    let doing = format!("set {}", making.resource.id);
    let elb = &clients.elb;
    let vpc = making.book.need(&doing, "network")?;
    let targets = making.resource.attributes.get("targets").and_then(Value::as_array).into_iter().flatten();
    let wanted: BTreeSet<String> =
        targets.filter_map(Value::as_str).map(|target| making.book.need(&doing, target)).collect::<Result<_, _>>()?;
    for port in ports(making) {
        let short = name(&options.environment, &format!("{port}"));
        let create = elb
            .create_target_group()
            .name(&short)
            .protocol(ProtocolEnum::Tcp)
            .port(port)
            .vpc_id(&vpc)
            .target_type(TargetTypeEnum::Instance)
            .health_check_protocol(ProtocolEnum::Tcp)
            .set_tags(Some(tag::elb(making.tags)));
        let group = match create.send().await {
            Ok(made) => made.target_groups().first().and_then(|one| one.target_group_arn()).map(str::to_owned),
            Err(error) if code(&error).starts_with("DuplicateTargetGroupName") => {
                let there = elb.describe_target_groups().names(&short).send().await;
                let there =
                    there.map_err(|error| failed(&doing, "elasticloadbalancing:DescribeTargetGroups", &error))?;
                there.target_groups().first().and_then(|one| one.target_group_arn()).map(str::to_owned)
            }
            Err(error) => return Err(failed(&doing, "elasticloadbalancing:CreateTargetGroup", &error)),
        };
        let group = group.ok_or_else(|| nothing(&doing))?;
        let present = members(clients, &group, &doing).await?;
        let target = |id: &String| TargetDescription::builder().id(id).build();
        let add: Vec<_> = wanted.difference(&present).map(target).collect();
        if !add.is_empty() {
            let register = elb.register_targets().target_group_arn(&group).set_targets(Some(add)).send().await;
            register.map_err(|error| failed(&doing, "elasticloadbalancing:RegisterTargets", &error))?;
        }
        let gone: Vec<_> = present.difference(&wanted).map(target).collect();
        if !gone.is_empty() {
            let leave = elb.deregister_targets().target_group_arn(&group).set_targets(Some(gone)).send().await;
            leave.map_err(|error| failed(&doing, "elasticloadbalancing:DeregisterTargets", &error))?;
        }
        let forward = Action::builder().r#type(ActionTypeEnum::Forward).target_group_arn(&group).build();
        let listen = elb.create_listener().load_balancer_arn(arn).protocol(ProtocolEnum::Tcp).port(port);
        match listen.default_actions(forward).send().await {
            Err(error) if !code(&error).starts_with("DuplicateListener") => {
                return Err(failed(&doing, "elasticloadbalancing:CreateListener", &error));
            }
            _ => {}
        }
    }
    Ok(())
}

async fn members(clients: &Clients, group: &str, doing: &str) -> Result<BTreeSet<String>, ProviderError> {
    let there = clients.elb.describe_target_health().target_group_arn(group).send().await;
    let there = there.map_err(|error| failed(doing, "elasticloadbalancing:DescribeTargetHealth", &error))?;
    let targets = there.target_health_descriptions().iter().filter_map(|one| one.target());
    Ok(targets.map(|target| target.id().unwrap_or_default().to_owned()).collect())
}

async fn find(clients: &Clients, name: &str) -> Result<Option<(String, tags::Tags)>, ProviderError> {
    let doing = "look for the balancer";
    let there = match clients.elb.describe_load_balancers().names(name).send().await {
        Ok(there) => there,
        Err(error) if is_gone(&error) || code(&error).starts_with("LoadBalancerNotFound") => return Ok(None),
        Err(error) => return Err(failed(doing, "elasticloadbalancing:DescribeLoadBalancers", &error)),
    };
    let Some(arn) = there.load_balancers().first().and_then(|one| one.load_balancer_arn()) else { return Ok(None) };
    let tags = clients.elb.describe_tags().resource_arns(arn).send().await;
    let tags = tags.map_err(|error| failed(doing, "elasticloadbalancing:DescribeTags", &error))?;
    let all = tags.tag_descriptions().iter().flat_map(|one| one.tags());
    let all = all.filter_map(|tag| Some((tag.key()?.to_owned(), tag.value().unwrap_or_default().to_owned())));
    Ok(Some((arn.to_owned(), all.collect())))
}

/// The environment's balancer.
pub async fn list(clients: &Clients, options: &CloudOptions) -> Result<Vec<Found>, ProviderError> {
    let doing = "look for the balancer";
    let Some((arn, tags)) = find(clients, &name(&options.environment, "lb")).await? else { return Ok(Vec::new()) };
    if !tag::is_own(&tags, &options.environment) {
        return Ok(Vec::new());
    }
    let listeners = clients.elb.describe_listeners().load_balancer_arn(&arn).send().await;
    let listeners = listeners.map_err(|error| failed(doing, "elasticloadbalancing:DescribeListeners", &error))?;
    let mut ports: Vec<i32> = listeners.listeners().iter().filter_map(|one| one.port()).collect();
    ports.sort_unstable();
    let attributes = tag::attributes(vec![("ports", json!(ports)), ("public", json!(true))]);
    let id = tags.get(tags::RESOURCE).cloned().unwrap_or_else(|| "balancer/external".to_owned());
    Ok(vec![Found {
        id,
        kind: kind::BALANCER,
        handle: arn,
        tags,
        attributes,
        condition: Condition::Good,
        machine: None,
    }])
}

/// Removes the balancer and its groups of targets. The balancer goes last, so that what is left is found by the next
/// attempt.
pub async fn remove(clients: &Clients, options: &CloudOptions, handle: &str) -> Result<(), ProviderError> {
    let doing = "remove the balancer";
    let elb = &clients.elb;
    let listeners = match elb.describe_listeners().load_balancer_arn(handle).send().await {
        Ok(there) => there.listeners.unwrap_or_default(),
        Err(error) if is_gone(&error) || code(&error).contains("NotFound") => Vec::new(),
        Err(error) => return Err(failed(doing, "elasticloadbalancing:DescribeListeners", &error)),
    };
    for arn in listeners.iter().filter_map(|listener| listener.listener_arn()) {
        match elb.delete_listener().listener_arn(arn).send().await {
            Err(error) if !code(&error).contains("NotFound") => {
                return Err(failed(doing, "elasticloadbalancing:DeleteListener", &error));
            }
            _ => {}
        }
    }
    for arn in own_groups(clients, options).await? {
        match elb.delete_target_group().target_group_arn(&arn).send().await {
            Err(error) if !code(&error).contains("NotFound") => {
                let mut told = failed(doing, "elasticloadbalancing:DeleteTargetGroup", &error);
                if is_held(&error) {
                    told.class = ErrorClass::Transient;
                }
                return Err(told);
            }
            _ => {}
        }
    }
    match elb.delete_load_balancer().load_balancer_arn(handle).send().await {
        Err(error) if !code(&error).contains("NotFound") => {
            Err(failed(doing, "elasticloadbalancing:DeleteLoadBalancer", &error))
        }
        _ => Ok(()),
    }
}

/// The environment's groups of targets, by tag.
async fn own_groups(clients: &Clients, options: &CloudOptions) -> Result<Vec<String>, ProviderError> {
    let doing = "look for the balancer's targets";
    let mut arns: Vec<String> = Vec::new();
    let mut pages = clients.elb.describe_target_groups().into_paginator().send();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| failed(doing, "elasticloadbalancing:DescribeTargetGroups", &error))?;
        arns.extend(page.target_groups().iter().filter_map(|group| group.target_group_arn().map(str::to_owned)));
    }
    let mut own = Vec::new();
    // One question is about 20 things at most.
    for arns in arns.chunks(20) {
        let there = clients.elb.describe_tags().set_resource_arns(Some(arns.to_vec())).send().await;
        let there = there.map_err(|error| failed(doing, "elasticloadbalancing:DescribeTags", &error))?;
        for one in there.tag_descriptions() {
            let is_own = one
                .tags()
                .iter()
                .any(|tag| tag.key() == Some(tags::ENVIRONMENT) && tag.value() == Some(options.environment.as_str()));
            own.extend(one.resource_arn().filter(|_| is_own).map(str::to_owned));
        }
    }
    Ok(own)
}

/// Somebody else's balancer under our name.
pub async fn look_for(clients: &Clients, environment: &str) -> Result<Option<Stranger>, ProviderError> {
    let name = name(environment, "lb");
    let found = find(clients, &name).await?;
    Ok(found.filter(|(_, tags)| !tag::is_own(tags, environment)).map(|(handle, _)| Stranger {
        resource: "balancer/external".to_owned(),
        what: format!("balancer {name}"),
        handle,
    }))
}
