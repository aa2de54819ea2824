//! What an environment file says about its cloud, in the provider's plain values.

use ipnet::IpNet;

use crate::{
    environment::{self, Environment, HostKeys, ImageFamily, Nat, NetworkMode, ProviderKind, Purpose, Via},
    provider::cloud::options::{
        Access, CloudOptions, DataDiskOptions, GroupOptions, ImageOptions, NatOptions, NetworkOptions, Ttl,
    },
    workspace::Workspace,
};

/// Options of a cloud provider, from a checked environment.
#[must_use]
pub fn options(environment: &Environment, workspace: &Workspace) -> CloudOptions {
    let defaults = CloudOptions::new(&environment.name, workspace.root());
    let cloud = &environment.cloud;
    CloudOptions {
        owner: environment.owner.clone(),
        purpose: environment.purpose.name().to_owned(),
        ttl: environment.ttl.as_deref().and_then(Ttl::parse),
        region: cloud.region.clone(),
        zones: cloud.zones.clone(),
        network: network(&cloud.network, &defaults.network),
        allowed: ranges(cloud.allowed_cidrs.as_deref(), &defaults.allowed),
        admins: ranges(cloud.admin_cidrs.as_deref(), &defaults.admins),
        access: match environment.ssh.via {
            None | Some(Via::Bastion) => Access::Bastion,
            Some(Via::Public) => Access::Public,
            Some(Via::Ssm | Via::Iap | Via::AzureBastion) => Access::Tunnel,
        },
        // The images let in whom the machine is made for, and Azure refuses the usual names (`admin`, `root`).
        ssh_user: environment
            .ssh
            .user
            .clone()
            .or_else(|| (environment.provider == ProviderKind::Azure).then(|| "refarch".to_owned())),
        ssh_port: environment.ssh.port.unwrap_or(defaults.ssh_port),
        identity: environment.ssh.identity.as_deref().map(home),
        console_keys: environment.ssh.host_keys != Some(HostKeys::FirstUse),
        image: image(&cloud.image),
        protection: cloud.deletion_protection.unwrap_or(environment.purpose == Purpose::Production),
        groups: environment.nodes.iter().map(|(name, group)| (name.clone(), special(group))).collect(),
        buckets: cloud.buckets.clone(),
        balancer: cloud.balancer == Some(environment::Balancer::Cloud),
        equivalents: cloud.equivalents.clone().into_iter().collect(),
        tags: cloud.tags.clone().into_iter().collect(),
        ..defaults
    }
}

/// `~/` is the user's home.
fn home(path: &str) -> std::path::PathBuf {
    match (path.strip_prefix("~/"), std::env::home_dir()) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => path.into(),
    }
}

fn network(network: &environment::CloudNetwork, default: &NetworkOptions) -> NetworkOptions {
    match (network.mode, &network.id) {
        (Some(NetworkMode::Default), _) => NetworkOptions::Default,
        (None | Some(NetworkMode::Existing), Some(id)) => NetworkOptions::Existing {
            id: id.clone(),
            public: network.public_subnets.clone(),
            private: network.private_subnets.clone(),
        },
        _ => {
            let NetworkOptions::Create { range, nat } = default else { return default.clone() };
            let nat = match network.nat {
                None => *nat,
                Some(Nat::Single) => NatOptions::Single,
                Some(Nat::PerZone) => NatOptions::PerZone,
                Some(Nat::None) => NatOptions::None,
            };
            let range = network.cidr.as_deref().and_then(|cidr| cidr.parse().ok()).unwrap_or(*range);
            NetworkOptions::Create { range, nat }
        }
    }
}

fn ranges(list: Option<&[String]>, default: &[IpNet]) -> Vec<IpNet> {
    list.map_or_else(|| default.to_vec(), |list| list.iter().filter_map(|range| range.parse().ok()).collect())
}

fn image(image: &environment::CloudImage) -> ImageOptions {
    match (&image.id, &image.name, &image.owner) {
        (Some(id), _, _) => ImageOptions::Id(id.clone()),
        (None, Some(name), Some(owner)) => ImageOptions::Named { name: name.clone(), owner: owner.clone() },
        _ => ImageOptions::Family(image.family.unwrap_or(ImageFamily::Debian12).name().to_owned()),
    }
}

fn special(group: &environment::NodeGroup) -> GroupOptions {
    GroupOptions {
        spot: group.spot.unwrap_or(false),
        throughput: group.disk_throughput,
        data_disk: group.data_disk.as_ref().map(|disk| DataDiskOptions {
            size_gb: disk.size_gb,
            mount: disk.mount.clone(),
            disk_type: disk.disk_type.clone(),
            iops: disk.iops,
            throughput: disk.throughput,
        }),
    }
}

/// What only Amazon Web Services has.
#[cfg(feature = "aws")]
#[must_use]
pub fn aws(environment: &Environment) -> crate::provider::aws::AwsOptions {
    let aws = environment.aws.clone();
    crate::provider::aws::AwsOptions {
        profile: aws.profile,
        account: aws.account,
        kms_key: aws.kms_key,
        iam_path: aws.iam_path.unwrap_or_else(|| "/refarch/".to_owned()),
        permissions_boundary: aws.permissions_boundary,
        instance_profile: aws.instance_profile,
    }
}

/// What only Microsoft Azure has.
#[cfg(feature = "azure")]
#[must_use]
pub fn azure(environment: &Environment) -> crate::provider::azure::AzureOptions {
    let azure = environment.azure.clone();
    let defaults = crate::provider::azure::AzureOptions::default();
    crate::provider::azure::AzureOptions {
        subscription: azure.subscription,
        tenant: azure.tenant,
        cloud: azure.cloud.unwrap_or_default().name().to_owned(),
        resource_group: azure.resource_group,
        any_group: false,
        disk_encryption_set: azure.disk_encryption_set,
        trusted_launch: azure.trusted_launch.unwrap_or(defaults.trusted_launch),
        availability_sets: azure.availability_sets.unwrap_or(defaults.availability_sets),
        proximity: azure.proximity.unwrap_or(defaults.proximity),
        register_providers: azure.register_providers.unwrap_or(defaults.register_providers),
    }
}

/// What only Google Cloud has.
#[cfg(feature = "gcp")]
#[must_use]
pub fn gcp(environment: &Environment) -> crate::provider::gcp::GcpOptions {
    let gcp = environment.gcp.clone();
    crate::provider::gcp::GcpOptions {
        project: gcp.project,
        kms_key: gcp.kms_key,
        service_account: gcp.service_account,
        spread: gcp.placement == Some(environment::Placement::Spread),
    }
}
