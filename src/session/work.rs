//! Does what steps say.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use futures_util::future::BoxFuture;

use super::leave::Parting;
use crate::{
    configure::{
        Author, ConfigureError, Mode, Moment, Outcome, RecordLine, Stage, StageReport, Task, record, run_stage,
    },
    engine::{ErrorClass, Execute, StepError, StepOutcome},
    event::StepLog,
    journal::AppliedLog,
    plan::{Action, AppliedEntry, Step},
    provider::{Change, Host, Provider, ProviderError},
    remote::{Program, Remote, RemoteError},
};

/// No other environment's backups.
pub(super) static NO_SOURCES: BTreeMap<String, String> = BTreeMap::new();
/// How long a node may take from its creation until SSH answers.
const ARRIVAL: Duration = Duration::from_secs(300);

/// The executor of an environment's steps.
pub(super) struct Work<'a> {
    pub provider: &'a dyn Provider,
    pub remote: &'a dyn Remote,
    /// What is known of the nodes by now.
    pub scene: RwLock<Arc<Scene>>,
    /// Finds the nodes anew, and renders for the addresses that they have.
    pub look: &'a (dyn Fn() -> BoxFuture<'a, Result<Scene, StepError>> + Send + Sync),
    /// Shell text before every task: what it is told of the run.
    pub told: &'a str,
    /// Role -> shell text before what it prepares: how it gets at another environment's backups.
    pub sources: &'a BTreeMap<String, String>,
    /// Keeps what is as wanted now; none where everything is removed.
    pub applied: Option<&'a AppliedLog>,
    /// Whose work the nodes record.
    pub author: Author,
}

/// The nodes with what is to be done on them.
#[derive(Debug, Default)]
pub(super) struct Scene {
    pub hosts: BTreeMap<String, Host>,
    pub stages: BTreeMap<String, Vec<Stage>>,
    pub tasks: BTreeMap<String, Vec<Task>>,
}

impl Scene {
    /// With nodes that go for good, which the environment file does not name any more.
    pub(super) fn with(mut self, parting: &Parting) -> Self {
        for (node, host) in &parting.hosts {
            self.hosts.entry(node.clone()).or_insert_with(|| host.clone());
        }
        for (node, tasks) in &parting.tasks {
            self.tasks.insert(node.clone(), tasks.clone());
        }
        self
    }
}

impl Execute for Work<'_> {
    fn run<'a>(&'a self, step: &'a Step, log: &'a StepLog) -> BoxFuture<'a, Result<StepOutcome, StepError>> {
        Box::pin(async move {
            match &step.action {
                Action::Infrastructure(change) => self.infrastructure(change, log).await,
                Action::Locate => self.locate(log).await,
                Action::AwaitNode => self.arrive(step, log).await,
                Action::Configure { role } => self.configure(step, role, log).await,
                Action::Task { role, moment } => self.task(step, role, *moment, log).await,
                Action::Drill { .. } => {
                    Err(permanent("a drill is not a step of a plan that is carried out".to_owned()))
                }
            }
        })
    }
}

