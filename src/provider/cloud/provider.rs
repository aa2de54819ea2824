//! A provider made of a cloud's calls.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, atomic::AtomicBool},
};

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::{sync::Mutex as TurnMutex, time::Instant};

use super::{
    blueprint::{self, kind},
    calls::{Book, Cloud, Found, MachineState, Making},
    launch::Launches,
    options::{self, CloudOptions, ImageOptions},
    record::{Image, RecordFile},
    tags::{self, Tags},
    waits::{Pace, Waits},
};
use crate::{
    cost::{Charge, PriceTable},
    event::StepLog,
    provider::{
        Expiring, FieldChange, Finding, Host, Live, Mutability, Power, Provider, ProviderError, Resource, Stranger,
        keys::Keys,
    },
    topology::Topology,
};

/// A provider made of a cloud's calls.
pub struct CloudProvider<C> {
    pub(super) cloud: C,
    pub(super) options: CloudOptions,
    pub(super) record: RecordFile,
    pub(super) keys: Keys,
    pub(super) launches: Launches,
    pub(super) waits: Waits<MachineState>,
    pub(super) book: Book,
    /// Whether the book was filled.
    looked: TurnMutex<bool>,
    run: Mutex<Option<String>>,
    /// Where machines went that found no capacity where they belong; one at a time decides.
    pub(super) placing: TurnMutex<BTreeMap<String, usize>>,
    /// The machines as they were last asked for, and when.
    pub(super) machines: TurnMutex<Option<(Instant, Vec<Found>)>>,
    /// Processor -> image that was found on request, and is not pinned yet.
    newer: Mutex<BTreeMap<String, Image>>,
    /// Whether the bastion's host key was looked for.
    pub(super) bastion_known: TurnMutex<bool>,
    /// A launch failed: what is there may be more than the book says.
    pub(super) doubt: AtomicBool,
}

impl<C: Cloud> CloudProvider<C> {
    /// A provider for one environment. Asks nobody yet.
    #[must_use]
    pub fn new(cloud: C, options: CloudOptions) -> Self {
        Self {
            cloud,
            record: RecordFile::of(&options.folder),
            keys: Keys::new(options.folder.join("ssh")),
            launches: Launches::default(),
            waits: Waits::new(Pace::default()),
            book: Book::default(),
            looked: TurnMutex::new(false),
            run: Mutex::new(None),
            placing: TurnMutex::default(),
            machines: TurnMutex::default(),
            newer: Mutex::default(),
            bastion_known: TurnMutex::default(),
            doubt: AtomicBool::new(false),
            options,
        }
    }

    /// The cloud itself.
    pub fn cloud(&self) -> &C {
        &self.cloud
    }

    /// The image that was pinned for a machine type's processor.
    fn pinned(&self, machine_type: &str) -> Option<String> {
        if let ImageOptions::Id(id) = &self.options.image {
            return Some(id.clone());
        }
        self.chosen(self.cloud.architecture(machine_type)).ok()?.map(|image| image.id)
    }

    /// The image for a processor that was found on request, else the one that is pinned.
    fn chosen(&self, architecture: &str) -> Result<Option<Image>, ProviderError> {
        let newer = self.newer.lock().expect("nothing panics while it holds the images").get(architecture).cloned();
        let choice = options::choice(&self.options.image);
        match newer {
            Some(image) => Ok(Some(image)),
            None => Ok(self.record.get()?.images.remove(architecture).filter(|image| image.choice == choice)),
        }
    }

    async fn newer_images_now(&self, topology: &Topology) -> Result<Vec<String>, ProviderError> {
        if let ImageOptions::Id(id) = &self.options.image {
            let hint = "name another one there, or a `family` to choose the newest of";
            let message = format!("the file itself names the image, {id}");
            return Err(super::permanent("look for newer images", message, Some(hint)));
        }
        let types = topology.nodes.iter().filter_map(|node| node.machine.machine_type.as_deref());
        let processors: BTreeSet<&str> =
            types.chain([self.cloud.small()]).map(|machine_type| self.cloud.architecture(machine_type)).collect();
        let mut told = Vec::new();
        for processor in processors {
            let pinned = self.chosen(processor)?;
            let newest = self.cloud.image(processor).await?;
            told.push(match &pinned {
                Some(image) if image.id == newest.id => {
                    format!("{processor}: {} ({}) is the newest already", newest.name, newest.id)
                }
                Some(image) => format!("{processor}: {} ({}) in place of {}", newest.name, newest.id, image.id),
                None => format!("{processor}: {} ({})", newest.name, newest.id),
            });
            self.newer.lock().expect("nothing panics while it holds the images").insert(processor.to_owned(), newest);
        }
        Ok(told)
    }

