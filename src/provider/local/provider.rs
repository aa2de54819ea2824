//! The provider itself: resources of an environment, and the calls that make them so.

use std::{collections::BTreeMap, net::Ipv4Addr, path::Path, sync::OnceLock};

use bollard::Docker;
use futures_util::future::BoxFuture;
use ipnet::Ipv4Net;
use serde_json::Value;
use tokio::sync::{OnceCell, Semaphore};

use super::{
    LocalOptions,
    address_book::AddressBook,
    container::{self, Blueprint},
    engine::{connect, failed, permanent},
    image::{self, Recipe},
    network, observe, preflight,
};
use crate::{
    bundle::{Image, Part},
    distribution::Platform,
    event::StepLog,
    provider::{FieldChange, Finding, Host, Live, Mutability, Power, Provider, ProviderError, Resource, keys::Keys},
    topology::Topology,
};

/// Containers on this machine.
#[derive(Debug)]
pub struct LocalProvider {
    pub(super) options: LocalOptions,
    pub(super) recipe: Recipe,
    /// Hash of the recipe.
    own: String,
    /// The image out of a bundle that this run was given.
    given: OnceLock<(Image, Part)>,
    /// The image out of a bundle that the environment's nodes start from since a run before.
    pinned: Option<Image>,
    keys: Keys,
    book: AddressBook,
    engine: OnceCell<Engine>,
    /// Containers that are made at the same time. They share this machine's processors: with all of them at once, those
    /// that the others wait for would be ready last.
    making: Semaphore,
}

#[derive(Debug)]
struct Engine {
    docker: Docker,
    apparmor: bool,
}

impl LocalProvider {
    /// A provider for one environment. Reads this machine's package sources and what the workspace remembers; the
    /// container engine is asked when something is to be done.
    #[must_use]
    pub fn new(options: LocalOptions) -> Self {
        let recipe = Recipe::new(&options);
        Self {
            own: recipe.hash(),
            given: OnceLock::new(),
            pinned: image::pinned(&options.workspace),
            recipe,
            keys: Keys::new(options.workspace.join("ssh")),
            book: AddressBook::open(options.workspace.join("addresses.json")),
            engine: OnceCell::new(),
            making: Semaphore::new(2 * std::thread::available_parallelism().map_or(1, usize::from)),
            options,
        }
    }

    /// Hash of the image that nodes start from.
    pub(super) fn hash(&self) -> &str {
        let carried = self.given.get().map(|(image, _)| image).or(self.pinned.as_ref());
        carried.map_or(self.own.as_str(), |image| image.recipe.as_str())
    }

    /// The bundle that the image comes from where it is missing.
    pub(super) fn given(&self) -> Option<&Path> {
        self.given.get().map(|(_, part)| part.file.as_path())
    }

    /// Whether the image cannot be made here: it came out of a bundle.
    pub(super) fn is_pinned(&self) -> bool {
        self.pinned.is_some()
    }

    /// What the image made here is, for a bundle.
    fn carried(&self) -> Result<Image, ProviderError> {
        let suite = &self.options.suite;
        let platform = Platform::of_suite(suite).ok_or_else(|| {
            let message = format!("nobody knows which release `{suite}` is");
            permanent("carry the node image", message, Some("bookworm and trixie are known".to_owned()))
        })?;
        let mut packages = self.options.packages.clone();
        packages.sort();
        Ok(Image { recipe: self.own.clone(), platform, packages, file: String::new() })
    }

    async fn image(&self, log: &StepLog) -> Result<(), ProviderError> {
        let engine = self.engine().await?;
        match self.given.get() {
            Some((image, part)) => image::take(engine, &image.recipe, part, log).await,
            None if self.is_pinned() => image::must_be(engine, self.hash()).await,
            None => image::ensure(engine, &self.recipe, log).await,
        }
    }

