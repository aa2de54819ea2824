//! Running a plan: secrets first, then the engine, with the journal beside it.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use super::{Error, Reach, Session, vault::Fill, work::Work};
use crate::{
    clock::SystemClock,
    configure::Author,
    engine::{self, Options, Report, StopSignal},
    event::Events,
    journal::{AppliedLog, Header, OutputLog, Resumed, Run, RunId, Runs},
    lock::{Lease, Lock, LockRequest},
    operator::Operator,
    plan::{Plan, StepId, Verb},
};

/// How a plan is run.
pub struct RunRequest<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// The journal, begun.
    pub run: Run,
    /// Steps that ended well before.
    pub finished: BTreeSet<StepId>,
    /// Steps at a time.
    pub concurrency: usize,
    /// Where events go.
    pub events: &'a Events,
    /// Where the steps' output is kept.
    pub log: &'a OutputLog,
    /// Says when to stop.
    pub stop: StopSignal,
}

/// What came of a run, and its journal, which the caller closes with the exit code.
pub struct Ran {
    /// What was done.
    pub report: Report,
    /// The journal.
    pub run: Run,
}

impl Session {
    /// Takes the environment's lock.
    ///
    /// # Errors
    /// When somebody else holds it for longer than `wait`.
    pub async fn lock(
        &self,
        command: &str,
        run: Option<&RunId>,
        wait: Option<Duration>,
        waiting: impl FnOnce(&Lease),
    ) -> Result<Lock, Error> {
        self.workspace.create()?;
        let request = LockRequest {
            operator: Operator::current(),
            command: command.to_owned(),
            run: run.map(ToString::to_string),
            wait,
        };
        Ok(Lock::acquire(&self.workspace.lock(), request, Arc::new(SystemClock), waiting).await?)
    }

    /// The environment's runs.
    #[must_use]
    pub fn runs(&self) -> Runs {
        Runs::of(&self.workspace)
    }

    /// Begins a run.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub fn begin(&self, id: RunId, plan: &Plan, command: &str) -> Result<Run, Error> {
        Ok(self.runs().begin(id, plan, &header(command))?)
    }

    /// Takes a run up where it ended.
    ///
    /// # Errors
    /// When there is no such run, or its files cannot be read.
    pub fn take_up(&self, id: &RunId, command: &str) -> Result<Resumed, Error> {
        Ok(self.runs().resume(id, &header(command))?)
    }

    /// Runs a plan. The last event of the run is left to the caller, who knows what else belongs to it.
    ///
    /// # Errors
    /// When nothing could be started: secrets that cannot be made, roles that cannot be rendered.
    pub async fn execute(&self, reach: &Reach, request: RunRequest<'_>) -> Result<Ran, Error> {
        let RunRequest { plan, mut run, finished, concurrency, events, log, stop } = request;
        let addresses = self.addresses(&reach.hosts);
        let (stages, tasks, redactor) = match plan.verb {
            Verb::Apply | Verb::Upgrade | Verb::Backup | Verb::Verify | Verb::Restore => {
                let store = self.secrets(&addresses, Fill::Make)?;
                (self.stages(&addresses, &store)?, self.tasks(&addresses)?, store.redactor())
            }
            Verb::Destroy => Default::default(),
        };
        let applied = match plan.verb {
            Verb::Apply | Verb::Upgrade => Some(AppliedLog::open(&self.workspace.applied())?),
            Verb::Backup | Verb::Verify | Verb::Restore | Verb::Destroy => None,
        };
        let told = self.told(plan)?;
        log.redact_with(redactor.clone());
        log.write_to(&run.output())?;
        run.redact_with(redactor);
        let work = Work {
            provider: self.provider.as_ref(),
            remote: &reach.remote,
            hosts: &reach.hosts,
            stages: &stages,
            tasks: &tasks,
            told: &told,
            applied: applied.as_ref(),
            author: Author { run: run.id().to_string(), by: Operator::current().to_string() },
        };
        let options = Options {
            run: run.id().to_string(),
            concurrency,
            finished,
            durations: self.runs().durations(),
            ..Options::default()
        };
        let report = engine::execute(plan, &work, options, events, &mut run, stop).await;
        Ok(Ran { report, run })
    }
}

fn header(command: &str) -> Header {
    Header { command: command.to_owned(), operator: Operator::current() }
}
