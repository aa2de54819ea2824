//! What `check` looks at: who this is, where, whether there is enough of everything, whether the clocks agree.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ec2::types::{InstanceType, LocationType};
use jiff::Timestamp;
use serde_json::Value;

use super::{client::Clients, cloud::Aws, error::failed, list, machine, place, tag};
use crate::{
    provider::{
        Finding, ProviderError, Resource, Verdict,
        cloud::{
            blueprint::{self, kind},
            options::{Access, NetworkOptions},
            quota::{self, Limit, Needs},
            tags,
        },
    },
    topology::Topology,
};

/// Seconds that AWS's clock and this machine's may differ: signatures are refused from five minutes on.
const SKEW: i64 = 120;

/// Needs and quotas by name; the quota's service and code.
const VCPU: &str = "vCPUs of standard machines";
const SPOT: &str = "vCPUs of spot machines";
const ADDRESSES: &str = "elastic addresses";
const VPCS: &str = "VPCs";

/// Looks at everything; each thing that cannot be found out is a finding of its own.
pub async fn look(aws: &Aws, topology: &Topology, desired: &[Resource]) -> Vec<Finding> {
    let clients = match aws.clients().await {
        Ok(clients) => clients,
        Err(error) => return vec![bad("connection", &error)],
    };
    let mut findings = vec![];
    match who(aws, clients).await {
        Ok(finding) => findings.push(finding),
        // Without credentials nothing else can be asked.
        Err(error) => return vec![bad("identity", &error)],
    }
    findings.push(clock(clients).await);
    match aws.places.zones(clients).await {
        Ok(zones) => findings.push(good("zones", zones.join(", "))),
        Err(error) => {
            findings.push(bad("zones", &error));
            return findings;
        }
    }
    let live = list::instances(clients, None).await;
    findings.extend(network(aws, clients, topology, desired).await);
    findings.extend(types(aws, clients, desired).await);
    findings.extend(images(aws, clients, desired).await);
    match live {
        Ok(live) => findings.extend(quotas(aws, clients, topology, desired, &live).await),
        Err(error) => findings.push(bad("quotas", &error)),
    }
    findings.push(doors(aws));
    findings
}

fn good(name: &str, found: impl Into<String>) -> Finding {
    Finding { name: name.to_owned(), verdict: Verdict::Pass, found: found.into(), hint: None }
}

fn bad(name: &str, error: &ProviderError) -> Finding {
    let (found, hint) = (error.to_string(), error.hint.clone());
    Finding { name: name.to_owned(), verdict: Verdict::Fail, found, hint }
}

async fn who(aws: &Aws, clients: &Clients) -> Result<Finding, ProviderError> {
    let who = clients.sts.get_caller_identity().send().await;
    let who = who.map_err(|error| failed("ask who this is", "sts:GetCallerIdentity", &error))?;
    aws.right_account(clients).await?;
    let arn = who.arn().unwrap_or("somebody without a name");
    Ok(good("identity", format!("{arn} in account {}, region {}", who.account().unwrap_or("?"), clients.region)))
}

/// AWS's clock, as its answers carry it.
async fn clock(clients: &Clients) -> Finding {
    let asked = clients.ec2.describe_regions().region_names(&clients.region).customize();
    let date: std::sync::Arc<std::sync::Mutex<Option<String>>> = std::sync::Arc::default();
    let answer = asked.interceptor(Dates(date.clone())).send().await;
    if let Err(error) = answer {
        return bad("clock", &failed("ask for the region", "ec2:DescribeRegions", &error));
    }
    let date = date.lock().ok().and_then(|date| date.clone());
    let theirs = date.and_then(|date| jiff::fmt::rfc2822::parse(&date).ok()).map(|zoned| zoned.timestamp());
    let Some(theirs) = theirs else { return good("clock", "AWS told no time") };
    let skew = Timestamp::now().as_second() - theirs.as_second();
    if skew.abs() <= SKEW {
        return good("clock", format!("{} s from AWS's", skew.abs()));
    }
    Finding {
        name: "clock".to_owned(),
        verdict: Verdict::Fail,
        found: format!("this machine's clock is {} s {} AWS's", skew.abs(), if skew > 0 { "before" } else { "behind" }),
        hint: Some("set it (`timedatectl set-ntp true`): AWS refuses requests that are five minutes off".to_owned()),
    }
}

/// Keeps the `Date` of an answer.
#[derive(Debug)]
struct Dates(std::sync::Arc<std::sync::Mutex<Option<String>>>);