impl Work<'_> {
    async fn infrastructure(&self, change: &Change, log: &StepLog) -> Result<StepOutcome, StepError> {
        let done = match change {
            Change::Create { resource } => self.provider.create(resource, log).await,
            Change::Start { resource } => self.provider.start(resource, log).await,
            Change::Update { resource, fields, .. } => self.provider.update(resource, fields, log).await,
            Change::Replace { resource, .. } => self.replace(resource, log).await,
            Change::Delete { live } => {
                if let Some(node) = &live.node {
                    self.remote.forget(node).await;
                }
                self.provider.delete(live, log).await
            }
        };
        done.map_err(provider_error)?;
        self.note(&match change {
            Change::Create { resource }
            | Change::Start { resource }
            | Change::Update { resource, .. }
            | Change::Replace { resource, .. } => AppliedEntry::resource(resource),
            Change::Delete { live } => AppliedEntry::Removed { id: live.id.clone(), node: live.node.clone() },
        })?;
        Ok(StepOutcome { changed: 1 })
    }

    fn note(&self, entry: &AppliedEntry) -> Result<(), StepError> {
        self.applied.map_or(Ok(()), |applied| applied.note(entry)).map_err(|error| permanent(error.to_string()))
    }

    /// Keeps what came of a stage: what is as wanted here, what was changed on the node itself.
    async fn keep(&self, host: &Host, stage: &Stage, report: &StageReport, done: bool) -> Result<(), StepError> {
        let good = report.results.iter().filter(|result| matches!(result.outcome, Outcome::Ok | Outcome::Changed));
        let settled: BTreeSet<&str> = good.map(|result| result.id.as_str()).collect();
        self.note(&AppliedEntry::stage(stage, &settled))?;
        self.tell(host, &stage.role, done, report.news()).await
    }

    async fn tell(&self, host: &Host, what: &str, done: bool, news: Vec<String>) -> Result<(), StepError> {
        if news.is_empty() {
            return Ok(());
        }
        let line = RecordLine::new(&self.author, jiff::Timestamp::now(), what, done, news);
        record::append(self.remote, host, &line).await.map_err(|error| remote_error(&error))
    }

    async fn replace(&self, resource: &crate::provider::Resource, log: &StepLog) -> Result<(), ProviderError> {
        let live = self.provider.observe().await?;
        if let Some(old) = live.iter().find(|live| live.id == resource.id) {
            if let Some(node) = &old.node {
                self.remote.forget(node).await;
            }
            self.provider.delete(old, log).await?;
        }
        self.provider.create(resource, log).await
    }

    fn scene(&self) -> Arc<Scene> {
        Arc::clone(&self.scene.read().unwrap_or_else(PoisonError::into_inner))
    }

    async fn locate(&self, log: &StepLog) -> Result<StepOutcome, StepError> {
        let scene = (self.look)().await?;
        log.line(format!("{} nodes have addresses", scene.hosts.len()));
        *self.scene.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(scene);
        Ok(StepOutcome::default())
    }

    async fn arrive(&self, step: &Step, log: &StepLog) -> Result<StepOutcome, StepError> {
        let scene = self.scene();
        let mut host = host(&scene, step)?.clone();
        if host.host_key.is_none() || host.jump.is_some() && host.jump_key.is_none() {
            self.provider.identify(&host.node, log).await.map_err(provider_error)?;
        }
        if let Some(fresh) = self.provider.rehost(&host.node).await.map_err(provider_error)? {
            // Started anew it may have another address outside, and its key may be known by now.
            let mut scenes = self.scene.write().unwrap_or_else(PoisonError::into_inner);
            let mut scene =
                Scene { hosts: scenes.hosts.clone(), stages: scenes.stages.clone(), tasks: scenes.tasks.clone() };
            scene.hosts.insert(fresh.node.clone(), fresh.clone());
            *scenes = Arc::new(scene);
            host = fresh;
        }
        let host = &host;
        // What answered before is gone or was started anew.
        self.remote.forget(&host.node).await;
        self.remote.await_ready(host, ARRIVAL).await.map_err(|error| remote_error(&error))?;
        Ok(StepOutcome::default())
    }

    async fn configure(&self, step: &Step, role: &str, log: &StepLog) -> Result<StepOutcome, StepError> {
        let scene = self.scene();
        let host = host(&scene, step)?;
        let stage = scene
            .stages
            .get(&host.node)
            .and_then(|stages| stages.iter().find(|stage| stage.role == role))
            .ok_or_else(|| permanent(format!("{} has no role {role} any more", host.node)))?;
        match run_stage(self.remote, host, stage, Mode::Apply, log).await {
            Ok(report) => {
                self.keep(host, stage, &report, true).await?;
                Ok(StepOutcome { changed: report.changed() })
            }
            Err(ConfigureError::Remote(error)) => Err(remote_error(&error)),
            Err(error) => {
                if let ConfigureError::Failed { report, .. } = &error {
                    // The step's own failure is the news; that it could not be recorded as well is not.
                    let _ = self.keep(host, stage, report, false).await;
                }
                Err(StepError {
                    message: error.to_string(),
                    hint: error.hint().map(str::to_owned),
                    class: ErrorClass::Permanent,
                    tail: error.output().to_vec(),
                })
            }
        }
    }

    async fn task(&self, step: &Step, role: &str, moment: Moment, log: &StepLog) -> Result<StepOutcome, StepError> {
        let scene = self.scene();
        let node = step.node.as_deref().unwrap_or_default();
        let task = scene
            .tasks
            .get(node)
            .and_then(|tasks| tasks.iter().find(|task| task.role == role && task.moment == moment))
            .ok_or_else(|| permanent(format!("{node} has nothing of {role} to do any more")))?;
        let host = named(&scene, task.on.as_deref().unwrap_or(node))?;
        let source = self.sources.get(role).filter(|_| moment == Moment::Prepare).map_or("", String::as_str);
        let program = Program {
            command: "sh -s 2>&1".to_owned(),
            stdin: format!("{}{source}{}", self.told, task.run).into_bytes(),
            root: true,
            deadline: Duration::from_secs(u64::from(task.deadline)),
        };
        let output =
            self.remote.run(host, program, &|line| log.line(line)).await.map_err(|error| remote_error(&error))?;
        if output.code == Some(0) {
            self.tell(host, role, true, vec![format!("{} done", moment.name())]).await?;
            return Ok(StepOutcome::default());
        }
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let tail: Vec<String> = said.lines().rev().take(20).map(str::to_owned).collect();
        let message = tail.first().cloned().unwrap_or_else(|| match output.code {
            Some(code) => format!("ended with code {code}"),
            None => "ended by a signal".to_owned(),
        });
        Err(StepError {
            message,
            hint: Some(hint(moment).to_owned()),
            class: ErrorClass::Permanent,
            tail: tail.into_iter().rev().collect(),
        })
    }
}