    /// The engine, its API version agreed upon.
    pub(super) async fn engine(&self) -> Result<&Docker, ProviderError> {
        Ok(&self.connected().await?.docker)
    }

    async fn connected(&self) -> Result<&Engine, ProviderError> {
        let doing = "connect to the container engine";
        self.engine
            .get_or_try_init(|| async {
                let docker = connect()?.negotiate_version().await.map_err(|error| failed(doing, error))?;
                let info = docker.info().await.map_err(|error| failed(doing, error))?;
                let options = info.security_options.unwrap_or_default();
                Ok(Engine { docker, apparmor: options.iter().any(|option| option.contains("name=apparmor")) })
            })
            .await
    }

    /// The environment's network.
    pub(super) fn subnet(&self, topology: &Topology) -> Ipv4Net {
        self.book.network(&self.options.environment, self.options.subnet, topology.nodes.len())
    }

    fn addresses(&self, topology: &Topology) -> Result<BTreeMap<String, Ipv4Addr>, ProviderError> {
        let subnet = self.subnet(topology);
        self.book.assign(subnet, topology.nodes.iter().map(|node| node.name.as_str())).ok_or_else(|| {
            permanent(
                "give every node an address",
                format!("{subnet} is too small for {} nodes", topology.nodes.len()),
                Some("give `local.subnet` a wider network, such as 10.190.0.0/22".to_owned()),
            )
        })
    }

    fn host(&self, node: String, address: Ipv4Addr) -> Host {
        Host {
            private: address.into(),
            connect: address.to_string(),
            port: 22,
            user: "root".to_owned(),
            jump: None,
            jump_key: None,
            proxy: None,
            identity: Some(self.keys.client()),
            host_key: self.keys.host_public(&node),
            node,
        }
    }

    async fn create_now(&self, resource: &Resource, log: &StepLog) -> Result<(), ProviderError> {
        let engine = self.connected().await?;
        match (resource.kind.as_str(), &resource.node) {
            ("image", _) => self.image(log).await,
            ("network", _) => {
                let subnet: Ipv4Net = wanted(resource, "subnet")?;
                let isolated = resource.attributes.get("isolated").and_then(Value::as_bool).unwrap_or_default();
                network::create(&engine.docker, &self.options.environment, subnet, isolated).await?;
                self.book.note(Some(subnet), &[])
            }
            ("container", Some(node)) => {
                let address = wanted(resource, "address")?;
                let blueprint = Blueprint {
                    environment: &self.options.environment,
                    node,
                    resource,
                    image: image::tag(self.hash()),
                    recipe: self.hash(),
                    address,
                    apparmor: engine.apparmor,
                };
                // The semaphore is never closed.
                let _permit = self.making.acquire().await.ok();
                container::create(&engine.docker, &blueprint, &self.keys).await?;
                self.book.note(None, &[(node.clone(), address)])
            }
            _ => Err(unknown(resource)),
        }
    }

    async fn delete_now(&self, live: &Live, log: &StepLog) -> Result<(), ProviderError> {
        let engine = self.engine().await?;
        match live.kind.as_str() {
            "image" => {
                log.line(format!("{} is kept for other environments", live.handle));
                Ok(())
            }
            "network" => {
                network::delete(engine, &self.options.environment, &live.handle).await?;
                self.keys.remove_client()?;
                self.book.clear()
            }
            "volume" => network::delete_volume(engine, &live.handle).await,
            _ => {
                // Engine 20.10 loses count of a network's endpoints when many end at once, and keeps the network then.
                let _permit = self.making.acquire().await.ok();
                container::delete(engine, &live.handle).await?;
                let Some(node) = &live.node else { return Ok(()) };
                self.keys.remove_host(node)?;
                self.book.forget(node)
            }
        }
    }
}