    /// The image for a processor: the pinned one, else the newest, which is pinned now.
    pub(super) async fn image(&self, architecture: &str) -> Result<String, ProviderError> {
        if let ImageOptions::Id(id) = &self.options.image {
            return Ok(id.clone());
        }
        if let Some(image) = self.chosen(architecture)? {
            return Ok(image.id);
        }
        let image = self.cloud.image(architecture).await?;
        let id = image.id.clone();
        self.record.change(|record| record.images.insert(architecture.to_owned(), image))?;
        Ok(id)
    }

    /// All tags that a resource gets when it is made.
    pub(super) fn tags(&self, resource: &Resource) -> Result<Tags, ProviderError> {
        let mut all = tags::lasting(&self.options, resource);
        let run = self.run.lock().expect("nothing panics while it holds the run").clone();
        all.extend(tags::passing(self.expires()?, run.as_deref()));
        Ok(all)
    }

    /// When the environment may be destroyed: its file's time, from the first thing on that was made.
    fn expires(&self) -> Result<Option<Timestamp>, ProviderError> {
        let Some(ttl) = &self.options.ttl else { return Ok(None) };
        let expires = self.record.change(|record| {
            if record.expires.as_ref().is_none_or(|(text, _)| *text != ttl.text) {
                let end = Timestamp::now().checked_add(ttl.time).unwrap_or(Timestamp::MAX);
                record.expires = Some((ttl.text.clone(), end));
            }
            record.expires.clone()
        })?;
        Ok(expires.map(|(_, end)| end))
    }

    /// Fills the book where nothing was listed yet (a resumed run plans nothing and so looks at nothing).
    pub(super) async fn ready(&self) -> Result<(), ProviderError> {
        let mut looked = self.looked.lock().await;
        if !*looked {
            let mut found = self.only_own(self.cloud.list().await?);
            found.sort_by_cached_key(rank);
            self.note(&found).await?;
            *looked = true;
        }
        Ok(())
    }

    async fn note(&self, found: &[Found]) -> Result<(), ProviderError> {
        let mut all = self.cloud.places().await?;
        for found in found {
            all.entry(found.id.clone()).or_insert_with(|| found.handle.clone());
        }
        self.book.replace(all);
        Ok(())
    }

    /// Images and the end of the environment's time, where the record was lost and the tags still tell.
    fn recover(&self, found: &[Found]) -> Result<(), ProviderError> {
        let images: BTreeMap<String, String> = found
            .iter()
            .filter(|found| found.kind == kind::INSTANCE)
            .filter_map(|found| found.machine.as_ref()?.image.clone())
            .map(|(image, architecture)| (architecture, image))
            .collect();
        let end = found.iter().filter_map(|found| tags::expires(&found.tags)).max();
        let choice = options::choice(&self.options.image);
        self.record.change(|record| {
            for (architecture, id) in images {
                let image = Image { name: id.clone(), id, choice: choice.clone() };
                record.images.entry(architecture).or_insert(image);
            }
            if let (None, Some(end), Some(ttl)) = (&record.expires, end, &self.options.ttl) {
                record.expires = Some((ttl.text.clone(), end));
            }
        })
    }

    async fn create_now(&self, resource: &Resource, log: &StepLog) -> Result<(), ProviderError> {
        self.ready().await?;
        match resource.kind.as_str() {
            kind::INSTANCE | kind::BASTION => self.create_machine(resource, log).await,
            _ => {
                self.ensure_key(resource).await?;
                let tags = self.tags(resource)?;
                let making = Making { resource, tags: &tags, book: &self.book };
                let handle = self.cloud.make(making, log).await?;
                self.book.note(&resource.id, &handle);
                Ok(())
            }
        }
    }

    /// Nothing that carries another environment's tag, whatever a cloud's filter let through: it would be changed and
    /// destroyed with ours.
    pub(super) fn only_own(&self, mut found: Vec<Found>) -> Vec<Found> {
        found.retain(|one| one.tags.get(tags::ENVIRONMENT).is_none_or(|name| *name == self.options.environment));
        found
    }

