//! What was applied last, kept beside the runs: each entry is appended as soon as it is true.

use std::{
    fs::{self, File, OpenOptions},
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use super::JournalError;
use crate::{
    plan::{Applied, AppliedEntry},
    workspace::{failed, write_private},
};

/// The file, open for writing.
pub struct AppliedLog {
    path: PathBuf,
    file: Mutex<File>,
}

impl AppliedLog {
    /// Opens the file, and makes it as short as it can be.
    ///
    /// # Errors
    /// When it cannot be read or written.
    pub fn open(path: &Path) -> Result<Self, JournalError> {
        let mut lines = Vec::new();
        for entry in read_applied(path)?.entries() {
            lines.extend(line(&entry));
        }
        write_private(path, &lines)?;
        let file = OpenOptions::new().append(true).mode(0o600).open(path).map_err(failed("cannot open", path))?;
        Ok(Self { path: path.to_owned(), file: Mutex::new(file) })
    }

    /// Adds an entry.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn note(&self, entry: &AppliedEntry) -> Result<(), JournalError> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.write_all(&line(entry))
            .map_err(|source| JournalError::Write { path: self.path.display().to_string(), source })
    }
}

/// What is known; nothing where there is no file. What a crash tore is left out.
///
/// # Errors
/// When it cannot be read.
pub fn read_applied(path: &Path) -> Result<Applied, JournalError> {
    let text = match fs::read_to_string(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Applied::default()),
        text => text.map_err(failed("cannot read", path))?,
    };
    let mut applied = Applied::default();
    for entry in text.lines().filter_map(|line| serde_json::from_str(line).ok()) {
        applied.note(entry);
    }
    Ok(applied)
}

fn line(entry: &AppliedEntry) -> Vec<u8> {
    // Maps of texts always have a JSON form.
    let mut line = serde_json::to_vec(entry).unwrap_or_default();
    line.push(b'\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_noted_is_there_again_also_after_a_torn_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("applied.jsonl");
        let entry = |id: &str| AppliedEntry::Resource { id: id.to_owned(), node: None, fingerprint: "f".to_owned() };
        AppliedLog::open(&path).unwrap().note(&entry("network")).unwrap();
        fs::write(&path, [fs::read(&path).unwrap(), b"{\"type\":\"reso".to_vec()].concat()).unwrap();
        let log = AppliedLog::open(&path).unwrap();
        log.note(&entry("node/a")).unwrap();
        log.note(&AppliedEntry::Removed { id: "network".to_owned(), node: None }).unwrap();
        assert_eq!(read_applied(&path).unwrap().entries(), [entry("node/a")]);
    }
}
