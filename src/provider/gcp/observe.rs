//! What an environment has, read from Google's own lists.

use std::collections::{BTreeMap, HashMap};

use google_cloud_compute_v1::model::{
    Disk, Instance, address::AddressType, instance::Status, scheduling::ProvisioningModel,
};
use google_cloud_gax::paginator::ItemPaginator as _;
use serde_json::{Value, json};

use super::{
    compute::{At, handle, last},
    fault::Fault,
    firewall, labels, machines, names,
    shape::{self, EVERYONE, SUBNET},
};
use crate::provider::{
    Condition, Expiring, ProviderError,
    cloud::{
        Found, Machine, MachineState,
        blueprint::kind,
        permanent,
        reach::BASTION,
        tags::{self, Tags},
    },
};

fn attributes<const N: usize>(all: [(&str, Value); N]) -> BTreeMap<String, Value> {
    all.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn plain(id: &str, kind: &'static str, handle: String, tags: Tags, attributes: BTreeMap<String, Value>) -> Found {
    let id = tags.get(tags::RESOURCE).cloned().unwrap_or_else(|| id.to_owned());
    Found { id, kind, handle, tags, attributes, condition: Condition::Good, machine: None }
}

impl At<'_> {
    fn filter(&self) -> String {
        let value = labels::escape(self.environment()).unwrap_or_default();
        format!("labels.{} = {value}", tags::ENVIRONMENT)
    }

    /// Everything that is the environment's.
    pub(super) async fn list(&self) -> Result<Vec<Found>, ProviderError> {
        let doing = "list what the environment has on Google Cloud";
        let told = |fault: Fault| fault.told(doing);
        let (networks, addresses, machines, rest) =
            tokio::join!(self.list_networks(), self.list_addresses(), self.list_machines(), async {
                tokio::join!(self.balancers(), self.buckets(), self.identities(), self.list_members())
            },);
        let mut found = networks.map_err(told)?;
        found.extend(addresses.map_err(told)?);
        found.extend(machines.map_err(told)?);
        found.extend(rest.0.map_err(told)?);
        found.extend(rest.1.map_err(told)?);
        found.extend(rest.2.map_err(told)?);
        found.extend(rest.3.map_err(told)?);
        self.refuse_other_regions(&found, doing)?;
        Ok(found)
    }

    /// An environment stands in one region: what a file with another region would make is a second one beside it.
    fn refuse_other_regions(&self, found: &[Found], doing: &str) -> Result<(), ProviderError> {
        let region = |found: &Found| match found.kind {
            kind::INSTANCE | kind::BASTION => {
                machines::parts(&found.handle).1.rsplit_once('-').map(|(region, _)| region.to_owned())
            }
            _ => found.handle.strip_prefix("regions/").and_then(|rest| rest.split('/').next()).map(str::to_owned),
        };
        let other = found
            .iter()
            .find_map(|found| region(found).filter(|region| region != self.region).map(|other| (found, other)));
        let Some((found, other)) = other else { return Ok(()) };
        let message = format!("{} stands in {other}, and the region is {}", found.handle, self.region);
        Err(permanent(doing, message, Some("write the region that it stands in under `cloud.region`")))
    }

    async fn list_networks(&self) -> Result<Vec<Found>, Fault> {
        let own = |description: Option<&str>| {
            labels::described(description).filter(|tags| labels::owned(tags, self.environment()))
        };
        let mut found = Vec::new();
        let mut networks = self.clients.networks.list().set_project(self.project).by_item();
        while let Some(network) = networks.next().await {
            let network = network?;
            if let Some(tags) = own(network.description.as_deref()) {
                let handle = format!("global/networks/{}", network.name.unwrap_or_default());
                found.push(plain("network", kind::NETWORK, handle, tags, BTreeMap::new()));
            }
        }
        let mut subnets = self.clients.subnets.aggregated_list().set_project(self.project).by_item();
        while let Some(scope) = subnets.next().await {
            for subnet in scope?.1.subnetworks {
                if let Some(tags) = own(subnet.description.as_deref()) {
                    let cidr = attributes([("cidr", json!(subnet.ip_cidr_range))]);
                    let handle = handle(&subnet.self_link.unwrap_or_default());
                    found.push(plain(SUBNET, kind::SUBNET, handle, tags, cidr));
                }
            }
        }
        let mut routers = self.clients.routers.aggregated_list().set_project(self.project).by_item();
        while let Some(scope) = routers.next().await {
            for router in scope?.1.routers {
                if let Some(tags) = own(router.description.as_deref()) {
                    let address = attributes([("address", json!("address/nat-1"))]);
                    let handle = handle(&router.self_link.unwrap_or_default());
                    let mut nat = plain("nat/1", kind::NAT, handle, tags, address);
                    if router.nats.is_empty() {
                        nat.condition = Condition::Broken("the router has no NAT gateway any more".to_owned());
                    }
                    found.push(nat);
                }
            }
        }
        found.extend(self.list_rules().await?);
        found.extend(self.list_placements().await?);
        Ok(found)
    }

    async fn list_rules(&self) -> Result<Vec<Found>, Fault> {
        let mut by: BTreeMap<String, (Tags, Vec<_>)> = BTreeMap::new();
        for rule in self.firewalls().await? {
            let Some(tags) = labels::described(rule.description.as_deref()) else { continue };
            let id = tags.get(tags::RESOURCE).cloned().unwrap_or_default();
            by.entry(id).or_insert_with(|| (tags, Vec::new())).1.push(rule);
        }
        let found = |(id, (tags, rules)): (String, (Tags, Vec<_>))| {
            let target = firewall::target_tag(self.environment(), &id);
            let rules = attributes([("rules", json!(firewall::told(self.environment(), &target, &rules)))]);
            let kind = if id == EVERYONE { kind::FIREWALL } else { kind::RULES };
            plain(&id, kind, firewall::rules_handle(self.environment(), &id), tags, rules)
        };
        Ok(by.into_iter().map(found).collect())
    }

    async fn list_addresses(&self) -> Result<Vec<Found>, Fault> {
        let mut found = Vec::new();
        let mut addresses =
            self.clients.addresses.aggregated_list().set_project(self.project).set_filter(self.filter()).by_item();
        while let Some(scope) = addresses.next().await {
            for address in scope?.1.addresses {
                let tags = labels::tags(address.name.as_deref(), &address.labels);
                let handle = handle(&address.self_link.unwrap_or_default());
                let inside = address.address_type == Some(AddressType::Internal);
                let inside = if inside { attributes([("internal", json!(true))]) } else { BTreeMap::new() };
                found.push(plain("address", kind::ADDRESS, handle, tags, inside));
            }
        }
        Ok(found)
    }

    async fn instances(&self) -> Result<Vec<Instance>, Fault> {
        let mut found = Vec::new();
        let mut scopes =
            self.clients.instances.aggregated_list().set_project(self.project).set_filter(self.filter()).by_item();
        while let Some(scope) = scopes.next().await {
            found.extend(scope?.1.instances);
        }
        Ok(found)
    }

    /// Machines, and disks that no machine has any more.
    pub(super) async fn list_machines(&self) -> Result<Vec<Found>, Fault> {
        let (instances, disks, addresses) =
            tokio::join!(self.instances(), self.disks_by_handle(), self.list_reserved());
        let (instances, disks, addresses) = (instances?, disks?, addresses?);
        let mut found: Vec<Found> =
            instances.iter().map(|instance| self.machine(instance, &disks, &addresses)).collect();
        let lone = disks.iter().filter(|(_, disk)| disk.users.is_empty() && !self.is_of(disk, &instances));
        for (handle, disk) in lone {
            let mut tags = labels::tags(disk.name.as_deref(), &disk.labels);
            tags.insert(tags::RESOURCE.to_owned(), format!("disk/{}", disk.name.clone().unwrap_or_default()));
            found.push(plain("disk", kind::DISK, handle.clone(), tags, BTreeMap::new()));
        }
        Ok(found)
    }

    /// Whether a disk is of a machine that is just being made: it is listed before it is attached.
    fn is_of(&self, disk: &Disk, instances: &[Instance]) -> bool {
        let name = disk.name.as_deref().unwrap_or_default();
        instances.iter().filter_map(|instance| instance.name.as_deref()).any(|owner| name.starts_with(owner))
    }

    async fn disks_by_handle(&self) -> Result<HashMap<String, Disk>, Fault> {
        let mut found = HashMap::new();
        let mut scopes =
            self.clients.disks.aggregated_list().set_project(self.project).set_filter(self.filter()).by_item();
        while let Some(scope) = scopes.next().await {
            for disk in scope?.1.disks {
                found.insert(handle(disk.self_link.as_deref().unwrap_or_default()), disk);
            }
        }
        Ok(found)
    }

    /// Number -> resource, of reserved addresses.
    async fn list_reserved(&self) -> Result<HashMap<String, String>, Fault> {
        let mut found = HashMap::new();
        let mut scopes =
            self.clients.addresses.aggregated_list().set_project(self.project).set_filter(self.filter()).by_item();
        while let Some(scope) = scopes.next().await {
            for address in scope?.1.addresses {
                let tags = labels::tags(None, &address.labels);
                if let (Some(number), Some(id)) = (address.address, tags.get(tags::RESOURCE)) {
                    found.insert(number, id.clone());
                }
            }
        }
        Ok(found)
    }

    fn machine(&self, there: &Instance, disks: &HashMap<String, Disk>, addresses: &HashMap<String, String>) -> Found {
        let name = there.name.clone().unwrap_or_default();
        let zone = last(there.zone.as_deref().unwrap_or_default()).to_owned();
        let mut tags = labels::tags(Some(&name), &there.labels);
        for item in there.metadata.iter().flat_map(|metadata| &metadata.items) {
            if let (Some(key), Some(value)) = (&item.key, &item.value)
                && (key.starts_with("refarch-") || self.gcp.options.tags.contains_key(key))
            {
                tags.insert(key.clone(), value.clone());
            }
        }
        let interface = there.network_interfaces.first();
        let config = interface.and_then(|interface| interface.access_configs.first());
        let outside = config.and_then(|config| config.nat_ip.clone());
        let disk = |boot: bool| {
            let attached = there.disks.iter().find(|disk| disk.boot.unwrap_or(false) == boot)?;
            disks.get(&handle(attached.source.as_deref()?))
        };
        let mut seen = attributes([
            ("machine_type", json!(last(there.machine_type.as_deref().unwrap_or_default()))),
            ("public_ip", json!(config.is_some())),
            ("address", json!(outside.as_ref().and_then(|number| addresses.get(number)))),
            ("identity", self.identity_of(there, &tags)),
            ("protected", json!(there.deletion_protection.unwrap_or(false))),
            ("firewalls", json!(self.firewalls_named(there, &tags))),
        ]);
        let policy = there.resource_policies.first().map(|link| self.placement_of(last(link)));
        seen.insert("placement".to_owned(), json!(policy));
        let model = there.scheduling.as_ref().and_then(|scheduling| scheduling.provisioning_model.clone());
        seen.insert("spot".to_owned(), json!(model == Some(ProvisioningModel::Spot)));
        if let Some(roles) = tags.get(tags::ROLES) {
            seen.insert("roles".to_owned(), json!(roles));
        }
        for (what, disk) in [("disk", disk(true)), ("data", disk(false))] {
            let Some(disk) = disk else { continue };
            seen.insert(format!("{what}_gb"), json!(disk.size_gb));
            seen.insert(format!("{what}_type"), json!(last(disk.r#type.as_deref().unwrap_or_default())));
        }
        let image = disk(true).and_then(|disk| disk.source_image.clone()).map(|link| full(&link));
        if let Some(image) = &image {
            seen.insert("image".to_owned(), json!(image));
        }
        let kind_of = last(there.machine_type.as_deref().unwrap_or_default());
        let id = tags.get(tags::RESOURCE).cloned().unwrap_or_else(|| format!("node/{name}"));
        Found {
            kind: if id == BASTION { kind::BASTION } else { kind::INSTANCE },
            id,
            handle: machines::handle(&name, &zone),
            tags,
            attributes: seen,
            condition: condition(there.status.as_ref()),
            machine: Some(Machine {
                private: interface.and_then(|interface| interface.network_ip.as_deref()?.parse().ok()),
                public: outside.and_then(|number| number.parse().ok()),
                zone: Some(zone),
                image: image.map(|image| (image, super::cloud::architecture_of(kind_of).to_owned())),
            }),
        }
    }

    /// The account as the blueprint names it: the group's own, or the address of another one.
    fn identity_of(&self, there: &Instance, tags: &Tags) -> Value {
        let Some(email) = there.service_accounts.first().and_then(|account| account.email.as_deref()) else {
            return json!(false);
        };
        let group = tags.get(tags::GROUP).map_or("", String::as_str);
        match email.split('@').next() {
            Some(account) if account == names::account(self.environment(), group) => json!(shape::identity(group)),
            _ => json!(email),
        }
    }

    /// Network tags as the blueprint names them, in its order: everyone, the group.
    fn firewalls_named(&self, there: &Instance, tags: &Tags) -> Vec<String> {
        let all: Vec<String> = there.tags.iter().flat_map(|tags| tags.items.clone()).collect();
        let group = tags.get(tags::GROUP).cloned().unwrap_or_default();
        let mut named = Vec::new();
        for known in ["everyone", &group] {
            if all.contains(&names::tag(self.environment(), known)) && !named.iter().any(|one| one == known) {
                named.push(known.to_owned());
            }
        }
        let start = format!("{}-", self.environment());
        let others = all.iter().filter(|tag| !named.iter().any(|known| names::tag(self.environment(), known) == **tag));
        let others: Vec<String> = others.map(|tag| tag.strip_prefix(&start).unwrap_or(tag).to_owned()).collect();
        named.extend(others);
        named
    }

    /// How far machines are, by handle.
    pub(super) async fn states(&self) -> Result<BTreeMap<String, MachineState>, Fault> {
        let state = |there: Instance| {
            let zone = last(there.zone.as_deref().unwrap_or_default()).to_owned();
            let state = match there.status? {
                Status::Running => MachineState::Running,
                Status::Stopping | Status::Suspending | Status::PendingStop | Status::Deprovisioning => {
                    MachineState::Stopping
                }
                Status::Terminated | Status::Stopped | Status::Suspended => MachineState::Stopped,
                _ => MachineState::Pending,
            };
            Some((machines::handle(&there.name.unwrap_or_default(), &zone), state))
        };
        Ok(self.instances().await?.into_iter().filter_map(state).collect())
    }

    /// Every environment of refarch's in the project and region.
    pub(super) async fn environments(&self) -> Result<Vec<Expiring>, Fault> {
        let mut by: BTreeMap<String, Expiring> = BTreeMap::new();
        let mut note = |tags: &Tags| {
            let Some(environment) = tags.get(tags::ENVIRONMENT) else { return };
            let one = by.entry(environment.clone()).or_insert_with(|| Expiring {
                environment: environment.clone(),
                owner: None,
                expires: None,
                resources: 0,
            });
            one.resources += 1;
            one.owner = one.owner.take().or_else(|| tags.get(tags::OWNER).cloned());
            one.expires = one.expires.max(tags::expires(tags));
        };
        let filter = format!("labels.{}:*", tags::ENVIRONMENT);
        let mut scopes =
            self.clients.instances.aggregated_list().set_project(self.project).set_filter(filter).by_item();
        while let Some(scope) = scopes.next().await {
            let here = |there: &Instance| last(there.zone.as_deref().unwrap_or_default()).starts_with(self.region);
            for there in scope?.1.instances.iter().filter(|there| here(there)) {
                note(&labels::tags(None, &there.labels));
            }
        }
        let mut networks = self.clients.networks.list().set_project(self.project).by_item();
        while let Some(network) = networks.next().await {
            if let Some(tags) = labels::described(network?.description.as_deref()) {
                note(&tags);
            }
        }
        Ok(by.into_values().collect())
    }
}

/// The path of a link from `projects/` on.
fn full(link: &str) -> String {
    link.split_once("/projects/").map_or_else(|| link.to_owned(), |(_, path)| format!("projects/{path}"))
}

fn condition(status: Option<&Status>) -> Condition {
    match status {
        Some(Status::Terminated | Status::Stopped | Status::Suspended | Status::Stopping) => Condition::Stopped,
        Some(Status::Repairing) => Condition::Broken("Google is repairing it".to_owned()),
        _ => Condition::Good,
    }
}
