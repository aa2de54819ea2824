//! One encrypted file with everything secret of one environment.

use std::{collections::BTreeMap, fs, io, path::Path, sync::Arc};

use jiff::{Timestamp, ToSpan};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{
    IdentitySource, Recipients, Redactor, Secret,
    certificate::{self, Issued},
    generate,
    rotation::{Rotation, RotationPhase},
    seal,
    secret::exposed,
};
use crate::{
    catalog::SecretSpec,
    clock::{Clock, SystemClock},
    workspace::{Workspace, WorkspaceError, failed, write_private},
};

/// Hours left on a certificate when it is made anew: 30 days.
const RENEW_HOURS: i64 = 30 * 24;
const PLACEHOLDER_CERTIFICATE: &str =
    "-----BEGIN CERTIFICATE-----\nplaceholder certificate\n-----END CERTIFICATE-----\n";
const PLACEHOLDER_KEY: &str = "-----BEGIN PRIVATE KEY-----\nplaceholder key\n-----END PRIVATE KEY-----\n";

/// The secrets of an environment.
pub struct SecretStore {
    pub(super) entries: BTreeMap<String, Entry>,
    /// None for a store that is never written.
    file: Option<(std::path::PathBuf, IdentitySource)>,
    recipients: Recipients,
    pub(super) clock: Arc<dyn Clock>,
}

/// A certificate that a node should have. Asked for with rendered names: the store knows no templates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateRequest {
    /// Name of the secret in the role.
    pub secret: String,
    /// Node it is for.
    pub node: String,
    /// DNS names and addresses; the first becomes the common name.
    pub names: Vec<String>,
}

/// A certificate and its private key, each in PEM.
#[derive(Debug, Clone, Copy)]
pub struct Pair<'a> {
    /// The certificate; no secret.
    pub certificate: &'a str,
    /// Its key.
    pub key: &'a Secret,
}

/// What may be told about a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SecretInfo {
    /// Name; for a certificate `name@node`.
    pub name: String,
    /// What it is.
    pub kind: SecretKind,
    /// When it was made.
    pub created: Timestamp,
    /// When it ends, if it does.
    pub expires: Option<Timestamp>,
    /// How far its rotation is, while there is one.
    pub rotation: Option<RotationPhase>,
}

/// What a secret is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretKind {
    /// A text: password, key in base64 or hexadecimal.
    Text,
    /// Certificate authority.
    Authority,
    /// Certificate of a node.
    Certificate,
}

/// Why secrets cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum SecretsError {
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] WorkspaceError),
    /// There is no place for the identity.
    #[error("no place for the identity file: neither REFARCH_IDENTITY nor XDG_CONFIG_HOME nor HOME is set")]
    NoHome,
    /// The identity cannot be used.
    #[error("cannot use the identity in {place}: {reason}")]
    Identity {
        /// File or variable.
        place: String,
        /// Why.
        reason: String,
    },
    /// The file cannot be opened with this identity.
    #[error("cannot decrypt {path}: {reason}")]
    Decrypt {
        /// File.
        path: String,
        /// Why.
        reason: String,
    },
    /// Somebody who may open the secrets is named by something that is no key.
    #[error("`{key}` is no public key of age: {reason}")]
    Recipient {
        /// What was given.
        key: String,
        /// Why it is none.
        reason: &'static str,
    },
    /// Whoever writes could not read it again.
    #[error("the environment is for other identities than yours, {own}")]
    NotARecipient {
        /// The user's public key.
        own: String,
    },
    /// The file's content is not what refarch writes.
    #[error("{path} decrypts to something that is no list of secrets: {reason}")]
    Format {
        /// File.
        path: String,
        /// Why.
        reason: String,
    },
    /// The file could not be encrypted.
    #[error("cannot encrypt the secrets: {0}")]
    Encrypt(String),
    /// The system gives no random numbers.
    #[error("the operating system gives no random numbers: {0}")]
    Random(String),
    /// A certificate could not be made.
    #[error("cannot make a certificate: {0}")]
    Certificate(String),
    /// A role asks for a certificate of an authority that no role declares.
    #[error("secret `{secret}` names the authority `{authority}`, which no role declares")]
    NoAuthority {
        /// Secret.
        secret: String,
        /// Authority.
        authority: String,
    },
    /// A request names a secret that is no certificate.
    #[error("`{0}` is not declared as a certificate")]
    NotACertificate(String),
    /// The environment has no such secret.
    #[error("there is no secret `{0}`")]
    Unknown(String),
    /// A secret that is no text or authority was to be rotated.
    #[error("`{0}` is made for one node by its authority")]
    OfANode(String),
    /// A role asks for another kind of secret than the environment has under this name.
    #[error("the environment has `{name}` as {found:?}, and a role declares it as another kind")]
    Kind {
        /// Secret.
        name: String,
        /// What it is now.
        found: SecretKind,
    },
}

