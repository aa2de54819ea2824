//! What a cloud has to answer. All else is in this folder, once.

use std::{collections::BTreeMap, sync::Mutex, time::Duration};

use futures_util::future::BoxFuture;

use super::{record::Image, tags::Tags};
use crate::{
    cost::PriceTable,
    event::StepLog,
    provider::{Condition, Expiring, FieldChange, Finding, Mutability, ProviderError, Resource, ResourceId, Stranger},
    topology::Topology,
};

/// Something that was found by its tags.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// Resource that it is, read from its tags or its name.
    pub id: ResourceId,
    /// Kind, of [`super::blueprint::kind`].
    pub kind: &'static str,
    /// The cloud's identifier.
    pub handle: String,
    /// All its tags.
    pub tags: Tags,
    /// What it is like, in the blueprint's attributes; tags excepted.
    pub attributes: BTreeMap<String, serde_json::Value>,
    /// Whether it works.
    pub condition: Condition,
    /// What only machines have.
    pub machine: Option<Machine>,
}

/// What only machines have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Machine {
    /// Address inside.
    pub private: Option<std::net::IpAddr>,
    /// Address outside.
    pub public: Option<std::net::IpAddr>,
    /// Zone in the cloud's words.
    pub zone: Option<String>,
    /// Image that it was made from, and its processor.
    pub image: Option<(String, String)>,
}

/// How far a machine is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MachineState {
    /// Being made or started.
    Pending,
    /// Running.
    Running,
    /// Being stopped.
    Stopping,
    /// Stopped.
    Stopped,
    /// Being removed.
    Ending,
    /// Removed, and still listed.
    Gone,
}

/// One resource to make or change, with what a call needs besides.
#[derive(Clone, Copy)]
pub struct Making<'a> {
    /// What it should be.
    pub resource: &'a Resource,
    /// All tags that it shall carry.
    pub tags: &'a Tags,
    /// Handles of what is there.
    pub book: &'a Book,
}

/// One call that makes machines which are alike.
pub struct Launch<'a> {
    /// Machines, in the order of their ordinals.
    pub machines: &'a [Resource],
    /// Zone number, from 1.
    pub zone: usize,
    /// Machine type: the one wanted, or one in its place.
    pub machine_type: Option<&'a str>,
    /// Image; none where the machines' attributes name one.
    pub image: &'a str,
    /// Tags of all of them.
    pub tags: &'a Tags,
    /// The same for the same launch.
    pub token: &'a str,
    /// Script of the first start.
    pub first_start: &'a str,
    /// Handles of what is there.
    pub book: &'a Book,
}

/// Why machines were not made.
#[derive(Debug)]
pub enum LaunchError {
    /// The cloud has none left of this type in this zone: another may do.
    NoCapacity(ProviderError),
    /// The cloud remembers the token for machines that are gone, or for other ones.
    Used,
    /// Anything else.
    Other(ProviderError),
}

/// Answer of a call.
pub type Answer<'a, T> = BoxFuture<'a, Result<T, ProviderError>>;

/// The calls of one cloud. Each is made again where it fails with [`crate::provider::ErrorClass::Transient`], so that
/// making what is there and removing what is gone is success.
pub trait Cloud: Send + Sync {
    /// `aws`.
    fn name(&self) -> &'static str;

    /// The region in use, as far as known without a call.
    fn region(&self) -> Option<String>;

    /// The cloud's own view of a resource: none where it has no such thing, or with attributes of its own. Pure.
    fn shape(&self, resource: Resource) -> Option<Resource> {
        Some(resource)
    }

    /// Adds what only this cloud has, and says what of the blueprint needs it: a group that everything is in, a
    /// machine's interface. Comes after [`Cloud::shape`]. Pure.
    fn extend(&self, all: Vec<Resource>) -> Vec<Resource> {
        all
    }

    /// How an attribute can be changed, where it differs from what [`super::mutability`] says. Pure.
    fn mutability(&self, _kind: &str, _attribute: &str) -> Option<Mutability> {
        None
    }

    /// Processor of a machine type: `x86_64`, `arm64`. Pure.
    fn architecture(&self, machine_type: &str) -> &'static str;

    /// Machine type of the bastion.
    fn small(&self) -> &'static str;

    /// Whether a kind of resource carries tags that can be read and changed. Where it does not, what it is found by lies
    /// elsewhere, and tags are not compared. Pure.
    fn tagged(&self, _kind: &str) -> bool {
        true
    }

