//! Rotating a secret: which ones can be, how far one is, and the next phase.

use std::collections::BTreeMap;

use super::{Error, Session};
use crate::{
    catalog::SecretSpec,
    exit,
    secrets::{RotationPhase, SecretsError},
};

impl Session {
    /// How far the rotation of a secret is; none where it can begin.
    ///
    /// # Errors
    /// When the stack cannot rotate it while everybody works, or another secret is on its way.
    pub fn rotation(&self, name: &str) -> Result<Option<RotationPhase>, Error> {
        let store = self.stored_secrets()?;
        if store.get(name).is_none() {
            return Err(SecretsError::Unknown(name.to_owned()).into());
        }
        if name.contains('@') {
            return Err(SecretsError::OfANode(name.to_owned()).into());
        }
        let rotates = &self.catalog.stack.rotates;
        if !rotates.iter().any(|own| own == name) {
            let stack = &self.topology.stack;
            let hint = match rotates.as_slice() {
                [] => "none of its secrets can be yet; docs/status.md tells what comes".to_owned(),
                names => format!("it can rotate {}", names.join(", ")),
            };
            let message = format!("stack `{stack}` cannot rotate `{name}` while everybody works");
            return Err(Error::refused(exit::FAILED, message, Some(&hint)));
        }
        match store.rotating() {
            Some((other, _)) if other != name => Err(Error::refused(
                exit::FAILED,
                format!("the rotation of `{other}` is not done yet"),
                Some(&format!("finish it first: `refarch secrets rotate {other}`")),
            )),
            Some((_, phase)) => Ok(Some(phase)),
            None => Ok(None),
        }
    }

    /// Begins a rotation. Needs the lock.
    ///
    /// # Errors
    /// When the new value cannot be made or had from its source, or cannot be written down.
    pub fn begin_rotation(&self, name: &str) -> Result<RotationPhase, Error> {
        let specs = self.secret_specs();
        let spec = specs.get(name).ok_or_else(|| SecretsError::Unknown(name.to_owned()))?;
        let mut store = self.stored_secrets()?;
        let given = self.outside(name, spec)?;
        if given.is_some() && given.as_ref() == store.get(name) {
            return Err(Error::refused(
                exit::FAILED,
                format!("the source of `{name}` still has the value that is in use"),
                Some("put the new value there first; nothing was changed"),
            ));
        }
        Ok(store.begin_rotation(name, spec, given)?)
    }

    /// Goes to the next phase; none after the last. Needs the lock, and that the phase before was applied.
    ///
    /// # Errors
    /// When it cannot be written down.
    pub fn advance_rotation(&self, name: &str) -> Result<Option<RotationPhase>, Error> {
        Ok(self.stored_secrets()?.advance_rotation(name)?)
    }

    /// Every secret that some node's role declares.
    pub(super) fn secret_specs(&self) -> BTreeMap<String, SecretSpec> {
        let roles = self.topology.nodes.iter().flat_map(|node| &node.roles);
        roles.flat_map(|role| self.catalog.roles[role].secrets.clone()).collect()
    }
}
