//! How another environment's backups are got at.

use std::{collections::BTreeMap, path::PathBuf};

use crate::{
    exit,
    plan::Source,
    secrets::{Redactor, SecretStore},
    session::{Error, Request, Session, vault::Vault},
};

impl Session {
    /// Opens the environment whose backups a plan restores.
    pub(in crate::session) fn source(&self, source: &Source) -> Result<Self, Error> {
        let request = Request { file: PathBuf::from(&source.file), sets: Vec::new(), ..self.request.clone() };
        let other = Self::open(&request)?;
        if other.topology.environment == source.environment {
            return Ok(other);
        }
        let message = format!("{} is not the file of `{}` any more", source.file, source.environment);
        Err(Error::refused(exit::FAILED, message, Some("give it back its name; nothing was changed")))
    }

    /// Role -> shell text that leads another environment's nodes to this one's backups. It holds secrets: the redactor
    /// takes them out of what is said about it.
    pub(in crate::session) fn ways(&self) -> Result<(BTreeMap<String, String>, Redactor), Error> {
        self.ways_of(&self.stored_secrets()?)
    }

    pub(super) fn ways_of(&self, store: &SecretStore) -> Result<(BTreeMap<String, String>, Redactor), Error> {
        // Nodes are named in it, not addressed.
        let addresses = self.addresses(&BTreeMap::new());
        let vault = Vault(store);
        let renderer = self.renderer(&addresses, &vault, true)?;
        let mut ways = BTreeMap::new();
        for (name, role) in &self.catalog.roles {
            let script = role.backup.as_ref().and_then(|spec| spec.source.as_ref());
            let (Some(script), Some(node)) = (script, self.topology.with_role(name).next()) else { continue };
            ways.insert(name.clone(), renderer.script(&node.name, script)?.text);
        }
        Ok((ways, store.redactor()))
    }
}
