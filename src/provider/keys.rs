//! Keys of an environment: the client's, and every node's host key, made before the node exists.

use std::{
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
};

use tokio::{process::Command, sync::Mutex};

use super::{ErrorClass, ProviderError};

/// The key files of one environment.
#[derive(Debug)]
pub struct Keys {
    folder: PathBuf,
    making: Mutex<()>,
}

impl Keys {
    /// Keys below this folder.
    #[must_use]
    pub fn new(folder: PathBuf) -> Self {
        Self { folder, making: Mutex::new(()) }
    }

    /// The private key that refarch logs in with.
    #[must_use]
    pub fn client(&self) -> PathBuf {
        self.folder.join("id_ed25519")
    }

    /// A node's private host key.
    #[must_use]
    pub fn host(&self, node: &str) -> PathBuf {
        self.folder.join("hosts").join(node)
    }

    /// A node's public host key without its comment, where it has been made.
    #[must_use]
    pub fn host_public(&self, node: &str) -> Option<String> {
        line(&self.host(node))
    }

    /// Makes the client's key where there is none.
    ///
    /// # Errors
    /// When a file cannot be written or removed, or `ssh-keygen` is not there.
    pub async fn ensure_client(&self, comment: &str) -> Result<(), ProviderError> {
        self.ensure(&self.client(), comment).await
    }

    /// Makes a node's host key where there is none.
    ///
    /// # Errors
    /// When a file cannot be written or removed, or `ssh-keygen` is not there.
    pub async fn ensure_host(&self, node: &str) -> Result<(), ProviderError> {
        self.ensure(&self.host(node), node).await
    }

    /// The public half of the client's key without its comment, where it has been made.
    #[must_use]
    pub fn client_public(&self) -> Option<String> {
        line(&self.client())
    }

    /// Forgets a node's host key.
    ///
    /// # Errors
    /// When a file cannot be written or removed, or `ssh-keygen` is not there.
    pub fn remove_host(&self, node: &str) -> Result<(), ProviderError> {
        remove_pair(&self.host(node))
    }

    /// Forgets the client's key, and the folder where nothing else is in it.
    ///
    /// # Errors
    /// When a file cannot be written or removed, or `ssh-keygen` is not there.
    pub fn remove_client(&self) -> Result<(), ProviderError> {
        remove_pair(&self.client())?;
        // Keys of nodes that were removed by other hands may still be here: they belong to nothing any more.
        let _ = std::fs::remove_dir_all(self.folder.join("hosts"));
        let _ = std::fs::remove_dir(&self.folder);
        Ok(())
    }

    async fn ensure(&self, path: &Path, comment: &str) -> Result<(), ProviderError> {
        let _one_at_a_time = self.making.lock().await;
        if path.exists() && public(path).exists() {
            return Ok(());
        }
        let doing = || format!("make the key {}", path.display());
        let folder = path.parent().expect("a key lies in a folder");
        make_folder(&self.folder).and_then(|()| make_folder(folder)).map_err(|error| io(doing(), &error))?;
        // Made beside its place and then moved: a key that was interrupted half-way is never taken for a whole one.
        let fresh = tempfile::Builder::new().prefix(".new-").tempdir_in(folder).map_err(|error| io(doing(), &error))?;
        let file = fresh.path().join("key");
        let output = Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-C", comment, "-f"])
            .arg(&file)
            .stdin(std::process::Stdio::null())
            .output()
            .await
            .map_err(|error| {
                permanent(doing(), format!("ssh-keygen: {error}"), Some("install openssh-client".to_owned()))
            })?;
        if !output.status.success() {
            return Err(permanent(doing(), String::from_utf8_lossy(&output.stderr).trim(), None));
        }
        std::fs::rename(public(&file), public(path))
            .and_then(|()| std::fs::rename(&file, path))
            .map_err(|error| io(doing(), &error))
    }
}

/// The public half of a key, without its comment, where there is one.
#[must_use]
pub fn line(private: &Path) -> Option<String> {
    let text = std::fs::read_to_string(public(private)).ok()?;
    let mut words = text.split_whitespace();
    Some(format!("{} {}", words.next()?, words.next()?))
}

/// The public half's file.
#[must_use]
pub fn public(private: &Path) -> PathBuf {
    let mut name = private.as_os_str().to_owned();
    name.push(".pub");
    PathBuf::from(name)
}

fn make_folder(folder: &Path) -> std::io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700))
}

fn remove_pair(path: &Path) -> Result<(), ProviderError> {
    for file in [path.to_owned(), public(path)] {
        match std::fs::remove_file(&file) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(io(format!("remove the key {}", file.display()), &error));
            }
            _ => {}
        }
    }
    Ok(())
}

fn permanent(doing: String, message: impl Into<String>, hint: Option<String>) -> ProviderError {
    ProviderError { doing, message: message.into(), hint, class: ErrorClass::Permanent }
}

fn io(doing: String, error: &std::io::Error) -> ProviderError {
    permanent(doing, error.to_string(), None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[tokio::test]
    async fn keys_are_private_made_once_and_leave_nothing() {
        let place = tempfile::tempdir().unwrap();
        let keys = Keys::new(place.path().join("ssh"));
        keys.ensure_client("refarch demo").await.unwrap();
        let nodes = ["demo-a-1", "demo-a-2"];
        futures_util::future::try_join_all(nodes.iter().map(|node| keys.ensure_host(node))).await.unwrap();
        assert_eq!(mode(&place.path().join("ssh")), 0o700);
        assert_eq!(mode(&keys.client()), 0o600);
        assert_eq!(mode(&keys.host("demo-a-1")), 0o600);
        let first = keys.host_public("demo-a-1").unwrap();
        assert!(first.starts_with("ssh-ed25519 AAAA") && first.split(' ').count() == 2);
        assert_ne!(keys.host_public("demo-a-2").unwrap(), first);

        keys.ensure_host("demo-a-1").await.unwrap();
        assert_eq!(keys.host_public("demo-a-1").unwrap(), first);

        keys.remove_host("demo-a-1").unwrap();
        keys.remove_host("demo-a-1").unwrap();
        assert_eq!(keys.host_public("demo-a-1"), None);
        keys.remove_client().unwrap();
        assert!(!place.path().join("ssh").exists());
    }
}
