//! Google Cloud's answers to the calls that all clouds have.

use std::{collections::BTreeMap, sync::Mutex};

use futures_util::future::BoxFuture;
use google_cloud_gax::paginator::ItemPaginator as _;
use tokio::sync::OnceCell;

use super::{
    GcpOptions,
    clients::Clients,
    compute::{At, last, parts, remove},
    fault::Fault,
    labels, machines, names,
    operations::Operations,
    options, shape,
};
use crate::{
    event::StepLog,
    provider::{
        Expiring, FieldChange, Finding, Mutability, ProviderError, Resource, ResourceId, Stranger,
        cloud::{
            Answer, Book, Cloud, CloudOptions, Found, Launch, LaunchError, MachineState, Making, blueprint::kind,
            options::ImageOptions, permanent, record::Image, tags::Tags,
        },
        keys::Keys,
    },
    topology::Topology,
};

/// Zones that an environment spreads over where it names none.
const ZONES: usize = 3;
/// Machine type of the bastion.
const SMALL: &str = "e2-micro";

/// Google Cloud, for one environment.
pub struct Gcp {
    pub(super) options: CloudOptions,
    pub(super) own: GcpOptions,
    pub(super) operations: Operations,
    project: Option<String>,
    region: Option<String>,
    keys: Keys,
    clients: OnceCell<Clients>,
    zones: OnceCell<Vec<String>>,
    /// Tags of machines that were made with them a moment ago.
    fresh: Mutex<BTreeMap<String, Tags>>,
}

/// Processor of a machine type.
pub(super) fn architecture_of(machine_type: &str) -> &'static str {
    match machine_type.split('-').next() {
        Some("t2a" | "c4a" | "n4a" | "a4x") => "arm64",
        _ => "x86_64",
    }
}

/// Project and family of the images that those who make a distribution keep up to date.
pub(super) fn family(name: &str, architecture: &str) -> Option<(&'static str, &'static str)> {
    Some(match (name, architecture) {
        ("debian-12", "arm64") => ("debian-cloud", "debian-12-arm64"),
        ("debian-12", _) => ("debian-cloud", "debian-12"),
        ("debian-13", "arm64") => ("debian-cloud", "debian-13-arm64"),
        ("debian-13", _) => ("debian-cloud", "debian-13"),
        ("ubuntu-22.04", "arm64") => ("ubuntu-os-cloud", "ubuntu-2204-lts-arm64"),
        ("ubuntu-22.04", _) => ("ubuntu-os-cloud", "ubuntu-2204-lts"),
        ("ubuntu-24.04", "arm64") => ("ubuntu-os-cloud", "ubuntu-2404-lts-arm64"),
        ("ubuntu-24.04", _) => ("ubuntu-os-cloud", "ubuntu-2404-lts-amd64"),
        _ => return None,
    })
}

impl Gcp {
    /// Google Cloud for one environment. Asks nobody yet.
    #[must_use]
    pub fn new(options: CloudOptions, own: GcpOptions) -> Self {
        Self {
            project: own.project(),
            region: options.region.clone().or_else(options::region),
            keys: Keys::new(options.folder.join("ssh")),
            operations: Operations::default(),
            clients: OnceCell::new(),
            zones: OnceCell::new(),
            fresh: Mutex::new(BTreeMap::new()),
            options,
            own,
        }
    }

