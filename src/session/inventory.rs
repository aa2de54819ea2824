//! Which provider an environment has, and the machines that exist already.

use std::path::Path;

use indexmap::IndexMap;

use super::{Error, open::faults};
use crate::{
    catalog::StackCatalog,
    environment::{Environment, Loaded, ProviderKind},
    exit,
    provider::{
        Provider,
        static_::{Inventory, StaticProvider},
    },
    topology::Topology,
    workspace::Workspace,
};

/// Port of the external balancers that `local.publish` leads to.
const HTTPS: u16 = 443;

/// The inventory that the environment names, relative to the environment file.
pub(super) fn load(file: &Path, loaded: &Loaded) -> Result<Option<Inventory>, Error> {
    let Some(name) = &loaded.environment.inventory else { return Ok(None) };
    let path = file.parent().unwrap_or(Path::new("")).join(name);
    Inventory::load(&path).map(Some).map_err(faults)
}

/// Node group -> names of its machines.
pub(super) fn machines(inventory: &Inventory) -> IndexMap<String, Vec<String>> {
    inventory
        .groups()
        .into_iter()
        .map(|(group, hosts)| (group, hosts.into_iter().map(|host| host.name).collect()))
        .collect()
}

/// The provider of an environment.
pub(super) fn provider(
    environment: &Environment,
    catalog: &StackCatalog,
    workspace: &Workspace,
    topology: &Topology,
    inventory: Option<Inventory>,
) -> Result<Box<dyn Provider>, Error> {
    match (environment.provider, inventory) {
        (ProviderKind::Local, _) => local(environment, catalog, workspace, topology),
        #[cfg(feature = "aws")]
        (ProviderKind::Aws, _) => Ok(Box::new(crate::provider::aws::provider(
            super::cloud::options(environment, workspace),
            super::cloud::aws(environment),
        ))),
        #[cfg(feature = "azure")]
        (ProviderKind::Azure, _) => {
            let options = super::cloud::options(environment, workspace);
            Ok(Box::new(crate::provider::azure::provider(options, super::cloud::azure(environment))?))
        }
        #[cfg(feature = "gcp")]
        (ProviderKind::Gcp, _) => Ok(Box::new(crate::provider::gcp::provider(
            super::cloud::options(environment, workspace),
            super::cloud::gcp(environment),
        ))),
        (ProviderKind::Static, Some(inventory)) => Ok(Box::new(StaticProvider::new(inventory))),
        (kind, _) => Err(Error::refused(
            exit::ENVIRONMENT,
            format!("provider `{}` is not in this version of refarch yet", kind.name()),
            Some("`local` and `static` are; docs/status.md tells what comes when"),
        )),
    }
}

#[cfg(feature = "local")]
fn local(
    environment: &Environment,
    catalog: &StackCatalog,
    workspace: &Workspace,
    topology: &Topology,
) -> Result<Box<dyn Provider>, Error> {
    use crate::provider::local::{LocalOptions, LocalProvider, Publish};

    // All packages of the stack, so that every environment of it shares one image.
    let packages = catalog.packages();
    let own = &environment.local;
    let subnet = own.subnet.as_deref().map(str::parse).transpose().map_err(|error| {
        Error::refused(exit::ENVIRONMENT, format!("local.subnet: {error}"), Some("write it like 10.130.7.0/24"))
    })?;
    let defaults = LocalOptions::new(&environment.name, workspace.root());
    // Users come in where a port is open to them for HTTPS.
    let door = topology.edges.iter().find(|edge| edge.from == crate::topology::wiring::USERS && edge.port == HTTPS);
    let publish = own.publish.zip(door).map(|(port, door)| Publish { node: door.to.to_string(), port, target: HTTPS });
    Ok(Box::new(LocalProvider::new(LocalOptions {
        subnet,
        packages,
        suite: own.suite.clone().unwrap_or(defaults.suite),
        mirror: own.mirror.clone(),
        memory_limit_mb: own.memory_limit_mb,
        publish,
        isolated: own.isolated,
        ..LocalOptions::new(&environment.name, workspace.root())
    })))
}

#[cfg(not(feature = "local"))]
fn local(_: &Environment, _: &StackCatalog, _: &Workspace, _: &Topology) -> Result<Box<dyn Provider>, Error> {
    Err(Error::refused(
        exit::ENVIRONMENT,
        "this build of refarch has no local provider",
        Some("build it with `--features local`"),
    ))
}
