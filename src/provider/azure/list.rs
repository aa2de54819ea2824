//! What is there: everything in the resource group that carries the environment's tag.

use std::collections::BTreeMap;

use futures_util::future::{BoxFuture, try_join_all};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{
    Azure,
    azure_mgmt::{
        compute,
        network::{self, Interface, NatGateway, Network, Part, SecurityGroup, Subnet, Tracked},
        provisioning_state, resources, storage,
    },
    balancer,
    error::failed,
    names::{arm, last},
};
use crate::provider::{
    Condition, ProviderError, Resource,
    cloud::{
        Found,
        blueprint::kind,
        permanent,
        reach::EVERYONE,
        tags::{self, Tags},
    },
};

pub(super) const DOING: &str = "list what is there";

/// A resource as Azure lists it, read as far as needed.
pub(super) type Listed = Value;

impl Azure {
    /// Everything of a type in the group that carries the environment's tag.
    pub(super) async fn list_tagged(&self, kind: &str, version: &str) -> Result<Vec<Listed>, ProviderError> {
        let path = format!("{}/providers/{kind}", self.group_id());
        let all: Vec<Listed> = self.client.list(&path, version, &[]).await.map_err(|error| failed(DOING, &error))?;
        Ok(all.into_iter().filter(|one| self.is_ours(one)).collect())
    }

    fn is_ours(&self, value: &Value) -> bool {
        value.pointer(&format!("/tags/{}", tags::ENVIRONMENT)).and_then(Value::as_str)
            == Some(self.options.environment.as_str())
    }

