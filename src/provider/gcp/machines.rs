//! Machines: made one request each, all at once; changed where they stand.

use std::collections::BTreeMap;

use futures_util::{StreamExt as _, stream};
use google_cloud_compute_v1::model::{
    AccessConfig, AttachedDisk, AttachedDiskInitializeParams, CustomerEncryptionKey, DisksResizeRequest, Instance,
    InstancesSetLabelsRequest, InstancesSetMachineTypeRequest, InstancesSetServiceAccountRequest, Metadata,
    NetworkInterface, Scheduling, ServiceAccount, ShieldedInstanceConfig, Tags as NetworkTags, access_config,
    metadata::Items,
    scheduling::{InstanceTerminationAction, ProvisioningModel},
};
use serde_json::Value;

use super::{
    clients::found,
    compute::{At, act, remove},
    fault::Fault,
    labels, names, network,
    shape::SUBNET,
};
use crate::{
    event::StepLog,
    provider::{
        FieldChange, ProviderError, Resource,
        cloud::{
            Book, Launch, LaunchError, Making, permanent,
            tags::{self, Tags},
        },
    },
};

/// Requests under way at once.
const AT_A_TIME: usize = 24;
/// What a machine's service account may be used for; what it may do, its roles say.
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";

/// Handle of a machine: it goes into host names, so without slashes.
pub(super) fn handle(name: &str, zone: &str) -> String {
    format!("{name}.{zone}")
}

/// Name and zone of a machine.
pub(super) fn parts(handle: &str) -> (&str, &str) {
    handle.split_once('.').unwrap_or((handle, ""))
}

fn text<'a>(resource: &'a Resource, attribute: &str) -> Option<&'a str> {
    resource.attributes.get(attribute).and_then(Value::as_str)
}

fn number(resource: &Resource, attribute: &str) -> Option<i64> {
    resource.attributes.get(attribute).and_then(Value::as_i64)
}

fn flag(resource: &Resource, attribute: &str) -> bool {
    resource.attributes.get(attribute).and_then(Value::as_bool).unwrap_or(false)
}

fn item(key: &str, value: impl Into<String>) -> Items {
    Items::new().set_key(key).set_value(value)
}

