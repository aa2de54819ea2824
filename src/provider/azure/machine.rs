//! Machines with their interfaces and disks.

use std::collections::BTreeMap;

use base64::Engine as _;
use futures_util::{StreamExt, future::BoxFuture, stream};
use serde_json::{Value, json};

use super::{
    Azure,
    azure_mgmt::{
        AzureError, Condition,
        compute::{self, VirtualMachine},
        network::{self, Interface, IpConfiguration, Part, Sku},
        provisioning_state,
        resources::Reference,
    },
    error::failed,
    names::{arm, last},
    network::{list, text},
};
use crate::provider::{
    ProviderError, Resource,
    cloud::{Launch, LaunchError, MachineState, Making, permanent, reach::BASTION, tags},
};

/// Operations of one launch at a time.
const AT_A_TIME: usize = 12;
/// Name of the only address of an interface.
const MAIN: &str = "main";

impl Azure {
    /// Name of the machine that a resource is or belongs to.
    pub(super) fn machine_name(&self, resource: &str) -> String {
        match resource.split_once('/') {
            Some((_, BASTION)) | None => tags::name(&self.options.environment, BASTION),
            Some((_, name)) => name.to_owned(),
        }
    }

    pub(super) async fn make_interface(&self, making: Making<'_>) -> Result<String, ProviderError> {
        let doing = format!("make {}", making.resource.id);
        let id = self.id(arm::INTERFACE, &self.machine_name(&making.resource.id));
        let there: Option<Value> =
            self.client.settled(&id, network::VERSION).await.map_err(|error| failed(&doing, &error))?;
        let address = |value: &Value| {
            value.pointer("/properties/ipConfigurations/0/properties/privateIPAddress")?.as_str().map(str::to_owned)
        };
        let subnet = making.book.need(&doing, &text(&making, "subnet")?)?;
        let public = match making.resource.attributes.get("address").and_then(Value::as_str) {
            Some(address) => Some(making.book.need(&doing, address)?),
            None if making.resource.attributes.get("public_ip") == Some(&json!(true)) => {
                Some(self.own_address(&doing, &making).await?)
            }
            None => None,
        };
        let firewalls = list(making.resource.attributes.get("firewalls"));
        let groups = firewalls.iter().map(|name| self.id_of(arm::NAMES, &format!("firewall/{name}")));
        let rules = firewalls.last().map(|name| Reference::to(self.rules_id(name)));
        let configuration = IpConfiguration {
            subnet: Reference::to(subnet),
            allocation: "Dynamic".to_owned(),
            // What it has it keeps: another PUT must not move it.
            private: there.as_ref().and_then(address),
            public: public.map(Reference::to),
            application_security_groups: groups.map(Reference::to).collect(),
            load_balancer_backend_address_pools: Vec::new(),
        };
        let properties = Interface {
            ip_configurations: vec![Part::new(MAIN, configuration)],
            network_security_group: rules,
            ..Interface::default()
        };
        self.put_tracked(&doing, &id, making.tags, properties, None).await
    }

    /// A public address that goes with its interface: where every node has one.
    async fn own_address(&self, doing: &str, making: &Making<'_>) -> Result<String, ProviderError> {
        let id = self.id(arm::ADDRESS, &self.machine_name(&making.resource.id));
        let properties = network::PublicAddress { allocation: "Static".to_owned(), ip_address: None };
        self.put_tracked(doing, &id, making.tags, properties, Sku::standard()).await
    }

    pub(super) async fn remove_interface(&self, doing: &str, id: &str) -> Result<(), ProviderError> {
        self.client.delete(id, network::VERSION).await.map_err(|error| failed(doing, &error))?;
        let address = self.id(arm::ADDRESS, last(id));
        self.client.delete(&address, network::VERSION).await.map_err(|error| failed(doing, &error))
    }