    /// Where calls go.
    pub(super) async fn at(&self) -> Result<At<'_>, ProviderError> {
        let project = self.project.as_deref().ok_or_else(|| {
            let hint = "write `gcp: {project: ...}`, or set GOOGLE_CLOUD_PROJECT";
            permanent("find the Google Cloud project", "no project is named", Some(hint))
        })?;
        let region = self.region.as_deref().ok_or_else(|| {
            let hint = "write `cloud: {region: europe-west4}`, or set CLOUDSDK_COMPUTE_REGION";
            permanent("find the region", "no region is named", Some(hint))
        })?;
        let clients = self.clients.get_or_try_init(Clients::new).await?;
        Ok(At { gcp: self, clients, project, region })
    }

    /// The zone of a number: those that the file names, else the region's first three.
    pub(super) async fn zone(&self, at: &At<'_>, number: usize) -> Result<String, ProviderError> {
        let zones = self.zones(at).await?;
        zones.get((number.max(1) - 1) % zones.len().max(1)).cloned().ok_or_else(|| {
            permanent("find a zone", format!("region {} has none", at.region), Some("name another region"))
        })
    }

    /// Zones in order.
    pub(super) async fn zones(&self, at: &At<'_>) -> Result<&Vec<String>, ProviderError> {
        let ask = || async {
            if !self.options.zones.is_empty() {
                return Ok(self.options.zones.clone());
            }
            let doing = format!("look at region {}", at.region);
            let region = at.clients.regions.get().set_project(at.project).set_region(at.region).send().await;
            let region = region.map_err(|error| Fault::from(error).told(doing))?;
            let mut zones: Vec<String> = region.zones.iter().map(|zone| last(zone).to_owned()).collect();
            zones.sort();
            zones.truncate(ZONES);
            Ok(zones)
        };
        self.zones.get_or_try_init(ask).await
    }

    /// The public key that the machines let in.
    pub(super) async fn public_key(&self) -> Result<String, ProviderError> {
        let path = match &self.options.identity {
            Some(own) => own.clone(),
            None => {
                self.keys.ensure_client(&format!("refarch {}", self.options.environment)).await?;
                self.keys.client()
            }
        };
        let mut public = path.into_os_string();
        public.push(".pub");
        let text = std::fs::read_to_string(&public).map_err(|error| {
            let hint = "the public half must lie beside the key: `ssh-keygen -y -f KEY >KEY.pub`";
            permanent(format!("read {}", public.display()), error.to_string(), Some(hint))
        })?;
        Ok(text.trim().to_owned())
    }

    pub(super) fn small_type(&self) -> &'static str {
        SMALL
    }

    /// Notes what a new machine carries already.
    pub(super) fn fresh(&self, handle: &str, tags: Tags) {
        self.fresh.lock().expect("nothing panics while it holds the notes").insert(handle.to_owned(), tags);
    }

    /// Whether a new machine carries these tags already. Said once.
    fn carries(&self, handle: &str, wanted: &Tags) -> bool {
        let fresh = self.fresh.lock().expect("nothing panics while it holds the notes").remove(handle);
        fresh.is_some_and(|tags| wanted.iter().all(|(key, value)| tags.get(key) == Some(value)))
    }
}

