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
            let record = line.entry.step().and_then(|step| steps.get_mut(*places.get(step)?));
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
                Entry::StepStarted { .. } => {
                    if let Some(record) = record {
                        record.attempts += 1;
                        record.outcome = StepEnd::Unknown;
                        record.started.get_or_insert(line.at);
                        record.ended = None;
                    }
                }
                Entry::StepFinished { changed, .. } => {
                    if let Some(record) = record {
                        (record.outcome, record.changed, record.ended) = (StepEnd::Done, changed, Some(line.at));
                        record.error = None;
                    }
                }
                Entry::StepFailed { error, again, .. } => {
                    if let Some(record) = record {
                        record.outcome = if again { StepEnd::Unknown } else { StepEnd::Failed };
                        (record.error, record.ended) = (Some(error), Some(line.at));
                    }
                }
            }
        }
        Ok((sessions, steps))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        clock::TestClock,
        exit,
        journal::{Header, Record},
        operator::Operator,
        plan::{Action, Risk, Step, Verb},
    };

    fn step(id: &str) -> Step {
        Step {
            id: id.into(),
            node: Some("demo-app-1".to_owned()),
            title: "configure app".to_owned(),
            reason: "it differs".to_owned(),
            needs: vec![],
            risk: Risk::None,
            action: Action::AwaitNode,
            changes: vec![],
        }
    }

    #[test]
    fn a_run_tells_who_worked_on_it_and_what_came_of_every_step() {
        let folder = tempfile::tempdir().unwrap();
        let runs = Runs::at(folder.path().to_owned(), Arc::new(TestClock::at("2026-11-23T23:41:00Z")));
        let plan = Plan {
            environment: "demo".to_owned(),
            verb: Verb::Apply,
            to: None,
            steps: vec![step("a"), step("b"), step("c")],
            notes: vec![],
            unreachable: vec![],
            infrastructure_only: false,
            source: None,
            downtime: Vec::new(),
            money: None,
        };
        let header = Header { command: "apply demo".to_owned(), operator: Operator::current() };
        let mut run = runs.begin(runs.new_id(), &plan, &header).unwrap();
        let id = run.id().clone();
        let started =
            |step: &str, attempt| Entry::StepStarted { step: step.into(), node: None, title: String::new(), attempt };
        let failed = |step: &str, again| Entry::StepFailed { step: step.into(), error: "no".to_owned(), again };
        for entry in [
            started("a", 1),
            failed("a", true),
            started("a", 2),
            Entry::StepFinished { step: "a".into(), changed: 3, elapsed_ms: 5 },
            started("b", 1),
            failed("b", false),
        ] {
            run.record(entry).unwrap();
        }
        run.finish(exit::FAILED).unwrap();
        runs.resume(&id, &header).unwrap().run.record(started("c", 1)).unwrap();

        let detail = runs.detail("latest", None).unwrap();
        assert_eq!(detail, runs.detail(&id.as_str()[..8], None).unwrap());
        let ends: Vec<_> = detail.sessions.iter().map(|session| session.exit).collect();
        assert_eq!(ends, [Some(exit::FAILED), None]);
        let told = |step: &StepRecord| (step.outcome, step.attempts, step.changed, step.error.clone());
        assert_eq!(
            detail.steps.iter().map(told).collect::<Vec<_>>(),
            [
                (StepEnd::Done, 2, 3, None),
                (StepEnd::Failed, 1, 0, Some("no".to_owned())),
                (StepEnd::Unknown, 1, 0, None)
            ]
        );
        assert!(matches!(runs.detail("2027", None), Err(JournalError::Unknown(_))));
    }
}
