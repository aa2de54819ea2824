//! What was decided once and must stay, in the environment's folder: the image, the end of its time, how often a group
//! was launched. All of it can be found again from the live objects' tags where the folder was lost.

use std::{
    collections::BTreeMap,
    io::Write as _,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard},
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::provider::{ErrorClass, ProviderError};

/// What is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Record {
    /// Processor architecture -> image.
    pub images: BTreeMap<String, Image>,
    /// When the environment may be destroyed, with the `ttl` that this comes from.
    pub expires: Option<(String, Timestamp)>,
    /// Launch -> its generation: a cloud that remembers a launch by its token would answer with machines that are
    /// gone, so that a launch after a removal needs another one.
    pub generations: BTreeMap<String, u64>,
}

/// A machine image that was pinned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// The cloud's identifier.
    pub id: String,
    /// Its name, for people.
    pub name: String,
    /// What it was chosen by: a family, a name's pattern. Another choice in the file is another image.
    pub choice: String,
}

/// The record and its file.
#[derive(Debug)]
pub struct RecordFile {
    path: PathBuf,
    record: Mutex<Option<Record>>,
}

impl RecordFile {
    /// The record of the environment with this folder. Reads nothing yet.
    #[must_use]
    pub fn of(folder: &Path) -> Self {
        Self { path: folder.join("cloud.json"), record: Mutex::new(None) }
    }

    /// What is kept now.
    ///
    /// # Errors
    /// When the file is there and cannot be read.
    pub fn get(&self) -> Result<Record, ProviderError> {
        Ok(self.loaded()?.clone().unwrap_or_default())
    }

    /// Changes what is kept; what `change` returns is handed on. Writes nothing where nothing changes.
    ///
    /// # Errors
    /// When the file cannot be read or written: then nothing is changed.
    pub fn change<T>(&self, change: impl FnOnce(&mut Record) -> T) -> Result<T, ProviderError> {
        let mut kept = self.loaded()?;
        let mut record = kept.clone().unwrap_or_default();
        let result = change(&mut record);
        if *kept != Some(record.clone()) {
            self.write(&record)?;
            *kept = Some(record);
        }
        Ok(result)
    }

    fn loaded(&self) -> Result<MutexGuard<'_, Option<Record>>, ProviderError> {
        let mut kept = self.record.lock().expect("nothing panics while it holds the record");
        if kept.is_none() {
            *kept = match std::fs::read(&self.path) {
                Ok(bytes) => Some(serde_json::from_slice(&bytes).map_err(|error| self.failed("read", &error))?),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => Some(Record::default()),
                Err(error) => return Err(self.failed("read", &error)),
            };
        }
        Ok(kept)
    }

    fn write(&self, record: &Record) -> Result<(), ProviderError> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        let write = || -> std::io::Result<()> {
            std::fs::create_dir_all(folder)?;
            let mut file = tempfile::NamedTempFile::new_in(folder)?;
            serde_json::to_writer_pretty(&mut file, record)?;
            file.write_all(b"\n")?;
            file.as_file().sync_all()?;
            file.persist(&self.path).map_err(|error| error.error)?;
            Ok(())
        };
        write().map_err(|error| self.failed("write", &error))
    }

    fn failed(&self, verb: &str, error: &dyn std::fmt::Display) -> ProviderError {
        ProviderError {
            doing: format!("{verb} {}", self.path.display()),
            message: error.to_string(),
            hint: Some("it can be removed: what it says is found again from the cloud's own objects".to_owned()),
            class: ErrorClass::Permanent,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_written_when_something_changes_and_read_by_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let file = RecordFile::of(folder.path());
        file.change(|_| ()).unwrap();
        assert!(!folder.path().join("cloud.json").exists());
        assert_eq!(file.change(|record| *record.generations.entry("app/1".to_owned()).or_insert(1)).unwrap(), 1);
        assert_eq!(RecordFile::of(folder.path()).get().unwrap(), file.get().unwrap());

        std::fs::write(folder.path().join("cloud.json"), "{").unwrap();
        assert!(RecordFile::of(folder.path()).get().unwrap_err().hint.unwrap().contains("removed"));
    }
}
