//! Changes of what stands: sizes, disks, locks, identities, tags.

use serde_json::{Value, json};

use super::{
    Azure,
    azure_mgmt::{AzureError, compute, resources},
    error::failed,
    names::{arm, last},
};
use crate::provider::{
    FieldChange, ProviderError,
    cloud::{Making, blueprint::kind, permanent, tags::Tags},
};

impl Azure {
    pub(super) async fn change_machine(
        &self,
        making: Making<'_>,
        handle: &str,
        fields: &[FieldChange],
    ) -> Result<(), ProviderError> {
        let doing = format!("change {}", making.resource.id);
        let told = |error: AzureError| failed(&doing, &error);
        for field in fields {
            match (field.name.as_str(), &field.wanted) {
                ("machine_type", Value::String(size)) => {
                    let body = json!({ "properties": { "hardwareProfile": { "vmSize": size } } });
                    self.client.patch(handle, compute::VERSION, &body).await.map_err(told)?;
                }
                ("disk_gb", Value::Number(size)) => {
                    let disk = self.id(arm::DISK, &format!("{}-os", last(handle)));
                    let body = json!({ "properties": { "diskSizeGB": size } });
                    self.client.patch(&disk, compute::DISKS, &body).await.map_err(told)?;
                }
                ("disk_type", Value::String(kind)) => {
                    let disk = self.id(arm::DISK, &format!("{}-os", last(handle)));
                    self.client
                        .patch(&disk, compute::DISKS, &json!({ "sku": { "name": kind } }))
                        .await
                        .map_err(told)?;
                }
                ("disk_tagged", _) => {
                    let disk = self.id(arm::DISK, &format!("{}-os", last(handle)));
                    self.merge_tags(&doing, &disk, making.tags).await?;
                }
                ("protected", Value::Bool(held)) => self.hold(&doing, handle, *held).await?,
                ("identity", wanted) => self.change_identity(&doing, handle, wanted.as_str()).await?,
                ("data_disk", _) => {
                    let disk = self.id(arm::DISK, &format!("{}-data", last(handle)));
                    let disk = json!([{ "lun": 0, "createOption": "Attach", "deleteOption": "Detach", "managedDisk": { "id": disk } }]);
                    let body = json!({ "properties": { "storageProfile": { "dataDisks": disk } } });
                    self.client.patch(handle, compute::VERSION, &body).await.map_err(told)?;
                }
                (name, _) => {
                    return Err(permanent(doing, format!("`{name}` cannot be changed while the machine stands"), None));
                }
            }
        }
        Ok(())
    }

    /// Gives a machine its group's identity, or none, and leaves it those of others.
    async fn change_identity(&self, doing: &str, handle: &str, wanted: Option<&str>) -> Result<(), ProviderError> {
        let told = |error: AzureError| failed(doing, &error);
        let there: Option<compute::VirtualMachine> = self.client.get(handle, compute::VERSION).await.map_err(told)?;
        let there = there.and_then(|machine| machine.identity).unwrap_or_default();
        let wanted = wanted.map(|identity| self.id_of(arm::IDENTITY, identity));
        let own = self.id_of(arm::IDENTITY, kind::IDENTITY).to_lowercase();
        let (ours, others): (Vec<&String>, Vec<&String>) =
            there.user_assigned_identities.keys().partition(|id| id.to_lowercase().starts_with(&own));
        let old = ours.into_iter().filter(|id| wanted.as_ref().is_none_or(|wanted| !wanted.eq_ignore_ascii_case(id)));
        // What is null is taken away; what is not named stays.
        let mut change: serde_json::Map<String, Value> = old.map(|id| (id.clone(), Value::Null)).collect();
        change.extend(wanted.iter().map(|id| (id.clone(), json!({}))));
        let mut kinds = Vec::new();
        if there.kind.contains("SystemAssigned") {
            kinds.push("SystemAssigned");
        }
        let assigned = wanted.is_some() || !others.is_empty();
        if assigned {
            kinds.push("UserAssigned");
        }
        let body = match (kinds.is_empty(), assigned) {
            (true, _) => json!({ "identity": { "type": "None" } }),
            (false, true) => json!({ "identity": { "type": kinds.join(", "), "userAssignedIdentities": change } }),
            (false, false) => json!({ "identity": { "type": kinds.join(", ") } }),
        };
        self.client.patch(handle, compute::VERSION, &body).await.map(drop).map_err(told)
    }

    pub(super) async fn change_disk(
        &self,
        making: Making<'_>,
        handle: &str,
        fields: &[FieldChange],
    ) -> Result<(), ProviderError> {
        let doing = format!("change {}", making.resource.id);
        let mut properties = serde_json::Map::new();
        for field in fields {
            let name = match field.name.as_str() {
                "size_gb" => "diskSizeGB",
                "iops" => "diskIOPSReadWrite",
                "throughput" => "diskMBpsReadWrite",
                name => return Err(permanent(doing, format!("`{name}` of a disk cannot be changed"), None)),
            };
            properties.insert(name.to_owned(), field.wanted.clone());
        }
        let body = json!({ "properties": properties });
        self.client.patch(handle, compute::DISKS, &body).await.map_err(|error| failed(&doing, &error))?;
        Ok(())
    }

    /// Merges tags into those that a resource has, whatever it is.
    pub(super) async fn merge_tags(&self, doing: &str, id: &str, tags: &Tags) -> Result<(), ProviderError> {
        self.client.change_tags(id, "Merge", tags).await.map_err(|error| failed(doing, &error))
    }

    /// Takes tags away.
    pub(super) async fn delete_tags(&self, doing: &str, id: &str, keys: &[String]) -> Result<(), ProviderError> {
        let there: Option<resources::TagsOf> = self
            .client
            .get(&format!("{id}/providers/Microsoft.Resources/tags/default"), resources::VERSION)
            .await
            .map_err(|error| failed(doing, &error))?;
        let has = there.map(|there| there.properties.tags).unwrap_or_default();
        let gone: Tags = has.into_iter().filter(|(key, _)| keys.contains(key)).collect();
        if gone.is_empty() {
            return Ok(());
        }
        self.client.change_tags(id, "Delete", &gone).await.map_err(|error| failed(doing, &error))
    }
}