impl Provider for LocalProvider {
    fn name(&self) -> &'static str {
        "local"
    }

    fn desired(&self, topology: &Topology) -> Result<Vec<Resource>, ProviderError> {
        let subnet = self.options.subnet.unwrap_or_else(|| self.subnet(topology));
        let mut desired = vec![
            Resource {
                id: "image".to_owned(),
                kind: "image".to_owned(),
                node: None,
                attributes: BTreeMap::from([("recipe".to_owned(), Value::from(self.hash()))]),
                needs: Vec::new(),
                data_bearing: false,
                reason: "every node starts from it; kept for other environments".to_owned(),
                shared: true,
            },
            Resource {
                id: "network".to_owned(),
                kind: "network".to_owned(),
                node: None,
                attributes: [("subnet".to_owned(), Value::from(subnet.to_string()))]
                    .into_iter()
                    .chain(self.options.isolated.then(|| ("isolated".to_owned(), Value::from(true))))
                    .collect(),
                needs: Vec::new(),
                data_bearing: false,
                reason: "the nodes reach each other on it, and nobody else's".to_owned(),
                shared: false,
            },
        ];
        let addresses = self.addresses(topology)?;
        let memory = self.options.memory_limit_mb.map_or(Value::Null, Value::from);
        for node in &topology.nodes {
            let publish = self.options.publish.as_ref().filter(|publish| publish.node == node.name);
            let publish = publish.map(|publish| format!("{}:{}", publish.port, publish.target));
            let attributes = [
                ("image", Value::from(self.hash())),
                ("address", Value::from(addresses[&node.name].to_string())),
                ("hostname", Value::from(node.name.as_str())),
                ("group", Value::from(node.group.as_str())),
                ("memory_mb", memory.clone()),
                ("publish", publish.map_or(Value::Null, Value::from)),
            ];
            desired.push(Resource {
                id: format!("node/{}", node.name),
                kind: "container".to_owned(),
                node: Some(node.name.clone()),
                attributes: attributes.map(|(name, value)| (name.to_owned(), value)).into(),
                needs: vec!["image".to_owned(), "network".to_owned()],
                data_bearing: node.data_bearing,
                reason: node.reason.clone(),
                shared: false,
            });
        }
        Ok(desired)
    }

    fn mutability(&self, _kind: &str, attribute: &str) -> Mutability {
        if attribute == "memory_mb" { Mutability::InPlace } else { Mutability::Replace }
    }

    fn preflight<'a>(&'a self, topology: &'a Topology) -> BoxFuture<'a, Vec<Finding>> {
        Box::pin(preflight::look(self, topology))
    }

    fn observe<'a>(&'a self) -> BoxFuture<'a, Result<Vec<Live>, ProviderError>> {
        Box::pin(async {
            let found = observe::observe(self.engine().await?, &self.options.environment, self.hash()).await?;
            self.book.note(found.subnet, &found.addresses)?;
            Ok(found.live)
        })
    }

    fn image_suite(&self) -> Option<&str> {
        Some(&self.options.suite)
    }

    fn use_image(&self, image: &Image, part: Part) {
        // Whoever comes second says the same: a run has one bundle.
        let _ = self.given.set((image.clone(), part));
    }

    fn keep_images(&self) -> Result<(), ProviderError> {
        self.given.get().map_or(Ok(()), |(image, _)| image::pin(&self.options.workspace, image))
    }

    fn carry_image<'a>(
        &'a self,
        into: &'a mut (dyn std::io::Write + Send),
        log: &'a StepLog,
    ) -> BoxFuture<'a, Result<Image, ProviderError>> {
        Box::pin(async move {
            self.image(log).await?;
            let image = match &self.pinned {
                Some(image) => image.clone(),
                None => self.carried()?,
            };
            image::carry(self.engine().await?, &image.recipe, into, log).await?;
            Ok(image)
        })
    }

    fn create<'a>(&'a self, resource: &'a Resource, log: &'a StepLog) -> BoxFuture<'a, Result<(), ProviderError>> {
        Box::pin(self.create_now(resource, log))
    }

    fn start<'a>(&'a self, resource: &'a Resource, _log: &'a StepLog) -> BoxFuture<'a, Result<(), ProviderError>> {
        Box::pin(async {
            let node = resource.node.as_deref().ok_or_else(|| unknown(resource))?;
            let address = wanted(resource, "address")?;
            container::start(self.engine().await?, &self.options.environment, node, address, &self.keys).await
        })
    }

    fn update<'a>(
        &'a self,
        resource: &'a Resource,
        fields: &'a [FieldChange],
        _log: &'a StepLog,
    ) -> BoxFuture<'a, Result<(), ProviderError>> {
        Box::pin(async move {
            let node = resource.node.as_deref().ok_or_else(|| unknown(resource))?;
            for field in fields {
                if field.name != "memory_mb" {
                    let message = format!("`{}` cannot be changed while the node stands", field.name);
                    return Err(permanent(format!("update container {node}"), message, None));
                }
                container::limit_memory(self.engine().await?, node, field.wanted.as_u64()).await?;
            }
            Ok(())
        })
    }

    fn power<'a>(&'a self, node: &'a str, power: Power) -> BoxFuture<'a, Result<bool, ProviderError>> {
        Box::pin(async move {
            let engine = self.engine().await?;
            if power == Power::Off {
                container::kill(engine, &self.options.environment, node).await?;
                return Ok(true);
            }
            if power == Power::Restart {
                container::stop(engine, &self.options.environment, node).await?;
            }
            container::start_again(engine, &self.options.environment, node, &self.keys).await?;
            Ok(true)
        })
    }

    fn delete<'a>(&'a self, live: &'a Live, log: &'a StepLog) -> BoxFuture<'a, Result<(), ProviderError>> {
        Box::pin(self.delete_now(live, log))
    }

    /// A node's host key is known from the moment it was created: ask again after that.
    fn hosts<'a>(&'a self, topology: &'a Topology) -> BoxFuture<'a, Result<Vec<Host>, ProviderError>> {
        Box::pin(async {
            let addresses = self.addresses(topology)?;
            Ok(addresses.into_iter().map(|(node, address)| self.host(node, address)).collect())
        })
    }

    fn rehost<'a>(&'a self, node: &'a str) -> BoxFuture<'a, Result<Option<Host>, ProviderError>> {
        Box::pin(async move { Ok(self.book.address(node).map(|address| self.host(node.to_owned(), address))) })
    }
}

