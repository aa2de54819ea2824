//! The folder that holds what belongs to one environment on this machine: keys, secrets, lock, runs.

use std::{
    fs, io,
    io::Write,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
};

/// Paths of one environment. Making one touches nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workspace {
    root: PathBuf,
}

/// A file or folder of the workspace that could not be used.
#[derive(Debug, thiserror::Error)]
#[error("{doing} {path}: {source}")]
pub struct WorkspaceError {
    /// What was tried.
    pub doing: &'static str,
    /// File or folder.
    pub path: String,
    /// Why it failed.
    pub source: io::Error,
}

impl Workspace {
    /// `.refarch/<name>` in the folder of the environment file, or `<base>/<name>` where a base is given
    /// (`REFARCH_WORKSPACE`).
    #[must_use]
    pub fn for_environment(environment_file: &Path, name: &str, base: Option<PathBuf>) -> Self {
        let base = base.unwrap_or_else(|| environment_file.parent().unwrap_or(Path::new("")).join(".refarch"));
        Self { root: base.join(name) }
    }

    /// Makes the folder, for its owner only, and keeps git away from it.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn create(&self) -> Result<(), WorkspaceError> {
        make_private_folder(&self.root)?;
        let ignore = self.root.join(".gitignore");
        if !ignore.exists() {
            write_private(&ignore, b"*\n")?;
        }
        Ok(())
    }

    /// The folder itself.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Encrypted secrets.
    #[must_use]
    pub fn secrets(&self) -> PathBuf {
        self.root.join("secrets.age")
    }

    /// The lease of whoever works on the environment.
    #[must_use]
    pub fn lock(&self) -> PathBuf {
        self.root.join("lock.json")
    }

    /// What drills broke and nobody mended yet.
    #[must_use]
    pub fn faults(&self) -> PathBuf {
        self.root.join("faults.json")
    }

    /// One folder per run.
    #[must_use]
    pub fn runs(&self) -> PathBuf {
        self.root.join("runs")
    }

    /// How far the environment has taken over another one's data.
    #[must_use]
    pub fn migration(&self) -> PathBuf {
        self.root.join("migration.json")
    }

    /// What was applied last, by fingerprint.
    #[must_use]
    pub fn applied(&self) -> PathBuf {
        self.root.join("applied.jsonl")
    }

    /// SSH keys.
    #[must_use]
    pub fn ssh(&self) -> PathBuf {
        self.root.join("ssh")
    }

    /// Pinned host keys of the environment's nodes.
    #[must_use]
    pub fn known_hosts(&self) -> PathBuf {
        self.root.join("known_hosts")
    }

    /// OpenSSH client configuration for the environment's nodes.
    #[must_use]
    pub fn ssh_config(&self) -> PathBuf {
        self.root.join("ssh_config")
    }

    /// What was decided once and must stay (a subnet, an image).
    #[must_use]
    pub fn pins(&self) -> PathBuf {
        self.root.join("environment.json")
    }

    /// Removes keys, secrets and all else that only a living environment needs. The runs stay: they tell who did
    /// what. So does the lock, which its holder releases, and what says of which shared workspace this is a copy. Removing what is gone is success.
    ///
    /// # Errors
    /// When something is there and cannot be removed; all the rest is removed all the same.
    pub fn remove(&self) -> Result<(), WorkspaceError> {
        let entries = match fs::read_dir(&self.root) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries.map_err(failed("cannot read", &self.root))?,
        };
        let stays = |path: &Path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let is_of_copy = ["lock.", "shared."].iter().any(|start| name.starts_with(start)) || name == "aside";
            *path == self.runs() || is_of_copy || name == ".gitignore"
        };
        let mut outcome = Ok(());
        for path in entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| !stays(path)) {
            let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            if let Err(source) = removed
                && source.kind() != io::ErrorKind::NotFound
            {
                outcome = Err(failed("cannot remove", &path)(source));
            }
        }
        outcome
    }
}

/// Writes a file that only its owner can read, all of it or nothing: readers see the old content or the new.
///
/// # Errors
/// When it cannot be written.
pub fn write_private(path: &Path, content: &[u8]) -> Result<(), WorkspaceError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let write = || {
        // A temporary file has mode 0600 from its first moment.
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(content)?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)?;
        Ok(())
    };
    write().map_err(failed("cannot write", path))
}

/// The same, where there is no such file yet; false where there is.
///
/// # Errors
/// When it cannot be written.
pub fn write_private_once(path: &Path, content: &[u8]) -> Result<bool, WorkspaceError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let write = || {
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(content)?;
        file.as_file().sync_all()?;
        match file.persist_noclobber(path) {
            Ok(_) => Ok(true),
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error.error),
        }
    };
    write().map_err(failed("cannot write", path))
}

/// Makes a folder, and those above it, and lets nobody but the owner into the last one.
///
/// # Errors
/// When it cannot be made.
pub fn make_private_folder(path: &Path) -> Result<(), WorkspaceError> {
    let make = || {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        // It may have been there with another mode.
        fs::set_permissions(path, fs::Permissions::from_mode(0o700))
    };
    make().map_err(failed("cannot make folder", path))
}

pub(crate) fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> WorkspaceError {
    let path = path.display().to_string();
    move |source| WorkspaceError { doing, path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn it_lies_beside_the_environment_file_or_where_told() {
        let beside = Workspace::for_environment(Path::new("environments/local/3k.yaml"), "demo", None);
        assert_eq!(beside.root(), Path::new("environments/local/.refarch/demo"));
        let here = Workspace::for_environment(Path::new("3k.yaml"), "demo", None);
        assert_eq!(here.root(), Path::new(".refarch/demo"));
        let told = Workspace::for_environment(Path::new("3k.yaml"), "demo", Some("/srv/state".into()));
        assert_eq!(told.secrets(), Path::new("/srv/state/demo/secrets.age"));
    }

    #[test]
    fn only_its_owner_can_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let workspace = Workspace::for_environment(&folder.path().join("3k.yaml"), "demo", None);
        fs::create_dir_all(workspace.root()).unwrap();
        fs::set_permissions(workspace.root(), fs::Permissions::from_mode(0o755)).unwrap();
        workspace.create().unwrap();
        assert_eq!(mode(workspace.root()), 0o700);
        assert_eq!(fs::read_to_string(workspace.root().join(".gitignore")).unwrap(), "*\n");
        write_private(&workspace.pins(), b"{}").unwrap();
        assert_eq!(mode(&workspace.pins()), 0o600);
    }

    #[test]
    fn removal_keeps_the_runs_and_can_be_repeated() {
        let folder = tempfile::tempdir().unwrap();
        let workspace = Workspace::for_environment(&folder.path().join("3k.yaml"), "demo", None);
        workspace.create().unwrap();
        let learned = workspace.root().join("known_hosts.learned");
        let copy_of = workspace.root().join("shared.json");
        for path in [workspace.secrets(), workspace.known_hosts(), learned, workspace.pins(), workspace.lock(), copy_of]
        {
            write_private(&path, b"x").unwrap();
        }
        make_private_folder(&workspace.ssh()).unwrap();
        write_private(&workspace.ssh().join("id_ed25519"), b"x").unwrap();
        make_private_folder(&workspace.runs().join("r1")).unwrap();
        workspace.remove().unwrap();
        workspace.remove().unwrap();
        let mut left: Vec<_> =
            fs::read_dir(workspace.root()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, [".gitignore", "lock.json", "runs", "shared.json"]);
    }
}
