//! Everything that carries an environment's tag, all pages.

use std::collections::BTreeMap;

use aws_sdk_ec2::types::{Filter, Instance, InstanceStateName, Volume};
use serde_json::{Value, json};

use super::{AwsOptions, balancer, bucket, client::Clients, error::failed, firewall, identity, tag};
use crate::provider::{
    Condition, ProviderError,
    cloud::{
        CloudOptions, Found, Machine,
        blueprint::kind,
        tags::{self, Tags},
        which,
    },
};

/// Handle -> resource, of what was found so far.
type Names = BTreeMap<String, String>;

macro_rules! pages {
    ($doing:expr, $permission:literal, $call:expr) => {
        $call.into_paginator().items().send().try_collect().await.map_err(|error| failed($doing, $permission, &error))
    };
}

/// Everything of the environment.
/// `known` are handles of what is only used, such as the subnets of a network that exists.
pub async fn list(
    clients: &Clients,
    options: &CloudOptions,
    aws: &AwsOptions,
    known: BTreeMap<String, String>,
) -> Result<Vec<Found>, ProviderError> {
    let own = || Some(vec![tag::filter(tags::ENVIRONMENT, &options.environment)]);
    let doing = "list what the environment has";
    let ec2 = &clients.ec2;
    let vpcs = async { pages!(doing, "ec2:DescribeVpcs", ec2.describe_vpcs().set_filters(own())) };
    let subnets = async { pages!(doing, "ec2:DescribeSubnets", ec2.describe_subnets().set_filters(own())) };
    let gateways =
        async { pages!(doing, "ec2:DescribeInternetGateways", ec2.describe_internet_gateways().set_filters(own())) };
    let nats = async { pages!(doing, "ec2:DescribeNatGateways", ec2.describe_nat_gateways().set_filter(own())) };
    let tables = async { pages!(doing, "ec2:DescribeRouteTables", ec2.describe_route_tables().set_filters(own())) };
    let groups =
        async { pages!(doing, "ec2:DescribeSecurityGroups", ec2.describe_security_groups().set_filters(own())) };
    let keys = async {
        let there = ec2.describe_key_pairs().set_filters(own()).include_public_key(true).send().await;
        there.map_err(|error| failed(doing, "ec2:DescribeKeyPairs", &error))
    };
    let addresses = async {
        let there = ec2.describe_addresses().set_filters(own()).send().await;
        there.map_err(|error| failed(doing, "ec2:DescribeAddresses", &error))
    };
    let volumes = async { pages!(doing, "ec2:DescribeVolumes", ec2.describe_volumes().set_filters(own())) };
    let instances = instances(clients, own());
    let (vpcs, subnets, gateways, nats, tables, groups, keys, addresses, volumes, instances) =
        tokio::try_join!(vpcs, subnets, gateways, nats, tables, groups, keys, addresses, volumes, instances)?;
    let machines = instances
        .iter()
        .filter_map(|(one, index)| Some((one.instance_id()?.to_owned(), which(&tag::read(one.tags()), *index)?)))
        .collect();
    let (roles, buckets, balancers) = tokio::try_join!(
        identity::list(clients, options, aws),
        bucket::list(clients, options),
        balancer::list(clients, options, &machines),
    )?;

    // Each answer is held against the tag: what a filter let through by mistake would be destroyed with ours.
    let own = |tags: &[aws_sdk_ec2::types::Tag]| tag::is_own(&tag::read(tags), &options.environment);
    let vpcs: Vec<_> = vpcs.into_iter().filter(|one| own(one.tags())).collect();
    let subnets: Vec<_> = subnets.into_iter().filter(|one| own(one.tags())).collect();
    let gateways: Vec<_> = gateways.into_iter().filter(|one| own(one.tags())).collect();
    let nats: Vec<_> = nats.into_iter().filter(|one| own(one.tags())).collect();
    let tables: Vec<_> = tables.into_iter().filter(|one| own(one.tags())).collect();
    let groups: Vec<_> = groups.into_iter().filter(|one| own(one.tags())).collect();
    let volumes: Vec<_> = volumes.into_iter().filter(|one| own(one.tags())).collect();
    let instances: Vec<_> = instances.into_iter().filter(|(one, _)| own(one.tags())).collect();
    let addresses: Vec<_> = addresses.addresses.unwrap_or_default().into_iter().filter(|one| own(one.tags())).collect();
    let keys: Vec<_> = keys.key_pairs.unwrap_or_default().into_iter().filter(|one| own(one.tags())).collect();

    let mut found = Vec::new();
    for vpc in &vpcs {
        let attributes = vec![("cidr", json!(vpc.cidr_block()))];
        found.extend(simple(kind::NETWORK, vpc.vpc_id(), vpc.tags(), attributes));
    }
    for subnet in &subnets {
        let attributes =
            vec![("cidr", json!(subnet.cidr_block())), ("public", json!(subnet.map_public_ip_on_launch()))];
        found.extend(simple(kind::SUBNET, subnet.subnet_id(), subnet.tags(), attributes));
    }
    for gateway in &gateways {
        found.extend(simple(kind::GATEWAY, gateway.internet_gateway_id(), gateway.tags(), Vec::new()));
    }
    for address in &addresses {
        found.extend(simple(kind::ADDRESS, address.allocation_id(), address.tags(), Vec::new()));
    }
    for group in &groups {
        found.extend(simple(kind::FIREWALL, group.group_id(), group.tags(), Vec::new()));
    }
    for key in &keys {
        // Without its comment.
        let words: Vec<&str> = key.public_key().unwrap_or_default().split_whitespace().take(2).collect();
        let public = if words.len() == 2 { vec![("public", json!(words.join(" ")))] } else { Vec::new() };
        found.extend(simple(kind::KEY, key.key_pair_id(), key.tags(), public));
    }
    let names: Names = known
        .iter()
        .map(|(handle, id)| (handle.clone(), id.clone()))
        .chain(found.iter().map(|found| (found.handle.clone(), found.id.clone())))
        .collect();
    for nat in
        nats.iter().filter(|nat| !matches!(nat.state().map(|state| state.as_str()), Some("deleted" | "deleting")))
    {
        let address = nat.nat_gateway_addresses().iter().find_map(|address| names.get(address.allocation_id()?));
        let attributes =
            vec![("subnet", json!(nat.subnet_id().and_then(|id| names.get(id)))), ("address", json!(address))];
        found.extend(simple(kind::NAT, nat.nat_gateway_id(), nat.tags(), attributes).map(|mut found| {
            if nat.state().is_some_and(|state| state.as_str() == "failed") {
                found.condition = Condition::Broken("the NAT gateway failed".to_owned());
            }
            found
        }));
    }
    let names: Names = known
        .iter()
        .map(|(handle, id)| (handle.clone(), id.clone()))
        .chain(found.iter().map(|found| (found.handle.clone(), found.id.clone())))
        .collect();
    for table in &tables {
        let default = table.routes().iter().find(|route| route.destination_cidr_block() == Some("0.0.0.0/0"));
        let way = default.filter(|route| route.state().is_none_or(|state| state.as_str() != "blackhole"));
        let way = way.and_then(|route| route.nat_gateway_id().or(route.gateway_id()));
        let mut subnets: Vec<&String> =
            table.associations().iter().filter_map(|one| names.get(one.subnet_id()?)).collect();
        subnets.sort();
        let attributes = vec![("default", json!(way.and_then(|id| names.get(id)))), ("subnets", json!(subnets))];
        found.extend(simple(kind::ROUTES, table.route_table_id(), table.tags(), attributes));
    }
    for group in groups.iter().filter(|group| !group.ip_permissions().is_empty()) {
        let Some(name) = group.group_id().and_then(|id| names.get(id)) else { continue };
        let rules = rules(group.ip_permissions(), &names);
        found.push(Found {
            id: format!("rules/{}", name.trim_start_matches("firewall/")),
            kind: kind::RULES,
            handle: group.group_id().unwrap_or_default().to_owned(),
            tags: Tags::new(),
            attributes: tag::attributes(vec![("rules", json!(rules))]),
            condition: Condition::Good,
            machine: None,
        });
    }
    let attached: BTreeMap<&str, &Volume> = volumes
        .iter()
        .filter(|volume| !volume.attachments().is_empty())
        .filter_map(|volume| Some((volume.volume_id()?, volume)))
        .collect();
    let associated: BTreeMap<&str, &str> = addresses
        .iter()
        .filter_map(|address| Some((address.instance_id()?, names.get(address.allocation_id()?)?.as_str())))
        .collect();
    for (instance, index) in &instances {
        found.extend(machine(instance, *index, &names, &attached, &associated));
    }
    for volume in volumes.iter().filter(|volume| volume.state().is_some_and(|state| state.as_str() == "available")) {
        let handle = volume.volume_id().unwrap_or_default();
        found.push(Found {
            id: format!("disk/{handle}"),
            kind: kind::DISK,
            handle: handle.to_owned(),
            tags: tag::read(volume.tags()),
            attributes: tag::attributes(vec![("size_gb", json!(volume.size()))]),
            condition: Condition::Good,
            machine: None,
        });
    }
    found.extend(roles.into_iter().chain(buckets).chain(balancers));
    Ok(found)
}

