//! Secrets as templates see them.

use std::collections::BTreeMap;

use super::{Error, Session, open::Addresses};
use crate::{
    configure::{Inputs, RenderError, Renderer, SecretSource, Stage},
    secrets::{CertificateRequest, IdentitySource, SecretStore},
    topology::Node,
};

/// The store, as rendering asks it.
pub(super) struct Vault<'a>(pub &'a SecretStore);

impl SecretSource for Vault<'_> {
    fn text(&self, name: &str) -> Option<String> {
        self.0.text(name).map(|secret| secret.expose().to_owned())
    }

    fn pair(&self, name: &str, node: &str) -> Option<(String, String)> {
        self.0.pair(name, node).map(|pair| (pair.certificate.to_owned(), pair.key.expose().to_owned()))
    }

    fn ca_certificate(&self) -> Option<String> {
        self.0.trusted()
    }

    fn accepted(&self, name: &str) -> Vec<(u8, String)> {
        self.0.accepted(name).into_iter().map(|(slot, value)| (slot, value.expose().to_owned())).collect()
    }

    fn slot(&self, name: &str) -> u8 {
        self.0.slot(name)
    }
}

/// Nodes that are not worth a thread of their own.
const SHARE: usize = 16;

/// How missing secrets are filled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fill {
    /// Make and keep them: something is about to be written to nodes.
    Make,
    /// Stand-ins, never written.
    Placeholders,
    /// Stand-ins for everything, also for what exists: for output that anybody may see.
    OnlyPlaceholders,
}

impl Session {
    /// The environment's secrets, complete for its topology.
    ///
    /// # Errors
    /// When they cannot be read, made or written.
    pub(super) fn secrets(&self, addresses: &Addresses, fill: Fill) -> Result<SecretStore, Error> {
        let mut store = match fill {
            Fill::OnlyPlaceholders => SecretStore::offline(),
            _ => self.stored_secrets()?,
        };
        let nobody = SecretStore::offline();
        let nobody = Vault(&nobody);
        let names = self.renderer(addresses, &nobody, false)?;
        let specs = self.secret_specs();
        let mut certificates = Vec::new();
        for node in &self.topology.nodes {
            for (secret, names) in names.certificates(&node.name)? {
                certificates.push(CertificateRequest { secret, node: node.name.clone(), names });
            }
        }
        match fill {
            Fill::Make => {
                for (name, spec) in &specs {
                    if store.get(name).is_none()
                        && let Some(value) = self.outside(name, spec)?
                    {
                        store.give(name, value)?;
                    }
                }
                store.ensure(&specs, &certificates)?
            }
            _ => store.fill_placeholders(&specs, &certificates)?,
        };
        Ok(store)
    }

    /// The secrets that exist.
    ///
    /// # Errors
    /// When they cannot be read with this user's identity.
    pub fn stored_secrets(&self) -> Result<SecretStore, Error> {
        let store = SecretStore::open(&self.workspace, IdentitySource::from_env()?)?;
        Ok(store.written_for(self.recipients()?))
    }

    /// Every node's stages, rendered.
    ///
    /// # Errors
    /// When a role is wrong for a node.
    pub(super) fn stages(
        &self,
        addresses: &Addresses,
        store: &SecretStore,
    ) -> Result<BTreeMap<String, Vec<Stage>>, Error> {
        self.rendered(addresses, store, true)
    }

    fn rendered(
        &self,
        addresses: &Addresses,
        store: &SecretStore,
        own_files: bool,
    ) -> Result<BTreeMap<String, Vec<Stage>>, Error> {
        let vault = Vault(store);
        let renderer = self.renderer(addresses, &vault, own_files)?;
        let nodes = &self.topology.nodes;
        let stages = &|nodes: &[Node]| -> Result<Vec<(String, Vec<Stage>)>, RenderError> {
            nodes.iter().map(|node| Ok((node.name.clone(), renderer.stages(&node.name)?))).collect()
        };
        // Nodes are rendered independently: every processor takes its share, where there is enough to share.
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let share = nodes.len().div_ceil(processors).max(SHARE);
        let shares: Result<Vec<_>, RenderError> = std::thread::scope(|scope| {
            let working: Vec<_> = nodes.chunks(share).map(|share| scope.spawn(move || stages(share))).collect();
            working.into_iter().map(|share| share.join().expect("rendering does not panic")).collect()
        });
        Ok(shares?.into_iter().flatten().collect())
    }

    /// Every node's stages with stand-ins for all secrets and addresses: what `render` shows, offline.
    ///
    /// # Errors
    /// When a role is wrong for a node.
    pub fn preview(&self) -> Result<BTreeMap<String, Vec<Stage>>, Error> {
        let addresses = self.addresses(&BTreeMap::new());
        let store = self.secrets(&addresses, Fill::OnlyPlaceholders)?;
        self.rendered(&addresses, &store, false)
    }

    /// Renders roles with these addresses and secrets, and with the user's own files or stand-ins for them.
    pub(super) fn renderer<'a>(
        &'a self,
        addresses: &'a Addresses,
        secrets: &'a Vault<'a>,
        own_files: bool,
    ) -> Result<Renderer<'a>, Error> {
        let folder = own_files.then(|| self.file().parent().unwrap_or_else(|| std::path::Path::new("")));
        let inputs = Inputs { catalog: &self.catalog, topology: &self.topology, addresses, secrets, folder };
        Ok(Renderer::new(inputs)?.with_depot(self.depot()))
    }
}
