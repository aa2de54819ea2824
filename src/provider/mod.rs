//! Where machines come from. A provider knows nothing of roles, SSH or what a node is for.

#[cfg(feature = "azure")]
pub mod azure;
pub mod diff;
#[cfg(feature = "local")]
pub mod local;
pub mod resource;
#[cfg(feature = "static")]
pub mod static_;

use std::net::IpAddr;

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};

pub use resource::{Change, Condition, FieldChange, Live, Mutability, Resource, ResourceId};

use crate::{event::StepLog, topology::Topology};

/// How to reach a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// Node name.
    pub node: String,
    /// Address on the environment's network: what other nodes use.
    pub private: IpAddr,
    /// What the controller connects to; a name or an address.
    pub connect: String,
    /// SSH port.
    pub port: u16,
    /// SSH user.
    pub user: String,
    /// Jump host (`user@host:port`), as `ssh -J` takes it.
    pub jump: Option<String>,
    /// Private key file; none leaves it to the user's agent and configuration.
    pub identity: Option<std::path::PathBuf>,
    /// The host's public key (`ssh-ed25519 AAAA…`), where the provider knows it before the first connection.
    pub host_key: Option<String>,
}

/// Something `check` found out about the place where nodes shall live.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Short name of what was looked at: `engine`, `inotify instances`, `quota`.
    pub name: String,
    /// Whether it is good.
    pub verdict: Verdict,
    /// What was found.
    pub found: String,
    /// What to do, where it is not good.
    pub hint: Option<String>,
}

/// Outcome of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Good.
    Pass,
    /// Works, but somebody should know.
    Warn,
    /// An `apply` would fail.
    Fail,
}

/// A failure of a provider's call.
#[derive(Debug, thiserror::Error)]
#[error("{doing}: {message}")]
pub struct ProviderError {
    /// What was being done, for example `create container demo-app-1`.
    pub doing: String,
    /// What the provider answered.
    pub message: String,
    /// What to do next.
    pub hint: Option<String>,
    /// Whether the same call may succeed later.
    pub class: ErrorClass,
}

/// Whether a failed call is worth repeating.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorClass {
    /// The same call may succeed in a moment (throttled, timed out, connection lost).
    Transient,
    /// It will not.
    Permanent,
}

/// A place where machines live.
///
/// Every mutation is idempotent by the resource's deterministic name: creating what is there already is success.
pub trait Provider: Send + Sync {
    /// The name users know: `local`, `static`, `aws`.
    fn name(&self) -> &'static str;

    /// What this environment should have. Pure.
    ///
    /// # Errors
    /// When the topology asks for something that this provider does not have.
    fn desired(&self, topology: &Topology) -> Result<Vec<Resource>, ProviderError>;

    /// Whether the machines are refarch's own, to be made and removed. Others are configured and left where they are.
    fn owns_machines(&self) -> bool {
        true
    }

    /// How an attribute of a kind of resource can be changed. Pure.
    fn mutability(&self, kind: &str, attribute: &str) -> Mutability;

    /// Looks at the place before anything is done.
    fn preflight<'a>(&'a self, topology: &'a Topology) -> BoxFuture<'a, Vec<Finding>>;

    /// Lists what the environment has, by tag.
    fn observe<'a>(&'a self) -> BoxFuture<'a, Result<Vec<Live>, ProviderError>>;

    /// Makes a resource and waits until it is there.
    fn create<'a>(&'a self, resource: &'a Resource, log: &'a StepLog) -> BoxFuture<'a, Result<(), ProviderError>>;

    /// Starts a stopped resource.
    fn start<'a>(&'a self, resource: &'a Resource, log: &'a StepLog) -> BoxFuture<'a, Result<(), ProviderError>>;

    /// Changes attributes where the resource stands.
    fn update<'a>(
        &'a self,
        resource: &'a Resource,
        fields: &'a [FieldChange],
        log: &'a StepLog,
    ) -> BoxFuture<'a, Result<(), ProviderError>>;

    /// Removes a resource with everything that belongs to it alone. Removing what is gone is success.
    fn delete<'a>(&'a self, live: &'a Live, log: &'a StepLog) -> BoxFuture<'a, Result<(), ProviderError>>;

    /// How to reach every node of the topology, whether it exists yet or not, as far as known.
    ///
    /// A node without an address yet (a cloud instance that is not there) is left out.
    fn hosts<'a>(&'a self, topology: &'a Topology) -> BoxFuture<'a, Result<Vec<Host>, ProviderError>>;
}
