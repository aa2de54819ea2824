//! One run: its folder, and the journal that is being written.

use std::{
    fs::{File, OpenOptions},
    io::{self, Seek, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use jiff::{Timestamp, tz::TimeZone};
use rand::Rng;
use serde::{Deserialize, Serialize};

use super::{Entry, JournalError, Line, Record};
use crate::{
    clock::Clock,
    operator::Operator,
    plan::Plan,
    secrets::Redactor,
    workspace::{failed, make_private_folder, write_private},
};

/// Identifies a run: the minute in UTC and four letters, `20261123-2341-k3f9`. Sorts by time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(String);

impl RunId {
    /// A new one.
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        // Without letters and digits that look alike.
        const SIGNS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
        let mut random = rand::rng();
        let tail: String = (0..4).map(|_| char::from(SIGNS[random.random_range(0..SIGNS.len())])).collect();
        Self(format!("{}-{tail}", now.to_zoned_datetime(TimeZone::UTC).strftime("%Y%m%d-%H%M")))
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for RunId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&self.0)
    }
}

impl From<String> for RunId {
    fn from(id: String) -> Self {
        Self(id)
    }
}

/// What a journal's first line says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// What the user asked for, in words: `apply demo`. Never the argument list: it may hold secrets.
    pub command: String,
    /// Who.
    pub operator: Operator,
}

/// A run that is being written.
pub struct Run {
    id: RunId,
    folder: PathBuf,
    file: File,
    clock: Arc<dyn Clock>,
    redactor: Redactor,
}

impl Run {
    /// Makes the run's folder with its plan and the first line of its journal.
    pub(super) fn begin(
        runs: &Path,
        id: RunId,
        plan: &Plan,
        header: &Header,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, JournalError> {
        let folder = runs.join(id.as_str());
        make_private_folder(&folder)?;
        plan.save(&folder.join("plan.json"))?;
        Self::open(folder, id, clock)?.started(plan, header)
    }

    /// Opens a journal that is there, to write on where it ends.
    pub(super) fn go_on(
        folder: PathBuf,
        id: RunId,
        plan: &Plan,
        header: &Header,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, JournalError> {
        Self::open(folder, id, clock)?.started(plan, header)
    }

    fn open(folder: PathBuf, id: RunId, clock: Arc<dyn Clock>) -> Result<Self, JournalError> {
        let path = journal_path(&folder);
        let open = || {
            let mut file =
                OpenOptions::new().create(true).truncate(false).write(true).read(true).mode(0o600).open(&path)?;
            // A crash may have torn the last line: what comes next must not be glued to it.
            let whole = complete_length(&path)?;
            file.set_len(whole)?;
            file.seek(io::SeekFrom::End(0))?;
            // The file's name must survive a crash as well as its content.
            File::open(&folder)?.sync_all()?;
            Ok(file)
        };
        let file = open().map_err(failed("cannot open", &path))?;
        Ok(Self { id, folder, file, clock, redactor: Redactor::default() })
    }

    fn started(mut self, plan: &Plan, header: &Header) -> Result<Self, JournalError> {
        self.record(Entry::RunStarted {
            verb: plan.verb.to_string(),
            command: header.command.clone(),
            operator: header.operator.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            total: plan.steps.len(),
        })?;
        Ok(self)
    }

    /// Takes these secrets out of every error that is written from now on.
    pub fn redact_with(&mut self, redactor: Redactor) {
        self.redactor = redactor;
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> &RunId {
        &self.id
    }

    /// The file for the whole output of its steps.
    #[must_use]
    pub fn output(&self) -> PathBuf {
        self.folder.join("output.log")
    }

    /// Keeps a document beside the journal.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn keep(&self, name: &str, content: &[u8]) -> Result<(), JournalError> {
        Ok(write_private(&self.folder.join(name), content)?)
    }

    /// Writes that the run ended in an orderly way.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish(mut self, exit: u8) -> Result<(), JournalError> {
        self.record(Entry::RunFinished { exit })
    }
}

impl Record for Run {
    fn record(&mut self, mut entry: Entry) -> Result<(), JournalError> {
        if let Entry::StepFailed { error, .. } = &mut entry {
            *error = self.redactor.redact(error).into_owned();
        }
        let line = Line { at: self.clock.now(), entry };
        let mut write = || {
            let mut bytes = serde_json::to_vec(&line)?;
            bytes.push(b'\n');
            self.file.write_all(&bytes)?;
            self.file.sync_data()
        };
        write().map_err(|source: io::Error| JournalError::Write {
            path: journal_path(&self.folder).display().to_string(),
            source,
        })
    }
}

pub(super) fn journal_path(folder: &Path) -> PathBuf {
    folder.join("journal.jsonl")
}

/// Reads a journal. A last line without its end was being written when the machine stopped: it does not count.
pub(super) fn read(folder: &Path) -> Result<Vec<Line>, JournalError> {
    let path = journal_path(folder);
    let text = std::fs::read(&path).map_err(failed("cannot read", &path))?;
    let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let lines = text[..whole].split(|byte| *byte == b'\n').enumerate().filter(|(_, line)| !line.is_empty());
    lines
        .map(|(number, line)| {
            serde_json::from_slice(line).map_err(|error| JournalError::Line {
                path: path.display().to_string(),
                line: number + 1,
                reason: error.to_string(),
            })
        })
        .collect()
}

fn complete_length(path: &Path) -> io::Result<u64> {
    let bytes = std::fs::read(path)?;
    Ok(bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end as u64 + 1))
}
