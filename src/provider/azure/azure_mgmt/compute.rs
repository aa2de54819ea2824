//! Machines, disks, keys, sizes and quotas.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{AzureError, Client, resources::Reference};

/// api-version of machines, availability sets, placement groups, keys, images and usages.
pub const VERSION: &str = "2026-04-01";
/// api-version of disks.
pub const DISKS: &str = "2026-03-02";
/// api-version of the list of sizes.
pub const SKUS: &str = "2021-07-01";

/// A virtual machine.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct VirtualMachine {
    /// Id. Never sent.
    #[serde(skip_serializing)]
    pub id: String,
    /// Name. Never sent.
    #[serde(skip_serializing)]
    pub name: String,
    /// Region.
    pub location: String,
    /// Tags.
    pub tags: BTreeMap<String, String>,
    /// Zone.
    pub zones: Option<Vec<String>>,
    /// Who it is towards Azure.
    pub identity: Option<MachineIdentity>,
    /// Everything else.
    pub properties: MachineProperties,
}

/// Who a machine is towards Azure.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MachineIdentity {
    /// `UserAssigned`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Identities, by id.
    pub user_assigned_identities: BTreeMap<String, serde_json::Value>,
}

/// What a machine is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MachineProperties {
    /// Size.
    pub hardware_profile: Hardware,
    /// Image and disks.
    pub storage_profile: Storage,
    /// Name and login; none is sent where it is there already.
    pub os_profile: Option<System>,
    /// Interfaces.
    pub network_profile: Interfaces,
    /// Trusted launch.
    pub security_profile: Option<Security>,
    /// Ultra disks.
    pub additional_capabilities: Option<Capabilities>,
    /// Availability set, where the region has no zones.
    pub availability_set: Option<Reference>,
    /// Close to others.
    pub proximity_placement_group: Option<Reference>,
    /// `Spot`, or nothing.
    pub priority: Option<String>,
    /// What becomes of a `Spot` machine that is taken back: `Deallocate`.
    pub eviction_policy: Option<String>,
    /// The serial console's log, in storage of Azure's own.
    pub diagnostics_profile: Option<Diagnostics>,
    /// `Creating`, `Succeeded`, `Failed`, ... Never sent.
    #[serde(skip_serializing)]
    pub provisioning_state: Option<String>,
    /// What it does. Never sent.
    #[serde(skip_serializing)]
    pub instance_view: Option<InstanceView>,
}

/// Size of a machine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Hardware {
    /// For example `Standard_D2s_v3`.
    pub vm_size: String,
}

/// Image and disks of a machine.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Storage {
    /// Image.
    pub image_reference: Option<Image>,
    /// System disk.
    pub os_disk: Option<SystemDisk>,
    /// Disks for data.
    pub data_disks: Option<Vec<DataDisk>>,
}

/// An image.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Image {
    /// Of the marketplace.
    pub publisher: Option<String>,
    /// Of the marketplace.
    pub offer: Option<String>,
    /// Of the marketplace.
    pub sku: Option<String>,
    /// Of the marketplace; exact, so that two machines of an environment have the same.
    pub version: Option<String>,
    /// One's own.
    pub id: Option<String>,
}

/// A system disk.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SystemDisk {
    /// Its name.
    pub name: Option<String>,
    /// `FromImage`.
    pub create_option: String,
    /// `Delete`: goes with its machine.
    pub delete_option: Option<String>,
    /// Size.
    #[serde(rename = "diskSizeGB")]
    pub size_gb: Option<u32>,
    /// Type and encryption.
    pub managed_disk: Option<ManagedDisk>,
}

/// A disk for data.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DataDisk {
    /// Number by which the machine finds it.
    pub lun: u32,
    /// `Attach`.
    pub create_option: String,
    /// `Detach`: outlives its machine.
    pub delete_option: Option<String>,
    /// Which.
    pub managed_disk: Option<ManagedDisk>,
}

/// Type and encryption of a machine's disk, or which disk it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ManagedDisk {
    /// Id.
    pub id: Option<String>,
    /// For example `Premium_LRS`.
    pub storage_account_type: Option<String>,
    /// Keys of one's own.
    pub disk_encryption_set: Option<Reference>,
}

/// Name and login of a machine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct System {
    /// Host name.
    pub computer_name: String,
    /// Who logs in.
    pub admin_username: String,
    /// Script of the first start, in base64. Never given back.
    pub custom_data: Option<String>,
    /// Keys.
    pub linux_configuration: Option<Linux>,
}

/// How Linux lets people in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Linux {
    /// Keys only.
    pub disable_password_authentication: bool,
    /// Keys.
    pub ssh: Ssh,
}

/// Keys.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Ssh {
    /// Keys.
    pub public_keys: Vec<SshKey>,
}

/// A key.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SshKey {
    /// File on the machine.
    pub path: String,
    /// Text of the public key.
    pub key_data: String,
}

