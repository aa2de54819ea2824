//! Subscriptions, resource groups, providers, locks, role assignments, identities.

use std::{collections::BTreeMap, time::Instant};

use serde::{Deserialize, Serialize};

use super::{AzureError, Client, Condition};

/// api-version of resource groups, resources and providers.
pub const VERSION: &str = "2025-04-01";
/// api-version of subscriptions.
pub const SUBSCRIPTIONS: &str = "2022-12-01";
/// api-version of locks.
pub const LOCKS: &str = "2020-05-01";
/// api-version of role assignments.
pub const ASSIGNMENTS: &str = "2022-04-01";
/// api-version of user-assigned identities.
pub const IDENTITIES: &str = "2024-11-30";
/// Built-in role: read, write and delete blobs.
pub const BLOB_CONTRIBUTOR: &str = "ba92f5b4-2d11-453d-a403-e96b0029c9fe";

/// A reference to another resource.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reference {
    /// Its id.
    pub id: String,
}

impl Reference {
    /// To this id.
    #[must_use]
    pub fn to(id: impl Into<String>) -> Self {
        Self { id: id.into() }
    }
}

/// What every resource has, whatever it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Generic {
    /// Id.
    pub id: String,
    /// Name.
    pub name: String,
    /// Type, for example `Microsoft.Compute/virtualMachines`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Region.
    pub location: Option<String>,
    /// Tags.
    pub tags: Option<BTreeMap<String, String>>,
}

/// Body of a resource group.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ResourceGroup {
    /// Region that its record is kept in.
    pub location: String,
    /// Tags.
    pub tags: BTreeMap<String, String>,
}

/// Tags of a resource, asked for apart from it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct TagsOf {
    /// The tags.
    pub properties: TagMap,
}

/// Tags.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct TagMap {
    /// Keys and values.
    pub tags: BTreeMap<String, String>,
}

/// A subscription.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Subscription {
    /// Its name for people.
    pub display_name: String,
    /// `Enabled`, `Disabled`, `Warned`, ...
    pub state: String,
    /// Directory that it trusts.
    pub tenant_id: String,
}

/// A resource provider's registration.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Registration {
    /// Namespace, for example `Microsoft.Network`.
    pub namespace: String,
    /// `Registered`, `NotRegistered`, `Registering`, ...
    pub registration_state: String,
}

impl Registration {
    /// Whether the subscription can have something of the namespace.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.registration_state == "Registered"
    }
}

/// Body of a lock.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Lock {
    /// What it holds.
    pub properties: LockProperties,
}

/// What a lock holds.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct LockProperties {
    /// `CanNotDelete` or `ReadOnly`.
    pub level: String,
    /// For people.
    pub notes: String,
}

/// Body of a user-assigned identity.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Identity {
    /// Region.
    pub location: String,
    /// Tags.
    pub tags: BTreeMap<String, String>,
    /// What the directory gave it. Never sent.
    #[serde(skip_serializing)]
    pub properties: IdentityProperties,
}

/// What the directory gave an identity.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct IdentityProperties {
    /// Who it is where roles are assigned.
    pub principal_id: String,
    /// Who it is where it asks for tokens.
    pub client_id: String,
}

/// Body of a role assignment.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct RoleAssignment {
    /// Who may do what.
    pub properties: RoleAssignmentProperties,
}

/// Who may do what; where is the assignment's scope.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RoleAssignmentProperties {
    /// What: a role definition's id.
    pub role_definition_id: String,
    /// Who.
    pub principal_id: String,
    /// `ServicePrincipal`: without it a new identity is refused until the directory has spread it.
    pub principal_type: String,
}

impl Client {
    /// The subscription; none where this identity does not see it.
    ///
    /// # Errors
    /// When Azure refuses or does not answer.
    pub async fn subscription(&self) -> Result<Option<Subscription>, AzureError> {
        self.get(&self.scope(), SUBSCRIPTIONS).await
    }

    /// The id of a resource group.
    #[must_use]
    pub fn group(&self, name: &str) -> String {
        format!("{}/resourceGroups/{name}", self.scope())
    }

