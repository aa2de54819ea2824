//! Running a plan: secrets first, then the engine, with the journal beside it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, RwLock},
};

use futures_util::future::BoxFuture;

use super::{
    Error, Reach, Session,
    team::Known,
    vault::Fill,
    work::{Scene, Work},
};
use crate::{
    configure::Author,
    engine::{self, ErrorClass, Options, Report, StepError, StopSignal},
    event::Events,
    exit,
    journal::{AppliedLog, Header, OutputLog, Resumed, Run, RunId, Runs},
    operator::Operator,
    plan::{Action, Plan, Step, StepId, Verb},
    provider::{Change, Resource},
    remote::SshRemote,
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
        let name = id.to_string();
        let run = self.runs().begin(id, plan, &header(command))?;
        self.note_bundle(&name)?;
        Ok(run)
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
            Verb::Destroy | Verb::Drill => Default::default(),
        };
        let applied = match plan.verb {
            Verb::Apply | Verb::Upgrade => Some(AppliedLog::open(&self.workspace.applied())?),
            Verb::Backup | Verb::Verify | Verb::Restore | Verb::Destroy | Verb::Drill => None,
        };
        let told = self.told(plan)?;
        let (sources, redactor) = match &plan.source {
            Some(source) => {
                let (texts, theirs) = self.source(source)?.ways()?;
                (texts, redactor.and(&theirs))
            }
            None => (BTreeMap::new(), redactor),
        };
        log.redact_with(redactor.clone());
        log.write_to(&run.output())?;
        run.redact_with(redactor);
        // Nodes that the environment file does not have any more, and that have something to do before they go.
        let parting = self.parting_of(plan).await?;
        let look = || -> BoxFuture<'_, Result<Scene, StepError>> {
            Box::pin(async {
                let scene = self.scene(&reach.remote).await.map_err(|error| step_error(&error))?;
                Ok(scene.with(&parting))
            })
        };
        let pending: Vec<Resource> =
            plan.steps.iter().filter(|step| !finished.contains(&step.id)).filter_map(made).collect();
        self.provider.announce(run.id().as_str(), &pending);
        let scene = Scene { hosts: reach.hosts.clone(), stages, tasks }.with(&parting);
        let work = Work {
            provider: self.provider.as_ref(),
            remote: &reach.remote,
            scene: RwLock::new(Arc::new(scene)),
            look: &look,
            told: &told,
            sources: &sources,
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
        let known = Known { session: self, work: &work };
        let report = engine::execute(plan, &known, options, events, &mut run, stop).await;
        Ok(Ran { report, run })
    }

    /// The nodes as they are now, with everything rendered for the addresses that they have.
    async fn scene(&self, remote: &SshRemote) -> Result<Scene, Error> {
        let hosts = self.provider.hosts(&self.topology).await?;
        self.find_balancers().await?;
        remote
            .write_config(&hosts)
            .map_err(|error| Error::refused(exit::FAILED, format!("ssh cannot be set up: {error}"), None))?;
        let hosts = hosts.into_iter().map(|host| (host.node.clone(), host)).collect();
        let addresses = self.addresses(&hosts);
        let store = self.secrets(&addresses, Fill::Make)?;
        Ok(Scene { stages: self.stages(&addresses, &store)?, tasks: self.tasks(&addresses)?, hosts })
    }
}

/// What a step makes.
fn made(step: &Step) -> Option<Resource> {
    match &step.action {
        Action::Infrastructure(Change::Create { resource } | Change::Replace { resource, .. }) => {
            Some(resource.clone())
        }
        _ => None,
    }
}

fn step_error(error: &Error) -> StepError {
    let class = match error {
        Error::Provider(error) => error.class,
        _ => ErrorClass::Permanent,
    };
    StepError { message: error.to_string(), hint: error.hint(), class, tail: Vec::new() }
}

fn header(command: &str) -> Header {
    Header { command: command.to_owned(), operator: Operator::current() }
}
