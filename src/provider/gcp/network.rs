//! Network, subnet, the way out, addresses; and networks that exist already.

use std::{collections::BTreeMap, net::Ipv4Addr};

use google_cloud_compute_v1::model::{
    Address, Network, NetworkRoutingConfig, RegionSetLabelsRequest, Router, RouterNat, RouterNatSubnetworkToNat,
    Subnetwork, address,
    network_routing_config::RoutingMode,
    router_nat::{NatIpAllocateOption, SourceSubnetworkIpRangesToNat},
    router_nat_subnetwork_to_nat::SourceIpRangesToNat,
};
use ipnet::Ipv4Net;

use super::{
    clients::found,
    compute::{At, act, handle, last, parts},
    fault::Fault,
    labels, names,
    shape::SUBNET,
};
use crate::provider::{
    ProviderError, ResourceId,
    cloud::{Making, options::NetworkOptions, permanent, tags::Tags},
};

/// Addresses of a subnet that Google keeps for itself.
const KEPT: u64 = 4;

impl At<'_> {
    pub(super) async fn make_network(&self, making: Making<'_>) -> Result<String, ProviderError> {
        let name = names::of(self.environment(), &making.resource.id);
        let (doing, there) = (format!("make network {name}"), format!("global/networks/{name}"));
        let body = Network::new()
            .set_name(&name)
            .set_description(labels::description(making.tags))
            .set_auto_create_subnetworks(false)
            .set_routing_config(NetworkRoutingConfig::new().set_routing_mode(RoutingMode::Regional));
        match act!(self, &doing, self.clients.networks.insert().set_body(body)) {
            Err(fault) if fault.exists() => {
                let network = self.network(&name).await.map_err(|fault| fault.told(&doing))?;
                let tags = network.and_then(|network| labels::described(network.description.as_deref()));
                self.ours(&doing, tags.as_ref(), &there)?;
            }
            outcome => outcome.map_err(|fault| fault.told(&doing))?,
        }
        Ok(there)
    }

    pub(super) async fn network(&self, name: &str) -> Result<Option<Network>, Fault> {
        found(self.clients.networks.get().set_project(self.project).set_network(name).send().await)
    }

    pub(super) async fn make_subnet(&self, making: Making<'_>) -> Result<String, ProviderError> {
        let name = names::of(self.environment(), &making.resource.id);
        let (doing, there) = (format!("make subnet {name}"), format!("regions/{}/subnetworks/{name}", self.region));
        let network = making.book.need(&doing, "network")?;
        let range = making.resource.attributes.get("cidr").and_then(|cidr| cidr.as_str()).unwrap_or_default();
        let body = Subnetwork::new()
            .set_name(&name)
            .set_description(labels::description(making.tags))
            .set_network(self.link(&network))
            .set_ip_cidr_range(range)
            // Machines without a public address reach buckets without a way out.
            .set_private_ip_google_access(true);
        let call = self.clients.subnets.insert().set_region(self.region).set_body(body);
        match act!(self, &doing, call) {
            Err(fault) if fault.exists() => {
                let subnet = self.subnet(&there).await.map_err(|fault| fault.told(&doing))?;
                let tags = subnet.and_then(|subnet| labels::described(subnet.description.as_deref()));
                self.ours(&doing, tags.as_ref(), &there)?;
            }
            outcome => outcome.map_err(|fault| fault.told(&doing))?,
        }
        Ok(there)
    }

    async fn subnet(&self, handle: &str) -> Result<Option<Subnetwork>, Fault> {
        let (region, name) = parts(handle);
        let call = self.clients.subnets.get().set_project(self.project).set_region(region).set_subnetwork(name);
        found(call.send().await)
    }

    pub(super) async fn make_nat(&self, making: Making<'_>) -> Result<String, ProviderError> {
        let name = names::of(self.environment(), &making.resource.id);
        let (doing, there) = (format!("make NAT gateway {name}"), format!("regions/{}/routers/{name}", self.region));
        let network = making.book.need(&doing, "network")?;
        let subnet = making.book.need(&doing, SUBNET)?;
        let address = making.book.need(&doing, "address/nat-1")?;
        let nat = RouterNat::new()
            .set_name(&name)
            .set_nat_ip_allocate_option(NatIpAllocateOption::ManualOnly)
            .set_nat_ips([self.link(&address)])
            .set_source_subnetwork_ip_ranges_to_nat(SourceSubnetworkIpRangesToNat::ListOfSubnetworks)
            .set_subnetworks([RouterNatSubnetworkToNat::new()
                .set_name(self.link(&subnet))
                .set_source_ip_ranges_to_nat([SourceIpRangesToNat::AllIpRanges])]);
        let body = Router::new()
            .set_name(&name)
            .set_description(labels::description(making.tags))
            .set_network(self.link(&network))
            .set_nats([nat]);
        let call = self.clients.routers.insert().set_region(self.region).set_body(body);
        match act!(self, &doing, call) {
            Err(fault) if fault.exists() => {
                let call = self.clients.routers.get().set_project(self.project).set_region(self.region);
                let router = found(call.set_router(&name).send().await).map_err(|fault| fault.told(&doing))?;
                let tags = router.and_then(|router| labels::described(router.description.as_deref()));
                self.ours(&doing, tags.as_ref(), &there)?;
            }
            outcome => outcome.map_err(|fault| fault.told(&doing))?,
        }
        Ok(there)
    }

    pub(super) async fn make_address(&self, making: Making<'_>) -> Result<String, ProviderError> {
        let name = names::of(self.environment(), &making.resource.id);
        let (doing, there) = (format!("reserve address {name}"), format!("regions/{}/addresses/{name}", self.region));
        let mut body = Address::new().set_name(&name).set_labels(labels::split(making.tags).0);
        body = match making.resource.attributes.get("internal") == Some(&true.into()) {
            // Balancers on different ports may share it.
            true => body
                .set_address_type(address::AddressType::Internal)
                .set_purpose(address::Purpose::SharedLoadbalancerVip)
                .set_subnetwork(self.link(&making.book.need(&doing, SUBNET)?)),
            false => body.set_address_type(address::AddressType::External),
        };
        let call = self.clients.addresses.insert().set_region(self.region).set_body(body);
        match act!(self, &doing, call) {
            Err(fault) if fault.exists() => {
                let address = self.address(&there).await.map_err(|fault| fault.told(&doing))?;
                let tags = address.map(|address| labels::tags(None, &address.labels));
                self.ours(&doing, tags.as_ref(), &there)?;
            }
            outcome => outcome.map_err(|fault| fault.told(&doing))?,
        }
        Ok(there)
    }

    /// A reserved address.
    pub(super) async fn address(&self, handle: &str) -> Result<Option<Address>, Fault> {
        let (region, name) = parts(handle);
        let call = self.clients.addresses.get().set_project(self.project).set_region(region).set_address(name);
        found(call.send().await)
    }

    /// Handles of a network that is not the environment's own: `network` and `subnet`.
    pub(super) async fn places(&self) -> Result<BTreeMap<ResourceId, String>, ProviderError> {
        let doing = "look at the network that exists";
        let (id, chosen) = match &self.gcp.options.network {
            NetworkOptions::Create { .. } => return Ok(BTreeMap::new()),
            NetworkOptions::Default => ("default".to_owned(), None),
            NetworkOptions::Existing { id, public, private } => {
                (id.clone(), private.first().or(public.first()).cloned())
            }
        };
        let network = self.network(last(&id)).await.map_err(|fault| fault.told(doing))?.ok_or_else(|| {
            let hint = "see `gcloud compute networks list`, or leave `cloud.network` out to have one made";
            permanent(doing, format!("project {} has no network `{id}`", self.project), Some(hint))
        })?;
        let here = |link: &&String| {
            let (region, name) = (parts(&handle(link)).0.to_owned(), last(link).to_owned());
            region == self.region && chosen.as_deref().is_none_or(|chosen| last(chosen) == name)
        };
        let Some(subnet) = network.subnetworks.iter().find(here) else {
            let what = chosen.map_or("no subnet".to_owned(), |chosen| format!("no subnet `{chosen}`"));
            let message = format!("network `{id}` has {what} in region {}", self.region);
            return Err(permanent(doing, message, Some("name a subnet of this region, or another region")));
        };
        Ok([("network".to_owned(), format!("global/networks/{}", last(&id))), (SUBNET.to_owned(), handle(subnet))]
            .into())
    }

    /// How many machines fit into the subnet that exists; none where it is the environment's own.
    pub(super) async fn room(&self) -> Result<Option<(String, u64)>, ProviderError> {
        let Some(subnet) = self.places().await?.remove(SUBNET) else { return Ok(None) };
        let there = self.subnet(&subnet).await.map_err(|fault| fault.told("look at the subnet"))?;
        let range = there.and_then(|subnet| subnet.ip_cidr_range).and_then(|range| range.parse::<Ipv4Net>().ok());
        Ok(range.map(|range| {
            let all = 1u64 << (u32::from(range.max_prefix_len()) - u32::from(range.prefix_len()));
            (format!("{} ({range})", last(&subnet)), all.saturating_sub(KEPT))
        }))
    }
}

