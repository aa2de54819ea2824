//! Zones, and networks that exist already.

use std::collections::BTreeMap;

use aws_sdk_ec2::types::{Subnet, Vpc};
use tokio::sync::OnceCell;

use super::{client::Clients, error::failed, tag};
use crate::provider::{
    ProviderError, ResourceId,
    cloud::{CloudOptions, blueprint, options::NetworkOptions, permanent},
};

/// Addresses that AWS keeps of each subnet.
const KEPT: u64 = 5;

/// Zones and places of one environment, looked up once.
#[derive(Debug)]
pub struct Places {
    options: CloudOptions,
    zones: OnceCell<Vec<String>>,
}

impl Places {
    /// Nothing is known yet.
    pub fn new(options: CloudOptions) -> Self {
        Self { options, zones: OnceCell::new() }
    }

    /// Names of the zones in use, in order.
    pub async fn zones(&self, clients: &Clients) -> Result<&[String], ProviderError> {
        let zones = self.zones.get_or_try_init(|| async {
            let doing = "list the zones";
            let filters = vec![tag::by("state", &["available"]), tag::by("zone-type", &["availability-zone"])];
            let there = clients.ec2.describe_availability_zones().set_filters(Some(filters)).send().await;
            let there = there.map_err(|error| failed(doing, "ec2:DescribeAvailabilityZones", &error))?;
            let mut all: Vec<String> =
                there.availability_zones().iter().filter_map(|zone| zone.zone_name().map(str::to_owned)).collect();
            all.sort();
            if let Some(unknown) = self.options.zones.iter().find(|zone| !all.contains(zone)) {
                let message = format!("{} has no zone {unknown}", clients.region);
                let hint = format!("its zones are {}", all.join(", "));
                return Err(permanent(doing, message, Some(&hint)));
            }
            if !self.options.zones.is_empty() {
                return Ok(self.options.zones.clone());
            }
            all.truncate(blueprint::zones(&self.options));
            if all.len() < blueprint::zones(&self.options) {
                let message = format!("{} has only {} zones", clients.region, all.len());
                return Err(permanent(doing, message, Some("name those that you want under `cloud.zones`")));
            }
            Ok(all)
        });
        Ok(zones.await?)
    }

    /// Name of a zone by its number, from 1.
    pub async fn zone(&self, clients: &Clients, number: usize) -> Result<String, ProviderError> {
        let zones = self.zones(clients).await?;
        Ok(zones[(number.max(1) - 1) % zones.len()].clone())
    }

    /// Identifiers of a network that is only used: `network`, `subnet/public-1`, ...
    pub async fn known(&self, clients: &Clients) -> Result<BTreeMap<ResourceId, String>, ProviderError> {
        let doing = "look at the network";
        let vpc = match &self.options.network {
            NetworkOptions::Create { .. } => return Ok(BTreeMap::new()),
            NetworkOptions::Default => {
                vpc(clients, vec![tag::by("is-default", &["true"])], doing).await?.ok_or_else(|| {
                    let hint = "make one (`aws ec2 create-default-vpc`) or leave `cloud.network.mode` out";
                    permanent(doing, format!("{} has no default network", clients.region), Some(hint))
                })?
            }
            NetworkOptions::Existing { id, .. } => {
                vpc(clients, vec![tag::by("vpc-id", &[id])], doing).await?.ok_or_else(|| {
                    let hint = "check `cloud.network.id`, the region and the account";
                    permanent(doing, format!("{} has no network {id}", clients.region), Some(hint))
                })?
            }
        };
        let id = vpc.vpc_id().unwrap_or_default().to_owned();
        let filters = vec![tag::by("vpc-id", &[&id])];
        let pages = clients.ec2.describe_subnets().set_filters(Some(filters)).into_paginator().items().send();
        let subnets: Vec<Subnet> =
            pages.try_collect().await.map_err(|error| failed(doing, "ec2:DescribeSubnets", &error))?;
        let zones = self.zones(clients).await?;
        let mut known = BTreeMap::from([("network".to_owned(), id.clone())]);
        for (index, zone) in zones.iter().enumerate() {
            for public in [true, false] {
                if let Some(subnet) = self.subnet(&subnets, zone, index, public, &id)? {
                    let side = if public { "public" } else { "private" };
                    let handle = subnet.subnet_id().unwrap_or_default().to_owned();
                    known.insert(format!("subnet/{side}-{}", index + 1), handle);
                }
            }
        }
        Ok(known)
    }

    /// The subnet of one side in one zone: the one named, else the widest of that zone.
    fn subnet<'a>(
        &self,
        subnets: &'a [Subnet],
        zone: &str,
        index: usize,
        public: bool,
        vpc: &str,
    ) -> Result<Option<&'a Subnet>, ProviderError> {
        let named = match &self.options.network {
            NetworkOptions::Existing { public: list, .. } if public => list.as_slice(),
            NetworkOptions::Existing { private: list, .. } => list.as_slice(),
            _ => &[],
        };
        if let Some(name) = named.get(index) {
            let found = subnets.iter().find(|subnet| subnet.subnet_id() == Some(name));
            let fault = |message: String| permanent("look at the network", message, Some("check `cloud.network`"));
            let found = found.ok_or_else(|| fault(format!("network {vpc} has no subnet {name}")))?;
            if found.availability_zone() != Some(zone) {
                let real = found.availability_zone().unwrap_or("another zone");
                return Err(fault(format!("subnet {name} is in {real}, and zone {} is {zone}", index + 1)));
            }
            return Ok(Some(found));
        }
        let fits = subnets.iter().filter(|subnet| {
            subnet.availability_zone() == Some(zone)
                && named.is_empty()
                && subnet.map_public_ip_on_launch().unwrap_or(false) == public
        });
        Ok(fits.max_by_key(|subnet| subnet.available_ip_address_count().unwrap_or(0)))
    }
}

/// How many machines a subnet of this range takes.
pub fn room(range: &str) -> u64 {
    let bits = range.rsplit_once('/').and_then(|(_, bits)| bits.parse::<u32>().ok()).unwrap_or(32);
    (1_u64 << 32_u32.saturating_sub(bits)).saturating_sub(KEPT)
}

async fn vpc(
    clients: &Clients,
    filters: Vec<aws_sdk_ec2::types::Filter>,
    doing: &str,
) -> Result<Option<Vpc>, ProviderError> {
    let there = clients.ec2.describe_vpcs().set_filters(Some(filters)).send().await;
    let there = there.map_err(|error| failed(doing, "ec2:DescribeVpcs", &error))?;
    Ok(there.vpcs.unwrap_or_default().into_iter().next())
}