/// The rules of a group, in the order in which the blueprint has them.
fn rules(permissions: &[aws_sdk_ec2::types::IpPermission], names: &Names) -> Vec<String> {
    use crate::provider::cloud::reach::Rule;
    let texts = firewall::rules(permissions, &|id| names.get(id).cloned());
    let mut known: Vec<Rule> = texts.iter().filter_map(|text| Rule::parse(text)).collect();
    known.sort();
    let strange = texts.iter().filter(|text| Rule::parse(text).is_none()).cloned();
    known.iter().map(ToString::to_string).chain(strange).collect()
}

fn simple(
    kind: &'static str,
    handle: Option<&str>,
    tags: &[aws_sdk_ec2::types::Tag],
    attributes: Vec<(&str, Value)>,
) -> Option<Found> {
    let (handle, tags) = (handle?.to_owned(), tag::read(tags));
    let id = tags.get(tags::RESOURCE).cloned().unwrap_or_else(|| format!("{kind}/{handle}"));
    let attributes = tag::attributes(attributes);
    Some(Found { id, kind, handle, tags, attributes, condition: Condition::Good, machine: None })
}

/// Instances that are there, each with its place in the launch that made it.
pub async fn instances(
    clients: &Clients,
    filters: Option<Vec<Filter>>,
) -> Result<Vec<(Instance, usize)>, ProviderError> {
    let doing = "list the machines";
    let reservations =
        clients.ec2.describe_instances().set_filters(filters).into_paginator().items().send().try_collect();
    let reservations = reservations.await.map_err(|error| failed(doing, "ec2:DescribeInstances", &error))?;
    let instances = reservations.into_iter().flat_map(|reservation| reservation.instances.unwrap_or_default());
    let there = instances.filter(|instance| {
        !matches!(
            instance.state().and_then(|state| state.name()),
            Some(InstanceStateName::Terminated | InstanceStateName::ShuttingDown)
        )
    });
    Ok(there
        .map(|instance| {
            let index = usize::try_from(instance.ami_launch_index().unwrap_or(0)).unwrap_or(0);
            (instance, index)
        })
        .collect())
}

