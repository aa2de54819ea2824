//! Where machines come from. A provider knows nothing of roles, SSH or what a node is for.

#[cfg(feature = "aws")]
pub mod aws;
#[cfg(feature = "azure")]
pub mod azure;
pub mod cloud;
pub mod diff;
#[cfg(feature = "gcp")]
pub mod gcp;
pub mod keys;
#[cfg(feature = "local")]
pub mod local;
pub mod resource;
#[cfg(feature = "static")]
pub mod static_;

use std::{collections::BTreeMap, net::IpAddr};

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use resource::{Change, Condition, FieldChange, Live, Mutability, Resource, ResourceId};

use crate::{
    bundle::{Image, Part},
    cost::{Charge, PriceTable},
    event::StepLog,
    topology::Topology,
};

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
    /// The jump host's public key, where the provider knows it before the first connection and `jump` is one host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jump_key: Option<String>,
    /// Command whose standard input and output lead to the node's SSH port, as `ProxyCommand` takes it.
    pub proxy: Option<String>,
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
#[derive(Debug, Clone, thiserror::Error)]
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

/// Something that is there under a name of ours and does not carry our tags: somebody else's, until it is adopted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stranger {
    /// Resource that the environment wants to make.
    pub resource: ResourceId,
    /// What is in its place, in the provider's words: `key pair demo-key`.
    pub what: String,
    /// The provider's identifier, which `adopt` takes.
    pub handle: String,
}

/// An environment that a place has, whoever made it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expiring {
    /// Name.
    pub environment: String,
    /// Who answers for it.
    pub owner: Option<String>,
    /// When it may be destroyed; none: never.
    pub expires: Option<jiff::Timestamp>,
    /// How many things carry its tag.
    pub resources: usize,
}

/// What can be done to a machine from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Power {
    /// It stops at once, without a word to anything that runs on it.
    Off,
    /// It starts, if it does not run.
    On,
    /// It is shut down in order and started again.
    Restart,
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

    /// Whether a machine's address is known only once it is there. Then nothing is configured before all are.
    fn addresses_come_late(&self) -> bool {
        false
    }

    /// How an attribute of a kind of resource can be changed. Pure.
    fn mutability(&self, kind: &str, attribute: &str) -> Mutability;

    /// What a resource of this kind and these attributes is billed for, whether it is wanted or there. Pure. Nothing
    /// where nobody sends a bill.
    fn charges(&self, _kind: &str, _attributes: &BTreeMap<String, Value>) -> Vec<Charge> {
        Vec::new()
    }

    /// The region whose prices apply, as far as that is known without asking the cloud.
    fn price_region(&self) -> Option<String> {
        None
    }

    /// Asks for today's prices in that region.
    ///
    /// # Errors
    /// When the cloud does not answer, or this provider has no price list.
    fn ask_prices<'a>(&'a self) -> BoxFuture<'a, Result<PriceTable, ProviderError>> {
        Box::pin(async {
            Err(ProviderError {
                doing: "ask for prices".to_owned(),
                message: format!("provider `{}` has no price list that can be asked", self.name()),
                hint: None,
                class: ErrorClass::Permanent,
            })
        })
    }

    /// How one difference can be mended: as [`Provider::mutability`] says, where the values do not matter. Pure.
    fn mends(&self, kind: &str, field: &FieldChange) -> Mutability {
        self.mutability(kind, &field.name)
    }

    /// Looks for images newer than those that were pinned, for machines that are planned from now on. Tells what it
    /// found, a line for each processor. What was pinned stays so until [`Provider::keep_images`].
    fn newer_images<'a>(&'a self, _topology: &'a Topology) -> BoxFuture<'a, Result<Vec<String>, ProviderError>> {
        let message = format!("provider `{}` pins no images", self.name());
        Box::pin(async {
            let doing = "look for newer images".to_owned();
            Err(ProviderError { doing, message, hint: None, class: ErrorClass::Permanent })
        })
    }

    /// Pins what [`Provider::newer_images`] found, or the image that [`Provider::use_image`] named.
    ///
    /// # Errors
    /// When it cannot be written down.
    fn keep_images(&self) -> Result<(), ProviderError> {
        Ok(())
    }

    /// The suite of the image that nodes start from, where the provider makes that image itself. Pure.
    fn image_suite(&self) -> Option<&str> {
        None
    }

    /// Takes this image out of a bundle where it is missing, instead of making one.
    fn use_image(&self, _image: &Image, _part: Part) {}

    /// Writes the image that nodes start from, made where it is missing, as [`Provider::use_image`] takes it.
    fn carry_image<'a>(
        &'a self,
        _into: &'a mut (dyn std::io::Write + Send),
        _log: &'a StepLog,
    ) -> BoxFuture<'a, Result<Image, ProviderError>> {
        let message = format!("provider `{}` makes no image", self.name());
        Box::pin(async {
            let doing = "carry the node image".to_owned();
            Err(ProviderError { doing, message, hint: None, class: ErrorClass::Permanent })
        })
    }

    /// What others have under the names of resources that are about to be made.
    fn strangers<'a>(&'a self, _missing: &'a [Resource]) -> BoxFuture<'a, Result<Vec<Stranger>, ProviderError>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    /// Makes something that exists the environment's own.
    fn adopt<'a>(&'a self, resource: &'a Resource, _handle: &'a str) -> BoxFuture<'a, Result<(), ProviderError>> {
        let doing = format!("adopt {}", resource.id);
        let message = format!("provider `{}` adopts nothing", self.name());
        Box::pin(async { Err(ProviderError { doing, message, hint: None, class: ErrorClass::Permanent }) })
    }

    /// Every environment of refarch's that the place has.
    fn environments<'a>(&'a self) -> BoxFuture<'a, Result<Vec<Expiring>, ProviderError>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    /// Says what a run is about to make, so that a provider can make together what it can make together.
    fn announce(&self, _run: &str, _creations: &[Resource]) {}

    /// Finds out a node's host key before the first connection to it, where the provider can. Comes after its creation.
    fn identify<'a>(&'a self, _node: &'a str, _log: &'a StepLog) -> BoxFuture<'a, Result<(), ProviderError>> {
        Box::pin(async { Ok(()) })
    }

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

    /// Switches a machine off or on. False where the provider has no switch: then whoever asks does it on the node.
    fn power<'a>(&'a self, _node: &'a str, _power: Power) -> BoxFuture<'a, Result<bool, ProviderError>> {
        Box::pin(async { Ok(false) })
    }

    /// Removes a resource with everything that belongs to it alone. Removing what is gone is success.
    fn delete<'a>(&'a self, live: &'a Live, log: &'a StepLog) -> BoxFuture<'a, Result<(), ProviderError>>;

    /// How to reach a node that was made or started anew, where that may differ from what was known before.
    fn rehost<'a>(&'a self, _node: &'a str) -> BoxFuture<'a, Result<Option<Host>, ProviderError>> {
        Box::pin(async { Ok(None) })
    }

    /// Host, by name or address, of each of the cloud's balancers between the nodes that is there.
    fn balancers<'a>(
        &'a self,
        _topology: &'a Topology,
    ) -> BoxFuture<'a, Result<BTreeMap<String, String>, ProviderError>> {
        Box::pin(async { Ok(BTreeMap::new()) })
    }

    /// How to reach every node of the topology, whether it exists yet or not, as far as known.
    ///
    /// A node without an address yet (a cloud instance that is not there) is left out.
    fn hosts<'a>(&'a self, topology: &'a Topology) -> BoxFuture<'a, Result<Vec<Host>, ProviderError>>;
}
