//! The calls of a cloud, handed to those who know how.

use std::collections::BTreeMap;

use futures_util::{StreamExt, future::BoxFuture, stream};

use super::{
    Azure,
    azure_mgmt::{Condition, compute, network, resources, storage},
    error::failed,
    image,
    names::{arm, last},
};
use crate::{
    cost::PriceTable,
    event::StepLog,
    provider::{
        Expiring, FieldChange, Finding, Mutability, ProviderError, Resource, ResourceId, Stranger,
        cloud::{
            Answer, Book, Cloud, Found, Launch, LaunchError, MachineState, Making,
            blueprint::{self, kind},
            options::NetworkOptions,
            permanent,
            record::Image,
            tags::{self, Tags},
        },
    },
    topology::Topology,
};

/// Questions at a time where each concerns one machine.
const AT_A_TIME: usize = 12;

impl Azure {
    /// Size of a machine that only forwards SSH.
    pub(super) fn smallest(&self) -> &'static str {
        "Standard_B1s"
    }

    async fn made(&self, making: Making<'_>) -> Result<String, ProviderError> {
        let doing = format!("make {}", making.resource.id);
        match making.resource.kind.as_str() {
            kind::REGISTRATION => self.register(making).await,
            kind::GROUP => self.make_group(making).await,
            kind::NETWORK => self.make_network(making).await,
            kind::SUBNET => self.make_subnet(making).await,
            kind::ROUTES => self.make_route(making).await,
            kind::ADDRESS => self.make_address(making).await,
            kind::NAT => self.make_nat(making).await,
            kind::FIREWALL => self.make_firewall(making).await,
            kind::RULES => self.make_rules(making).await,
            kind::KEY => self.make_key(making).await,
            kind::STORE => self.make_store(making).await,
            kind::BUCKET => self.make_bucket(making).await,
            kind::IDENTITY => self.make_identity(making).await,
            kind::INTERFACE => self.make_interface(making).await,
            kind::TUNNEL => self.make_tunnel(making).await,
            kind::DISK => self.make_disk(making).await,
            kind::BALANCER => self.make_balancer(making).await,
            kind::SET => {
                let body = serde_json::json!({
                    "location": self.location()?, "tags": making.tags, "sku": { "name": "Aligned" },
                    "properties": { "platformFaultDomainCount": 2, "platformUpdateDomainCount": 5 },
                });
                self.simple(&doing, arm::SET, making, &body).await
            }
            kind::PROXIMITY => {
                let body = serde_json::json!({ "location": self.location()?, "tags": making.tags });
                self.simple(&doing, arm::PLACEMENT, making, &body).await
            }
            other => Err(permanent(doing, format!("Azure has no {other}"), None)),
        }
    }

    async fn simple(
        &self,
        doing: &str,
        kind: &str,
        making: Making<'_>,
        body: &serde_json::Value,
    ) -> Result<String, ProviderError> {
        let id = self.id_of(kind, &making.resource.id);
        self.own_or_free(doing, &id, compute::VERSION).await?;
        let sent = self.client.put(&id, compute::VERSION, body, Condition::Always).await;
        sent.map_err(|error| failed(doing, &error))?;
        Ok(id)
    }

    async fn removed(&self, kind: &str, handle: &str, id: &str) -> Result<(), ProviderError> {
        let doing = format!("remove {id}");
        let version = match kind {
            kind::GROUP => return self.remove_group(&doing, handle).await,
            kind::ROUTES => return self.remove_route(&doing, handle).await,
            kind::FIREWALL => return self.remove_firewall(&doing, handle).await,
            kind::RULES => return self.remove_rules(&doing, handle).await,
            kind::IDENTITY => return self.remove_identity(&doing, handle).await,
            kind::INTERFACE => return self.remove_interface(&doing, handle).await,
            kind::BALANCER => return self.remove_balancer(&doing, handle).await,
            kind::INSTANCE | kind::BASTION => return self.remove_machine(&doing, handle).await,
            kind::DISK => compute::DISKS,
            kind::KEY | kind::SET | kind::PROXIMITY => compute::VERSION,
            kind::STORE | kind::BUCKET => storage::VERSION,
            _ => network::VERSION,
        };
        self.client.delete(handle, version).await.map_err(|error| failed(&doing, &error))
    }

    /// What carries the tags of a resource: none where it is a part of another one.
    fn tagged_parts(&self, kind: &str, handle: &str) -> Vec<String> {
        match kind {
            kind::SUBNET | kind::ROUTES | kind::RULES | kind::BUCKET | kind::REGISTRATION => Vec::new(),
            kind::FIREWALL => self.firewall_parts(handle),
            kind::INSTANCE | kind::BASTION => {
                vec![handle.to_owned(), self.id(arm::DISK, &format!("{}-os", last(handle)))]
            }
            _ => vec![handle.to_owned()],
        }
    }

    async fn places_now(&self) -> Result<BTreeMap<ResourceId, String>, ProviderError> {
        let doing = "look at the network";
        let mut places = BTreeMap::new();
        let (id, public, private) = match &self.options.network {
            NetworkOptions::Create { .. } => return Ok(places),
            NetworkOptions::Default => {
                let hint = "leave `cloud.network.mode` out, or name one that exists with its `id`";
                return Err(permanent(doing, "Azure has no default network", Some(hint)));
            }
            NetworkOptions::Existing { id, public, private } => (id, public, private),
        };
        let there: Option<network::Tracked<network::Network>> =
            self.client.get(id, network::VERSION).await.map_err(|error| failed(doing, &error))?;
        let Some(there) = there else {
            let hint = "`cloud.network.id` is /subscriptions/.../virtualNetworks/NAME; `az network vnet list` shows it";
            return Err(permanent(doing, format!("{id} is not there, or this login does not see it"), Some(hint)));
        };
        places.insert("network".to_owned(), id.clone());
        let all: Vec<String> = there.properties.subnets.iter().map(|subnet| subnet.name.clone()).collect();
        for (side, named) in [("public", public), ("private", private)] {
            let names: Vec<String> = match named.is_empty() {
                true => all.clone(),
                false => named.iter().map(|name| last(name).to_owned()).collect(),
            };
            if let Some(missing) = names.iter().find(|name| !all.contains(name)) {
                let message = format!("{id} has no subnet `{missing}`: it has {}", all.join(", "));
                return Err(permanent(
                    doing,
                    message,
                    Some("check `cloud.network.public_subnets` and `private_subnets`"),
                ));
            }
            let Some(first) = names.first() else {
                return Err(permanent(doing, format!("{id} has no subnet"), None));
            };
            // Subnets span zones: one is enough for all of them.
            for zone in 1..=blueprint::zones(&self.options) {
                let name = if named.is_empty() { first } else { &names[(zone - 1).min(names.len() - 1)] };
                places.insert(format!("subnet/{side}-{zone}"), format!("{id}/subnets/{name}"));
            }
        }
        Ok(places)
    }

    async fn machines_now(&self) -> Result<Vec<Found>, ProviderError> {
        let doing = "list the machines";
        let list = |kind: &str| {
            let path = format!("{}/providers/{kind}", self.group_id());
            async move { self.client.list(&path, network::VERSION, &[]).await.map_err(|error| failed(doing, &error)) }
        };
        let interfaces = list(arm::INTERFACE).await?;
        let addresses = list(arm::ADDRESS).await?;
        self.list_machines(&interfaces, &addresses, None).await
    }

    async fn environments_now(&self) -> Result<Vec<Expiring>, ProviderError> {
        let doing = "list the environments";
        let told = |error| failed(doing, &error);
        let mut all = self.client.groups_with_tag(tags::ENVIRONMENT).await.map_err(told)?;
        all.extend(self.client.resources_with_tag(tags::ENVIRONMENT).await.map_err(told)?);
        let mut found: BTreeMap<String, Expiring> = BTreeMap::new();
        let here = |one: &resources::Generic| {
            self.options.region.as_ref().is_none_or(|region| one.location.as_ref().is_none_or(|own| own == region))
        };
        for resource in all.into_iter().filter(here) {
            let own = resource.tags.unwrap_or_default();
            let Some(name) = own.get(tags::ENVIRONMENT) else { continue };
            let known = found.entry(name.clone()).or_insert_with(|| Expiring {
                environment: name.clone(),
                owner: None,
                expires: None,
                resources: 0,
            });
            known.resources += 1;
            known.owner = known.owner.take().or_else(|| own.get(tags::OWNER).cloned());
            known.expires = known.expires.max(tags::expires(&own));
        }
        Ok(found.into_values().collect())
    }

    async fn strangers_now(&self, missing: &[Resource]) -> Result<Vec<Stranger>, ProviderError> {
        let there = self.client.resources_in(&self.group_id()).await;
        let there = there.map_err(|error| failed("look for what others have", &error))?;
        let mut found = Vec::new();
        for resource in missing {
            let ids = self.ids_of(resource);
            let other = there.iter().filter(|one| ids.iter().any(|id| id.eq_ignore_ascii_case(&one.id)));
            for other in other {
                let ours = other.tags.as_ref().and_then(|own| own.get(tags::ENVIRONMENT));
                if ours != Some(&self.options.environment) {
                    found.push(Stranger {
                        resource: resource.id.clone(),
                        what: format!("{} {}", other.kind, other.name),
                        handle: other.id.clone(),
                    });
                }
            }
        }
        Ok(found)
    }

    /// Ids that a resource has in Azure.
    fn ids_of(&self, resource: &Resource) -> Vec<String> {
        let id = resource.id.as_str();
        match resource.kind.as_str() {
            kind::NETWORK => vec![self.id_of(arm::NETWORK, id)],
            kind::ADDRESS => vec![self.id_of(arm::ADDRESS, id)],
            kind::NAT => vec![self.id_of(arm::NAT, id)],
            kind::FIREWALL => vec![self.id_of(arm::NAMES, id), self.id_of(arm::RULES, id)],
            kind::KEY => vec![self.id_of(arm::KEY, id)],
            kind::STORE => vec![self.store_id()],
            kind::IDENTITY => vec![self.id_of(arm::IDENTITY, id)],
            kind::BALANCER => vec![self.id_of(arm::BALANCER, id)],
            kind::TUNNEL => vec![self.id_of(arm::TUNNEL, id)],
            kind::INTERFACE => vec![self.id(arm::INTERFACE, &self.machine_name(id))],
            kind::DISK => vec![self.id(arm::DISK, &format!("{}-data", self.machine_name(id)))],
            kind::INSTANCE | kind::BASTION => vec![self.id(arm::MACHINE, &self.machine_name(id))],
            _ => Vec::new(),
        }
    }
}