impl SecretsError {
    /// What to do next, where there is something to say.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Identity { .. } | Self::Decrypt { .. } => Some(
                "point REFARCH_IDENTITY to the identity that the environment was made with, or destroy the \
                 environment and make it anew",
            ),
            Self::NotARecipient { .. } => Some(
                "somebody who can open it adds your key to `recipients` in the environment file, and applies; or set \
                 REFARCH_IDENTITY to an identity that is listed",
            ),
            Self::Recipient { .. } => Some("`refarch secrets identity` prints your own"),
            Self::NoHome => Some("set REFARCH_IDENTITY to a file for the key that opens your secrets"),
            Self::Unknown(_) => Some("`refarch secrets list` names those that there are; `apply` makes them"),
            Self::OfANode(_) => Some("rotate the authority: every certificate that it signed is made anew with it"),
            Self::Kind { .. } => Some("give the secret a new name in its role.yaml"),
            _ => None,
        }
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) created: Timestamp,
    #[serde(flatten)]
    pub(super) value: Value,
    /// Which of two logins the value belongs to: it changes with every rotation.
    #[serde(default)]
    pub(super) slot: u8,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) rotation: Option<Rotation>,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum Value {
    Text {
        #[serde(with = "exposed")]
        text: Secret,
    },
    Authority {
        common_name: String,
        certificate: String,
        #[serde(with = "exposed")]
        key: Secret,
        expires: Timestamp,
    },
    Certificate {
        names: Vec<String>,
        /// Certificate of the authority that signed it: with a new authority, it is no longer any good.
        authority: String,
        certificate: String,
        #[serde(with = "exposed")]
        key: Secret,
        expires: Timestamp,
    },
}

impl Value {
    pub(super) fn kind(&self) -> SecretKind {
        match self {
            Self::Text { .. } => SecretKind::Text,
            Self::Authority { .. } => SecretKind::Authority,
            Self::Certificate { .. } => SecretKind::Certificate,
        }
    }

    fn expires(&self) -> Option<Timestamp> {
        match self {
            Self::Text { .. } => None,
            Self::Authority { expires, .. } | Self::Certificate { expires, .. } => Some(*expires),
        }
    }

    pub(super) fn secret(&self) -> &Secret {
        match self {
            Self::Text { text } => text,
            Self::Authority { key, .. } | Self::Certificate { key, .. } => key,
        }
    }
}

impl SecretStore {
    /// Opens the environment's secrets; an environment that has none yet starts empty. Writes nothing.
    ///
    /// # Errors
    /// When the file is there and cannot be read with this identity.
    pub fn open(workspace: &Workspace, identity: IdentitySource) -> Result<Self, SecretsError> {
        Self::open_at(workspace, identity, Arc::new(SystemClock))
    }

    /// The same by another clock.
    ///
    /// # Errors
    /// As [`SecretStore::open`].
    pub fn open_at(
        workspace: &Workspace,
        identity: IdentitySource,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, SecretsError> {
        let path = workspace.secrets();
        let entries = match fs::read(&path) {
            Ok(bytes) => decrypt(&path, &bytes, &identity)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => return Err(failed("cannot read", &path)(error).into()),
        };
        Ok(Self { entries, file: Some((path, identity)), recipients: Recipients::default(), clock })
    }

    /// The same, written for these from now on.
    #[must_use]
    pub fn written_for(mut self, recipients: Recipients) -> Self {
        self.recipients = recipients;
        self
    }

    /// Writes what is there once more, because it is for others now. Nothing where there is nothing.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_again(&self) -> Result<(), SecretsError> {
        if self.entries.is_empty() { Ok(()) } else { self.save() }
    }

    /// A store without a file, for commands that work offline.
    #[must_use]
    pub fn offline() -> Self {
        Self { entries: BTreeMap::new(), file: None, recipients: Recipients::default(), clock: Arc::new(SystemClock) }
    }

