//! The working copy of a machine: which of its files are shared, and what it was last known to have in common with the
//! store.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::workspace::{Workspace, WorkspaceError, failed, make_private_folder, write_private};

/// What the working copy has in common with the store.
pub(super) const BASE: &str = "shared.json";
/// Where what was changed here and elsewhere is put.
pub(super) const ASIDE: &str = "aside";
/// Files of this machine alone: made anew by every command, or of processes that run here.
const OWN: [&str; 5] = [".gitignore", BASE, "shared.guard", "ssh_config", "known_hosts"];

/// The working copy.
#[derive(Debug)]
pub(super) struct Copy {
    root: PathBuf,
    /// Length and time of change of a file -> its hash, so that files that did not change are not read again.
    hashes: BTreeMap<String, (u64, SystemTime, String)>,
}

/// What a working copy was last known to have in common with the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Base {
    /// The store, as people call it.
    pub place: String,
    /// Life of its log.
    pub life: String,
    /// Object of the state.
    pub state: Option<String>,
    /// Hash of every file.
    pub files: BTreeMap<String, String>,
    /// When that was, by this machine's clock.
    pub at: Timestamp,
}

/// Whether the workspace is a machine's copy of a shared one: then the name of the place.
#[must_use]
pub fn is_joined(workspace: &Workspace) -> Option<String> {
    Base::read(workspace.root()).ok().flatten().map(|base| base.place)
}

impl Base {
    /// None where the copy never was in common with anything.
    pub fn read(root: &Path) -> Result<Option<Self>, WorkspaceError> {
        let path = root.join(BASE);
        match fs::read(&path) {
            Ok(text) => {
                serde_json::from_slice(&text).map(Some).map_err(|error| failed("cannot read", &path)(error.into()))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed("cannot read", &path)(error)),
        }
    }

    pub fn write(&self, root: &Path) -> Result<(), WorkspaceError> {
        let path = root.join(BASE);
        let text = serde_json::to_vec_pretty(self).map_err(|error| failed("cannot write", &path)(error.into()))?;
        write_private(&path, &text)
    }
}

impl Copy {
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), hashes: BTreeMap::new() }
    }

    /// Hash of every shared file.
    pub fn scan(&mut self) -> Result<BTreeMap<String, String>, WorkspaceError> {
        let mut found = BTreeMap::new();
        let root = self.root.clone();
        self.walk(&root, "", &mut found)?;
        self.hashes.retain(|path, _| found.contains_key(path));
        Ok(found)
    }

    fn walk(
        &mut self,
        folder: &Path,
        prefix: &str,
        found: &mut BTreeMap<String, String>,
    ) -> Result<(), WorkspaceError> {
        let entries = match fs::read_dir(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries.map_err(failed("cannot read", folder))?,
        };
        for entry in entries {
            let entry = entry.map_err(failed("cannot read", folder))?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            let path = format!("{prefix}{name}");
            // Sockets and links are no state.
            let Ok(kind) = entry.file_type() else { continue };
            if !is_shared(&path) {
                continue;
            }
            if kind.is_dir() {
                self.walk(&entry.path(), &format!("{path}/"), found)?;
            } else if kind.is_file()
                && let Some(hash) = self.hash(&path)?
            {
                found.insert(path, hash);
            }
        }
        Ok(())
    }

    /// None where the file went meanwhile.
    fn hash(&mut self, path: &str) -> Result<Option<String>, WorkspaceError> {
        let file = self.root.join(path);
        let Ok(meta) = fs::metadata(&file) else { return Ok(None) };
        let changed = meta.modified().map_err(failed("cannot read", &file))?;
        if let Some((length, at, hash)) = self.hashes.get(path)
            && (*length, *at) == (meta.len(), changed)
        {
            return Ok(Some(hash.clone()));
        }
        let Some(content) = self.read(path)? else { return Ok(None) };
        let hash = hash(&content);
        // A file that is written to in this very moment may change once more within the clock's tick.
        if changed.elapsed().is_ok_and(|age| age.as_secs() >= 2) {
            self.hashes.insert(path.to_owned(), (meta.len(), changed, hash.clone()));
        } else {
            self.hashes.remove(path);
        }
        Ok(Some(hash))
    }

    /// Content of a file; none where it is not there.
    pub fn read(&self, path: &str) -> Result<Option<Vec<u8>>, WorkspaceError> {
        let file = self.root.join(path);
        match fs::read(&file) {
            Ok(content) => Ok(Some(content)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed("cannot read", &file)(error)),
        }
    }

    /// Writes a file, for its owner only.
    pub fn write(&self, path: &str, content: &[u8]) -> Result<(), WorkspaceError> {
        let file = self.root.join(path);
        let mut folder = self.root.clone();
        for part in Path::new(path).parent().into_iter().flat_map(Path::components) {
            folder.push(part);
            make_private_folder(&folder)?;
        }
        write_private(&file, content)
    }

    /// Removes a file, and folders that are empty then; one that is gone is no error.
    pub fn remove(&self, path: &str) -> Result<(), WorkspaceError> {
        let file = self.root.join(path);
        match fs::remove_file(&file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(failed("cannot remove", &file)(error));
            }
            _ => {}
        }
        let folders = Path::new(path).ancestors().skip(1).filter(|folder| !folder.as_os_str().is_empty());
        for folder in folders {
            // One that is not empty stays.
            if fs::remove_dir(self.root.join(folder)).is_err() {
                break;
            }
        }
        Ok(())
    }
}

/// Whether a path of the working copy is part of what a team shares.
pub(super) fn is_shared(path: &str) -> bool {
    let mut parts = path.split('/');
    let first = parts.next().unwrap_or_default();
    // Temporary files and folders begin so, wherever they are.
    let passing = path.split('/').any(|part| part.starts_with(".tmp") || part.starts_with(".new-"));
    !(passing || OWN.contains(&first) || first == ASIDE || first.starts_with("lock."))
}

/// Whether a path from a store can be one of the working copy: not above it, and nothing of this machine's own.
pub(super) fn is_safe(path: &str) -> bool {
    !path.is_empty()
        && !path.contains('\0')
        && path.split('/').all(|part| !part.is_empty() && part != "." && part != "..")
        && is_shared(path)
}

pub(super) fn hash(content: &[u8]) -> String {
    Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_belongs_to_one_machine_stays_there() {
        for path in ["secrets.age", "ssh/id_ed25519", "ssh/hosts/demo-app-1", "runs/r1/journal.jsonl", "faults.json"] {
            assert!(is_shared(path) && is_safe(path), "{path}");
        }
        for path in ["lock.json", "lock.guard", "ssh_config", "known_hosts", "shared.json", "aside/x", ".tmpAbc"] {
            assert!(!is_shared(path) && !is_safe(path), "{path}");
        }
        for path in ["../x", "/etc/passwd", "a/../../x", "", "a//b", "./a"] {
            assert!(!is_safe(path), "{path}");
        }
        assert!(is_shared("known_hosts.learned"));
    }

    #[test]
    fn a_change_is_seen_also_where_length_and_second_are_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let mut copy = Copy::new(folder.path());
        copy.write("a/b/c.json", b"one").unwrap();
        let first = copy.scan().unwrap();
        copy.write("a/b/c.json", b"two").unwrap();
        assert_ne!(copy.scan().unwrap()["a/b/c.json"], first["a/b/c.json"]);
        copy.remove("a/b/c.json").unwrap();
        copy.remove("a/b/c.json").unwrap();
        assert!(copy.scan().unwrap().is_empty());
        assert!(!folder.path().join("a").exists() && folder.path().exists());
    }
}