    pub(super) async fn make_disk(&self, making: Making<'_>) -> Result<String, ProviderError> {
        let doing = format!("make {}", making.resource.id);
        let id = self.id(arm::DISK, &format!("{}-data", self.machine_name(&making.resource.id)));
        self.own_or_free(&doing, &id, compute::DISKS).await?;
        let number = |name: &str| {
            making.resource.attributes.get(name).and_then(Value::as_u64).and_then(|n| u32::try_from(n).ok())
        };
        let kind = making.resource.attributes.get("type").and_then(Value::as_str).unwrap_or("Premium_LRS");
        let zone = number("zone").unwrap_or(1).max(1) as usize;
        let body = compute::Disk {
            location: self.location()?,
            tags: making.tags.clone(),
            sku: Some(Sku { name: kind.to_owned() }),
            zones: self.zone_name(zone),
            properties: compute::DiskProperties {
                size_gb: number("size_gb"),
                iops: number("iops"),
                throughput: number("throughput"),
                origin: Some(compute::Origin { create_option: "Empty".to_owned() }),
                encryption: self.azure.disk_encryption_set.clone().map(|set| compute::Encryption {
                    disk_encryption_set_id: set,
                    kind: "EncryptionAtRestWithCustomerKey".to_owned(),
                }),
            },
            ..compute::Disk::default()
        };
        self.client.put(&id, compute::DISKS, &body, Condition::Always).await.map_err(|error| failed(&doing, &error))?;
        Ok(id)
    }

