//! From one value of a secret to the next while everybody goes on working: first every server takes both, then
//! every client uses the new one, then the old one is good no more.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    Secret, SecretKind, SecretStore, SecretsError,
    store::{Entry, Value},
};
use crate::catalog::SecretSpec;

/// How far a rotation is. What the nodes are configured with follows from it, so a phase may be applied again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RotationPhase {
    /// The old value is used; both are good.
    Accept,
    /// The new value is used; both are good.
    Use,
    /// Only the new value is good.
    Retire,
}

impl RotationPhase {
    /// Its place among all phases, from 1, and what it does.
    #[must_use]
    pub fn describe(self) -> (usize, &'static str) {
        match self {
            Self::Accept => (1, "both values are good"),
            Self::Use => (2, "the new value is used"),
            Self::Retire => (3, "the old value is good no more"),
        }
    }

    /// How many phases there are.
    pub const COUNT: usize = 3;
}

/// A rotation under way.
#[derive(Serialize, Deserialize)]
pub(super) struct Rotation {
    pub(super) phase: RotationPhase,
    /// When it began: the new value is as old as that.
    pub(super) begun: Timestamp,
    /// The value that is not used, while it is good.
    pub(super) other: Option<Value>,
}

impl SecretStore {
    /// How far the rotation of a secret is, where there is one.
    #[must_use]
    pub fn rotation(&self, name: &str) -> Option<RotationPhase> {
        Some(self.entries.get(name)?.rotation.as_ref()?.phase)
    }

    /// The secret whose rotation is under way. There is at most one.
    #[must_use]
    pub fn rotating(&self) -> Option<(&str, RotationPhase)> {
        self.entries.iter().find_map(|(name, entry)| Some((name.as_str(), entry.rotation.as_ref()?.phase)))
    }

    /// The values of a password or key that are good, each with its slot; the one in use first.
    #[must_use]
    pub fn accepted(&self, name: &str) -> Vec<(u8, &Secret)> {
        let Some(entry) = self.entries.get(name).filter(|entry| entry.value.kind() == SecretKind::Text) else {
            return Vec::new();
        };
        let other = entry.rotation.as_ref().and_then(|rotation| rotation.other.as_ref());
        let other = other.map(|value| (1 - entry.slot, value.secret()));
        [(entry.slot, entry.value.secret())].into_iter().chain(other).collect()
    }

    /// Which of two logins the value in use belongs to.
    #[must_use]
    pub fn slot(&self, name: &str) -> u8 {
        self.entries.get(name).map_or(0, |entry| entry.slot)
    }

    /// Every certificate of the first authority by name that is to be trusted, the one that signs first.
    #[must_use]
    pub fn trusted(&self) -> Option<String> {
        let entry = self.entries.values().find(|entry| entry.value.kind() == SecretKind::Authority)?;
        let other = entry.rotation.as_ref().and_then(|rotation| rotation.other.as_ref());
        let certificates = [Some(&entry.value), other].into_iter().flatten().filter_map(|value| match value {
            Value::Authority { certificate, .. } => Some(certificate.trim_end()),
            _ => None,
        });
        Some(certificates.collect::<Vec<_>>().join("\n") + "\n")
    }

