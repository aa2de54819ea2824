//! Resource providers: a subscription is registered with each service once, for good, before it can have something of it.
//! Whoever may do so says in the file that refarch shall (`azure.register_providers`); else the preflight says how.

use std::collections::BTreeMap;

use super::{Azure, error::failed};
use crate::provider::{
    Condition, ProviderError, Resource,
    cloud::{Found, Making, blueprint::kind},
};

const AUTHORIZATION: &str = "Microsoft.Authorization";
pub(super) const COMPUTE: &str = "Microsoft.Compute";
const IDENTITY: &str = "Microsoft.ManagedIdentity";
pub(super) const NETWORK: &str = "Microsoft.Network";
const STORAGE: &str = "Microsoft.Storage";

/// Services that a kind of resource is of.
fn services(kind: &str) -> &'static [&'static str] {
    match kind {
        kind::KEY | kind::DISK | kind::SET | kind::PROXIMITY | kind::BASTION => &[COMPUTE],
        // With its lock.
        kind::INSTANCE => &[COMPUTE, AUTHORIZATION],
        kind::STORE | kind::BUCKET => &[STORAGE],
        // With what it may do.
        kind::IDENTITY => &[IDENTITY, AUTHORIZATION],
        kind::GROUP | kind::REGISTRATION => &[],
        _ => &[NETWORK],
    }
}

fn id(namespace: &str) -> String {
    format!("registration/{namespace}")
}

impl Azure {
    /// Services that the environment has something of.
    pub(super) fn namespaces(&self) -> Vec<&'static str> {
        let mut all = vec![AUTHORIZATION, COMPUTE, NETWORK];
        if !self.options.buckets.is_empty() {
            all.extend([IDENTITY, STORAGE]);
        }
        all
    }

    /// With the registrations before everything that needs them, where the file asks for that.
    pub(super) fn registered(&self, mut all: Vec<Resource>) -> Vec<Resource> {
        if !self.azure.register_providers {
            return all;
        }
        for resource in &mut all {
            resource.needs.extend(services(&resource.kind).iter().map(|namespace| id(namespace)));
        }
        let registration = |namespace: &'static str| Resource {
            id: id(namespace),
            kind: kind::REGISTRATION.to_owned(),
            node: None,
            attributes: BTreeMap::new(),
            needs: Vec::new(),
            data_bearing: false,
            reason: "the subscription can have nothing of it before; it stays".to_owned(),
            // It is the subscription's, and with it all its environments'.
            shared: true,
        };
        self.namespaces().into_iter().map(registration).chain(all).collect()
    }

    /// Registrations that are there, where the file lets refarch make them.
    pub(super) async fn registrations(&self, doing: &str) -> Result<Vec<Found>, ProviderError> {
        if !self.azure.register_providers {
            return Ok(Vec::new());
        }
        let mut found = Vec::new();
        for namespace in self.namespaces() {
            let state = self.client.registration(namespace).await.map_err(|error| failed(doing, &error))?;
            if state.is_some_and(|state| state.is_done()) {
                found.push(Found {
                    id: id(namespace),
                    kind: kind::REGISTRATION,
                    handle: self.registration_id(namespace),
                    tags: BTreeMap::new(),
                    attributes: BTreeMap::new(),
                    condition: Condition::Good,
                    machine: None,
                });
            }
        }
        Ok(found)
    }

    fn registration_id(&self, namespace: &str) -> String {
        format!("{}/providers/{namespace}", self.client.scope())
    }

    pub(super) async fn register(&self, making: Making<'_>) -> Result<String, ProviderError> {
        let id = &making.resource.id;
        let namespace = id.strip_prefix("registration/").unwrap_or(id);
        self.client.register_and_wait(namespace).await.map_err(|error| {
            let mut told = failed(&format!("register {namespace}"), &error);
            if error.code == "AuthorizationFailed" {
                let command = format!("az provider register --namespace {namespace} --wait");
                told.hint = Some(format!("ask whoever owns the subscription to do it once: `{command}`"));
            }
            told
        })?;
        Ok(self.registration_id(namespace))
    }
}
