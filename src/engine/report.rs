//! What came of a run.

use std::time::Duration;

use super::StepError;
use crate::{event::Event, exit, plan::StepId};

/// What came of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// Steps that were to be run: those of the plan that had not ended well before.
    pub total: usize,
    /// Steps that ended well.
    pub done: usize,
    /// Things that they changed.
    pub changed: usize,
    /// Steps that failed for good, in the order in which they did.
    pub failed: Vec<FailedStep>,
    /// Steps not tried because of one that failed, in plan order.
    pub blocked: Vec<Blocked>,
    /// Steps not tried, or not finished, because the run was stopped, in plan order.
    pub left: Vec<StepId>,
    /// Why the run was stopped, if it was.
    pub stopped: Option<String>,
    /// Running steps were abandoned: what they did is not known.
    pub abandoned: bool,
    /// The journal could not be written; the run was abandoned.
    pub journal_error: Option<String>,
    /// How long it took.
    pub elapsed: Duration,
}

/// A step that failed for good.
#[derive(Debug, Clone, PartialEq)]
pub struct FailedStep {
    /// Step.
    pub step: StepId,
    /// Node.
    pub node: Option<String>,
    /// What was being done.
    pub title: String,
    /// What happened.
    pub error: StepError,
}

/// A step that was not tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocked {
    /// Step.
    pub step: StepId,
    /// The failed step that it needs, directly or through others.
    pub because: StepId,
}

impl Report {
    /// Whether everything was done.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.done == self.total
    }

    /// The exit code that this deserves.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        if self.journal_error.is_some() {
            exit::FAILED
        } else if self.abandoned {
            exit::INTERRUPTED
        } else if !self.failed.is_empty() {
            exit::FAILED
        } else if self.is_done() {
            exit::DONE
        } else {
            exit::STOPPED
        }
    }

    /// The event that ends the run's events. The engine leaves it to its caller, who may have more to do (and say).
    #[must_use]
    pub fn finished(&self, run: &str, exit_code: u8) -> Event {
        Event::RunFinished {
            run: run.to_owned(),
            done: self.done,
            total: self.total,
            failed: self.failed.len(),
            elapsed_ms: u64::try_from(self.elapsed.as_millis()).unwrap_or(u64::MAX),
            exit_code,
        }
    }
}
