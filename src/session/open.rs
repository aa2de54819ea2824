//! Opening an environment: read its file, its stack's roles, and resolve.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, RwLock},
};

use super::Error;
use crate::{
    bundle::{Bundle, Depot},
    catalog::{Catalog, StackCatalog},
    diagnostic::{Diagnostic, Faults},
    environment::{self, LoadRequest, Loaded, ProviderKind, Stack, StackFacts},
    provider::Provider,
    shared::Shared,
    topology::{self, Topology},
    workspace::Workspace,
};

/// Which environment, and what is laid over its file.
#[derive(Debug, Clone)]
pub struct Request {
    /// Environment file.
    pub file: PathBuf,
    /// `key=value`, in order.
    pub sets: Vec<String>,
    /// Folder of stacks to use instead of those in the binary.
    pub roles: Option<PathBuf>,
    /// Folder for the workspace instead of `.refarch` beside the file; or the address of a shared one (`s3://…`).
    pub workspace: Option<PathBuf>,
}

/// An open environment: all that its file says, resolved. Nothing was changed by opening it.
pub struct Session {
    pub(super) request: Request,
    pub(super) loaded: Loaded,
    pub(super) catalog: StackCatalog,
    pub(super) topology: Topology,
    pub(super) workspace: Workspace,
    pub(super) provider: Box<dyn Provider>,
    /// Where a team shares the workspace, once it was entered.
    pub(super) shared: Option<Arc<Shared>>,
    /// Why it is not looked at now.
    pub(super) note: Option<String>,
    /// Balancer of the cloud -> its host, as last heard.
    pub(super) balancers: RwLock<BTreeMap<String, String>>,
    /// Where everything comes from that is not here; none: from wherever nodes and providers get it.
    pub(super) bundle: Option<(Arc<Depot>, Bundle)>,
}

impl Session {
    /// Opens an environment with what this machine knows of it. Verbs that look at its state, or change it,
    /// [`Session::enter`] it.
    ///
    /// # Errors
    /// Every fault of the environment file at once; or what is wrong with the roles.
    pub fn open(request: &Request) -> Result<Self, Error> {
        let loaded = load(request)?;
        let stack = loaded.environment.stack;
        let catalog = Catalog::load(stack.name(), request.roles.as_deref())?;
        let inventory = super::inventory::load(&request.file, &loaded)?;
        let machines = inventory.as_ref().map(super::inventory::machines);
        let topology = topology::resolve(&topology::Input {
            environment: &loaded.environment,
            reference: loaded.reference.as_ref(),
            stack: &catalog.stack,
            roles: &catalog.roles,
            machines: machines.as_ref(),
        })?;
        let workspace = request.working_copy(&loaded.environment.name);
        let provider = super::inventory::provider(&loaded.environment, &catalog, &workspace, &topology, inventory)?;
        Ok(Self {
            request: request.clone(),
            loaded,
            catalog,
            topology,
            workspace,
            provider,
            shared: None,
            note: None,
            balancers: RwLock::default(),
            bundle: None,
        })
    }

    /// The same environment with values laid over its file; out of the same bundle, where it has one.
    ///
    /// # Errors
    /// As [`Session::open`] and [`Session::with_bundle`].
    pub fn over(self, sets: impl IntoIterator<Item = String>) -> Result<Self, Error> {
        let mut request = self.request;
        request.sets.extend(sets);
        let session = Self { shared: self.shared, ..Self::open(&request)? };
        match self.bundle {
            Some((_, bundle)) => session.with_bundle(bundle),
            None => Ok(session),
        }
    }

    /// What the environment resolved to.
    #[must_use]
    pub fn topology(&self) -> &Topology {
        &self.topology
    }

    /// What the user wrote.
    #[must_use]
    pub fn loaded(&self) -> &Loaded {
        &self.loaded
    }

    /// The stack's roles.
    #[must_use]
    pub fn catalog(&self) -> &StackCatalog {
        &self.catalog
    }

    /// Where the environment keeps what must outlive a run.
    #[must_use]
    pub fn workspace(&self) -> &Workspace {
        &self.workspace
    }

    /// Where machines come from.
    #[must_use]
    pub fn provider(&self) -> &dyn Provider {
        self.provider.as_ref()
    }

    /// The environment file as the user named it.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.request.file
    }
}

/// Reads and checks the environment file alone.
///
/// # Errors
/// Every fault at once.
pub fn load(request: &Request) -> Result<Loaded, Error> {
    let roles = request.roles.clone();
    let stacks = move |stack: Stack| {
        Catalog::load(stack.name(), roles.as_deref())
            .map(|catalog| StackFacts::new(&catalog))
            .map_err(|error| error.to_string())
    };
    let providers: Vec<ProviderKind> = environment::compiled_providers();
    environment::load(&LoadRequest {
        file: &request.file,
        sets: &request.sets,
        variables: std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect(),
        stacks: &stacks,
        providers: &providers,
    })
    .map_err(Error::Environment)
}

/// Faults of a file other than the environment's own.
pub(super) fn faults(diagnostics: Vec<Diagnostic>) -> Error {
    Error::Environment(Faults { diagnostics, ..Faults::default() })
}

/// Addresses of nodes, and hosts of balancers of the cloud, by name.
pub(super) type Addresses = BTreeMap<String, String>;