impl At<'_> {
    /// Makes machines; returns their handles in order. Those that were made are noted also where others failed.
    pub(super) async fn launch(&self, launch: Launch<'_>) -> Result<Vec<String>, LaunchError> {
        let zone = self.gcp.zone(self, launch.zone).await.map_err(LaunchError::Other)?;
        let key = self.gcp.public_key().await.map_err(LaunchError::Other)?;
        let (launch, zone, key) = (&launch, &zone, &key);
        let calls: Vec<_> = launch.machines.iter().map(|machine| self.launch_one(launch, machine, zone, key)).collect();
        let made: Vec<Result<String, LaunchError>> = stream::iter(calls).buffered(AT_A_TIME).collect().await;
        let mut handles = Vec::new();
        let mut failed = None;
        for (machine, outcome) in launch.machines.iter().zip(made) {
            match outcome {
                Ok(handle) => {
                    launch.book.note(&machine.id, &handle);
                    handles.push(handle);
                }
                // What will not pass is told before what may: another zone does not help it.
                Err(error) => match (&failed, &error) {
                    (None, _) | (Some(LaunchError::NoCapacity(_)), LaunchError::Other(_)) => failed = Some(error),
                    _ => {}
                },
            }
        }
        failed.map_or(Ok(handles), Err)
    }

    async fn launch_one(
        &self,
        launch: &Launch<'_>,
        machine: &Resource,
        zone: &str,
        key: &str,
    ) -> Result<String, LaunchError> {
        let name = names::of(self.environment(), &machine.id);
        let doing = format!("make machine {name} in {zone}");
        let tags = own_tags(launch.tags, machine);
        let body = self.body(launch, machine, &name, zone, key, &tags).await.map_err(LaunchError::Other)?;
        // Each attempt has a request id of its own: one that is used again is answered with what became of the first, also
        // where that was an error. What makes an attempt after a lost answer harmless is the name.
        let call = self.clients.instances.insert().set_zone(zone).set_body(body);
        match act!(self, &doing, call) {
            Ok(()) => {}
            Err(fault) if fault.exists() => {}
            Err(fault) if fault.capacity() => return Err(LaunchError::NoCapacity(fault.told(doing))),
            Err(fault) => return Err(LaunchError::Other(fault.told(doing))),
        }
        // A name that is taken may be that of a machine that is going away.
        let there = self.instance(&name, zone).await.map_err(|fault| LaunchError::Other(fault.told(&doing)))?;
        let Some(there) = there else { return Err(LaunchError::Used) };
        let handle = handle(&name, zone);
        self.ours(&doing, Some(&labels::tags(None, &there.labels)), &handle).map_err(LaunchError::Other)?;
        self.gcp.fresh(&handle, tags);
        Ok(handle)
    }

    pub(super) async fn instance(&self, name: &str, zone: &str) -> Result<Option<Instance>, Fault> {
        found(self.clients.instances.get().set_project(self.project).set_zone(zone).set_instance(name).send().await)
    }

    async fn body(
        &self,
        launch: &Launch<'_>,
        machine: &Resource,
        name: &str,
        zone: &str,
        key: &str,
        tags: &Tags,
    ) -> Result<Instance, ProviderError> {
        let doing = format!("make machine {name}");
        let kind = launch.machine_type.unwrap_or(self.gcp.small_type());
        let (labels, rest) = labels::split(tags);
        let subnet = launch.book.need(&doing, SUBNET)?;
        let mut interface = NetworkInterface::new().set_subnetwork(self.link(&subnet));
        if flag(machine, "public_ip") {
            let mut config = AccessConfig::new().set_name("External NAT").set_type(access_config::Type::OneToOneNat);
            if let Some(address) = text(machine, "address") {
                let handle = launch.book.need(&doing, address)?;
                let there = self.address(&handle).await.map_err(|fault| fault.told(&doing))?;
                if let Some(number) = there.as_ref().and_then(network::number) {
                    config = config.set_nat_ip(number.to_string());
                }
            }
            interface = interface.set_access_configs([config]);
        }
        let firewalls = machine.attributes.get("firewalls").and_then(Value::as_array);
        let firewalls = firewalls.into_iter().flatten().filter_map(Value::as_str);
        let items = vec![
            item("ssh-keys", format!("{}:{key}", self.gcp.options.user())),
            item("enable-oslogin", "FALSE"),
            item("block-project-ssh-keys", "TRUE"),
            // Where the image's agent shows the host keys, readable over Google's own interface alone.
            item("enable-guest-attributes", "TRUE"),
        ];
        let script = (!launch.first_start.is_empty()).then(|| item("startup-script", launch.first_start));
        let kept = rest.into_iter().map(|(key, value)| item(&key, value));
        let scheduling = match flag(machine, "spot") {
            true => Scheduling::new()
                .set_provisioning_model(ProvisioningModel::Spot)
                .set_preemptible(true)
                .set_automatic_restart(false)
                .set_instance_termination_action(InstanceTerminationAction::Stop),
            false => Scheduling::new().set_automatic_restart(true),
        };
        let account = self.email(machine, launch.book, &doing)?;
        let accounts = account.map(|email| ServiceAccount::new().set_email(email).set_scopes([SCOPE]));
        let policy = text(machine, "placement").map(|id| launch.book.need(&doing, id)).transpose()?;
        Ok(Instance::new()
            .set_name(name)
            .set_machine_type(format!("zones/{zone}/machineTypes/{kind}"))
            .set_labels(labels.clone())
            .set_disks(self.disks(machine, launch.image, name, zone, &labels))
            .set_network_interfaces([interface])
            .set_tags(NetworkTags::new().set_items(firewalls.map(|name| names::tag(self.environment(), name))))
            .set_metadata(Metadata::new().set_items(items.into_iter().chain(script).chain(kept)))
            .set_service_accounts(accounts)
            .set_resource_policies(policy.map(|handle| self.link(&handle)))
            .set_scheduling(scheduling)
            .set_deletion_protection(flag(machine, "protected"))
            .set_shielded_instance_config(
                ShieldedInstanceConfig::new()
                    .set_enable_secure_boot(true)
                    .set_enable_vtpm(true)
                    .set_enable_integrity_monitoring(true),
            ))
    }

    /// Mail address of a machine's service account, where it has one.
    fn email(&self, machine: &Resource, book: &Book, doing: &str) -> Result<Option<String>, ProviderError> {
        match (&self.gcp.own.service_account, text(machine, "identity")) {
            (_, None) => Ok(None),
            (Some(email), Some(_)) => Ok(Some(email.clone())),
            (None, Some(id)) => book.need(doing, id).map(Some),
        }
    }

    fn disks(
        &self,
        machine: &Resource,
        image: &str,
        name: &str,
        zone: &str,
        labels: &std::collections::HashMap<String, String>,
    ) -> Vec<AttachedDisk> {
        let disk = |device: &str, what: &str, size: i64| {
            let kind = text(machine, &format!("{what}_type")).unwrap_or("pd-balanced");
            let mut wanted = AttachedDiskInitializeParams::new()
                .set_disk_name(device)
                .set_disk_size_gb(size)
                .set_disk_type(format!("zones/{zone}/diskTypes/{kind}"))
                .set_labels(labels.clone());
            if kind.starts_with("hyperdisk") {
                wanted.provisioned_iops = number(machine, &format!("{what}_iops"));
                wanted.provisioned_throughput = number(machine, &format!("{what}_throughput"));
            }
            let disk = AttachedDisk::new().set_device_name(device).set_auto_delete(true);
            let disk = match &self.gcp.own.kms_key {
                Some(key) => disk.set_disk_encryption_key(CustomerEncryptionKey::new().set_kms_key_name(key)),
                None => disk,
            };
            (disk, wanted)
        };
        let (boot, wanted) = disk(name, "disk", number(machine, "disk_gb").unwrap_or(20).max(10));
        let mut disks = vec![boot.set_boot(true).set_initialize_params(wanted.set_source_image(image))];
        if let Some(size) = number(machine, "data_gb") {
            let (data, wanted) = disk(&data_disk(name), "data", size);
            disks.push(data.set_initialize_params(wanted));
        }
        disks
    }

    pub(super) async fn start(&self, handle: &str) -> Result<(), ProviderError> {
        let (name, zone) = parts(handle);
        let doing = format!("start {name}");
        let call = self.clients.instances.start().set_zone(zone).set_instance(name);
        act!(self, &doing, call).map_err(|fault| fault.told(doing))
    }

    pub(super) async fn stop(&self, handle: &str) -> Result<(), ProviderError> {
        let (name, zone) = parts(handle);
        let doing = format!("stop {name}");
        let call = self.clients.instances.stop().set_zone(zone).set_instance(name);
        act!(self, &doing, call).map_err(|fault| fault.told(doing))
    }

    pub(super) async fn cut(&self, handle: &str) -> Result<(), ProviderError> {
        let (name, zone) = parts(handle);
        let doing = format!("switch off {name}");
        let call = self.clients.instances.stop().set_zone(zone).set_instance(name).set_no_graceful_shutdown(true);
        act!(self, &doing, call).map_err(|fault| fault.told(doing))
    }

    pub(super) async fn remove_machine(&self, handle: &str, log: &StepLog) -> Result<(), ProviderError> {
        let (name, zone) = parts(handle);
        let doing = format!("remove {name}");
        let Some(there) = self.instance(name, zone).await.map_err(|fault| fault.told(&doing))? else {
            return Ok(());
        };
        if there.deletion_protection == Some(true) {
            log.line(format!("{name}: taking its deletion protection away"));
            self.protect(name, zone, false).await.map_err(|fault| fault.told(&doing))?;
        }
        remove!(self, &doing, self.clients.instances.delete().set_zone(zone).set_instance(name))
    }

    async fn protect(&self, name: &str, zone: &str, protect: bool) -> Result<(), Fault> {
        let doing = format!("protect {name}");
        let call = self.clients.instances.set_deletion_protection().set_zone(zone).set_resource(name);
        act!(self, &doing, call.set_deletion_protection(protect))
    }

    /// Changes attributes of a machine. It is stopped already where that is needed.
    pub(super) async fn change_machine(
        &self,
        making: Making<'_>,
        handle: &str,
        fields: &[FieldChange],
    ) -> Result<(), ProviderError> {
        let (name, zone) = parts(handle);
        let machine = making.resource;
        for field in fields {
            let doing = format!("change {} of {name}", field.name);
            match field.name.as_str() {
                "machine_type" => {
                    let kind = field.wanted.as_str().unwrap_or_default();
                    let body = InstancesSetMachineTypeRequest::new()
                        .set_machine_type(format!("zones/{zone}/machineTypes/{kind}"));
                    let call =
                        self.clients.instances.set_machine_type().set_zone(zone).set_instance(name).set_body(body);
                    act!(self, &doing, call).map_err(|fault| fault.told(&doing))?;
                }
                "disk_gb" => self.grow(name, zone, field).await?,
                "data_gb" => self.grow(&data_disk(name), zone, field).await?,
                "protected" => {
                    let protect = field.wanted.as_bool().unwrap_or(false);
                    self.protect(name, zone, protect).await.map_err(|fault| fault.told(&doing))?;
                }
                "firewalls" => self.set_network_tags(machine, name, zone, &doing).await?,
                "identity" => {
                    let body = match self.email(machine, making.book, &doing)? {
                        Some(email) => InstancesSetServiceAccountRequest::new().set_email(email).set_scopes([SCOPE]),
                        None => InstancesSetServiceAccountRequest::new(),
                    };
                    let call =
                        self.clients.instances.set_service_account().set_zone(zone).set_instance(name).set_body(body);
                    act!(self, &doing, call).map_err(|fault| fault.told(&doing))?;
                }
                "placement" => self.place(making, name, zone, &doing).await?,
                other => return Err(permanent(doing, format!("`{other}` cannot be changed where it stands"), None)),
            }
        }
        Ok(())
    }

    async fn grow(&self, disk: &str, zone: &str, field: &FieldChange) -> Result<(), ProviderError> {
        let doing = format!("grow disk {disk}");
        let size = field.wanted.as_i64().unwrap_or_default();
        let body = DisksResizeRequest::new().set_size_gb(size);
        let call = self.clients.disks.resize().set_zone(zone).set_disk(disk).set_body(body);
        match act!(self, &doing, call) {
            Err(fault) if self.is_large_enough(disk, zone, size).await => {
                let _ = fault;
                Ok(())
            }
            outcome => outcome.map_err(|fault| fault.told(doing)),
        }
    }

    /// Whether a disk has its size already: the answer to the first attempt may have been lost.
    async fn is_large_enough(&self, disk: &str, zone: &str, size: i64) -> bool {
        let call = self.clients.disks.get().set_project(self.project).set_zone(zone).set_disk(disk);
        call.send().await.is_ok_and(|disk| disk.size_gb.is_some_and(|found| found >= size))
    }

    async fn set_network_tags(
        &self,
        machine: &Resource,
        name: &str,
        zone: &str,
        doing: &str,
    ) -> Result<(), ProviderError> {
        let firewalls = machine.attributes.get("firewalls").and_then(Value::as_array);
        let items: Vec<String> = firewalls
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .map(|firewall| names::tag(self.environment(), firewall))
            .collect();
        for _ in 0..3 {
            let there = self.need_instance(name, zone, doing).await?;
            let print = there.tags.and_then(|tags| tags.fingerprint).unwrap_or_default();
            let body = NetworkTags::new().set_items(items.clone()).set_fingerprint(print);
            let call = self.clients.instances.set_tags().set_zone(zone).set_instance(name).set_body(body);
            match act!(self, doing, call) {
                Err(fault) if fault.stale() => {}
                outcome => return outcome.map_err(|fault| fault.told(doing)),
            }
        }
        Err(permanent(doing, "somebody else changes it all the time", Some("repeat the command")))
    }

    async fn need_instance(&self, name: &str, zone: &str, doing: &str) -> Result<Instance, ProviderError> {
        let there = self.instance(name, zone).await.map_err(|fault| fault.told(doing))?;
        there.ok_or_else(|| permanent(doing, format!("{name} is gone"), Some("`apply` again makes it anew")))
    }

    /// Writes tags of a machine, and takes `gone` away: what fits into labels, the rest into its metadata.
    pub(super) async fn tag_machine(&self, handle: &str, set: &Tags, gone: &[String]) -> Result<(), ProviderError> {
        let (name, zone) = parts(handle);
        let doing = format!("label {name}");
        let (labels, rest) = labels::split(set);
        for _ in 0..3 {
            let there = self.need_instance(name, zone, &doing).await?;
            let mut wanted = there.labels.clone();
            wanted.retain(|key, _| !gone.contains(key) && !rest.contains_key(key));
            wanted.extend(labels.clone());
            if wanted != there.labels {
                let body = InstancesSetLabelsRequest::new()
                    .set_labels(wanted)
                    .set_label_fingerprint(there.label_fingerprint.unwrap_or_default());
                let call = self.clients.instances.set_labels().set_zone(zone).set_instance(name).set_body(body);
                match act!(self, &doing, call) {
                    Err(fault) if fault.stale() => continue,
                    outcome => outcome.map_err(|fault| fault.told(&doing))?,
                }
            }
            let metadata = there.metadata.unwrap_or_default();
            let value = |item: &Items| (item.key.clone().unwrap_or_default(), item.value.clone().unwrap_or_default());
            let found: BTreeMap<String, String> = metadata.items.iter().map(value).collect();
            let mut items = found.clone();
            items.retain(|key, _| !gone.contains(key) && !labels.contains_key(key));
            items.extend(rest.clone());
            if items == found {
                return Ok(());
            }
            let body = Metadata::new()
                .set_items(items.into_iter().map(|(key, value)| item(&key, value)))
                .set_fingerprint(metadata.fingerprint.unwrap_or_default());
            let call = self.clients.instances.set_metadata().set_zone(zone).set_instance(name).set_body(body);
            match act!(self, &doing, call) {
                Err(fault) if fault.stale() => {}
                outcome => return outcome.map_err(|fault| fault.told(&doing)),
            }
        }
        Err(permanent(doing, "somebody else changes it all the time", Some("repeat the command")))
    }

    /// The host key that the machine's agent told Google.
    pub(super) async fn host_key(&self, handle: &str) -> Result<Option<String>, ProviderError> {
        let (name, zone) = parts(handle);
        let call = self
            .clients
            .instances
            .get_guest_attributes()
            .set_project(self.project)
            .set_zone(zone)
            .set_instance(name)
            .set_query_path("hostkeys/");
        let there = found(call.send().await).map_err(|fault| fault.told(format!("read the host key of {name}")))?;
        let items = there.and_then(|there| there.query_value).map(|value| value.items).unwrap_or_default();
        let key = items.into_iter().find(|item| item.key.as_deref() == Some("ssh-ed25519"));
        Ok(key.and_then(|item| item.value).map(|value| format!("ssh-ed25519 {}", value.trim())))
    }
}

/// Name of a machine's data disk.
fn data_disk(machine: &str) -> String {
    names::shorten(&format!("{machine}-data"), names::LONGEST)
}

/// All tags of one machine of a launch: those that it shares with the others, and its own.
fn own_tags(shared: &Tags, machine: &Resource) -> Tags {
    let mut tags = shared.clone();
    tags.remove(tags::LAUNCH);
    let own = machine.attributes.get("tags").and_then(Value::as_object);
    tags.extend(own.into_iter().flatten().filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))));
    tags
}