    /// Makes what is missing and renews certificates whose names differ, whose authority is another one, or that
    /// have less than 30 days left; then writes the file if anything is new. Returns the names of what was made,
    /// in order: `name`, or `name@node`.
    ///
    /// # Errors
    /// When something cannot be made or written. Nothing that was made is lost: it is written first.
    pub fn ensure(
        &mut self,
        specs: &BTreeMap<String, SecretSpec>,
        certificates: &[CertificateRequest],
    ) -> Result<Vec<String>, SecretsError> {
        let made = self.fill(specs, certificates, false)?;
        if !made.is_empty() {
            self.save()?;
        }
        Ok(made)
    }

    /// Puts stand-ins in place of what [`SecretStore::ensure`] would make, without writing or asking for random
    /// numbers, so that `plan` and `render` work where nothing exists yet. Returns what is a stand-in now.
    /// From then on the store cannot be written.
    ///
    /// # Errors
    /// When the specifications contradict each other or what is there.
    pub fn fill_placeholders(
        &mut self,
        specs: &BTreeMap<String, SecretSpec>,
        certificates: &[CertificateRequest],
    ) -> Result<Vec<String>, SecretsError> {
        self.file = None;
        self.fill(specs, certificates, true)
    }

    /// A password or key by name; for a certificate or an authority its private key (`name@node`).
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Secret> {
        self.entries.get(name).map(|entry| entry.value.secret())
    }