    /// Takes a value that the user gives, where the environment has none yet, and writes it down.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn give(&mut self, name: &str, text: Secret) -> Result<(), SecretsError> {
        if self.entries.contains_key(name) {
            return Ok(());
        }
        self.insert(name.to_owned(), Value::Text { text });
        self.save()
    }

    /// Takes the values of secrets over from another environment, and writes them down. Returns the names of those that
    /// were others before.
    ///
    /// # Errors
    /// When the other environment does not have one, or it is a node's certificate; when the file cannot be written.
    pub fn carry(&mut self, names: &[String], from: &Self) -> Result<Vec<String>, SecretsError> {
        let mut taken = Vec::new();
        for name in names {
            let theirs = from.entries.get(name).ok_or_else(|| SecretsError::Unknown(name.clone()))?;
            let Value::Text { text } = &theirs.value else { return Err(SecretsError::OfANode(name.clone())) };
            if self.text(name) == Some(text) {
                continue;
            }
            let value = Value::Text { text: text.clone() };
            let own = Entry { created: theirs.created, value, slot: theirs.slot, rotation: None };
            self.entries.insert(name.clone(), own);
            taken.push(name.clone());
        }
        if !taken.is_empty() {
            self.save()?;
        }
        Ok(taken)
    }

    /// Begins a rotation: makes the new value, or takes the one given, and writes it down. Where one is under way
    /// already, it stays as it is.
    ///
    /// # Errors
    /// When there is no such secret, or it is a node's certificate; when the file cannot be written.
    pub fn begin_rotation(
        &mut self,
        name: &str,
        spec: &SecretSpec,
        given: Option<Secret>,
    ) -> Result<RotationPhase, SecretsError> {
        let entry = self.entries.get(name).ok_or_else(|| SecretsError::Unknown(name.to_owned()))?;
        if entry.value.kind() == SecretKind::Certificate {
            return Err(SecretsError::OfANode(name.to_owned()));
        }
        if let Some(rotation) = &entry.rotation {
            return Ok(rotation.phase);
        }
        let other = match given {
            Some(text) => Value::Text { text },
            None => self.new_value(name, spec, false)?,
        };
        let rotation = Rotation { phase: RotationPhase::Accept, begun: self.clock.now(), other: Some(other) };
        if let Some(entry) = self.entries.get_mut(name) {
            entry.rotation = Some(rotation);
        }
        self.save()?;
        Ok(RotationPhase::Accept)
    }

    /// Goes to the next phase and writes it down; none after the last one.
    ///
    /// # Errors
    /// When there is no such secret, or the file cannot be written.
    pub fn advance_rotation(&mut self, name: &str) -> Result<Option<RotationPhase>, SecretsError> {
        let entry = self.entries.get_mut(name).ok_or_else(|| SecretsError::Unknown(name.to_owned()))?;
        let Some(mut rotation) = entry.rotation.take() else { return Ok(None) };
        let next = match rotation.phase {
            RotationPhase::Accept => {
                if let Some(other) = &mut rotation.other {
                    std::mem::swap(&mut entry.value, other);
                }
                entry.slot = 1 - entry.slot;
                entry.created = rotation.begun;
                Some(RotationPhase::Use)
            }
            RotationPhase::Use => {
                rotation.other = None;
                Some(RotationPhase::Retire)
            }
            RotationPhase::Retire => None,
        };
        entry.rotation = next.map(|phase| Rotation { phase, ..rotation });
        self.save()?;
        Ok(next)
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, sync::Arc};

    use super::*;
    use crate::{
        clock::TestClock,
        secrets::{CertificateRequest, IdentitySource},
        workspace::Workspace,
    };

    struct Place {
        _folder: tempfile::TempDir,
        workspace: Workspace,
        identity: IdentitySource,
    }

    impl Place {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let workspace = Workspace::for_environment(&folder.path().join("a.yaml"), "demo", None);
            workspace.create().unwrap();
            let identity = IdentitySource::File(folder.path().join("identity.txt"));
            Self { _folder: folder, workspace, identity }
        }

        /// As a new process would see it.
        fn open(&self, time: &str) -> SecretStore {
            let clock = Arc::new(TestClock::at(time));
            SecretStore::open_at(&self.workspace, self.identity.clone(), clock).unwrap()
        }
    }

    const BEFORE: &str = "2026-11-23T23:41:00Z";
    const NOW: &str = "2026-12-01T08:00:00Z";

    fn specs() -> BTreeMap<String, SecretSpec> {
        BTreeMap::from([
            ("word".to_owned(), SecretSpec::Password { length: 32 }),
            ("ca".to_owned(), SecretSpec::Authority { common_name: "demo authority".to_owned() }),
            ("web".to_owned(), SecretSpec::Certificate { authority: "ca".to_owned(), names: vec![] }),
        ])
    }

    fn request() -> CertificateRequest {
        CertificateRequest {
            secret: "web".to_owned(),
            node: "demo-haproxy-1".to_owned(),
            names: vec!["demo.test".to_owned()],
        }
    }

    fn values(store: &SecretStore) -> Vec<(u8, String)> {
        store.accepted("word").into_iter().map(|(slot, value)| (slot, value.expose().to_owned())).collect()
    }

    #[test]
    fn each_phase_survives_the_process_that_began_it() {
        let place = Place::new();
        place.open(BEFORE).ensure(&specs(), &[request()]).unwrap();
        let old = values(&place.open(BEFORE));
        let spec = SecretSpec::Password { length: 32 };

        assert_eq!(place.open(NOW).begin_rotation("word", &spec, None).unwrap(), RotationPhase::Accept);
        let both = values(&place.open(NOW));
        assert_eq!((both.len(), &both[0], both[1].0), (2, &old[0], 1));
        assert_ne!(both[1].1, old[0].1);
        // Begun again, it is the same rotation with the same new value.
        assert_eq!(place.open(NOW).begin_rotation("word", &spec, None).unwrap(), RotationPhase::Accept);
        assert_eq!(values(&place.open(NOW)), both);

        assert_eq!(place.open(NOW).advance_rotation("word").unwrap(), Some(RotationPhase::Use));
        let store = place.open(NOW);
        assert_eq!(values(&store), [both[1].clone(), both[0].clone()]);
        assert_eq!((store.slot("word"), store.text("word").unwrap().expose()), (1, both[1].1.as_str()));
        let redactor = store.redactor();
        assert_eq!(redactor.redact(&format!("{} {}", both[0].1, both[1].1)), "<secret:word> <secret:word>");

        assert_eq!(place.open(NOW).advance_rotation("word").unwrap(), Some(RotationPhase::Retire));
        assert_eq!(values(&place.open(NOW)), [both[1].clone()]);
        assert_eq!(place.open(NOW).advance_rotation("word").unwrap(), None);
        let store = place.open(NOW);
        assert_eq!((values(&store), store.rotating()), (vec![both[1].clone()], None));
        let info = store.list().into_iter().find(|info| info.name == "word").unwrap();
        let now: Timestamp = NOW.parse().unwrap();
        assert!(info.created >= now && info.created < now + jiff::SignedDuration::from_hours(1), "{}", info.created);
        assert_eq!(place.open(NOW).advance_rotation("word").unwrap(), None, "nothing is under way");
    }

    #[test]
    fn both_authorities_are_trusted_and_certificates_follow_the_one_in_use() {
        let place = Place::new();
        place.open(BEFORE).ensure(&specs(), &[request()]).unwrap();
        let old = place.open(BEFORE).trusted().unwrap();
        place.open(NOW).begin_rotation("ca", &specs()["ca"], None).unwrap();
        let both = place.open(NOW).trusted().unwrap();
        assert!(both.starts_with(&old) && both.matches("BEGIN CERTIFICATE").count() == 2);
        assert_eq!(place.open(NOW).ensure(&specs(), &[request()]).unwrap(), Vec::<String>::new());
        place.open(NOW).advance_rotation("ca").unwrap();
        assert_eq!(place.open(NOW).ensure(&specs(), &[request()]).unwrap(), ["web@demo-haproxy-1"]);
        assert_eq!(place.open(NOW).trusted().unwrap().matches("BEGIN CERTIFICATE").count(), 2);
        place.open(NOW).advance_rotation("ca").unwrap();
        let new = place.open(NOW).trusted().unwrap();
        assert!(new != old && new.matches("BEGIN CERTIFICATE").count() == 1);
    }

    #[test]
    fn values_of_the_users_own_are_taken_once_and_rotated_to() {
        let place = Place::new();
        let mut store = place.open(BEFORE);
        store.give("word", Secret::new("first-value".to_owned())).unwrap();
        store.ensure(&specs(), &[]).unwrap();
        store.give("word", Secret::new("another".to_owned())).unwrap();
        assert_eq!(store.text("word").unwrap().expose(), "first-value");
        store.begin_rotation("word", &specs()["word"], Some(Secret::new("second-value".to_owned()))).unwrap();
        assert_eq!(values(&store), [(0, "first-value".to_owned()), (1, "second-value".to_owned())]);
    }

    #[test]
    fn what_belongs_to_the_data_goes_along_and_all_else_stays_its_own() {
        let (old, new) = (Place::new(), Place::new());
        old.open(BEFORE).ensure(&specs(), &[request()]).unwrap();
        old.open(NOW).begin_rotation("word", &specs()["word"], None).unwrap();
        for _ in 0..3 {
            old.open(NOW).advance_rotation("word").unwrap();
        }
        let names = ["word".to_owned()];
        let from = old.open(NOW);
        assert_eq!(new.open(NOW).carry(&names, &from).unwrap(), names);
        new.open(NOW).ensure(&specs(), &[request()]).unwrap();
        let there = new.open(NOW);
        assert_eq!((values(&there), there.slot("word")), (values(&from), 1), "with the login that it belongs to");
        assert_ne!(there.trusted(), from.trusted());
        assert_eq!(new.open(NOW).carry(&names, &from).unwrap(), Vec::<String>::new(), "it may be done again");

        let error = new.open(NOW).carry(&["nothing".to_owned()], &from).unwrap_err();
        assert!(matches!(error, SecretsError::Unknown(_)));
        let error = new.open(NOW).carry(&["ca".to_owned()], &from).unwrap_err();
        assert!(matches!(error, SecretsError::OfANode(_)), "{error}");
    }

    #[test]
    fn what_cannot_be_rotated_says_why() {
        let place = Place::new();
        let mut store = place.open(BEFORE);
        store.ensure(&specs(), &[request()]).unwrap();
        let error = store.begin_rotation("web@demo-haproxy-1", &specs()["web"], None).unwrap_err();
        assert!(matches!(error, SecretsError::OfANode(_)) && error.hint().unwrap().contains("authority"));
        assert!(matches!(store.begin_rotation("x", &specs()["word"], None), Err(SecretsError::Unknown(_))));
    }
}