    async fn ensure_key(&self, resource: &Resource) -> Result<(), ProviderError> {
        match resource.kind == kind::KEY && self.options.identity.is_none() {
            true => self.keys.ensure_client(&format!("refarch {}", self.options.environment)).await,
            false => Ok(()),
        }
    }

    async fn update_now(
        &self,
        resource: &Resource,
        fields: &[FieldChange],
        log: &StepLog,
    ) -> Result<(), ProviderError> {
        self.ready().await?;
        let handle = self.book.need(&format!("change {}", resource.id), &resource.id)?;
        let (tagged, fields): (Vec<FieldChange>, Vec<FieldChange>) =
            fields.iter().cloned().partition(|field| field.name == "tags");
        for field in tagged {
            let all = self.tags(resource)?;
            self.cloud.tag(&resource.kind, &handle, &all).await?;
            let gone: Vec<String> = field.found.as_object().into_iter().flatten().map(|(key, _)| key.clone()).collect();
            let gone: Vec<String> = gone.into_iter().filter(|key| !all.contains_key(key)).collect();
            if !gone.is_empty() {
                self.cloud.untag(&resource.kind, &handle, &gone).await?;
            }
        }
        if fields.is_empty() {
            return Ok(());
        }
        if resource.kind == kind::KEY {
            self.ensure_key(resource).await?;
        }
        let tags = self.tags(resource)?;
        let making = Making { resource, tags: &tags, book: &self.book };
        let restart = fields.iter().any(|field| self.mends(&resource.kind, field) == Mutability::WithRestart);
        if restart {
            self.stop(&resource.id, &handle).await?;
        }
        let changed = self.cloud.change(making, &handle, &fields, log).await;
        if restart {
            // It runs again whatever came of the change.
            let started = self.run_again(&resource.id, &handle).await;
            changed?;
            started?;
            let stands_in = vec![tags::INSTEAD_OF.to_owned()];
            return self.cloud.untag(&resource.kind, &handle, &stands_in).await;
        }
        changed
    }

    async fn delete_now(&self, live: &Live, log: &StepLog) -> Result<(), ProviderError> {
        self.ready().await?;
        self.cloud.remove(&live.kind, &live.handle, &live.id, log).await?;
        self.book.forget(&live.id);
        match live.kind.as_str() {
            kind::KEY if self.options.identity.is_none() => self.keys.remove_client(),
            kind::INSTANCE => {
                let group = live.attributes.get("group").and_then(Value::as_str).unwrap_or_default().to_owned();
                self.record.change(|record| *record.generations.entry(group).or_default() += 1)
            }
            _ => Ok(()),
        }
    }

    fn live(&self, found: Found, all: &BTreeSet<(String, &'static str)>) -> Live {
        let below = blueprint::kind::stands_on(found.kind);
        let needs = all.iter().filter(|(_, kind)| below.contains(kind)).map(|(id, _)| id.clone()).collect();
        let mut attributes = found.attributes;
        let own = |key: &str| {
            let passing = [tags::RUN, tags::EXPIRES, tags::LAUNCH, tags::INSTEAD_OF, tags::HOST_KEY];
            key == tags::NAME
                || key.starts_with("refarch-") && !passing.contains(&key)
                || self.options.tags.contains_key(key)
        };
        let seen: BTreeMap<&String, &String> = found.tags.iter().filter(|(key, _)| own(key)).collect();
        if self.cloud.tagged(found.kind) {
            attributes.insert("tags".to_owned(), json!(seen));
        }
        if let Some(wanted) = found.tags.get(tags::INSTEAD_OF) {
            attributes.insert("machine_type".to_owned(), json!(wanted));
        }
        if matches!(found.kind, kind::INSTANCE | kind::BASTION) {
            if let Some(zone) = found.tags.get(tags::ZONE).and_then(|zone| zone.parse::<u64>().ok()) {
                attributes.insert("zone".to_owned(), json!(zone));
            }
            if let Some(group) = found.tags.get(tags::GROUP) {
                attributes.insert("group".to_owned(), json!(group));
            }
        }
        Live {
            node: found.id.strip_prefix("node/").filter(|node| !node.contains('#')).map(str::to_owned),
            id: found.id,
            kind: found.kind.to_owned(),
            attributes,
            condition: found.condition,
            handle: found.handle,
            data_bearing: found.tags.get(tags::DATA).is_some_and(|value| value == "true"),
            needs,
        }
    }
}

/// Two things that claim to be one resource: the first is taken for it, the others are something that nobody wants. So
/// a second one that came of a lost answer is removed by the next apply.
fn tell_apart(found: &mut [Found]) {
    let mut seen = BTreeSet::new();
    for found in found {
        if !seen.insert(found.id.clone()) {
            found.id = format!("{}#{}", found.id, found.handle);
        }
    }
}

/// Order in which things are made: by kind, then by name with its numbers as numbers.
fn rank(found: &Found) -> (usize, String, u64) {
    let position = kind::ORDER.iter().position(|kind| *kind == found.kind).unwrap_or(kind::ORDER.len());
    let (start, number) = found.id.rsplit_once('-').unwrap_or((&found.id, ""));
    match number.parse() {
        Ok(number) => (position, start.to_owned(), number),
        Err(_) => (position, found.id.clone(), 0),
    }
}

impl<C: Cloud> Provider for CloudProvider<C> {
    fn name(&self) -> &'static str {
        self.cloud.name()
    }

