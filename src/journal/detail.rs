//! One run in every detail: who worked on it, and what came of each step.

use std::collections::HashMap;

use jiff::Timestamp;
use serde::Serialize;

use super::{Entry, JournalError, RunId, RunSummary, Runs};
use crate::plan::{Plan, StepId};

/// A run with everything that its journal tells.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunDetail {
    /// What `runs` lists of it.
    #[serde(flatten)]
    pub summary: RunSummary,
    /// Everybody who worked on it, in order: more than one where it was resumed.
    pub sessions: Vec<RunSession>,
    /// Every step of its plan, in the plan's order.
    pub steps: Vec<StepRecord>,
}

/// One process that worked on a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RunSession {
    /// `user@host`.
    pub by: String,
    /// Version of refarch.
    pub version: String,
    /// When it began.
    pub started: Timestamp,
    /// When it ended; none where it broke off.
    pub ended: Option<Timestamp>,
    /// Its exit code, as far as it came to one.
    pub exit: Option<u8>,
}

/// What came of a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StepRecord {
    /// Step.
    pub step: StepId,
    /// Node.
    pub node: Option<String>,
    /// What was done.
    pub title: String,
    /// Why.
    pub reason: String,
    /// How it ended.
    pub outcome: StepEnd,
    /// How many times it was tried.
    pub attempts: u32,
    /// When it was tried first.
    pub started: Option<Timestamp>,
    /// When its last attempt ended.
    pub ended: Option<Timestamp>,
    /// Things that it changed.
    pub changed: usize,
    /// Why its last attempt failed.
    pub error: Option<String>,
}

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StepEnd {
    /// It ended well.
    Done,
    /// It failed for good.
    Failed,
    /// It began, and nobody wrote how it ended.
    Unknown,
    /// It never began.
    NotTried,
}

impl Runs {
    /// Everything about one run. `id` may be the beginning of one run's id, or `latest`.
    ///
    /// # Errors
    /// When there is no such run, or several begin so; when its files cannot be read.
    pub fn detail(&self, id: &str, active: Option<&str>) -> Result<RunDetail, JournalError> {
        let mut runs = self.list(active)?;
        let fits = |run: &RunSummary| run.id.as_str().starts_with(id);
        let place = match (id, runs.iter().filter(|run| fits(run)).count()) {
            ("latest", _) if !runs.is_empty() => 0,
            (_, 1) => runs.iter().position(fits).unwrap_or_default(),
            (_, 0) => return Err(JournalError::Unknown(id.to_owned())),
            _ => return Err(JournalError::Ambiguous(id.to_owned())),
        };
        let summary = runs.swap_remove(place);
        let plan = self.plan(&summary.id)?;
        let (sessions, steps) = self.history(&summary.id, &plan)?;
        Ok(RunDetail { summary, sessions, steps })
    }

    fn history(&self, id: &RunId, plan: &Plan) -> Result<(Vec<RunSession>, Vec<StepRecord>), JournalError> {
        let mut sessions: Vec<RunSession> = Vec::new();
        let mut steps: Vec<StepRecord> = plan
            .steps
            .iter()
            .map(|step| StepRecord {
                step: step.id.clone(),
                node: step.node.clone(),
                title: step.title.clone(),
                reason: step.reason.clone(),
                outcome: StepEnd::NotTried,
                attempts: 0,
                started: None,
                ended: None,
                changed: 0,
                error: None,
            })
            .collect();
        let places: HashMap<StepId, usize> =
            plan.steps.iter().enumerate().map(|(place, step)| (step.id.clone(), place)).collect();
        for line in self.read(id)? {
            let mut of = |step: &StepId| places.get(step).map(|place| *place).and_then(|place| steps.get_mut(place));
            match line.entry {
                Entry::RunStarted { operator, version, .. } => sessions.push(RunSession {
                    by: operator.to_string(),
                    version,
                    started: line.at,
                    ended: None,
                    exit: None,
                }),
                Entry::RunFinished { exit } => {
                    if let Some(session) = sessions.last_mut() {
                        (session.ended, session.exit) = (Some(line.at), Some(exit));
                    }
                }
                Entry::StepStarted { step, .. } => {
                    if let Some(record) = of(&step) {
                        record.attempts += 1;
                        record.outcome = StepEnd::Unknown;
                        record.started.get_or_insert(line.at);
                        record.ended = None;
                    }
                }
                Entry::StepFinished { step, changed, .. } => {
                    if let Some(record) = of(&step) {
                        (record.outcome, record.changed, record.ended) = (StepEnd::Done, changed, Some(line.at));
                        record.error = None;
                    }
                }
                Entry::StepFailed { step, error, again } => {
                    if let Some(record) = of(&step) {
                        record.outcome = if again { StepEnd::Unknown } else { StepEnd::Failed };
                        (record.error, record.ended) = (Some(error), Some(line.at));
                    }
                }
            }
        }
        Ok((sessions, steps))
    }
}