#[aws_smithy_runtime_api::client::interceptors::dyn_dispatch_hint]
impl aws_smithy_runtime_api::client::interceptors::Intercept for Dates {
    fn name(&self) -> &'static str {
        "refarch-dates"
    }

    fn read_after_deserialization(
        &self,
        context: &aws_smithy_runtime_api::client::interceptors::context::AfterDeserializationInterceptorContextRef<'_>,
        _: &aws_smithy_runtime_api::client::runtime_components::RuntimeComponents,
        _: &mut aws_smithy_types::config_bag::ConfigBag,
    ) -> Result<(), aws_smithy_runtime_api::box_error::BoxError> {
        if let (Some(date), Ok(mut kept)) = (context.response().headers().get("date"), self.0.lock()) {
            *kept = Some(date.to_owned());
        }
        Ok(())
    }
}

fn text<'a>(resource: &'a Resource, attribute: &str) -> Option<&'a str> {
    resource.attributes.get(attribute).and_then(Value::as_str)
}

/// Whether a network that exists has the subnets and the room.
async fn network(aws: &Aws, clients: &Clients, topology: &Topology, desired: &[Resource]) -> Vec<Finding> {
    if let NetworkOptions::Create { range, .. } = aws.options.network {
        let room = place::room(&format!("/{}", range.prefix_len() + 4));
        let zones = blueprint::zones(&aws.options) as u64;
        let nodes = (topology.nodes.len() as u64).div_ceil(zones);
        if room < nodes {
            let found = format!("each subnet of {range} has room for {room} nodes, and {nodes} belong there");
            let hint = Some("give `cloud.network.cidr` a wider range".to_owned());
            return vec![Finding { name: "network".to_owned(), verdict: Verdict::Fail, found, hint }];
        }
        return vec![good("network", format!("a new one, {range}"))];
    }
    let known = match aws.places.known(clients).await {
        Ok(known) => known,
        Err(error) => return vec![bad("network", &error)],
    };
    let mut wanted: BTreeMap<String, u64> = BTreeMap::new();
    for resource in desired.iter().filter(|resource| resource.kind == kind::INSTANCE) {
        let zone = resource.attributes.get("zone").and_then(Value::as_u64).unwrap_or(1);
        *wanted.entry(format!("subnet/{}-{zone}", text(resource, "subnet").unwrap_or("private"))).or_default() += 1;
    }
    let mut findings = Vec::new();
    for (id, nodes) in &wanted {
        let Some(handle) = known.get(id) else {
            let (side, zone) = id["subnet/".len()..].rsplit_once('-').unwrap_or(("private", "1"));
            findings.push(Finding {
                name: "network".to_owned(),
                verdict: Verdict::Fail,
                found: format!("it has no {side} subnet in zone {zone}, where {nodes} nodes belong"),
                hint: Some(format!(
                    "make one, or name it under `cloud.network.{side}_subnets`; `cloud.zones` may be fewer"
                )),
            });
            continue;
        };
        let there = clients.ec2.describe_subnets().subnet_ids(handle).send().await;
        let there = match there {
            Ok(there) => there,
            Err(error) => {
                findings.push(bad("network", &failed("look at the subnets", "ec2:DescribeSubnets", &error)));
                continue;
            }
        };
        let left = there.subnets().first().and_then(|subnet| subnet.available_ip_address_count()).unwrap_or(0);
        if u64::try_from(left).unwrap_or(0) < *nodes {
            findings.push(Finding {
                name: "network".to_owned(),
                verdict: Verdict::Fail,
                found: format!("subnet {handle} has {left} addresses left, and {nodes} nodes belong there"),
                hint: Some("name a wider one, or use more zones".to_owned()),
            });
        }
    }
    if findings.is_empty() {
        findings.push(good("network", known.get("network").cloned().unwrap_or_default()));
    }
    findings
}