impl Cloud for Gcp {
    fn name(&self) -> &'static str {
        "gcp"
    }

    fn region(&self) -> Option<String> {
        self.region.clone()
    }

    fn shape(&self, resource: Resource) -> Option<Resource> {
        shape::shape(&self.options, &self.own, resource)
    }

    fn extend(&self, all: Vec<Resource>) -> Vec<Resource> {
        shape::complete(&self.own, all)
    }

    fn tagged(&self, kind: &str) -> bool {
        matches!(kind, kind::INSTANCE | kind::BASTION | kind::ADDRESS | kind::BUCKET)
    }

    fn mutability(&self, kind: &str, attribute: &str) -> Option<Mutability> {
        match (kind, attribute) {
            (kind::FIREWALL, "rules") => Some(Mutability::InPlace),
            (kind::INSTANCE | kind::BASTION, "identity" | "placement") => Some(Mutability::WithRestart),
            (
                kind::INSTANCE | kind::BASTION,
                "address" | "disk_type" | "disk_iops" | "disk_throughput" | "data_type" | "data_iops"
                | "data_throughput",
            ) => Some(Mutability::Replace),
            (kind::BALANCER, "public" | "members") => Some(Mutability::Replace),
            _ => None,
        }
    }

    fn architecture(&self, machine_type: &str) -> &'static str {
        architecture_of(machine_type)
    }

    fn small(&self) -> &'static str {
        SMALL
    }

    fn tunnel(&self, handle: &str) -> Option<String> {
        let (name, zone) = machines::parts(handle);
        let project = self.project.as_deref()?;
        Some(format!(
            "gcloud compute start-iap-tunnel {name} {} --listen-on-stdin --zone={zone} --project={project} \
             --verbosity=warning",
            self.options.ssh_port
        ))
    }

    fn places<'a>(&'a self) -> Answer<'a, BTreeMap<ResourceId, String>> {
        Box::pin(async { self.at().await?.places().await })
    }

    fn list<'a>(&'a self) -> Answer<'a, Vec<Found>> {
        Box::pin(async { self.at().await?.list().await })
    }

    fn machines<'a>(&'a self) -> Answer<'a, Vec<Found>> {
        Box::pin(async {
            let found = self.at().await?.list_machines().await.map_err(|fault| fault.told("list the machines"))?;
            Ok(found.into_iter().filter(|found| found.machine.is_some()).collect())
        })
    }

    fn states<'a>(&'a self, _handles: Vec<String>) -> Answer<'a, BTreeMap<String, MachineState>> {
        Box::pin(async { self.at().await?.states().await.map_err(|fault| fault.told("ask for the machines' states")) })
    }

    fn image<'a>(&'a self, architecture: &'a str) -> Answer<'a, Image> {
        Box::pin(async move {
            let at = self.at().await?;
            let (project, choice, answer) = match &self.options.image {
                ImageOptions::Id(id) => return Ok(Image { id: id.clone(), name: id.clone(), choice: id.clone() }),
                ImageOptions::Family(name) => {
                    let doing = format!("find the newest image of {name}");
                    let Some((project, family)) = family(name, architecture) else {
                        return Err(permanent(
                            doing,
                            "Google keeps no such family",
                            Some("name an image under `cloud.image`"),
                        ));
                    };
                    let call = at.clients.images.get_from_family().set_project(project).set_family(family);
                    (
                        project.to_owned(),
                        name.clone(),
                        call.send().await.map_err(|error| Fault::from(error).told(doing))?,
                    )
                }
                ImageOptions::Named { name, owner } => {
                    let newest = at.newest(name, owner, architecture).await?;
                    (owner.clone(), format!("{owner}/{name}"), newest)
                }
            };
            let name = answer.name.unwrap_or_default();
            Ok(Image { id: format!("projects/{project}/global/images/{name}"), name, choice })
        })
    }

    fn make<'a>(&'a self, making: Making<'a>, _log: &'a StepLog) -> Answer<'a, String> {
        Box::pin(async move {
            let at = self.at().await?;
            match making.resource.kind.as_str() {
                kind::NETWORK => at.make_network(making).await,
                kind::SUBNET => at.make_subnet(making).await,
                kind::NAT => at.make_nat(making).await,
                kind::ADDRESS => at.make_address(making).await,
                kind::FIREWALL | kind::RULES => at.make_rules(making).await,
                kind::BUCKET => at.make_bucket(making).await,
                kind::IDENTITY => at.make_identity(making).await,
                kind::PLACEMENT => at.make_placement(making).await,
                kind::BALANCER => at.make_balancer(making).await,
                kind::MEMBERS => at.make_members(making).await,
                other => Err(unknown("make", other)),
            }
        })
    }

    fn launch<'a>(&'a self, launch: Launch<'a>) -> BoxFuture<'a, Result<Vec<String>, LaunchError>> {
        Box::pin(async move { self.at().await.map_err(LaunchError::Other)?.launch(launch).await })
    }

    /// An insert is whole: address and protection came with it.
    fn settle<'a>(&'a self, _making: Making<'a>, _handle: &'a str) -> Answer<'a, ()> {
        Box::pin(async { Ok(()) })
    }

    fn start<'a>(&'a self, handle: &'a str) -> Answer<'a, ()> {
        Box::pin(async move { self.at().await?.start(handle).await })
    }

    fn stop<'a>(&'a self, handle: &'a str) -> Answer<'a, ()> {
        Box::pin(async move { self.at().await?.stop(handle).await })
    }

    fn cut<'a>(&'a self, handle: &'a str) -> Answer<'a, ()> {
        Box::pin(async move { self.at().await?.cut(handle).await })
    }

    fn change<'a>(
        &'a self,
        making: Making<'a>,
        handle: &'a str,
        fields: &'a [FieldChange],
        _log: &'a StepLog,
    ) -> Answer<'a, ()> {
        Box::pin(async move {
            let at = self.at().await?;
            match making.resource.kind.as_str() {
                kind::INSTANCE | kind::BASTION => at.change_machine(making, handle, fields).await,
                kind::FIREWALL | kind::RULES => at.make_rules(making).await.map(|_| ()),
                kind::BUCKET => at.mend_bucket(handle).await,
                kind::IDENTITY => at.allow_all(making.resource, handle, &format!("let {handle} use the buckets")).await,
                kind::BALANCER => at.make_balancer(making).await.map(|_| ()),
                kind::MEMBERS => at.make_members(making).await.map(|_| ()),
                other => Err(unknown("change", other)),
            }
        })
    }

    fn tag<'a>(&'a self, kind: &'a str, handle: &'a str, tags: &'a Tags) -> Answer<'a, ()> {
        Box::pin(async move {
            match kind {
                kind::INSTANCE | kind::BASTION if self.carries(handle, tags) => Ok(()),
                _ => self.at().await?.tag(kind, handle, tags, &[]).await,
            }
        })
    }

    fn untag<'a>(&'a self, kind: &'a str, handle: &'a str, keys: &'a [String]) -> Answer<'a, ()> {
        Box::pin(async move { self.at().await?.tag(kind, handle, &Tags::new(), keys).await })
    }

    fn remove<'a>(&'a self, kind: &'a str, handle: &'a str, id: &'a str, log: &'a StepLog) -> Answer<'a, ()> {
        Box::pin(async move {
            let at = self.at().await?;
            let (scope, name) = parts(handle);
            let doing = format!("remove {kind} {name}");
            let clients = at.clients;
            match kind {
                kind::INSTANCE | kind::BASTION => at.remove_machine(handle, log).await,
                kind::DISK => remove!(at, &doing, clients.disks.delete().set_zone(scope).set_disk(name)),
                kind::ADDRESS => remove!(at, &doing, clients.addresses.delete().set_region(scope).set_address(name)),
                kind::NAT => remove!(at, &doing, clients.routers.delete().set_region(scope).set_router(name)),
                kind::SUBNET => remove!(at, &doing, clients.subnets.delete().set_region(scope).set_subnetwork(name)),
                kind::NETWORK => remove!(at, &doing, clients.networks.delete().set_network(name)),
                kind::FIREWALL | kind::RULES => at.remove_rules(id).await,
                kind::BUCKET => at.remove_bucket(handle, log).await,
                kind::IDENTITY => at.remove_identity(handle).await,
                kind::PLACEMENT => {
                    remove!(at, &doing, clients.policies.delete().set_region(scope).set_resource_policy(name))
                }
                kind::BALANCER => at.remove_balancer(handle).await,
                kind::MEMBERS => at.remove_members(handle).await,
                other => Err(unknown("remove", other)),
            }
        })
    }

    fn strangers<'a>(&'a self, missing: &'a [Resource]) -> Answer<'a, Vec<Stranger>> {
        Box::pin(async move { self.at().await?.strangers(missing).await })
    }

    fn balancer_host<'a>(&'a self, role: &'a str, book: &'a Book) -> Answer<'a, Option<String>> {
        Box::pin(async move { self.at().await?.balancer_host(role, book).await })
    }

    fn look<'a>(&'a self, topology: &'a Topology, desired: &'a [Resource]) -> BoxFuture<'a, Vec<Finding>> {
        Box::pin(self.preflight(topology, desired))
    }

    fn host_key<'a>(&'a self, handle: &'a str) -> Answer<'a, Option<String>> {
        Box::pin(async move { self.at().await?.host_key(handle).await })
    }

    fn environments<'a>(&'a self) -> Answer<'a, Vec<Expiring>> {
        Box::pin(async { self.at().await?.environments().await.map_err(|fault| fault.told("list environments")) })
    }
}