impl Cloud for Azure {
    fn name(&self) -> &'static str {
        "azure"
    }

    fn region(&self) -> Option<String> {
        self.options.region.clone()
    }

    fn shape(&self, resource: Resource) -> Option<Resource> {
        self.shaped(resource)
    }

    fn extend(&self, all: Vec<Resource>) -> Vec<Resource> {
        self.registered(self.extended(all))
    }

    fn mutability(&self, kind: &str, attribute: &str) -> Option<Mutability> {
        self.mends(kind, attribute)
    }

    fn tagged(&self, kind: &str) -> bool {
        !matches!(kind, kind::SUBNET | kind::ROUTES | kind::RULES | kind::BUCKET | kind::REGISTRATION)
    }

    fn architecture(&self, machine_type: &str) -> &'static str {
        image::architecture(machine_type)
    }

    fn small(&self) -> &'static str {
        self.smallest()
    }

    fn tunnel(&self, handle: &str) -> Option<String> {
        Some(self.way_through(handle))
    }

    fn places<'a>(&'a self) -> Answer<'a, BTreeMap<ResourceId, String>> {
        Box::pin(self.places_now())
    }

    fn list<'a>(&'a self) -> Answer<'a, Vec<Found>> {
        Box::pin(self.list_all())
    }

    fn machines<'a>(&'a self) -> Answer<'a, Vec<Found>> {
        Box::pin(self.machines_now())
    }

    fn states<'a>(&'a self, handles: Vec<String>) -> Answer<'a, BTreeMap<String, MachineState>> {
        Box::pin(async move {
            let asked = stream::iter(handles)
                .map(|handle| async move { self.state(&handle).await.map(|state| (handle, state)) })
                .buffer_unordered(AT_A_TIME);
            let all: Vec<Result<(String, Option<MachineState>), ProviderError>> = asked.collect().await;
            let mut states = BTreeMap::new();
            for one in all {
                let (handle, state) = one?;
                states.extend(state.map(|state| (handle, state)));
            }
            Ok(states)
        })
    }

    fn image<'a>(&'a self, architecture: &'a str) -> Answer<'a, Image> {
        Box::pin(self.newest(architecture))
    }

    fn make<'a>(&'a self, making: Making<'a>, _log: &'a StepLog) -> Answer<'a, String> {
        Box::pin(self.made(making))
    }

    fn launch<'a>(&'a self, launch: Launch<'a>) -> BoxFuture<'a, Result<Vec<String>, LaunchError>> {
        Box::pin(async move { self.launch_all(&launch).await })
    }

    fn settle<'a>(&'a self, making: Making<'a>, handle: &'a str) -> Answer<'a, ()> {
        Box::pin(self.settle_machine(making, handle))
    }

    fn start<'a>(&'a self, handle: &'a str) -> Answer<'a, ()> {
        Box::pin(async move {
            let sent = self.client.act(handle, "start", compute::VERSION).await;
            sent.map_err(|error| failed(&format!("start {}", last(handle)), &error))
        })
    }

    fn cut<'a>(&'a self, handle: &'a str) -> Answer<'a, ()> {
        Box::pin(async move {
            let sent = self.client.act(handle, "powerOff?skipShutdown=true", compute::VERSION).await;
            sent.map_err(|error| failed(&format!("switch off {}", last(handle)), &error))
        })
    }

    /// Deallocates: a machine that is only stopped is paid for, and keeps its size.
    fn stop<'a>(&'a self, handle: &'a str) -> Answer<'a, ()> {
        Box::pin(async move {
            let sent = self.client.act(handle, "deallocate", compute::VERSION).await;
            sent.map_err(|error| failed(&format!("stop {}", last(handle)), &error))
        })
    }

    fn change<'a>(
        &'a self,
        making: Making<'a>,
        handle: &'a str,
        fields: &'a [FieldChange],
        _log: &'a StepLog,
    ) -> Answer<'a, ()> {
        Box::pin(async move {
            match making.resource.kind.as_str() {
                kind::INSTANCE | kind::BASTION => self.change_machine(making, handle, fields).await,
                kind::DISK => self.change_disk(making, handle, fields).await,
                // Everything else is made so as it shall be, by the same call that makes it.
                _ => self.made(making).await.map(drop),
            }
        })
    }

    fn tag<'a>(&'a self, kind: &'a str, handle: &'a str, tags: &'a Tags) -> Answer<'a, ()> {
        Box::pin(async move {
            for part in self.tagged_parts(kind, handle) {
                self.merge_tags(&format!("tag {}", last(handle)), &part, tags).await?;
            }
            Ok(())
        })
    }

    fn untag<'a>(&'a self, kind: &'a str, handle: &'a str, keys: &'a [String]) -> Answer<'a, ()> {
        Box::pin(async move {
            for part in self.tagged_parts(kind, handle) {
                self.delete_tags(&format!("tag {}", last(handle)), &part, keys).await?;
            }
            Ok(())
        })
    }

    fn remove<'a>(&'a self, kind: &'a str, handle: &'a str, id: &'a str, _log: &'a StepLog) -> Answer<'a, ()> {
        Box::pin(self.removed(kind, handle, id))
    }

    fn strangers<'a>(&'a self, missing: &'a [Resource]) -> Answer<'a, Vec<Stranger>> {
        Box::pin(self.strangers_now(missing))
    }

    fn balancer_host<'a>(&'a self, role: &'a str, book: &'a Book) -> Answer<'a, Option<String>> {
        Box::pin(self.balancer_address(role, book))
    }

    fn look<'a>(&'a self, topology: &'a Topology, desired: &'a [Resource]) -> BoxFuture<'a, Vec<Finding>> {
        Box::pin(self.findings(topology, desired))
    }

    fn host_key<'a>(&'a self, handle: &'a str) -> Answer<'a, Option<String>> {
        Box::pin(self.console_key(handle))
    }

    fn ask_prices<'a>(&'a self) -> Answer<'a, PriceTable> {
        Box::pin(self.prices())
    }

    fn environments<'a>(&'a self) -> Answer<'a, Vec<Expiring>> {
        Box::pin(self.environments_now())
    }
}