    fn desired(&self, topology: &Topology) -> Result<Vec<Resource>, ProviderError> {
        let image = |machine_type: &str| self.pinned(machine_type);
        let all = blueprint::resources(topology, &self.options, &image);
        let all: Vec<Resource> = all
            .into_iter()
            .map(|mut resource| {
                if resource.kind == kind::BASTION {
                    resource.attributes.insert("machine_type".to_owned(), json!(self.cloud.small()));
                }
                if resource.kind == kind::KEY {
                    // None yet: one is made when it is handed over.
                    let file = self.options.identity.clone().unwrap_or_else(|| self.keys.client());
                    resource.attributes.insert("public".to_owned(), json!(crate::provider::keys::line(&file)));
                }
                resource
            })
            .filter_map(|resource| self.cloud.shape(resource))
            .collect();
        let mut all = self.cloud.extend(all);
        let known: BTreeSet<String> = all.iter().map(|resource| resource.id.clone()).collect();
        for resource in &mut all {
            resource.needs.retain(|need| known.contains(need));
            let tags = tags::lasting(&self.options, resource);
            resource.attributes.insert("tags".to_owned(), json!(tags));
        }
        Ok(all)
    }

    fn charges(&self, kind: &str, attributes: &BTreeMap<String, Value>) -> Vec<Charge> {
        super::charges::of(kind, attributes)
    }

    fn price_region(&self) -> Option<String> {
        self.cloud.region()
    }

