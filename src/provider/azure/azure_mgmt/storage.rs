//! Storage accounts and blob containers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{AzureError, Client};

/// api-version of storage.
pub const VERSION: &str = "2026-09-01";

/// Body of a storage account.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct StorageAccount {
    /// Region.
    pub location: String,
    /// Tags.
    pub tags: BTreeMap<String, String>,
    /// `StorageV2`.
    pub kind: String,
    /// How often everything is kept.
    pub sku: Sku,
    /// How it behaves.
    pub properties: AccountProperties,
}

/// How often everything is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Sku {
    /// `Standard_ZRS` (three zones) or `Standard_LRS`.
    pub name: String,
}

/// How an account behaves.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AccountProperties {
    /// Whether containers can be opened to everybody.
    pub allow_blob_public_access: bool,
    /// Whether the account's keys open it; refarch's nodes have identities instead.
    pub allow_shared_key_access: bool,
    /// TLS only.
    pub supports_https_traffic_only: bool,
    /// `TLS1_2`.
    pub minimum_tls_version: String,
}

/// Body of a blob container.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Container {
    /// Id. Never sent.
    #[serde(skip_serializing)]
    pub id: String,
    /// Name. Never sent.
    #[serde(skip_serializing)]
    pub name: String,
    /// How it behaves.
    pub properties: ContainerProperties,
}

/// How a container behaves.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ContainerProperties {
    /// `None`: nobody without a token.
    pub public_access: Option<String>,
    /// What stands in for tags, which containers have none of.
    pub metadata: Option<BTreeMap<String, String>>,
}

/// Whether an account's name is free; the names are the whole world's.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NameCheck {
    /// Whether it is.
    pub name_available: bool,
    /// Why not.
    pub message: Option<String>,
}

impl Client {
    /// Asks whether an account's name is free.
    ///
    /// # Errors
    /// When Azure refuses or does not answer.
    pub async fn account_name(&self, name: &str) -> Result<NameCheck, AzureError> {
        let path = format!("{}/providers/Microsoft.Storage/checkNameAvailability", self.scope());
        let body = serde_json::json!({ "name": name, "type": "Microsoft.Storage/storageAccounts" });
        self.ask(&path, VERSION, &body).await
    }
}
