//! How far an environment has taken over another one's data: a file in its workspace.

use std::io;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    exit,
    journal::RunId,
    session::{Error, Session},
    workspace::{failed, write_private},
};

/// A move from one environment to another, as the other one remembers it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MigrationRecord {
    /// The environment that is moved.
    pub from: String,
    /// When it began.
    pub began: Timestamp,
    /// There was nothing in the other one's place when it began: nobody's data is in it.
    pub fresh: bool,
    /// The run of the last backup, once it was made.
    #[serde(default)]
    pub last_backup: Option<RunId>,
    /// When the last backup was begun.
    #[serde(default)]
    pub stopped: Option<Timestamp>,
    /// The run that restores.
    #[serde(default)]
    pub restore: Option<RunId>,
    /// When all was done and proven.
    #[serde(default)]
    pub done: Option<Timestamp>,
}

impl Session {
    /// What the environment remembers of a move into it.
    ///
    /// # Errors
    /// When the file is there and cannot be read.
    pub(super) fn migration_record(&self) -> Result<Option<MigrationRecord>, Error> {
        let path = self.workspace.migration();
        match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|error| {
                let message = format!("{} does not tell how far the move is: {error}", path.display());
                Error::refused(exit::FAILED, message, Some("remove it to begin the move anew"))
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed("cannot read", &path)(error).into()),
        }
    }

    pub(super) fn keep_migration(&self, record: &MigrationRecord) -> Result<(), Error> {
        self.workspace.create()?;
        let path = self.workspace.migration();
        let bytes = serde_json::to_vec_pretty(record).map_err(|error| failed("cannot write", &path)(error.into()))?;
        Ok(write_private(&path, &bytes)?)
    }
}
