//! The lines of a journal.

use std::io;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    operator::Operator,
    plan::{PlanError, StepId},
    workspace::WorkspaceError,
};

/// A line of `journal.jsonl`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// When it was written.
    pub at: Timestamp,
    /// What it says.
    #[serde(flatten)]
    pub entry: Entry,
}

/// What a line says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Entry {
    /// A process begins to work on the plan: the first line, and once more for every `resume`.
    RunStarted {
        /// `apply`, `destroy`.
        verb: String,
        /// What the user asked for, in words. Never the argument list: it may hold secrets.
        command: String,
        /// Who.
        operator: Operator,
        /// Version of refarch.
        version: String,
        /// Steps of the plan.
        total: usize,
    },
    /// A step is about to be tried.
    StepStarted {
        /// Step.
        step: StepId,
        /// Node.
        node: Option<String>,
        /// What is done.
        title: String,
        /// Attempt, from 1.
        attempt: u32,
    },
    /// A step ended well. It is not run again.
    StepFinished {
        /// Step.
        step: StepId,
        /// Things changed.
        changed: usize,
        /// Milliseconds of the attempt that succeeded.
        elapsed_ms: u64,
    },
    /// An attempt failed.
    StepFailed {
        /// Step.
        step: StepId,
        /// What happened.
        error: String,
        /// Whether it will be tried again in this run.
        again: bool,
    },
    /// The process ended its work in an orderly way.
    RunFinished {
        /// Exit code.
        exit: u8,
    },
}

impl Entry {
    /// The step that it is about.
    #[must_use]
    pub fn step(&self) -> Option<&StepId> {
        match self {
            Self::StepStarted { step, .. } | Self::StepFinished { step, .. } | Self::StepFailed { step, .. } => {
                Some(step)
            }
            Self::RunStarted { .. } | Self::RunFinished { .. } => None,
        }
    }
}

/// Where the engine writes what it is about to do and what came of it.
pub trait Record: Send {
    /// Writes an entry so that it survives a crash.
    ///
    /// # Errors
    /// When it cannot be written: then nothing more may be done.
    fn record(&mut self, entry: Entry) -> Result<(), JournalError>;
}

/// A journal that cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// A file could not be used.
    #[error(transparent)]
    File(#[from] WorkspaceError),
    /// A line could not be written.
    #[error("cannot write to the journal {path}: {source}")]
    Write {
        /// Journal.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// A line that is not the last one cannot be read.
    #[error("{path}:{line}: not a line of a journal: {reason}")]
    Line {
        /// Journal.
        path: String,
        /// Line, from 1.
        line: usize,
        /// Why.
        reason: String,
    },
    /// The run's plan cannot be used.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// There is no such run.
    #[error("there is no run `{0}`")]
    Unknown(String),
    /// More than one run begins so.
    #[error("more than one run begins with `{0}`")]
    Ambiguous(String),
}