    pub(super) async fn launch_all(&self, launch: &Launch<'_>) -> Result<Vec<String>, LaunchError> {
        let begun =
            launch.machines.iter().map(|machine| Box::pin(self.launch_one(launch, machine)) as BoxFuture<'_, _>);
        let begun: Vec<BoxFuture<'_, Result<String, LaunchError>>> = begun.collect();
        let made: Vec<Result<String, LaunchError>> = stream::iter(begun).buffered(AT_A_TIME).collect().await;
        let mut handles = Vec::new();
        let mut worst = None;
        for (machine, result) in launch.machines.iter().zip(made) {
            match result {
                Ok(handle) => {
                    // Noted here too: a launch that failed for some is repeated for those alone.
                    launch.book.note(&machine.id, &handle);
                    handles.push(handle);
                }
                Err(error @ LaunchError::Other(_)) => worst = Some(error),
                Err(error) => worst = worst.or(Some(error)),
            }
        }
        worst.map_or(Ok(handles), Err)
    }

    async fn launch_one(&self, launch: &Launch<'_>, machine: &Resource) -> Result<String, LaunchError> {
        let doing = format!("launch {}", machine.id);
        let name = self.machine_name(&machine.id);
        let id = self.id(arm::MACHINE, &name);
        let other = |error: AzureError| LaunchError::Other(failed(&doing, &error));
        let there = self.client.settled(&id, compute::VERSION).await.map_err(other)?;
        if let Some(there) = &there {
            self.ours(&doing, &id, there).map_err(LaunchError::Other)?;
            if provisioning_state(there).is_some_and(|state| state.eq_ignore_ascii_case("succeeded")) {
                return Ok(id);
            }
        }
        let moved = machine.attributes.get("zone").and_then(Value::as_u64) != Some(launch.zone as u64);
        if moved && machine.attributes.contains_key("data_disk") {
            let message = format!("{name} cannot go to another zone: its data disk is where it was made");
            return Err(LaunchError::NoCapacity(permanent(doing, message, None)));
        }
        let body = self.body(launch, machine, &doing).map_err(LaunchError::Other)?;
        match self.client.put(&id, compute::VERSION, &body, Condition::Always).await {
            Ok(_) => Ok(id),
            Err(error) => {
                if there.is_none() {
                    self.forget_failed(&doing, &id).await?;
                }
                let told = failed(&doing, &error);
                Err(if error.is_out_of_room() { LaunchError::NoCapacity(told) } else { LaunchError::Other(told) })
            }
        }
    }

    /// A machine that failed after it was accepted stays in Azure's lists and cannot move: it never ran, so it goes.
    async fn forget_failed(&self, doing: &str, id: &str) -> Result<(), LaunchError> {
        let other = |error: AzureError| LaunchError::Other(failed(doing, &error));
        let Some(there) = self.client.settled(id, compute::VERSION).await.map_err(other)? else { return Ok(()) };
        if provisioning_state(&there).is_some_and(|state| state.eq_ignore_ascii_case("failed")) {
            self.client.delete(id, compute::VERSION).await.map_err(other)?;
        }
        Ok(())
    }

    fn body(&self, launch: &Launch<'_>, machine: &Resource, doing: &str) -> Result<VirtualMachine, ProviderError> {
        let attribute = |name: &str| machine.attributes.get(name);
        let name = self.machine_name(&machine.id);
        let user = self.options.user().to_owned();
        let mut all = tags::lasting(&self.options, machine);
        let passing = launch.tags.iter().filter(|(key, _)| key.as_str() != tags::LAUNCH);
        all.extend(passing.map(|(key, value)| (key.clone(), value.clone())));
        let image = super::image::reference(launch.image).ok_or_else(|| {
            permanent(doing, format!("`{}` is no image", launch.image), Some("publisher:offer:sku:version, or an id"))
        })?;
        let marketplace = image.id.is_none();
        let key =
            compute::SshKey { path: format!("/home/{user}/.ssh/authorized_keys"), key_data: self.public_key(doing)? };
        let first_start = (!launch.first_start.is_empty())
            .then(|| base64::engine::general_purpose::STANDARD.encode(launch.first_start));
        let data = attribute("data_disk").is_some().then(|| compute::DataDisk {
            lun: 0,
            create_option: "Attach".to_owned(),
            delete_option: Some("Detach".to_owned()),
            managed_disk: Some(compute::ManagedDisk {
                id: Some(self.id(arm::DISK, &format!("{name}-data"))),
                ..compute::ManagedDisk::default()
            }),
        });
        let identity = attribute("identity").and_then(Value::as_str).map(|identity| compute::MachineIdentity {
            kind: "UserAssigned".to_owned(),
            user_assigned_identities: BTreeMap::from([(self.id_of(arm::IDENTITY, identity), json!({}))]),
        });
        let set = self.azure.disk_encryption_set.clone().map(Reference::to);
        let group = attribute("group").and_then(Value::as_str).unwrap_or_default();
        let spot = attribute("spot") == Some(&json!(true));
        let size = launch.machine_type.or_else(|| attribute("machine_type").and_then(Value::as_str));
        let arm = super::image::architecture(size.unwrap_or(self.smallest())) == "arm64";
        let ultra = launch
            .machines
            .iter()
            .any(|_| self.options.groups.get(group).and_then(|own| own.data_disk.as_ref()).is_some_and(is_ultra));
        Ok(VirtualMachine {
            location: self.location()?,
            tags: all,
            zones: self.zone_name(launch.zone),
            identity,
            properties: compute::MachineProperties {
                hardware_profile: compute::Hardware { vm_size: size.unwrap_or(self.smallest()).to_owned() },
                storage_profile: compute::Storage {
                    image_reference: Some(image),
                    os_disk: Some(compute::SystemDisk {
                        name: Some(format!("{name}-os")),
                        create_option: "FromImage".to_owned(),
                        delete_option: Some("Delete".to_owned()),
                        size_gb: attribute("disk_gb").and_then(Value::as_u64).and_then(|size| u32::try_from(size).ok()),
                        managed_disk: Some(compute::ManagedDisk {
                            storage_account_type: attribute("disk_type").and_then(Value::as_str).map(str::to_owned),
                            disk_encryption_set: set,
                            id: None,
                        }),
                    }),
                    data_disks: data.map(|disk| vec![disk]),
                },
                os_profile: Some(compute::System {
                    computer_name: name.clone(),
                    admin_username: user,
                    custom_data: first_start,
                    linux_configuration: Some(compute::Linux {
                        disable_password_authentication: true,
                        ssh: compute::Ssh { public_keys: vec![key] },
                    }),
                }),
                network_profile: compute::Interfaces {
                    network_interfaces: vec![compute::MachineInterface {
                        id: self.id(arm::INTERFACE, &name),
                        // The interface is a resource of its own: another machine of the name takes it over.
                        properties: compute::MachineInterfaceProperties { delete_option: Some("Detach".to_owned()) },
                    }],
                },
                // Images of the marketplace that refarch chooses by itself all can on x86; one's own may not.
                security_profile: (self.azure.trusted_launch && marketplace && !arm).then(|| compute::Security {
                    security_type: "TrustedLaunch".to_owned(),
                    uefi_settings: Some(compute::Uefi { secure_boot_enabled: true, v_tpm_enabled: true }),
                }),
                additional_capabilities: ultra.then_some(compute::Capabilities { ultra: true }),
                availability_set: self
                    .azure
                    .availability_sets
                    .then(|| Reference::to(self.id_of(arm::SET, &format!("set/{group}")))),
                proximity_placement_group: self
                    .azure
                    .proximity
                    .then(|| Reference::to(self.id_of(arm::PLACEMENT, "placement"))),
                priority: spot.then(|| "Spot".to_owned()),
                eviction_policy: spot.then(|| "Deallocate".to_owned()),
                // The console is where the first start writes the host's keys.
                diagnostics_profile: Some(compute::Diagnostics {
                    boot_diagnostics: compute::BootDiagnostics { enabled: true },
                }),
                ..compute::MachineProperties::default()
            },
            ..VirtualMachine::default()
        })
    }

    /// Tags the system disk, which Azure makes without any, and holds what keeps data.
    pub(super) async fn settle_machine(&self, making: Making<'_>, handle: &str) -> Result<(), ProviderError> {
        let doing = format!("settle {}", making.resource.id);
        let disk = self.id(arm::DISK, &format!("{}-os", last(handle)));
        self.merge_tags(&doing, &disk, making.tags).await?;
        if making.resource.attributes.get("protected") == Some(&json!(true)) {
            self.hold(&doing, handle, true).await?;
        }
        Ok(())
    }

    pub(super) async fn state(&self, handle: &str) -> Result<Option<MachineState>, ProviderError> {
        let doing = format!("look at {}", last(handle));
        let there = self.client.machine_with_view(handle).await.map_err(|error| failed(&doing, &error))?;
        Ok(there.map(|machine| machine_state(&machine)))
    }

    pub(super) async fn remove_machine(&self, doing: &str, handle: &str) -> Result<(), ProviderError> {
        self.hold(doing, handle, false).await?;
        self.client.delete(handle, compute::VERSION).await.map_err(|error| failed(doing, &error))?;
        // The system disk goes with its machine, unless the machine was made so half-way that it does not.
        let disk = self.id(arm::DISK, &format!("{}-os", last(handle)));
        self.client.delete(&disk, compute::DISKS).await.map_err(|error| failed(doing, &error))
    }

    /// The host's key, as the first start wrote it to the serial console.
    pub(super) async fn console_key(&self, handle: &str) -> Result<Option<String>, ProviderError> {
        let doing = format!("read the console of {}", last(handle));
        let text = self.client.console(handle).await.map_err(|error| failed(&doing, &error))?;
        let mut lines = text.lines().skip_while(|line| !line.contains("BEGIN SSH HOST KEY KEYS"));
        let key = lines.find_map(|line| Some(&line[line.find("ssh-ed25519 ")?..]));
        Ok(key.map(|key| key.split_whitespace().take(2).collect::<Vec<_>>().join(" ")))
    }
}

fn is_ultra(disk: &crate::provider::cloud::options::DataDiskOptions) -> bool {
    disk.disk_type.as_deref() == Some("UltraSSD_LRS")
}

/// How far a machine is.
pub(super) fn machine_state(machine: &VirtualMachine) -> MachineState {
    let state = machine.properties.provisioning_state.as_deref().unwrap_or_default().to_ascii_lowercase();
    let power = machine.properties.instance_view.as_ref().and_then(|view| view.power());
    match (state.as_str(), power) {
        ("deleting", _) => MachineState::Ending,
        (_, Some("running")) => MachineState::Running,
        (_, Some("stopped" | "deallocated")) => MachineState::Stopped,
        (_, Some("stopping" | "deallocating")) => MachineState::Stopping,
        ("failed" | "canceled", _) => MachineState::Gone,
        _ => MachineState::Pending,
    }
}
