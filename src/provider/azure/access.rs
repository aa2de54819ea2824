//! What nodes may do, and who may log in: keys, identities, buckets, locks.

use serde_json::Value;

use super::{
    Azure,
    azure_mgmt::{
        Condition, compute,
        resources::{self, Identity, Lock, LockProperties, ResourceGroup},
        storage::{self, AccountProperties, Container, ContainerProperties, StorageAccount},
    },
    error::failed,
    names::{arm, guid},
    network::list,
};
use crate::provider::{
    ProviderError,
    cloud::{Making, permanent},
    keys,
};

/// The lock's name on what it holds.
const LOCK: &str = "refarch-keeps-data";

impl Azure {
    pub(super) async fn make_group(&self, making: Making<'_>) -> Result<String, ProviderError> {
        let doing = format!("make {}", making.resource.id);
        let id = self.group_id();
        self.own_or_free(&doing, &id, resources::VERSION).await?;
        // A group of this name that is being removed has to be gone first.
        self.client.settled(&id, resources::VERSION).await.map_err(|error| failed(&doing, &error))?;
        let body = ResourceGroup { location: self.location()?, tags: making.tags.clone() };
        self.client
            .put(&id, resources::VERSION, &body, Condition::Always)
            .await
            .map_err(|error| failed(&doing, &error))?;
        Ok(id)
    }

    /// Removes the group, where nothing is in it any more: what others put into it stays, and so does the group.
    pub(super) async fn remove_group(&self, doing: &str, id: &str) -> Result<(), ProviderError> {
        let inside = self.client.resources_in(id).await.map_err(|error| failed(doing, &error))?;
        if !inside.is_empty() {
            let names: Vec<String> = inside.iter().take(5).map(|one| format!("{} {}", one.kind, one.name)).collect();
            let message =
                format!("{} things that are not the environment's are in it: {}", inside.len(), names.join(", "));
            return Err(permanent(doing, message, Some("move or remove them, then run this again")));
        }
        self.client.delete(id, resources::VERSION).await.map_err(|error| failed(doing, &error))
    }

    pub(super) async fn make_key(&self, making: Making<'_>) -> Result<String, ProviderError> {
        let doing = format!("make {}", making.resource.id);
        let id = self.id_of(arm::KEY, &making.resource.id);
        self.own_or_free(&doing, &id, compute::VERSION).await?;
        let body = compute::PublicKey {
            location: self.location()?,
            tags: making.tags.clone(),
            properties: compute::PublicKeyProperties { public_key: self.public_key(&doing)? },
        };
        self.client
            .put(&id, compute::VERSION, &body, Condition::Always)
            .await
            .map_err(|error| failed(&doing, &error))?;
        Ok(id)
    }

    /// The public half of the key that refarch logs in with.
    pub(super) fn public_key(&self, doing: &str) -> Result<String, ProviderError> {
        let own = keys::Keys::new(self.options.folder.join("ssh")).client();
        let private = self.options.identity.clone().unwrap_or(own);
        keys::line(&private).ok_or_else(|| {
            let message = format!("{}.pub is not there, or no public key", private.display());
            permanent(doing, message, Some("`ssh-keygen -y -f KEY > KEY.pub` makes it from the private key"))
        })
    }

    pub(super) async fn make_store(&self, making: Making<'_>) -> Result<String, ProviderError> {
        let doing = format!("make {}", making.resource.id);
        let id = self.store_id();
        self.own_or_free(&doing, &id, storage::VERSION).await?;
        let copies = if self.azure.availability_sets { "Standard_LRS" } else { "Standard_ZRS" };
        let body = StorageAccount {
            location: self.location()?,
            tags: making.tags.clone(),
            kind: "StorageV2".to_owned(),
            sku: storage::Sku { name: copies.to_owned() },
            properties: AccountProperties {
                allow_blob_public_access: false,
                allow_shared_key_access: false,
                supports_https_traffic_only: true,
                minimum_tls_version: "TLS1_2".to_owned(),
            },
        };
        self.client
            .put(&id, storage::VERSION, &body, Condition::Always)
            .await
            .map_err(|error| failed(&doing, &error))?;
        Ok(id)
    }