/// Whether each machine type is offered in each zone where it is wanted.
async fn types(aws: &Aws, clients: &Clients, desired: &[Resource]) -> Vec<Finding> {
    let zones = match aws.places.zones(clients).await {
        Ok(zones) => zones,
        Err(error) => return vec![bad("machine types", &error)],
    };
    let mut wanted: BTreeSet<(String, String)> = BTreeSet::new();
    for resource in desired {
        let zone = resource.attributes.get("zone").and_then(Value::as_u64).unwrap_or(1);
        if let (Some(machine_type), true) = (text(resource, "machine_type"), resource.kind != kind::SUBNET) {
            let zone = zones[(usize::try_from(zone).unwrap_or(1).max(1) - 1) % zones.len()].clone();
            wanted.insert((machine_type.to_owned(), zone));
        }
    }
    let names: BTreeSet<&str> = wanted.iter().map(|(machine_type, _)| machine_type.as_str()).collect();
    let filters = vec![tag::by("instance-type", &names.iter().copied().collect::<Vec<_>>())];
    let pages = clients
        .ec2
        .describe_instance_type_offerings()
        .location_type(LocationType::AvailabilityZone)
        .set_filters(Some(filters))
        .into_paginator()
        .items()
        .send();
    let offered: Vec<_> = match pages.try_collect().await {
        Ok(offered) => offered,
        Err(error) => {
            let told = failed("look for machine types", "ec2:DescribeInstanceTypeOfferings", &error);
            return vec![bad("machine types", &told)];
        }
    };
    let offered: BTreeSet<(String, String)> = offered
        .iter()
        .filter_map(|one| Some((one.instance_type()?.as_str().to_owned(), one.location()?.to_owned())))
        .collect();
    let lacking: Vec<String> =
        wanted.difference(&offered).map(|(machine_type, zone)| format!("{machine_type} in {zone}")).collect();
    if lacking.is_empty() {
        return vec![good("machine types", format!("all {} are offered where they are wanted", names.len()))];
    }
    let stand_in = |what: &String| {
        let machine_type = what.split(' ').next().unwrap_or_default();
        aws.options.equivalents.contains_key(machine_type)
    };
    let verdict = if lacking.iter().all(stand_in) { Verdict::Warn } else { Verdict::Fail };
    vec![Finding {
        name: "machine types".to_owned(),
        verdict,
        found: format!("not offered: {}", lacking.join(", ")),
        hint: Some(
            "name other `cloud.zones`, another `machine_type`, or what may stand in under `cloud.equivalents`"
                .to_owned(),
        ),
    }]
}

/// Whether there is an image for each processor.
async fn images(aws: &Aws, clients: &Clients, desired: &[Resource]) -> Vec<Finding> {
    let processors: BTreeSet<&str> =
        desired.iter().filter_map(|resource| text(resource, "machine_type")).map(machine::architecture).collect();
    let mut findings = Vec::new();
    for processor in processors {
        let choice = crate::provider::cloud::options::choice(&aws.options.image);
        let pinned = desired
            .iter()
            .find(|resource| text(resource, "machine_type").map(machine::architecture) == Some(processor));
        let found = match pinned.and_then(|resource| text(resource, "image")) {
            Some(image) => machine::describe_image(clients, image, "look for the image").await.map(|there| {
                let told = there.architecture().map(|one| one.as_str().to_owned()).unwrap_or_default();
                (image.to_owned(), there.name().unwrap_or_default().to_owned(), told)
            }),
            None => machine::newest(clients, &aws.options.image, processor, choice)
                .await
                .map(|image| (image.id, image.name, processor.to_owned())),
        };
        findings.push(match found {
            Ok((id, name, architecture)) if architecture == processor => {
                good("image", format!("{id} {name} for {processor}"))
            }
            Ok((id, _, architecture)) => Finding {
                name: "image".to_owned(),
                verdict: Verdict::Fail,
                found: format!("{id} is for {architecture}, and machines here are {processor}"),
                hint: Some("name an image for each processor by `family`, or other machine types".to_owned()),
            },
            Err(error) => bad("image", &error),
        });
    }
    findings
}

/// Virtual CPUs of machine types, as AWS counts them.
async fn vcpus(clients: &Clients, names: &BTreeSet<&str>) -> Result<BTreeMap<String, f64>, ProviderError> {
    let mut found = BTreeMap::new();
    let names: Vec<&str> = names.iter().copied().collect();
    for names in names.chunks(100) {
        let kinds = names.iter().map(|name| InstanceType::from(*name)).collect();
        let pages =
            clients.ec2.describe_instance_types().set_instance_types(Some(kinds)).into_paginator().items().send();
        let kinds: Vec<_> = pages
            .try_collect()
            .await
            .map_err(|error| failed("look at machine types", "ec2:DescribeInstanceTypes", &error))?;
        for kind in kinds {
            let count = kind.v_cpu_info().and_then(|info| info.default_v_cpus()).unwrap_or(0);
            if let Some(name) = kind.instance_type() {
                found.insert(name.as_str().to_owned(), f64::from(count));
            }
        }
    }
    Ok(found)
}