fn host<'a>(scene: &'a Scene, step: &Step) -> Result<&'a Host, StepError> {
    named(scene, step.node.as_deref().unwrap_or_default())
}

fn named<'a>(scene: &'a Scene, node: &str) -> Result<&'a Host, StepError> {
    scene.hosts.get(node).ok_or_else(|| permanent(format!("nobody knows the address of `{node}`")))
}

/// What a failed task means.
fn hint(moment: Moment) -> &'static str {
    match moment {
        Moment::Leave | Moment::Settle | Moment::Finish => {
            "the nodes after this one keep the old version and go on serving"
        }
        Moment::Possible | Moment::Part | Moment::Forget => "the same command again goes on where this one stopped",
        Moment::Drainable | Moment::Drain => {
            "everything serves as before, from where it is now; the same command again goes on. To keep the node, set its \
             group's count back and apply"
        }
        Moment::Backup | Moment::List => {
            "older backups are as they were; the object storage and its keys are the first to look at"
        }
        Moment::Verify => "the live data was not touched; do not rely on this backup",
        Moment::Prepare => "nothing was changed: the live data serves as before",
        Moment::Quiet | Moment::Still | Moment::Place => {
            "the same command again goes on; `refarch apply` lets the environment serve as before"
        }
        Moment::Halt | Moment::Swap | Moment::Return => {
            "the environment may be down: `refarch resume` goes on; the data from before is kept beside the new as \
             `.before-restore`"
        }
    }
}

fn provider_error(error: ProviderError) -> StepError {
    StepError { message: error.to_string(), hint: error.hint, class: error.class, tail: Vec::new() }
}

/// A lost connection is worth another try, because stages are idempotent; a wrong key is not.
fn remote_error(error: &RemoteError) -> StepError {
    let (class, hint) = match error {
        RemoteError::Connect { .. } | RemoteError::Lost { .. } => (ErrorClass::Transient, None),
        RemoteError::HostKey { .. } => (
            ErrorClass::Permanent,
            Some(
                "somebody may be in between, or the machine was made anew behind refarch's back; if you know that \
                 it was, remove its line from the environment's known_hosts",
            ),
        ),
        RemoteError::Login { .. } => {
            (ErrorClass::Permanent, Some("check `ssh.user` and `ssh.identity`, and that the agent has the key"))
        }
        RemoteError::Deadline { .. } => {
            (ErrorClass::Permanent, Some("the same command again goes on where this one stopped"))
        }
    };
    StepError { message: error.to_string(), hint: hint.map(str::to_owned), class, tail: Vec::new() }
}

fn permanent(message: String) -> StepError {
    StepError { message, hint: None, class: ErrorClass::Permanent, tail: Vec::new() }
}

#[cfg(test)]
#[path = "work_tests.rs"]
mod tests;