impl At<'_> {
    /// The newest image of a project whose name fits.
    async fn newest(
        &self,
        name: &str,
        owner: &str,
        architecture: &str,
    ) -> Result<google_cloud_compute_v1::model::Image, ProviderError> {
        use google_cloud_compute_v1::model::image::{Architecture, Status};
        let doing = format!("find the newest image {name} of {owner}");
        let pattern = name.split('*').collect::<Vec<_>>().join(".*");
        let wanted = if architecture == "arm64" { Architecture::Arm64 } else { Architecture::X8664 };
        let mut images =
            self.clients.images.list().set_project(owner).set_filter(format!("name eq '{pattern}'")).by_item();
        let mut newest: Option<google_cloud_compute_v1::model::Image> = None;
        while let Some(image) = images.next().await {
            let image = image.map_err(|error| Fault::from(error).told(&doing))?;
            let usable = image.status == Some(Status::Ready)
                && image.deprecated.is_none()
                && image.architecture.as_ref().is_none_or(|found| *found == wanted);
            if usable && newest.as_ref().is_none_or(|best| image.creation_timestamp > best.creation_timestamp) {
                newest = Some(image);
            }
        }
        newest.ok_or_else(|| permanent(doing, format!("there is none for {architecture}"), Some("see `cloud.image`")))
    }

    async fn tag(&self, kind: &str, handle: &str, set: &Tags, gone: &[String]) -> Result<(), ProviderError> {
        match kind {
            kind::INSTANCE | kind::BASTION => self.tag_machine(handle, set, gone).await,
            kind::ADDRESS => self.tag_address(handle, set, gone).await,
            kind::BUCKET => self.tag_bucket(handle, set, gone).await,
            other => Err(unknown("label", other)),
        }
    }

    /// What others have under the names of resources that are about to be made.
    async fn strangers(&self, missing: &[Resource]) -> Result<Vec<Stranger>, ProviderError> {
        let doing = "look for what others have under these names";
        let told = |fault: Fault| fault.told(doing);
        let mut found = Vec::new();
        let mut note = |resource: &Resource, handle: String| {
            found.push(Stranger {
                resource: resource.id.clone(),
                what: format!("{} {}", resource.kind, last(&handle)),
                handle,
            });
        };
        let filter = format!("name eq '{}-.*'", self.environment());
        let mut machines: BTreeMap<String, String> = BTreeMap::new();
        if missing.iter().any(|resource| resource.kind == kind::INSTANCE) {
            let mut scopes =
                self.clients.instances.aggregated_list().set_project(self.project).set_filter(filter).by_item();
            while let Some(scope) = scopes.next().await {
                for there in scope.map_err(|error| told(error.into()))?.1.instances {
                    if !labels::owned(&labels::tags(None, &there.labels), self.environment()) {
                        let zone = last(there.zone.as_deref().unwrap_or_default()).to_owned();
                        machines.insert(there.name.unwrap_or_default(), zone);
                    }
                }
            }
        }
        for resource in missing {
            let name = names::of(self.environment(), &resource.id);
            match resource.kind.as_str() {
                kind::INSTANCE => {
                    if let Some(zone) = machines.get(&name).filter(|zone| zone.starts_with(self.region)) {
                        note(resource, machines::handle(&name, zone));
                    }
                }
                kind::NETWORK => {
                    let there = self.network(&name).await.map_err(told)?;
                    let own = |description: Option<&str>| {
                        labels::described(description).is_some_and(|tags| labels::owned(&tags, self.environment()))
                    };
                    if there.is_some_and(|there| !own(there.description.as_deref())) {
                        note(resource, format!("global/networks/{name}"));
                    }
                }
                kind::ADDRESS => {
                    let handle = format!("regions/{}/addresses/{name}", self.region);
                    let there = self.address(&handle).await.map_err(told)?;
                    let own = |there: &google_cloud_compute_v1::model::Address| {
                        labels::owned(&labels::tags(None, &there.labels), self.environment())
                    };
                    if there.is_some_and(|there| !own(&there)) {
                        note(resource, handle);
                    }
                }
                _ => {}
            }
        }
        Ok(found)
    }
}

fn unknown(verb: &str, kind: &str) -> ProviderError {
    permanent(format!("{verb} {kind}"), format!("Google Cloud has no {kind} to {verb}"), None)
}