/// Interfaces of a machine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Interfaces {
    /// Which.
    pub network_interfaces: Vec<MachineInterface>,
}

/// An interface of a machine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MachineInterface {
    /// Which.
    pub id: String,
    /// What becomes of it.
    pub properties: MachineInterfaceProperties,
}

/// What becomes of an interface.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MachineInterfaceProperties {
    /// `Delete`: goes with its machine.
    pub delete_option: Option<String>,
}

/// How a machine starts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Security {
    /// `TrustedLaunch`.
    pub security_type: String,
    /// Signed boot, and a TPM.
    pub uefi_settings: Option<Uefi>,
}

/// Signed boot, and a TPM.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Uefi {
    /// Only signed boot loaders and kernels.
    pub secure_boot_enabled: bool,
    /// A virtual TPM.
    #[serde(rename = "vTpmEnabled")]
    pub v_tpm_enabled: bool,
}

/// What a machine is able to do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Capabilities {
    /// Ultra disks.
    #[serde(rename = "ultraSSDEnabled")]
    pub ultra: bool,
}

/// The serial console's log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Diagnostics {
    /// Whether it is kept.
    pub boot_diagnostics: BootDiagnostics,
}

/// Whether the serial console's log is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BootDiagnostics {
    /// Whether it is.
    pub enabled: bool,
}

/// What a machine does.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct InstanceView {
    /// Power and provisioning.
    pub statuses: Vec<InstanceStatus>,
}

/// One thing that a machine does.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct InstanceStatus {
    /// For example `PowerState/running`.
    pub code: String,
    /// More about it.
    pub message: Option<String>,
}

impl InstanceView {
    /// `running`, `stopped`, `deallocated`, ...
    #[must_use]
    pub fn power(&self) -> Option<&str> {
        self.statuses.iter().find_map(|status| status.code.strip_prefix("PowerState/"))
    }

    /// Why it was not made well.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        let failed = self.statuses.iter().find(|status| status.code.starts_with("ProvisioningState/failed"))?;
        let code = failed.code.rsplit('/').next().unwrap_or_default();
        Some(failed.message.as_ref().map_or_else(|| code.to_owned(), |message| format!("{code}: {message}")))
    }
}

/// A disk of its own.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Disk {
    /// Id. Never sent.
    #[serde(skip_serializing)]
    pub id: String,
    /// Name. Never sent.
    #[serde(skip_serializing)]
    pub name: String,
    /// Region.
    pub location: String,
    /// Tags.
    pub tags: BTreeMap<String, String>,
    /// Type.
    pub sku: Option<super::network::Sku>,
    /// Zone.
    pub zones: Option<Vec<String>>,
    /// Machine that has it. Never sent.
    #[serde(skip_serializing)]
    pub managed_by: Option<String>,
    /// Everything else.
    pub properties: DiskProperties,
}

/// What a disk is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DiskProperties {
    /// Size.
    #[serde(rename = "diskSizeGB")]
    pub size_gb: Option<u32>,
    /// Operations per second, of ultra and premium v2 disks.
    #[serde(rename = "diskIOPSReadWrite")]
    pub iops: Option<u32>,
    /// MB/s, of ultra and premium v2 disks.
    #[serde(rename = "diskMBpsReadWrite")]
    pub throughput: Option<u32>,
    /// Where it came from.
    #[serde(rename = "creationData")]
    pub origin: Option<Origin>,
    /// Keys of one's own.
    pub encryption: Option<Encryption>,
}

/// Where a disk came from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Origin {
    /// `Empty`.
    pub create_option: String,
}

/// Keys of one's own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Encryption {
    /// The disk encryption set.
    pub disk_encryption_set_id: String,
    /// `EncryptionAtRestWithCustomerKey`.
    #[serde(rename = "type")]
    pub kind: String,
}

/// A public key that is kept as a resource.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PublicKey {
    /// Region.
    pub location: String,
    /// Tags.
    pub tags: BTreeMap<String, String>,
    /// The key.
    pub properties: PublicKeyProperties,
}

/// A public key.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PublicKeyProperties {
    /// As OpenSSH writes it.
    pub public_key: String,
}

/// A size, and where it can be had.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Size {
    /// `virtualMachines`, `disks`, ...
    pub resource_type: String,
    /// For example `Standard_D2s_v3`.
    pub name: String,
    /// Family, which quotas are counted by.
    pub family: Option<String>,
    /// Where.
    pub location_info: Vec<SizePlace>,
    /// What it can do.
    pub capabilities: Vec<Capability>,
    /// Where this subscription cannot have it.
    pub restrictions: Vec<Restriction>,
}

/// Where a size can be had.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct SizePlace {
    /// Zones.
    pub zones: Vec<String>,
}

/// What a size can do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Capability {
    /// What.
    pub name: String,
    /// How much.
    pub value: String,
}