    pub(super) async fn list_all(&self) -> Result<Vec<Found>, ProviderError> {
        self.find_group(DOING).await?;
        let group: Option<Value> =
            self.client.get(&self.group_id(), resources::VERSION).await.map_err(|error| failed(DOING, &error))?;
        let mut found = self.registrations(DOING).await?;
        let Some(group) = group else { return Ok(found) };
        if self.azure.resource_group.is_none() && self.is_ours(&group) {
            found.push(self.plain(&group, kind::GROUP));
        }
        let simple = [
            (arm::NETWORK, network::VERSION),
            (arm::ADDRESS, network::VERSION),
            (arm::NAT, network::VERSION),
            (arm::NAMES, network::VERSION),
            (arm::RULES, network::VERSION),
            (arm::BALANCER, network::VERSION),
            (arm::KEY, compute::VERSION),
            (arm::SET, compute::VERSION),
            (arm::PLACEMENT, compute::VERSION),
            (arm::DISK, compute::DISKS),
            (arm::IDENTITY, resources::IDENTITIES),
            (arm::STORE, storage::VERSION),
            (arm::INTERFACE, network::VERSION),
            (arm::TUNNEL, network::VERSION),
        ];
        let asked = simple.iter().map(|(kind, version)| Box::pin(self.list_tagged(kind, version)) as BoxFuture<'_, _>);
        let asked: Vec<BoxFuture<'_, Result<Vec<Listed>, ProviderError>>> = asked.collect();
        let lists = try_join_all(asked).await?;
        let lists: BTreeMap<&str, Vec<Listed>> = simple.iter().map(|(kind, _)| *kind).zip(lists).collect();
        for network in &lists[arm::NETWORK] {
            found.extend(self.network(network)?);
        }
        for address in &lists[arm::ADDRESS] {
            found.extend(self.address(address, &lists[arm::BALANCER], &lists[arm::INTERFACE]));
        }
        for nat in &lists[arm::NAT] {
            found.push(self.nat(nat)?);
        }
        found.extend(self.firewalls(&lists[arm::RULES], &lists[arm::NAMES])?);
        for balancer in &lists[arm::BALANCER] {
            let read: Tracked<network::Balancer> = read(balancer)?;
            let attributes = balancer::attributes(&read.properties, &lists[arm::INTERFACE]);
            found.push(Found { attributes, ..self.plain(balancer, kind::BALANCER) });
        }
        for key in &lists[arm::KEY] {
            // Without its comment, as it is wanted. One that this machine has no half of is replaced for machines to come.
            let text = key.pointer("/properties/publicKey").and_then(Value::as_str).unwrap_or_default();
            let public = text.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
            let attributes = BTreeMap::from([("public".to_owned(), json!(public))]);
            found.push(Found { attributes, ..self.plain(key, kind::KEY) });
        }
        let plain = [(arm::SET, kind::SET), (arm::PLACEMENT, kind::PROXIMITY), (arm::TUNNEL, kind::TUNNEL)];
        for (arm_kind, kind) in plain {
            found.extend(lists[arm_kind].iter().map(|one| self.plain(one, kind)));
        }
        for disk in &lists[arm::DISK] {
            found.extend(self.disk(disk)?);
        }
        for store in &lists[arm::STORE] {
            found.extend(self.store(store).await?);
        }
        if !lists[arm::IDENTITY].is_empty() {
            let assignments = self.assignments(DOING).await?;
            for identity in &lists[arm::IDENTITY] {
                found.push(self.identity(identity, &assignments)?);
            }
        }
        for interface in &lists[arm::INTERFACE] {
            found.push(self.interface(interface)?);
        }
        let held = self.held(DOING).await?;
        for mut machine in
            self.list_machines(&lists[arm::INTERFACE], &lists[arm::ADDRESS], Some(&lists[arm::DISK])).await?
        {
            let protected = held.contains(&machine.handle.to_lowercase());
            machine.attributes.insert("protected".to_owned(), json!(protected));
            found.push(machine);
        }
        Ok(found)
    }

    /// A resource about which nothing but its tags is of interest.
    pub(super) fn plain(&self, value: &Value, kind: &'static str) -> Found {
        let id = resource_of(value).map(str::to_owned);
        let handle = value.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
        Found {
            id: id.unwrap_or_else(|| format!("{kind}/{}", last(&handle))),
            kind,
            handle,
            tags: tags_of(value),
            attributes: BTreeMap::new(),
            condition: condition(value),
            machine: None,
        }
    }

    /// Something that has no tags of its own: a part of another resource, and so as much the environment's as that.
    fn part(&self, of: &Found, id: String, kind: &'static str, handle: String) -> Found {
        let resource = Resource {
            id: id.clone(),
            kind: kind.to_owned(),
            node: None,
            attributes: BTreeMap::new(),
            needs: Vec::new(),
            data_bearing: kind == kind::BUCKET,
            reason: String::new(),
            shared: false,
        };
        let mut tags = of.tags.clone();
        let own = tags::lasting(&self.options, &resource);
        for key in [tags::NAME, tags::RESOURCE, tags::DATA] {
            tags.insert(key.to_owned(), own[key].clone());
        }
        Found { id, kind, handle, tags, attributes: BTreeMap::new(), condition: Condition::Good, machine: None }
    }

    fn network(&self, value: &Value) -> Result<Vec<Found>, ProviderError> {
        let read: Tracked<Network> = read(value)?;
        let mut found = vec![self.plain(value, kind::NETWORK)];
        let range = read.properties.address_space.address_prefixes.first().cloned().unwrap_or_default();
        found[0].attributes.insert("cidr".to_owned(), json!(range));
        for subnet in &read.properties.subnets {
            let id = format!("subnet/{}", subnet.name);
            let handle = format!("{}/subnets/{}", read.id, subnet.name);
            let mut part = self.part(&found[0], id, kind::SUBNET, handle.clone());
            part.attributes.insert("cidr".to_owned(), json!(range_of(subnet)));
            let number = subnet.name.strip_prefix("private-");
            if let (Some(gateway), Some(number)) = (&subnet.properties.nat_gateway, number) {
                let mut route = self.part(&found[0], format!("routes/private-{number}"), kind::ROUTES, handle);
                let name = last(&gateway.id);
                let way = name.rsplit('-').next().unwrap_or(name);
                route.attributes.insert("default".to_owned(), json!(format!("nat/{way}")));
                route.attributes.insert("subnets".to_owned(), json!([part.id]));
                found.push(route);
            }
            found.push(part);
        }
        Ok(found)
    }

    fn nat(&self, value: &Value) -> Result<Found, ProviderError> {
        let read: Tracked<NatGateway> = read(value)?;
        let mut found = self.plain(value, kind::NAT);
        let address = read.properties.public_ip_addresses.first().map(|address| {
            let name = last(&address.id);
            let start = tags::name(&self.options.environment, "address/");
            format!("address/{}", name.strip_prefix(&start).unwrap_or(name))
        });
        found.attributes.insert("address".to_owned(), json!(address));
        Ok(found)
    }

    /// An address that is a resource of its own. Those of a balancer or of an interface go with it; where only the address was
    /// made before the controller was killed, it is that balancer or interface, without anything of what it should have.
    fn address(&self, value: &Value, balancers: &[Listed], interfaces: &[Listed]) -> Option<Found> {
        let resource = resource_of(value)?;
        if resource.starts_with("address/") {
            return Some(self.plain(value, kind::ADDRESS));
        }
        let is_interface = resource.starts_with("interface/");
        let (owners, arm, kind, missing) = match is_interface {
            true => (interfaces, arm::INTERFACE, kind::INTERFACE, "firewalls"),
            false => (balancers, arm::BALANCER, kind::BALANCER, "services"),
        };
        if owners.iter().any(|owner| resource_of(owner) == Some(resource)) {
            return None;
        }
        let half = self.plain(value, kind);
        let handle = self.id(arm, last(&half.handle));
        Some(Found { handle, attributes: BTreeMap::from([(missing.to_owned(), json!([]))]), ..half })
    }

    /// A firewall is two groups of one name, and its rules are a resource of their own where there are any. One that has one
    /// of its groups says so, so that the other is made.
    fn firewalls(&self, groups: &[Listed], names: &[Listed]) -> Result<Vec<Found>, ProviderError> {
        let mut found = Vec::new();
        let has = |all: &[Listed], id: &str| all.iter().any(|one| resource_of(one) == Some(id));
        for value in names {
            let mut firewall = self.plain(value, kind::FIREWALL);
            let parts = if has(groups, &firewall.id) { &["names", "rules"][..] } else { &["names"] };
            firewall.attributes.insert("parts".to_owned(), json!(parts));
            found.push(firewall);
        }
        for value in groups {
            let group: Tracked<SecurityGroup> = read(value)?;
            let mut firewall = self.plain(value, kind::FIREWALL);
            let name = firewall.id.strip_prefix("firewall/").unwrap_or(&firewall.id).to_owned();
            let rules = self.told_by_azure(&group.properties.security_rules);
            if !rules.is_empty() {
                let mut part = self.part(&firewall, format!("rules/{name}"), kind::RULES, group.id.clone());
                part.attributes.insert("rules".to_owned(), json!(rules));
                found.push(part);
            }
            if !has(names, &firewall.id) {
                firewall.handle = self.id(arm::NAMES, last(&group.id));
                firewall.attributes.insert("parts".to_owned(), json!(["rules"]));
                found.push(firewall);
            }
        }
        Ok(found)
    }

    fn disk(&self, value: &Value) -> Result<Option<Found>, ProviderError> {
        let read: compute::Disk = read(value)?;
        let mut found = self.plain(value, kind::DISK);
        if found.id.starts_with("disk/") {
            found.attributes.insert("size_gb".to_owned(), json!(read.properties.size_gb));
            found.attributes.insert("type".to_owned(), json!(read.sku.map(|sku| sku.name)));
            return Ok(Some(found));
        }
        // A system disk goes with its machine; one that was left behind goes by itself.
        let left = read.managed_by.is_none();
        found.id = format!("disk/{}", read.name);
        Ok(left.then_some(found))
    }

    async fn store(&self, value: &Value) -> Result<Vec<Found>, ProviderError> {
        let store = self.plain(value, kind::STORE);
        let path = format!("{}/blobServices/default/containers", store.handle);
        let containers: Vec<storage::Container> =
            self.client.list(&path, storage::VERSION, &[]).await.map_err(|error| failed(DOING, &error))?;
        let mut found = Vec::new();
        for container in containers {
            let id = format!("bucket/{}", container.name);
            let handle = format!("{path}/{}", container.name);
            let mut part = self.part(&store, id, kind::BUCKET, handle);
            let closed = container.properties.public_access.as_deref().unwrap_or("None") == "None";
            part.attributes.insert("public_blocked".to_owned(), json!(closed));
            found.push(part);
        }
        found.push(store);
        Ok(found)
    }

    fn identity(
        &self,
        value: &Value,
        assignments: &[(String, resources::RoleAssignment)],
    ) -> Result<Found, ProviderError> {
        let read: resources::Identity = read(value)?;
        let mut found = self.plain(value, kind::IDENTITY);
        let mut buckets: Vec<String> = Vec::new();
        for (id, assignment) in assignments {
            if assignment.properties.principal_id == read.properties.principal_id
                && let Some((scope, _)) = id.split_once("/providers/Microsoft.Authorization/")
            {
                buckets.push(last(scope).to_owned());
            }
        }
        // In the file's order, so that only what differs differs.
        let position = |name: &String| self.options.buckets.iter().position(|own| own == name).unwrap_or(usize::MAX);
        buckets.sort_by_key(position);
        found.attributes.insert("buckets".to_owned(), json!(buckets));
        Ok(found)
    }

    fn interface(&self, value: &Value) -> Result<Found, ProviderError> {
        let read: Tracked<Interface> = read(value)?;
        let mut found = self.plain(value, kind::INTERFACE);
        let Some(configuration) = read.properties.ip_configurations.first() else { return Ok(found) };
        let start = tags::name(&self.options.environment, "firewall/");
        let groups = configuration.properties.application_security_groups.iter();
        let mut firewalls: Vec<String> = groups
            .map(|group| last(&group.id))
            .map(|name| name.strip_prefix(&start).unwrap_or(name).to_owned())
            .collect();
        firewalls.sort_by_key(|name| (name != EVERYONE, name.clone()));
        found.attributes.insert("firewalls".to_owned(), json!(firewalls));
        // Whoever takes the rules off an interface opens it to its whole network.
        let rules = read.properties.network_security_group.as_ref().map(|group| last(&group.id).to_owned());
        let rules = rules.map(|name| name.strip_prefix(&start).unwrap_or(&name).to_owned());
        found.attributes.insert("rules".to_owned(), json!(rules));
        let own = configuration.properties.public.as_ref().map(|address| last(&address.id).to_owned());
        let start = tags::name(&self.options.environment, "address/");
        let address = own.as_ref().and_then(|name| name.strip_prefix(&start)).map(|name| format!("address/{name}"));
        found.attributes.insert("address".to_owned(), json!(address));
        found.attributes.insert("public_ip".to_owned(), json!(own.is_some()));
        Ok(found)
    }

    /// Whether something that is there under a name of ours is ours.
    pub(super) fn ours(&self, doing: &str, id: &str, there: &Value) -> Result<(), ProviderError> {
        if self.is_ours(there) {
            return Ok(());
        }
        let message =
            format!("{id} is there and does not carry the tag {}={}", tags::ENVIRONMENT, self.options.environment);
        Err(permanent(doing, message, Some("it is somebody else's: rename the environment, or `refarch adopt` it")))
    }

    /// Fails where somebody else has something of this id.
    pub(super) async fn own_or_free(&self, doing: &str, id: &str, version: &str) -> Result<(), ProviderError> {
        let there: Option<Value> = self.client.get(id, version).await.map_err(|error| failed(doing, &error))?;
        there.map_or(Ok(()), |there| self.ours(doing, id, &there))
    }
}

pub(super) fn read<T: DeserializeOwned>(value: &Value) -> Result<T, ProviderError> {
    serde_json::from_value(value.clone()).map_err(|error| {
        let id = value.get("id").and_then(Value::as_str).unwrap_or("a resource");
        permanent(DOING, format!("Azure's answer about {id} cannot be read: {error}"), None)
    })
}

pub(super) fn resource_of(value: &Value) -> Option<&str> {
    value.pointer(&format!("/tags/{}", tags::RESOURCE))?.as_str()
}

fn tags_of(value: &Value) -> Tags {
    let tags = value.get("tags").and_then(Value::as_object).into_iter().flatten();
    tags.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
}

fn range_of(subnet: &Part<Subnet>) -> Option<String> {
    let several = || subnet.properties.address_prefixes.as_ref()?.first().cloned();
    subnet.properties.address_prefix.clone().or_else(several)
}

/// What was not made to its end, is made again where it is only a thing, and looked at by people where it is a machine.
fn condition(value: &Value) -> Condition {
    match provisioning_state(value) {
        Some(state) if state.eq_ignore_ascii_case("failed") => Condition::Broken("Azure could not make it".to_owned()),
        _ => Condition::Good,
    }
}