    fn ask_prices<'a>(&'a self) -> BoxFuture<'a, Result<PriceTable, ProviderError>> {
        self.cloud.ask_prices()
    }

    fn addresses_come_late(&self) -> bool {
        true
    }

    fn mutability(&self, kind: &str, attribute: &str) -> Mutability {
        self.cloud.mutability(kind, attribute).unwrap_or_else(|| super::mutability(kind, attribute))
    }

    /// A disk can grow, and never shrink.
    fn mends(&self, kind: &str, field: &FieldChange) -> Mutability {
        let shrinks =
            matches!(field.name.as_str(), "disk_gb" | "data_gb") && field.wanted.as_u64() < field.found.as_u64();
        if shrinks { Mutability::Replace } else { self.mutability(kind, &field.name) }
    }

    fn preflight<'a>(&'a self, topology: &'a Topology) -> BoxFuture<'a, Vec<Finding>> {
        Box::pin(async move {
            let desired = self.desired(topology).unwrap_or_default();
            self.cloud.look(topology, &desired).await
        })
    }

    fn observe<'a>(&'a self) -> BoxFuture<'a, Result<Vec<Live>, ProviderError>> {
        Box::pin(async {
            let mut looked = self.looked.lock().await;
            let mut found = self.only_own(self.cloud.list().await?);
            found.sort_by_cached_key(rank);
            tell_apart(&mut found);
            self.note(&found).await?;
            *looked = true;
            self.recover(&found)?;
            let all: BTreeSet<(String, &'static str)> =
                found.iter().map(|found| (found.id.clone(), found.kind)).collect();
            Ok(found.into_iter().map(|found| self.live(found, &all)).collect())
        })
    }

    fn create<'a>(&'a self, resource: &'a Resource, log: &'a StepLog) -> BoxFuture<'a, Result<(), ProviderError>> {
        Box::pin(self.create_now(resource, log))
    }

    fn start<'a>(&'a self, resource: &'a Resource, _log: &'a StepLog) -> BoxFuture<'a, Result<(), ProviderError>> {
        Box::pin(async {
            self.ready().await?;
            let handle = self.book.need(&format!("start {}", resource.id), &resource.id)?;
            self.run_again(&resource.id, &handle).await
        })
    }

    fn power<'a>(&'a self, node: &'a str, power: Power) -> BoxFuture<'a, Result<bool, ProviderError>> {
        Box::pin(self.power_now(node, power))
    }

    fn update<'a>(
        &'a self,
        resource: &'a Resource,
        fields: &'a [FieldChange],
        log: &'a StepLog,
    ) -> BoxFuture<'a, Result<(), ProviderError>> {
        Box::pin(self.update_now(resource, fields, log))
    }

    fn delete<'a>(&'a self, live: &'a Live, log: &'a StepLog) -> BoxFuture<'a, Result<(), ProviderError>> {
        Box::pin(self.delete_now(live, log))
    }

    fn hosts<'a>(&'a self, topology: &'a Topology) -> BoxFuture<'a, Result<Vec<Host>, ProviderError>> {
        Box::pin(self.hosts_now(topology))
    }

    fn balancers<'a>(
        &'a self,
        topology: &'a Topology,
    ) -> BoxFuture<'a, Result<BTreeMap<String, String>, ProviderError>> {
        Box::pin(async move {
            self.ready().await?;
            let mut found = BTreeMap::new();
            for balancer in &topology.balancers {
                if let Some(host) = self.cloud.balancer_host(&balancer.role, &self.book).await? {
                    found.insert(balancer.name.clone(), host);
                }
            }
            Ok(found)
        })
    }

    fn rehost<'a>(&'a self, node: &'a str) -> BoxFuture<'a, Result<Option<Host>, ProviderError>> {
        Box::pin(self.rehost_now(node))
    }

    fn newer_images<'a>(&'a self, topology: &'a Topology) -> BoxFuture<'a, Result<Vec<String>, ProviderError>> {
        Box::pin(self.newer_images_now(topology))
    }

    fn keep_images(&self) -> Result<(), ProviderError> {
        let newer = self.newer.lock().expect("nothing panics while it holds the images").clone();
        self.record.change(|record| record.images.extend(newer))
    }

    fn strangers<'a>(&'a self, missing: &'a [Resource]) -> BoxFuture<'a, Result<Vec<Stranger>, ProviderError>> {
        self.cloud.strangers(missing)
    }

    fn adopt<'a>(&'a self, resource: &'a Resource, handle: &'a str) -> BoxFuture<'a, Result<(), ProviderError>> {
        Box::pin(async move {
            let others = self.cloud.strangers(std::slice::from_ref(resource)).await?;
            if !others.iter().any(|stranger| stranger.resource == resource.id && stranger.handle == handle) {
                let doing = format!("adopt {}", resource.id);
                let message = format!("nothing of others' with the identifier {handle} stands in its place");
                let known: Vec<String> =
                    others.iter().map(|stranger| format!("{} ({})", stranger.what, stranger.handle)).collect();
                let hint = match known.is_empty() {
                    true => "`refarch plan` names what is in the way, with its identifier".to_owned(),
                    false => format!("there is {}", known.join(", ")),
                };
                return Err(super::permanent(doing, message, Some(&hint)));
            }
            let tags = self.tags(resource)?;
            self.cloud.tag(&resource.kind, handle, &tags).await
        })
    }

    fn environments<'a>(&'a self) -> BoxFuture<'a, Result<Vec<Expiring>, ProviderError>> {
        self.cloud.environments()
    }

    fn announce(&self, run: &str, creations: &[Resource]) {
        *self.run.lock().expect("nothing panics while it holds the run") = Some(run.to_owned());
        let machines: Vec<Resource> =
            creations.iter().filter(|resource| resource.kind == kind::INSTANCE).cloned().collect();
        self.launches.announce(&machines);
    }

    fn identify<'a>(&'a self, node: &'a str, log: &'a StepLog) -> BoxFuture<'a, Result<(), ProviderError>> {
        Box::pin(self.identify_now(node, log))
    }
}
