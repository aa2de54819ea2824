//! A scripted executor, a journal in memory, and a runtime whose clock jumps.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
    sync::Mutex,
    time::Duration,
};

use futures_util::future::BoxFuture;
use refarch::{
    engine::{ErrorClass, Execute, StepError, StepOutcome},
    event::StepLog,
    journal::{Entry, JournalError, Record},
    plan::{Action, Plan, Risk, Step, StepId, Verb},
};

/// What a step does.
#[derive(Debug, Clone, Default)]
pub struct Script {
    pub takes: Duration,
    /// Outcome of each attempt that does not succeed.
    pub fails: Vec<ErrorClass>,
}

/// Executes scripts and notes what began and ended.
#[derive(Default)]
pub struct Fake {
    pub scripts: BTreeMap<StepId, Script>,
    pub seen: Mutex<Seen>,
}

#[derive(Default)]
pub struct Seen {
    /// Attempts by step.
    pub attempts: BTreeMap<StepId, usize>,
    /// Steps that ended well.
    pub done: BTreeSet<StepId>,
    /// Steps that began while a need had not ended well, or another step of their node ran.
    pub faults: Vec<String>,
    running: BTreeMap<StepId, Option<String>>,
    /// Most steps that ran at a time.
    pub most: usize,
}

impl Execute for Fake {
    fn run<'a>(&'a self, step: &'a Step, log: &'a StepLog) -> BoxFuture<'a, Result<StepOutcome, StepError>> {
        Box::pin(async move {
            let script = self.scripts.get(&step.id).cloned().unwrap_or_default();
            let attempt = {
                let mut seen = self.seen.lock().unwrap();
                for need in &step.needs {
                    if !seen.done.contains(need) {
                        seen.faults.push(format!("{} began before {need} was done", step.id));
                    }
                }
                if step.node.is_some() && seen.running.values().any(|node| *node == step.node) {
                    seen.faults.push(format!("{} began on a busy node", step.id));
                }
                if seen.done.contains(&step.id) {
                    seen.faults.push(format!("{} was run again", step.id));
                }
                seen.running.insert(step.id.clone(), step.node.clone());
                seen.most = seen.most.max(seen.running.len());
                let attempts = seen.attempts.entry(step.id.clone()).or_default();
                *attempts += 1;
                *attempts
            };
            let guard = Running { fake: self, step: &step.id };
            tokio::time::sleep(script.takes).await;
            log.line(format!("{} says hello", step.id));
            drop(guard);
            match script.fails.get(attempt - 1) {
                Some(class) => Err(StepError {
                    message: format!("attempt {attempt} went wrong"),
                    hint: Some("look closer".to_owned()),
                    class: *class,
                    tail: vec![],
                }),
                None => {
                    self.seen.lock().unwrap().done.insert(step.id.clone());
                    Ok(StepOutcome { changed: 1 })
                }
            }
        })
    }
}

/// A step that is abandoned does not run any more either.
struct Running<'a> {
    fake: &'a Fake,
    step: &'a StepId,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.fake.seen.lock().unwrap().running.remove(self.step);
    }
}

/// Keeps entries, and breaks when told.
#[derive(Default)]
pub struct Memory {
    pub entries: Vec<Entry>,
    /// Entries that can be written; the next one is lost.
    pub room: Option<usize>,
}

impl Record for Memory {
    fn record(&mut self, entry: Entry) -> Result<(), JournalError> {
        if self.room == Some(self.entries.len()) {
            let source = std::io::Error::other("the power is gone");
            return Err(JournalError::Write { path: "memory".to_owned(), source });
        }
        self.entries.push(entry);
        Ok(())
    }
}

impl Memory {
    pub fn finished(&self) -> BTreeSet<StepId> {
        let ended = |entry: &Entry| match entry {
            Entry::StepFinished { step, .. } => Some(step.clone()),
            _ => None,
        };
        self.entries.iter().filter_map(ended).collect()
    }
}

pub fn step(id: &str, node: Option<&str>, needs: &[String]) -> Step {
    Step {
        id: id.into(),
        node: node.map(str::to_owned),
        title: format!("do {id}"),
        reason: "scripted".to_owned(),
        needs: needs.iter().map(|need| StepId::from(need.as_str())).collect(),
        risk: Risk::None,
        action: Action::AwaitNode,
        changes: vec![],
    }
}

pub fn plan(steps: Vec<Step>) -> Plan {
    let plan = Plan {
        environment: "demo".to_owned(),
        verb: Verb::Apply,
        to: None,
        steps,
        notes: vec![],
        unreachable: vec![],
        infrastructure_only: false,
        source: None,
        downtime: Vec::new(),
        money: None,
    };
    plan.validate().unwrap();
    plan
}

/// Runs a future with time that jumps to the next timer as soon as nothing else is left to do.
pub fn jumping<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(future)
}