/// A machine with as much as its own description tells.
pub fn plain(instance: &Instance, index: usize) -> Option<Found> {
    machine(instance, index, &Names::new(), &BTreeMap::new(), &BTreeMap::new())
}

fn machine(
    instance: &Instance,
    index: usize,
    names: &Names,
    volumes: &BTreeMap<&str, &Volume>,
    associated: &BTreeMap<&str, &str>,
) -> Option<Found> {
    let handle = instance.instance_id()?.to_owned();
    let tags = tag::read(instance.tags());
    let id = which(&tags, index).unwrap_or_else(|| format!("instance/{handle}"));
    let kind = if id == crate::provider::cloud::reach::BASTION { kind::BASTION } else { kind::INSTANCE };
    let mut attributes = BTreeMap::new();
    let mut set = |name: &str, value: Value| {
        attributes.insert(name.to_owned(), value);
    };
    set("machine_type", json!(instance.instance_type().map(|kind| kind.as_str())));
    if kind == kind::INSTANCE {
        set("image", json!(instance.image_id()));
    }
    set("spot", json!(instance.instance_lifecycle().is_some_and(|cycle| cycle.as_str() == "spot")));
    set("identity", json!(instance.iam_instance_profile().is_some()));
    if let Some(side) = instance.subnet_id().and_then(|id| names.get(id)) {
        set("subnet", json!(if side.starts_with("subnet/public-") { "public" } else { "private" }));
    }
    if !names.is_empty() {
        set("address", json!(associated.get(handle.as_str())));
        let known = instance.security_groups().iter();
        let known = known.chain(instance.network_interfaces().iter().flat_map(|interface| interface.groups()));
        let known: std::collections::BTreeSet<&str> = known.filter_map(|group| group.group_id()).collect();
        let mut groups: Vec<String> = known
            .into_iter()
            .map(|id| {
                names.get(id).map_or_else(|| id.to_owned(), |name| name.trim_start_matches("firewall/").to_owned())
            })
            .collect();
        // The one that all have comes first in the blueprint.
        groups.sort_by_key(|name| (name != crate::provider::cloud::reach::EVERYONE, name.clone()));
        set("firewalls", json!(groups));
    }
    let root = instance.root_device_name();
    for mapping in instance.block_device_mappings() {
        let volume = mapping.ebs().and_then(|ebs| volumes.get(ebs.volume_id()?));
        let Some(volume) = volume else { continue };
        let start = if mapping.device_name() == root { "disk" } else { "data" };
        let mut part = |name: &str, value: Value| {
            attributes.insert(format!("{start}_{name}"), value);
        };
        part("gb", json!(volume.size()));
        part("type", json!(volume.volume_type().map(|kind| kind.as_str())));
        if let Some(iops) = volume.iops() {
            part("iops", json!(iops));
        }
        if let Some(throughput) = volume.throughput() {
            part("throughput", json!(throughput));
        }
    }
    let condition = match instance.state().and_then(|state| state.name()) {
        Some(InstanceStateName::Running | InstanceStateName::Pending) => Condition::Good,
        Some(InstanceStateName::Stopped | InstanceStateName::Stopping) => Condition::Stopped,
        state => Condition::Broken(format!("it is {}", state.map_or("in no known state", |state| state.as_str()))),
    };
    let architecture = match instance.architecture().map(|architecture| architecture.as_str()) {
        Some("arm64") => "arm64",
        _ => "x86_64",
    };
    let machine = Machine {
        private: instance.private_ip_address().and_then(|address| address.parse().ok()),
        public: instance.public_ip_address().and_then(|address| address.parse().ok()),
        zone: instance.placement().and_then(|place| place.availability_zone()).map(str::to_owned),
        image: instance.image_id().map(|image| (image.to_owned(), architecture.to_owned())),
    };
    Some(Found { id, kind, handle, tags, attributes, condition, machine: Some(machine) })
}
