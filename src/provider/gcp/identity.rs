//! The nodes' service accounts, one for each group that has to do with the environment's buckets: it may use objects in
//! them and nothing else. It has no key: machines get tokens for it from Google.

use std::time::Duration;

use google_cloud_gax::{options::RequestOptionsBuilder as _, paginator::ItemPaginator as _};
use google_cloud_iam_admin_v1::model::ServiceAccount;
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::{clients::found, compute::At, fault::Fault, labels, names};
use crate::provider::{
    Condition, ProviderError, Resource,
    cloud::{Found, Making, blueprint::kind, tags, tags::Tags},
};

/// How long a new service account may be unknown to other services.
const KNOWN: Duration = Duration::from_secs(90);

/// Tags that fit into an account's short description: what it is found by.
fn short(all: &Tags) -> Tags {
    let kept = [tags::ENVIRONMENT, tags::RESOURCE, tags::EXPIRES];
    all.iter()
        .filter(|(key, _)| kept.contains(&key.as_str()))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

impl At<'_> {
    pub(super) async fn make_identity(&self, making: Making<'_>) -> Result<String, ProviderError> {
        let group = making.resource.id.trim_start_matches("identity/");
        let name = names::account(self.environment(), group);
        let email = format!("{name}@{}.iam.gserviceaccount.com", self.project);
        let doing = format!("make service account {email}");
        let told = |fault: Fault| fault.told(&doing);
        if self.account(&email).await.map_err(told)?.is_none() {
            let call = self
                .clients
                .iam
                .create_service_account()
                .set_name(format!("projects/{}", self.project))
                .set_account_id(&name)
                .set_service_account(
                    ServiceAccount::new()
                        .set_display_name(format!("{group} of {}", self.environment()))
                        .set_description(labels::description(&short(making.tags))),
                )
                // A second one of the same name is refused, so that asking again makes no second one.
                .with_idempotency(true);
            match call.send().await.map_err(Fault::from) {
                Err(fault) if !fault.exists() => return Err(told(fault)),
                _ => {}
            }
        }
        // Just made, it may not be shown yet.
        if let Some(there) = self.account(&email).await.map_err(told)? {
            self.ours(&doing, labels::described(Some(&there.description)).as_ref(), &email)?;
        }
        self.allow_all(making.resource, &email, &doing).await?;
        Ok(email)
    }

    /// Lets the account use every bucket of the environment's. A new account is unknown to others for a while.
    pub(super) async fn allow_all(&self, identity: &Resource, email: &str, doing: &str) -> Result<(), ProviderError> {
        let wanted = identity.attributes.get("buckets").and_then(serde_json::Value::as_array);
        let wanted: Vec<&str> = wanted.into_iter().flatten().filter_map(serde_json::Value::as_str).collect();
        let end = Instant::now() + KNOWN;
        for (_, bucket) in self.wanted_buckets().into_iter().filter(|(name, _)| wanted.contains(&name.as_str())) {
            loop {
                match self.allow(&bucket, email).await {
                    Ok(()) => break,
                    Err(fault)
                        if fault.message.contains("does not exist") && fault.status == 400 && Instant::now() < end =>
                    {
                        sleep(Duration::from_secs(3)).await;
                    }
                    Err(fault) => return Err(fault.told(doing)),
                }
            }
        }
        Ok(())
    }

    async fn account(&self, email: &str) -> Result<Option<ServiceAccount>, Fault> {
        let name = format!("projects/{}/serviceAccounts/{email}", self.project);
        found(self.clients.iam.get_service_account().set_name(name).send().await)
    }

    /// The environment's accounts.
    pub(super) async fn identities(&self) -> Result<Vec<Found>, Fault> {
        let mut accounts = self
            .clients
            .iam
            .list_service_accounts()
            .set_name(format!("projects/{}", self.project))
            .set_page_size(100)
            .by_item();
        let mut found = Vec::new();
        while let Some(account) = accounts.next().await {
            let account = account?;
            let Some(tags) = labels::described(Some(&account.description)) else { continue };
            if !labels::owned(&tags, self.environment()) {
                continue;
            }
            let mut buckets = Vec::new();
            for (name, bucket) in self.wanted_buckets() {
                if self.allowed(&bucket, &account.email).await? {
                    buckets.push(name);
                }
            }
            found.push(Found {
                id: tags.get(tags::RESOURCE).cloned().unwrap_or_else(|| "identity".to_owned()),
                kind: kind::IDENTITY,
                handle: account.email,
                attributes: [("buckets".to_owned(), json!(buckets))].into(),
                tags,
                condition: Condition::Good,
                machine: None,
            });
        }
        Ok(found)
    }

    pub(super) async fn remove_identity(&self, email: &str) -> Result<(), ProviderError> {
        let name = format!("projects/{}/serviceAccounts/{email}", self.project);
        let call = self.clients.iam.delete_service_account().set_name(name).with_idempotency(true);
        match call.send().await.map_err(Fault::from) {
            Err(fault) if !fault.missing() => Err(fault.told(format!("remove service account {email}"))),
            _ => Ok(()),
        }
    }
}
