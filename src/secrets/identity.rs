//! The key that opens the secrets of a user's environments.

use std::{
    io,
    path::{Path, PathBuf},
};

use age::{secrecy::ExposeSecret, x25519::Identity};
use zeroize::Zeroizing;

use super::{Secret, SecretsError};
use crate::workspace::{make_private_folder, write_private_once};

/// Where the age identity (an X25519 key) comes from.
#[derive(Debug, Clone)]
pub enum IdentitySource {
    /// A file; made on first use.
    File(PathBuf),
    /// The key itself, `AGE-SECRET-KEY-1…`, as a CI system hands secrets to its jobs.
    Key(Secret),
}

impl IdentitySource {
    /// `REFARCH_IDENTITY` (a file, or the key itself), or `refarch/identity.txt` in the user's configuration folder.
    ///
    /// # Errors
    /// When neither that variable nor `XDG_CONFIG_HOME` nor `HOME` is set.
    pub fn from_env() -> Result<Self, SecretsError> {
        let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        if let Some(value) = variable("REFARCH_IDENTITY") {
            return Ok(match value.to_str() {
                Some(text) if text.starts_with("AGE-SECRET-KEY-") => Self::Key(Secret::new(text.to_owned())),
                _ => Self::File(value.into()),
            });
        }
        let configuration = variable("XDG_CONFIG_HOME")
            .map(PathBuf::from)
            .or_else(|| variable("HOME").map(|home| PathBuf::from(home).join(".config")))
            .ok_or(SecretsError::NoHome)?;
        Ok(Self::File(configuration.join("refarch/identity.txt")))
    }

    /// The public key, `age1…`; the identity is made where it is missing.
    ///
    /// # Errors
    /// When it cannot be read or made.
    pub fn public_key(&self) -> Result<String, SecretsError> {
        Ok(self.read_or_make()?.to_public().to_string())
    }

    /// The public key; none where there is no identity yet.
    ///
    /// # Errors
    /// When the identity is there and cannot be read.
    pub fn known_key(&self) -> Result<Option<String>, SecretsError> {
        match self {
            Self::File(path) if !path.exists() => Ok(None),
            _ => Ok(Some(self.read()?.to_public().to_string())),
        }
    }

    /// Reads the identity that must be there already.
    pub(super) fn read(&self) -> Result<Identity, SecretsError> {
        match self {
            Self::Key(key) => parse(key.expose())
                .map_err(|reason| SecretsError::Identity { place: "REFARCH_IDENTITY".to_owned(), reason }),
            Self::File(path) => {
                read(path).map_err(|reason| SecretsError::Identity { place: path.display().to_string(), reason })
            }
        }
    }

    /// Reads the identity, and makes it first where the file is missing.
    pub(super) fn read_or_make(&self) -> Result<Identity, SecretsError> {
        if let Self::File(path) = self
            && !path.exists()
        {
            let identity = Identity::generate();
            let text = Zeroizing::new(format!(
                "# refarch: opens the secrets of your environments. Keep a copy in a safe place.\n\
                 # public key: {}\n{}\n",
                identity.to_public(),
                identity.to_string().expose_secret()
            ));
            if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.exists()) {
                make_private_folder(folder)?;
            }
            if write_private_once(path, text.as_bytes())? {
                return Ok(identity);
            }
            // Another process made one at the same time: there is one for all.
        }
        self.read()
    }
}

fn read(path: &Path) -> Result<Identity, String> {
    let text = Zeroizing::new(std::fs::read_to_string(path).map_err(|error: io::Error| error.to_string())?);
    parse(&text)
}

/// The first line that is neither empty nor a comment, as age's own tools write such files.
fn parse(text: &str) -> Result<Identity, String> {
    let key = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'));
    key.ok_or("it holds no key")?.parse::<Identity>().map_err(|error| format!("it holds no age X25519 key: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_that_need_it_first_at_the_same_time_have_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let source = IdentitySource::File(folder.path().join("identity.txt"));
        let start = std::sync::Barrier::new(8);
        let keys: Vec<String> = std::thread::scope(|scope| {
            let one = || {
                start.wait();
                source.public_key().unwrap()
            };
            let all: Vec<_> = (0..8).map(|_| scope.spawn(one)).collect();
            all.into_iter().map(|one| one.join().unwrap()).collect()
        });
        assert!(keys.iter().all(|key| *key == keys[0]) && source.known_key().unwrap().as_ref() == Some(&keys[0]));
    }
}
