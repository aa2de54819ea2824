//! What things are called in Azure, and so where they are found again.

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};

use super::{Azure, error::failed};
use crate::provider::{
    ProviderError,
    cloud::{permanent, tags},
};

/// Types of resources.
pub(super) mod arm {
    pub const NETWORK: &str = "Microsoft.Network/virtualNetworks";
    pub const ADDRESS: &str = "Microsoft.Network/publicIPAddresses";
    pub const NAT: &str = "Microsoft.Network/natGateways";
    pub const NAMES: &str = "Microsoft.Network/applicationSecurityGroups";
    pub const RULES: &str = "Microsoft.Network/networkSecurityGroups";
    pub const INTERFACE: &str = "Microsoft.Network/networkInterfaces";
    pub const BALANCER: &str = "Microsoft.Network/loadBalancers";
    pub const TUNNEL: &str = "Microsoft.Network/bastionHosts";
    pub const MACHINE: &str = "Microsoft.Compute/virtualMachines";
    pub const DISK: &str = "Microsoft.Compute/disks";
    pub const KEY: &str = "Microsoft.Compute/sshPublicKeys";
    pub const SET: &str = "Microsoft.Compute/availabilitySets";
    pub const PLACEMENT: &str = "Microsoft.Compute/proximityPlacementGroups";
    pub const IDENTITY: &str = "Microsoft.ManagedIdentity/userAssignedIdentities";
    pub const STORE: &str = "Microsoft.Storage/storageAccounts";
}

/// Longest name of a storage account.
const STORE_NAME: usize = 24;

impl Azure {
    /// Name of the resource group.
    pub(super) fn group_name(&self) -> String {
        let named = self.azure.resource_group.as_ref().or(self.group.get());
        named.cloned().unwrap_or_else(|| format!("refarch-{}", self.options.environment))
    }

    /// Finds the resource group by the environment's tags, where no file names it and it is not the environment's own.
    pub(super) async fn find_group(&self, doing: &str) -> Result<(), ProviderError> {
        if !self.azure.any_group || self.group.get().is_some() {
            return Ok(());
        }
        let all = self.client.resources_with_tag(tags::ENVIRONMENT).await.map_err(|error| failed(doing, &error))?;
        let own = all.iter().filter(|one| {
            one.tags.as_ref().and_then(|own| own.get(tags::ENVIRONMENT)) == Some(&self.options.environment)
        });
        // /subscriptions/ID/resourceGroups/NAME/...
        let groups: BTreeSet<String> = own.filter_map(|one| one.id.split('/').nth(4).map(str::to_lowercase)).collect();
        if let [group] = groups.iter().collect::<Vec<_>>()[..] {
            // Whoever was faster found the same.
            let _ = self.group.set(group.clone());
        }
        Ok(())
    }

    /// Id of the resource group.
    pub(super) fn group_id(&self) -> String {
        self.client.group(&self.group_name())
    }

    /// Id of something in the resource group.
    pub(super) fn id(&self, kind: &str, name: &str) -> String {
        self.client.id(&self.group_name(), kind, name)
    }

    /// Id of a resource of the environment's by what it is there.
    pub(super) fn id_of(&self, kind: &str, resource: &str) -> String {
        self.id(kind, &tags::name(&self.options.environment, resource))
    }

    /// Id of a subnet of the environment's own network.
    pub(super) fn subnet_id(&self, resource: &str) -> String {
        let name = resource.rsplit('/').next().unwrap_or(resource);
        format!("{}/subnets/{name}", self.id_of(arm::NETWORK, "network"))
    }

    /// The storage account: a name that nobody in the world has, and the same at every run.
    pub(super) fn store_name(&self) -> String {
        let digest = Sha256::digest(self.group_id().to_lowercase());
        let digest: String = digest.iter().take(5).map(|byte| format!("{byte:02x}")).collect();
        let own: String = self.options.environment.chars().filter(char::is_ascii_alphanumeric).collect();
        let own: String = own.chars().take(STORE_NAME - digest.len()).collect();
        format!("{own}{digest}")
    }

    /// The storage account.
    pub(super) fn store_id(&self) -> String {
        self.id(arm::STORE, &self.store_name())
    }

    /// The container of a bucket.
    pub(super) fn container_id(&self, bucket: &str) -> String {
        format!("{}/blobServices/default/containers/{bucket}", self.store_id())
    }

    /// The region, which Azure has no default for.
    pub(super) fn location(&self) -> Result<String, ProviderError> {
        self.options.region.clone().ok_or_else(|| {
            permanent(
                "look at Azure",
                "the environment file names no region",
                Some("add `cloud: { region: westeurope }`; `az account list-locations -o table` lists them"),
            )
        })
    }

    /// Azure's word for a zone number; none where availability sets stand in for zones.
    pub(super) fn zone_name(&self, zone: usize) -> Option<Vec<String>> {
        if self.azure.availability_sets {
            return None;
        }
        Some(vec![self.options.zones.get(zone - 1).cloned().unwrap_or_else(|| zone.to_string())])
    }
}

/// A GUID that is the same for the same text: what role assignments are called.
pub(super) fn guid(text: &str) -> String {
    let digest = Sha256::digest(text);
    let mut hex: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    hex.replace_range(12..13, "8");
    hex.replace_range(16..17, "a");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

/// The name at the end of an id.
pub(super) fn last(id: &str) -> &str {
    id.rsplit('/').next().unwrap_or(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guids_have_the_form_and_stay_the_same() {
        let one = guid("a");
        assert_eq!(one, guid("a"));
        assert_ne!(one, guid("b"));
        let parts: Vec<usize> = one.split('-').map(str::len).collect();
        assert_eq!(parts, [8, 4, 4, 4, 12]);
    }
}