    /// Resource groups with a tag, of whatever value.
    ///
    /// # Errors
    /// When Azure refuses or does not answer.
    pub async fn groups_with_tag(&self, tag: &str) -> Result<Vec<Generic>, AzureError> {
        let filter = format!("tagName eq '{tag}'");
        self.list(&format!("{}/resourcegroups", self.scope()), VERSION, &[("$filter", &filter)]).await
    }

    /// Resources with a tag, of whatever value, in the whole subscription. Azure's own filter by tag leaves the tags out of its
    /// answer, so that all are asked for.
    ///
    /// # Errors
    /// When Azure refuses or does not answer.
    pub async fn resources_with_tag(&self, tag: &str) -> Result<Vec<Generic>, AzureError> {
        let mut all: Vec<Generic> = self.list(&format!("{}/resources", self.scope()), VERSION, &[]).await?;
        all.retain(|one| one.tags.as_ref().is_some_and(|tags| tags.contains_key(tag)));
        Ok(all)
    }

    /// Everything in a resource group; empty where the group is not there.
    ///
    /// # Errors
    /// When Azure refuses or does not answer.
    pub async fn resources_in(&self, group: &str) -> Result<Vec<Generic>, AzureError> {
        self.list(&format!("{group}/resources"), VERSION, &[]).await
    }

    /// How far a namespace is registered; none where there is none of the name.
    ///
    /// # Errors
    /// When Azure refuses or does not answer.
    pub async fn registration(&self, namespace: &str) -> Result<Option<Registration>, AzureError> {
        self.get(&format!("{}/providers/{namespace}", self.scope()), VERSION).await
    }

    /// Registers a namespace; that it was asked for is the answer, not that it is done.
    ///
    /// # Errors
    /// When Azure refuses or does not answer.
    pub async fn register(&self, namespace: &str) -> Result<Registration, AzureError> {
        let path = format!("{}/providers/{namespace}/register", self.scope());
        self.ask(&path, VERSION, &serde_json::json!({})).await
    }

    /// Registers a namespace and waits until that is done. Azure tells of no operation to follow: it is asked again.
    ///
    /// # Errors
    /// When Azure refuses or does not answer, or it goes on for too long.
    pub async fn register_and_wait(&self, namespace: &str) -> Result<(), AzureError> {
        let began = Instant::now();
        let mut known = self.register(namespace).await?;
        while !known.is_done() {
            self.pause(None, began, &format!("the registration of {namespace}")).await?;
            known = self.registration(namespace).await?.unwrap_or_default();
        }
        Ok(())
    }

    /// Merges tags into a resource's, or deletes some of them (`Merge`, `Delete`). The same for every type.
    ///
    /// # Errors
    /// When Azure refuses or does not answer.
    pub async fn change_tags(
        &self,
        id: &str,
        operation: &str,
        tags: &BTreeMap<String, String>,
    ) -> Result<(), AzureError> {
        let id = format!("{id}/providers/Microsoft.Resources/tags/default");
        let body = serde_json::json!({ "operation": operation, "properties": { "tags": tags } });
        self.patch(&id, VERSION, &body).await.map(drop)
    }

    /// Lets an identity read and write the blobs below a scope. Doing it twice is fine.
    ///
    /// # Errors
    /// When Azure refuses or does not answer.
    pub async fn allow_blobs(&self, scope: &str, assignment: &str, principal: &str) -> Result<(), AzureError> {
        let id = format!("{scope}/providers/Microsoft.Authorization/roleAssignments/{assignment}");
        let role = format!("{}/providers/Microsoft.Authorization/roleDefinitions/{BLOB_CONTRIBUTOR}", self.scope());
        let body = RoleAssignment {
            properties: RoleAssignmentProperties {
                role_definition_id: role,
                principal_id: principal.to_owned(),
                principal_type: "ServicePrincipal".to_owned(),
            },
        };
        match self.put(&id, ASSIGNMENTS, &body, Condition::Always).await {
            // Somebody assigned the same under another name.
            Err(error) if error.code == "RoleAssignmentExists" => Ok(()),
            answer => answer.map(drop),
        }
    }
}