/// Everything of the environment that the container engine still has, in words. Empty when it is all gone.
///
/// # Errors
/// When the engine does not answer.
pub async fn leftovers(environment: &str) -> Result<Vec<String>, ProviderError> {
    let engine =
        connect()?.negotiate_version().await.map_err(|error| failed("connect to the container engine", error))?;
    let mut left = Vec::new();
    let containers = observe::containers(&engine, environment).await?;
    left.extend(
        containers
            .into_iter()
            .map(|there| format!("container {}", there.name.or(there.id).unwrap_or_default().trim_start_matches('/'))),
    );
    let networks = network::networks(&engine, environment).await?;
    left.extend(networks.into_iter().map(|there| format!("network {}", there.name.unwrap_or_default())));
    left.extend(
        network::volumes(&engine, environment).await?.into_iter().map(|there| format!("volume {}", there.name)),
    );
    Ok(left)
}

fn wanted<T: std::str::FromStr>(resource: &Resource, attribute: &str) -> Result<T, ProviderError> {
    let value = resource.attributes.get(attribute).and_then(Value::as_str);
    value.and_then(|value| value.parse().ok()).ok_or_else(|| {
        permanent(format!("make {}", resource.id), format!("the plan gives no usable `{attribute}`"), None)
    })
}

fn unknown(resource: &Resource) -> ProviderError {
    permanent(format!("make {}", resource.id), format!("local environments have no {}", resource.kind), None)
}