async fn quotas(
    aws: &Aws,
    clients: &Clients,
    topology: &Topology,
    desired: &[Resource],
    live: &[(aws_sdk_ec2::types::Instance, usize)],
) -> Vec<Finding> {
    let own =
        |instance: &aws_sdk_ec2::types::Instance| tag::is_own(&tag::read(instance.tags()), &aws.options.environment);
    let mut names: BTreeSet<&str> = desired.iter().filter_map(|resource| text(resource, "machine_type")).collect();
    names.extend(live.iter().filter_map(|(instance, _)| Some(instance.instance_type()?.as_str())));
    // A type that does not exist is a finding of its own; the file's own figures are good enough here.
    let mut cpus = vcpus(clients, &names).await.unwrap_or_default();
    for node in &topology.nodes {
        if let Some(machine_type) = &node.machine.machine_type {
            cpus.entry(machine_type.clone()).or_insert(f64::from(node.machine.vcpu));
        }
    }
    let standard = |name: &str| {
        let first = name.chars().next().unwrap_or_default();
        "acdhimrtz".contains(first) && !name.starts_with("inf") && !name.starts_with("dl") && !name.starts_with("hpc")
    };
    let mut needs = Needs::new();
    for resource in desired.iter().filter(|resource| matches!(resource.kind.as_str(), kind::INSTANCE | kind::BASTION)) {
        let Some(machine_type) = text(resource, "machine_type").filter(|name| standard(name)) else { continue };
        let spot = resource.attributes.get("spot") == Some(&Value::Bool(true));
        *needs.entry(if spot { SPOT } else { VCPU }.to_owned()).or_default() +=
            cpus.get(machine_type).copied().unwrap_or(2.0);
    }
    let count = |kind: &str| desired.iter().filter(|resource| resource.kind == kind).count() as f64;
    needs.insert(ADDRESSES.to_owned(), count(kind::ADDRESS));
    needs.insert(VPCS.to_owned(), count(kind::NETWORK));

    let used_cpus = |spot: bool| -> f64 {
        let others = live.iter().filter(|(instance, _)| {
            !own(instance) && instance.instance_lifecycle().is_some_and(|cycle| cycle.as_str() == "spot") == spot
        });
        let names = others.filter_map(|(instance, _)| Some(instance.instance_type()?.as_str()));
        names.filter(|name| standard(name)).map(|name| cpus.get(name).copied().unwrap_or(2.0)).sum()
    };
    let (addresses, vpcs) = tokio::join!(
        clients.ec2.describe_addresses().send(),
        clients.ec2.describe_vpcs().into_paginator().items().send().try_collect(),
    );
    let foreign = |tags: &[aws_sdk_ec2::types::Tag]| {
        tag::read(tags).get(tags::ENVIRONMENT).is_none_or(|value| *value != aws.options.environment)
    };
    let addresses = addresses.map(|there| there.addresses().iter().filter(|one| foreign(one.tags())).count());
    let vpcs = vpcs.map(|there| there.iter().filter(|one| foreign(one.tags())).count());
    let mut limits = Vec::new();
    for (name, service, code, used) in [
        (VCPU, "ec2", "L-1216C47A", Some(used_cpus(false))),
        (SPOT, "ec2", "L-34B43A08", Some(used_cpus(true))),
        (ADDRESSES, "ec2", "L-0263D0A3", addresses.ok().map(|count| count as f64)),
        (VPCS, "vpc", "L-F678F1CE", vpcs.ok().map(|count| count as f64)),
    ] {
        if needs.get(name).is_none_or(|need| *need == 0.0) {
            continue;
        }
        if let (Some(used), Some(limit)) = (used, limit(clients, service, code).await) {
            let raise = format!("Service Quotas, {service} {code}");
            limits.push(Limit { quota: name.to_owned(), limit, used, raise });
        }
    }
    quota::findings(&needs, &limits)
}

/// A quota of the account, else AWS's default; none where neither is told.
async fn limit(clients: &Clients, service: &str, code: &str) -> Option<f64> {
    let quotas = &clients.quotas;
    if let Ok(there) = quotas.get_service_quota().service_code(service).quota_code(code).send().await {
        return there.quota().and_then(|quota| quota.value());
    }
    let there = quotas.get_aws_default_service_quota().service_code(service).quota_code(code).send().await.ok()?;
    there.quota().and_then(|quota| quota.value())
}

/// Whether SSH is open to all the world.
fn doors(aws: &Aws) -> Finding {
    let open = aws.options.admins.iter().any(|range| range.prefix_len() == 0);
    if aws.options.access == Access::Tunnel || !open {
        return good("SSH", "open to those that the file names");
    }
    Finding {
        name: "SSH".to_owned(),
        verdict: Verdict::Warn,
        found: "open to all the internet (by key only)".to_owned(),
        hint: Some("name your networks: `cloud: { admin_cidrs: [198.51.100.7/32] }`".to_owned()),
    }
}