/// An address's number.
pub(super) fn number(address: &Address) -> Option<Ipv4Addr> {
    address.address.as_deref()?.parse().ok()
}

impl At<'_> {
    /// Writes labels of a reserved address, and takes `gone` away.
    pub(super) async fn tag_address(&self, handle: &str, set: &Tags, gone: &[String]) -> Result<(), ProviderError> {
        let (region, name) = parts(handle);
        let doing = format!("label address {name}");
        for _ in 0..3 {
            let there = self.address(handle).await.map_err(|fault| fault.told(&doing))?.unwrap_or_default();
            let mut wanted = there.labels.clone();
            wanted.retain(|key, _| !gone.contains(key));
            wanted.extend(labels::split(set).0);
            if wanted == there.labels {
                return Ok(());
            }
            let body = RegionSetLabelsRequest::new()
                .set_labels(wanted)
                .set_label_fingerprint(there.label_fingerprint.unwrap_or_default());
            let call = self.clients.addresses.set_labels().set_region(region).set_resource(name).set_body(body);
            match act!(self, &doing, call) {
                Err(fault) if fault.stale() => {}
                outcome => return outcome.map_err(|fault| fault.told(&doing)),
            }
        }
        Err(permanent(doing, "somebody else changes it all the time", Some("repeat the command")))
    }
}