    /// A password or key by name. None for certificates.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&Secret> {
        match &self.entries.get(name)?.value {
            Value::Text { text } => Some(text),
            _ => None,
        }
    }

    /// The certificate of a node with its key, or an authority's (whatever the node).
    #[must_use]
    pub fn pair(&self, name: &str, node: &str) -> Option<Pair<'_>> {
        let entry = self.entries.get(&certificate_name(name, node)).or_else(|| self.entries.get(name))?;
        match &entry.value {
            Value::Text { .. } => None,
            Value::Authority { certificate, key, .. } | Value::Certificate { certificate, key, .. } => {
                Some(Pair { certificate, key })
            }
        }
    }

    /// The certificate of an authority; of the first one by name when none is given.
    #[must_use]
    pub fn ca_certificate(&self, name: Option<&str>) -> Option<&str> {
        self.entries.iter().filter(|(own, _)| name.is_none_or(|name| name == own.as_str())).find_map(|(_, entry)| {
            match &entry.value {
                Value::Authority { certificate, .. } => Some(certificate.as_str()),
                _ => None,
            }
        })
    }

    /// What there is, without the values.
    #[must_use]
    pub fn list(&self) -> Vec<SecretInfo> {
        let info = |(name, entry): (&String, &Entry)| SecretInfo {
            name: name.clone(),
            kind: entry.value.kind(),
            created: entry.created,
            expires: entry.value.expires(),
            rotation: entry.rotation.as_ref().map(|rotation| rotation.phase),
        };
        self.entries.iter().map(info).collect()
    }

    /// Takes these secrets out of texts. Made anew after [`SecretStore::ensure`], or it misses what is new.
    #[must_use]
    pub fn redactor(&self) -> Redactor {
        let of = |entry: &'_ Entry| {
            let other = entry.rotation.as_ref().and_then(|rotation| rotation.other.as_ref());
            [Some(&entry.value), other].map(|value| value.map(|value| value.secret().clone()))
        };
        let all: Vec<(Secret, &String)> = self
            .entries
            .iter()
            .flat_map(|(name, entry)| of(entry).into_iter().flatten().map(move |secret| (secret, name)))
            .collect();
        Redactor::new(all.iter().map(|(secret, name)| (secret.expose(), (*name).clone())))
    }

    fn fill(
        &mut self,
        specs: &BTreeMap<String, SecretSpec>,
        certificates: &[CertificateRequest],
        placeholder: bool,
    ) -> Result<Vec<String>, SecretsError> {
        let mut made = Vec::new();
        for (name, spec) in specs {
            let wanted = match spec {
                SecretSpec::Certificate { .. } => continue,
                SecretSpec::Authority { .. } => SecretKind::Authority,
                _ => SecretKind::Text,
            };
            if let Some(entry) = self.entries.get(name) {
                let found = entry.value.kind();
                if found != wanted {
                    return Err(SecretsError::Kind { name: name.clone(), found });
                }
                continue;
            }
            let value = self.new_value(name, spec, placeholder)?;
            self.insert(name.clone(), value);
            made.push(name.clone());
        }
        for request in certificates {
            let Some(SecretSpec::Certificate { authority, .. }) = specs.get(&request.secret) else {
                return Err(SecretsError::NotACertificate(request.secret.clone()));
            };
            if let Some(value) = self.renewed(request, authority, placeholder)? {
                let name = certificate_name(&request.secret, &request.node);
                self.insert(name.clone(), value);
                made.push(name);
            }
        }
        Ok(made)
    }

    pub(super) fn insert(&mut self, name: String, value: Value) {
        self.entries.insert(name, Entry { created: self.clock.now(), value, slot: 0, rotation: None });
    }

    pub(super) fn new_value(&self, name: &str, spec: &SecretSpec, placeholder: bool) -> Result<Value, SecretsError> {
        if let SecretSpec::Authority { common_name } = spec {
            let issued = if placeholder {
                stand_in(self.clock.now())
            } else {
                certificate::authority(common_name, self.clock.now())?
            };
            let Issued { certificate, key, expires } = issued;
            return Ok(Value::Authority { common_name: common_name.clone(), certificate, key, expires });
        }
        let text = if placeholder { None } else { generate::text(spec, self.clock.now())? };
        Ok(Value::Text { text: text.unwrap_or_else(|| generate::placeholder(name, spec)) })
    }

    /// The certificate that the request asks for, unless the one that is there is still good.
    fn renewed(
        &self,
        request: &CertificateRequest,
        authority_name: &str,
        placeholder: bool,
    ) -> Result<Option<Value>, SecretsError> {
        let now = self.clock.now();
        let Some(Value::Authority { common_name, certificate: authority, key: authority_key, .. }) =
            self.entries.get(authority_name).map(|entry| &entry.value)
        else {
            return Err(SecretsError::NoAuthority {
                secret: request.secret.clone(),
                authority: authority_name.to_owned(),
            });
        };
        let present = self.entries.get(&certificate_name(&request.secret, &request.node));
        if let Some(Value::Certificate { names, authority: signer, expires, .. }) = present.map(|entry| &entry.value)
            && *names == request.names
            && signer == authority
            && *expires > now.saturating_add(RENEW_HOURS.hours()).unwrap_or(now)
        {
            return Ok(None);
        }
        let Issued { certificate, key, expires } = if placeholder {
            stand_in(now)
        } else {
            certificate::signed(&request.names, common_name, authority_key, now)?
        };
        let authority = authority.clone();
        Ok(Some(Value::Certificate { names: request.names.clone(), authority, certificate, key, expires }))
    }

    pub(super) fn save(&self) -> Result<(), SecretsError> {
        let Some((path, identity)) = &self.file else { return Ok(()) };
        // A new identity for a file that another one opens would only hide that the first one is lost.
        let identity = if path.exists() { identity.read()? } else { identity.read_or_make()? };
        let plain = Zeroizing::new(
            serde_json::to_vec_pretty(&self.entries).map_err(|error| SecretsError::Encrypt(error.to_string()))?,
        );
        let armored = seal::armored(&self.recipients.of(&identity)?, &plain)
            .map_err(|error| SecretsError::Encrypt(error.to_string()))?;
        write_private(path, &armored)?;
        Ok(())
    }
}

impl std::fmt::Debug for SecretStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.entries.keys()).finish()
    }
}

fn certificate_name(name: &str, node: &str) -> String {
    format!("{name}@{node}")
}

/// Stands for any certificate and key; ends never, so that nothing depends on the day.
fn stand_in(now: Timestamp) -> Issued {
    Issued {
        certificate: PLACEHOLDER_CERTIFICATE.to_owned(),
        key: Secret::new(PLACEHOLDER_KEY.to_owned()),
        expires: now.saturating_add(certificate::AUTHORITY_DAYS.saturating_mul(24).hours()).unwrap_or(now),
    }
}

fn decrypt(path: &Path, bytes: &[u8], identity: &IdentitySource) -> Result<BTreeMap<String, Entry>, SecretsError> {
    let identity = identity.read()?;
    let name = || path.display().to_string();
    let plain = Zeroizing::new(
        age::decrypt(&identity, bytes)
            .map_err(|error| SecretsError::Decrypt { path: name(), reason: error.to_string() })?,
    );
    serde_json::from_slice(&plain).map_err(|error| SecretsError::Format { path: name(), reason: error.to_string() })
}