/// Where this subscription cannot have a size.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Restriction {
    /// `Location` or `Zone`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Which zones.
    pub restriction_info: SizePlace,
    /// `NotAvailableForSubscription`, `QuotaId`.
    pub reason_code: String,
}

impl Size {
    /// The value of a capability.
    #[must_use]
    pub fn can(&self, name: &str) -> Option<&str> {
        self.capabilities.iter().find(|capability| capability.name == name).map(|capability| capability.value.as_str())
    }

    /// Zones where this subscription can have it; none where it cannot have it at all. Empty: the region has no zones.
    #[must_use]
    pub fn zones(&self) -> Option<Vec<&str>> {
        if self.restrictions.iter().any(|restriction| restriction.kind == "Location") {
            return None;
        }
        let denied: Vec<&String> =
            self.restrictions.iter().flat_map(|restriction| &restriction.restriction_info.zones).collect();
        let all = self.location_info.iter().flat_map(|place| &place.zones);
        let mut zones: Vec<&str> = all.filter(|zone| !denied.contains(zone)).map(String::as_str).collect();
        zones.sort_unstable();
        Some(zones)
    }
}

/// How much of something is used, and how much there may be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Usage {
    /// Of what.
    pub name: UsageName,
    /// In use.
    pub current_value: u64,
    /// At most.
    pub limit: u64,
}

/// Of what.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct UsageName {
    /// For programs.
    pub value: String,
    /// For people.
    pub localized_value: String,
}

impl Client {
    /// The id of something of `Microsoft.Compute` or `Microsoft.Network` in a group.
    #[must_use]
    pub fn id(&self, group: &str, kind: &str, name: &str) -> String {
        format!("{}/providers/{kind}/{name}", self.group(group))
    }

    /// Sizes of machines in a region.
    ///
    /// # Errors
    /// When Azure refuses or does not answer.
    pub async fn sizes(&self, region: &str) -> Result<Vec<Size>, AzureError> {
        let path = format!("{}/providers/Microsoft.Compute/skus", self.scope());
        let filter = format!("location eq '{region}'");
        let all: Vec<Size> = self.list(&path, SKUS, &[("$filter", &filter)]).await?;
        Ok(all.into_iter().filter(|size| size.resource_type == "virtualMachines").collect())
    }

    /// How many CPUs are used and may be, in all and by family.
    ///
    /// # Errors
    /// When Azure refuses or does not answer.
    pub async fn cpu_usages(&self, region: &str) -> Result<Vec<Usage>, AzureError> {
        self.list(&format!("{}/providers/Microsoft.Compute/locations/{region}/usages", self.scope()), VERSION, &[])
            .await
    }

    /// What a machine does; none where it is not there.
    ///
    /// # Errors
    /// When Azure refuses or does not answer.
    pub async fn instance_view(&self, id: &str) -> Result<Option<InstanceView>, AzureError> {
        self.get(&format!("{id}/instanceView"), VERSION).await
    }

    /// A machine with what it does at the moment; none where it is not there.
    ///
    /// # Errors
    /// When Azure refuses or does not answer.
    pub async fn machine_with_view(&self, id: &str) -> Result<Option<VirtualMachine>, AzureError> {
        self.get_with(id, &[("api-version", VERSION), ("$expand", "instanceView")]).await
    }

    /// The serial console's log of a machine; empty where there is none yet. It lies in storage, under an address with a
    /// signature of its own that our token must not be sent to.
    ///
    /// # Errors
    /// When Azure refuses or does not answer.
    pub async fn console(&self, id: &str) -> Result<String, AzureError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Addresses {
            serial_console_log_blob_uri: Option<String>,
        }
        let path = format!("{id}/retrieveBootDiagnosticsData");
        let addresses: Addresses = self.ask(&path, VERSION, &serde_json::json!({})).await?;
        match addresses.serial_console_log_blob_uri {
            Some(address) => self.fetch(&address).await,
            None => Ok(String::new()),
        }
    }

    /// Versions of an image of the marketplace, the oldest first.
    ///
    /// # Errors
    /// When Azure refuses or does not answer.
    pub async fn image_versions(
        &self,
        region: &str,
        publisher: &str,
        offer: &str,
        sku: &str,
    ) -> Result<Vec<String>, AzureError> {
        #[derive(Deserialize)]
        struct Version {
            name: String,
        }
        let path = format!(
            "{}/providers/Microsoft.Compute/locations/{region}/publishers/{publisher}/artifacttypes/vmimage/offers/\
             {offer}/skus/{sku}/versions",
            self.scope()
        );
        // The only list of the resource manager that comes without an envelope.
        let found: Option<Vec<Version>> = self.get(&path, VERSION).await?;
        let mut versions: Vec<String> = found.unwrap_or_default().into_iter().map(|version| version.name).collect();
        versions.sort_by_key(|name| name.split('.').map(|part| part.parse().unwrap_or(0)).collect::<Vec<u64>>());
        Ok(versions)
    }
}
