//! Machines that are there, with their addresses and disks.

use std::{collections::BTreeMap, net::IpAddr};

use futures_util::{StreamExt, future::BoxFuture, stream};
use serde_json::{Value, json};

use super::{
    Azure,
    azure_mgmt::{
        compute,
        network::{Interface, PublicAddress, Tracked},
    },
    error::failed,
    image,
    list::{DOING, Listed, read, resource_of},
    machine::machine_state,
    names::{arm, last},
};
use crate::provider::{
    Condition, ProviderError,
    cloud::{
        Found, Machine, MachineState,
        blueprint::kind,
        reach::BASTION,
        tags::{self, Tags},
    },
};

/// Questions at a time where each concerns one machine.
const AT_A_TIME: usize = 12;

impl Azure {
    /// Machines, with what they do at the moment. `disks`: all that carry the environment's tag, where it matters.
    pub(super) async fn list_machines(
        &self,
        interfaces: &[Listed],
        addresses: &[Listed],
        disks: Option<&[Listed]>,
    ) -> Result<Vec<Found>, ProviderError> {
        let listed = self.list_tagged(arm::MACHINE, compute::VERSION).await?;
        let public: BTreeMap<String, IpAddr> = addresses
            .iter()
            .filter_map(|value| read::<Tracked<PublicAddress>>(value).ok())
            .filter_map(|address| Some((address.id.to_lowercase(), address.properties.ip_address?.parse().ok()?)))
            .collect();
        let mut inside: BTreeMap<String, (Option<IpAddr>, Option<IpAddr>)> = BTreeMap::new();
        for value in interfaces {
            let read: Tracked<Interface> = read(value)?;
            let Some(configuration) = read.properties.ip_configurations.into_iter().next() else { continue };
            let private = configuration.properties.private.and_then(|address| address.parse().ok());
            let outside = configuration.properties.public.and_then(|own| public.get(&own.id.to_lowercase()).copied());
            inside.insert(read.id.to_lowercase(), (private, outside));
        }
        let mut own: BTreeMap<String, compute::Disk> = BTreeMap::new();
        for value in disks.into_iter().flatten() {
            let disk: compute::Disk = read(value)?;
            own.insert(disk.id.to_lowercase(), disk);
        }
        let own = disks.map(|_| own);
        let looks = listed.iter().map(|value| Box::pin(self.machine(value, &inside, own.as_ref())) as BoxFuture<'_, _>);
        let looks: Vec<BoxFuture<'_, Result<Option<Found>, ProviderError>>> = looks.collect();
        let all: Vec<Result<Option<Found>, ProviderError>> = stream::iter(looks).buffered(AT_A_TIME).collect().await;
        all.into_iter().filter_map(Result::transpose).collect()
    }

    /// The environment's identity among those that a machine has, as the resource that it is. Others (a policy's, the
    /// system's own) are others' business.
    pub(super) fn own_identity(&self, all: &compute::MachineIdentity) -> Option<String> {
        let start = self.id_of(arm::IDENTITY, kind::IDENTITY).to_lowercase();
        all.user_assigned_identities.keys().find_map(|id| {
            let id = id.to_lowercase();
            Some(match id.strip_prefix(&start)?.strip_prefix('-') {
                Some(group) => format!("identity/{group}"),
                // One for all, of an environment that was made before groups had their own.
                None => kind::IDENTITY.to_owned(),
            })
        })
    }

    async fn machine(
        &self,
        value: &Value,
        inside: &BTreeMap<String, (Option<IpAddr>, Option<IpAddr>)>,
        disks: Option<&BTreeMap<String, compute::Disk>>,
    ) -> Result<Option<Found>, ProviderError> {
        let id = value.get("id").and_then(Value::as_str).unwrap_or_default();
        let seen = self.client.machine_with_view(id).await.map_err(|error| failed(DOING, &error))?;
        let Some(seen) = seen else { return Ok(None) };
        let is_bastion = resource_of(value) == Some(BASTION);
        let mut found = self.plain(value, if is_bastion { kind::BASTION } else { kind::INSTANCE });
        let properties = &seen.properties;
        let tags = found.tags.clone();
        let mut set = |name: &str, value: Value| {
            found.attributes.insert(name.to_owned(), value);
        };
        set("machine_type", json!(properties.hardware_profile.vm_size));
        set(
            "identity",
            seen.identity.as_ref().and_then(|all| self.own_identity(all)).map_or(json!(false), Value::from),
        );
        set("spot", json!(properties.priority.as_deref() == Some("Spot")));
        // The disk itself knows best: its machine tells nothing of it while it is deallocated, and what it was made with after
        // it grew. A machine that was made just now has not tagged it yet.
        let told = properties.storage_profile.os_disk.as_ref();
        let disk = disks.and_then(|all| all.get(&self.id(arm::DISK, &format!("{}-os", last(id))).to_lowercase()));
        if let Some(size) = disk.and_then(|disk| disk.properties.size_gb).or_else(|| told?.size_gb) {
            set("disk_gb", json!(size));
        }
        // Whoever made the machine may have been killed before he tagged its disk.
        if disks.is_some() {
            set("disk_tagged", json!(disk.is_some_and(|disk| has_all(&disk.tags, &tags, &self.options.tags))));
        }
        let kind = disk.and_then(|disk| Some(disk.sku.as_ref()?.name.clone()));
        if let Some(kind) = kind.or_else(|| told?.managed_disk.as_ref()?.storage_account_type.clone()) {
            set("disk_type", json!(kind));
        }
        let image = properties.storage_profile.image_reference.as_ref().and_then(image::text);
        if let Some(image) = &image {
            set("image", json!(image));
        }
        let first = properties.network_profile.network_interfaces.first();
        let addresses = first.and_then(|nic| inside.get(&nic.id.to_lowercase())).copied().unwrap_or_default();
        found.machine = Some(Machine {
            private: addresses.0,
            public: addresses.1,
            zone: seen.zones.as_ref().and_then(|zones| zones.first().cloned()),
            image: image.map(|image| (image, image::architecture(&properties.hardware_profile.vm_size).to_owned())),
        });
        found.condition = match machine_state(&seen) {
            MachineState::Stopped | MachineState::Stopping => Condition::Stopped,
            MachineState::Gone => {
                let why = properties.instance_view.as_ref().and_then(|view| view.failure());
                Condition::Broken(why.unwrap_or_else(|| "it was never made to its end".to_owned()))
            }
            _ => Condition::Good,
        };
        Ok(Some(found))
    }
}

/// Whether a machine's disk has the tags of its machine, those of the moment excepted.
fn has_all(disk: &Tags, machine: &Tags, users: &Tags) -> bool {
    const PASSING: [&str; 5] = [tags::RUN, tags::EXPIRES, tags::LAUNCH, tags::INSTEAD_OF, tags::HOST_KEY];
    let own = |key: &str| {
        key == tags::NAME || key.starts_with("refarch-") && !PASSING.contains(&key) || users.contains_key(key)
    };
    machine.iter().filter(|(key, _)| own(key)).all(|(key, value)| disk.get(key) == Some(value))
}