    pub(super) async fn make_bucket(&self, making: Making<'_>) -> Result<String, ProviderError> {
        let doing = format!("make {}", making.resource.id);
        let name = making.resource.id.strip_prefix("bucket/").unwrap_or(&making.resource.id);
        let id = self.container_id(name);
        let properties = ContainerProperties { public_access: Some("None".to_owned()), metadata: None };
        let body = Container { properties, ..Container::default() };
        self.client
            .put(&id, storage::VERSION, &body, Condition::Always)
            .await
            .map_err(|error| failed(&doing, &error))?;
        Ok(id)
    }

    pub(super) async fn make_identity(&self, making: Making<'_>) -> Result<String, ProviderError> {
        let doing = format!("make {}", making.resource.id);
        let id = self.id_of(arm::IDENTITY, &making.resource.id);
        self.own_or_free(&doing, &id, resources::IDENTITIES).await?;
        let body = Identity { location: self.location()?, tags: making.tags.clone(), ..Identity::default() };
        let made = self
            .client
            .put(&id, resources::IDENTITIES, &body, Condition::Always)
            .await
            .map_err(|error| failed(&doing, &error))?;
        let principal = made.pointer("/properties/principalId").and_then(Value::as_str).unwrap_or_default();
        for bucket in list(making.resource.attributes.get("buckets")) {
            let scope = self.container_id(bucket);
            let name = guid(&format!("{}\n{principal}", scope.to_lowercase()));
            self.client.allow_blobs(&scope, &name, principal).await.map_err(|error| failed(&doing, &error))?;
        }
        Ok(id)
    }

    /// Removes an identity with what it was allowed: an assignment to nobody would stay for ever.
    pub(super) async fn remove_identity(&self, doing: &str, id: &str) -> Result<(), ProviderError> {
        let there: Option<Identity> =
            self.client.get(id, resources::IDENTITIES).await.map_err(|error| failed(doing, &error))?;
        let Some(identity) = there else { return Ok(()) };
        for assignment in self.assignments(doing).await? {
            if assignment.1.properties.principal_id == identity.properties.principal_id {
                self.client
                    .delete(&assignment.0, resources::ASSIGNMENTS)
                    .await
                    .map_err(|error| failed(doing, &error))?;
            }
        }
        self.client.delete(id, resources::IDENTITIES).await.map_err(|error| failed(doing, &error))
    }

    /// Role assignments on the containers, by id.
    pub(super) async fn assignments(
        &self,
        doing: &str,
    ) -> Result<Vec<(String, resources::RoleAssignment)>, ProviderError> {
        let path = format!("{}/providers/Microsoft.Authorization/roleAssignments", self.store_id());
        let all: Vec<Value> =
            self.client.list(&path, resources::ASSIGNMENTS, &[]).await.map_err(|error| failed(doing, &error))?;
        let read = |value: Value| {
            let id = value.get("id")?.as_str()?.to_owned();
            Some((id, serde_json::from_value(value).ok()?))
        };
        Ok(all.into_iter().filter_map(read).collect())
    }

    /// Holds a resource against being removed, or lets it go.
    pub(super) async fn hold(&self, doing: &str, id: &str, held: bool) -> Result<(), ProviderError> {
        let lock = format!("{id}/providers/Microsoft.Authorization/locks/{LOCK}");
        if !held {
            return self.client.delete(&lock, resources::LOCKS).await.map_err(|error| failed(doing, &error));
        }
        let notes = "keeps data: `refarch destroy` or `--replace` takes this lock away".to_owned();
        let body = Lock { properties: LockProperties { level: "CanNotDelete".to_owned(), notes } };
        self.client
            .put(&lock, resources::LOCKS, &body, Condition::Always)
            .await
            .map_err(|error| failed(doing, &error))?;
        Ok(())
    }

    /// Ids of what carries our lock, in lower case.
    pub(super) async fn held(&self, doing: &str) -> Result<Vec<String>, ProviderError> {
        let path = format!("{}/providers/Microsoft.Authorization/locks", self.group_id());
        let all: Vec<resources::Generic> =
            self.client.list(&path, resources::LOCKS, &[]).await.map_err(|error| failed(doing, &error))?;
        let end = format!("/providers/microsoft.authorization/locks/{LOCK}");
        Ok(all.iter().filter_map(|lock| lock.id.to_lowercase().strip_suffix(&end).map(str::to_owned)).collect())
    }
}