    /// What a machine's first start does so that the cloud's own tunnel reaches it: a piece of a shell script.
    fn tunnel_agent(&self) -> &'static str {
        ""
    }

    /// How `ssh` gets to a machine's port through the cloud's own tunnel: a `ProxyCommand`. None: there is none.
    fn tunnel(&self, _handle: &str) -> Option<String> {
        None
    }

    /// Identifiers of what exists already and is only used: `network`, `subnet/public-1`, ... of a network that is not
    /// the environment's own. Fails where what exists is not enough.
    fn places<'a>(&'a self) -> Answer<'a, BTreeMap<ResourceId, String>>;

    /// Everything that carries the environment's tag, all pages. Machines that are gone do not count.
    fn list<'a>(&'a self) -> Answer<'a, Vec<Found>>;

    /// The machines alone.
    fn machines<'a>(&'a self) -> Answer<'a, Vec<Found>>;

    /// How far these machines are, with one question for all.
    fn states<'a>(&'a self, handles: Vec<String>) -> Answer<'a, BTreeMap<String, MachineState>>;

    /// The newest image for a processor, by what the file says.
    fn image<'a>(&'a self, architecture: &'a str) -> Answer<'a, Image>;

    /// Makes anything but a machine, waits until it can be used, and returns its handle. What is there under the name
    /// and is the environment's is success; what is somebody else's is a permanent failure that names it.
    fn make<'a>(&'a self, making: Making<'a>, log: &'a StepLog) -> Answer<'a, String>;

    /// Makes machines; returns their handles in order, without waiting until they run.
    fn launch<'a>(&'a self, launch: Launch<'a>) -> BoxFuture<'a, Result<Vec<String>, LaunchError>>;

    /// Ends what a launch began, on a machine that runs: address, protection.
    fn settle<'a>(&'a self, making: Making<'a>, handle: &'a str) -> Answer<'a, ()>;

    /// Starts a machine.
    fn start<'a>(&'a self, handle: &'a str) -> Answer<'a, ()>;

    /// Stops a machine.
    fn stop<'a>(&'a self, handle: &'a str) -> Answer<'a, ()>;

    /// Takes a machine's power away: nothing that runs on it is told.
    fn cut<'a>(&'a self, handle: &'a str) -> Answer<'a, ()>;

    /// Changes attributes where it stands. A machine whose change needs a stop is stopped.
    fn change<'a>(
        &'a self,
        making: Making<'a>,
        handle: &'a str,
        fields: &'a [FieldChange],
        log: &'a StepLog,
    ) -> Answer<'a, ()>;

    /// Writes tags, keeping others.
    fn tag<'a>(&'a self, kind: &'a str, handle: &'a str, tags: &'a Tags) -> Answer<'a, ()>;

    /// Takes tags away.
    fn untag<'a>(&'a self, kind: &'a str, handle: &'a str, keys: &'a [String]) -> Answer<'a, ()>;

    /// Removes it and waits until it is gone, as long as something that is going away still holds it.
    fn remove<'a>(&'a self, kind: &'a str, handle: &'a str, id: &'a str, log: &'a StepLog) -> Answer<'a, ()>;

    /// What others have under the names of resources that are about to be made.
    fn strangers<'a>(&'a self, missing: &'a [Resource]) -> Answer<'a, Vec<Stranger>>;

    /// Host, by name or address, of the balancer in place of nodes of a role; none where it is not there yet.
    fn balancer_host<'a>(&'a self, role: &'a str, book: &'a Book) -> Answer<'a, Option<String>>;

    /// Looks at credentials, region, quotas, images, machine types, clock.
    fn look<'a>(&'a self, topology: &'a Topology, desired: &'a [Resource]) -> BoxFuture<'a, Vec<Finding>>;

    /// A machine's public host key, where its console shows it by now.
    fn host_key<'a>(&'a self, handle: &'a str) -> Answer<'a, Option<String>>;

    /// Today's prices in the region.
    fn ask_prices<'a>(&'a self) -> Answer<'a, PriceTable> {
        let message = format!("refarch does not know how to ask {} for prices", self.name());
        Box::pin(async { Err(super::permanent("ask for prices", message, None)) })
    }

    /// Every environment of refarch's in the account and region.
    fn environments<'a>(&'a self) -> Answer<'a, Vec<Expiring>>;
}

/// How long to wait for a machine to run, stop or go.
pub const MACHINE: Duration = Duration::from_secs(600);

/// Handles of what is there, by resource.
#[derive(Debug, Default)]
pub struct Book(Mutex<BTreeMap<ResourceId, String>>);

impl Book {
    /// Handle of a resource.
    #[must_use]
    pub fn handle(&self, id: &str) -> Option<String> {
        self.0.lock().expect("nothing panics while it holds the book").get(id).cloned()
    }

    /// Handle of a resource that must be there.
    ///
    /// # Errors
    /// Where it is not.
    pub fn need(&self, doing: &str, id: &str) -> Result<String, ProviderError> {
        self.handle(id).ok_or_else(|| ProviderError {
            doing: doing.to_owned(),
            message: format!("`{id}` is not there"),
            hint: Some("plan again: something was removed since".to_owned()),
            class: crate::provider::ErrorClass::Permanent,
        })
    }

    /// The resource that a handle belongs to.
    #[must_use]
    pub fn resource(&self, handle: &str) -> Option<ResourceId> {
        let book = self.0.lock().expect("nothing panics while it holds the book");
        book.iter().find(|(_, known)| *known == handle).map(|(id, _)| id.clone())
    }

    /// Everything that is there.
    #[must_use]
    pub fn ids(&self) -> Vec<ResourceId> {
        self.0.lock().expect("nothing panics while it holds the book").keys().cloned().collect()
    }

    /// Notes one.
    pub fn note(&self, id: &str, handle: &str) {
        self.0.lock().expect("nothing panics while it holds the book").insert(id.to_owned(), handle.to_owned());
    }

    /// Forgets one.
    pub fn forget(&self, id: &str) {
        self.0.lock().expect("nothing panics while it holds the book").remove(id);
    }

    /// Notes all that is there, and forgets all else.
    pub fn replace(&self, all: BTreeMap<ResourceId, String>) {
        *self.0.lock().expect("nothing panics while it holds the book") = all;
    }
}
