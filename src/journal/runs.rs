//! All runs of an environment.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use serde::Serialize;

use super::{Durations, Entry, Header, JournalError, Line, Run, RunId, run};
use crate::{
    clock::{Clock, SystemClock},
    exit,
    plan::{Plan, StepId},
    workspace::{Workspace, failed},
};

/// Runs that are read to learn how long steps take.
const LEARN_FROM: usize = 10;

/// The folder of an environment's runs.
#[derive(Clone)]
pub struct Runs {
    folder: PathBuf,
    clock: Arc<dyn Clock>,
}

/// A run as `runs` lists it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunSummary {
    /// Id.
    pub id: RunId,
    /// `apply`, `destroy`.
    pub verb: String,
    /// What was asked for.
    pub command: String,
    /// `user@host` of whoever worked on it last.
    pub by: String,
    /// When it began.
    pub started: Timestamp,
    /// From its first to its last line.
    pub duration: Duration,
    /// How it ended, or not.
    pub state: RunState,
    /// Steps done.
    pub done: usize,
    /// Steps of the plan.
    pub total: usize,
}

/// How a run ended, or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// Somebody works on it now.
    Running,
    /// All was done.
    Done,
    /// Something failed.
    Failed,
    /// Stopped on request.
    Stopped,
    /// It broke off: interrupted twice, killed, or the machine stopped.
    Interrupted,
}

impl RunState {
    /// As it is shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
            Self::Interrupted => "interrupted",
        }
    }
}

/// A run that is taken up again.
pub struct Resumed {
    /// Its journal.
    pub run: Run,
    /// Its plan.
    pub plan: Plan,
    /// Steps that ended well and are not run again.
    pub finished: BTreeSet<StepId>,
}

impl Runs {
    /// The runs of a workspace.
    #[must_use]
    pub fn of(workspace: &Workspace) -> Self {
        Self::at(workspace.runs(), Arc::new(SystemClock))
    }

    /// The runs in a folder, by another clock.
    #[must_use]
    pub fn at(folder: PathBuf, clock: Arc<dyn Clock>) -> Self {
        Self { folder, clock }
    }

    /// A new id. The lock names the run, so it is needed before the run begins.
    #[must_use]
    pub fn new_id(&self) -> RunId {
        RunId::new(self.clock.now())
    }

    /// Begins a run: writes the plan and the journal's first line.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn begin(&self, id: RunId, plan: &Plan, header: &Header) -> Result<Run, JournalError> {
        Run::begin(&self.folder, id, plan, header, self.clock.clone())
    }

    /// Takes a run up where it ended.
    ///
    /// # Errors
    /// When there is no such run, or its files cannot be read or written.
    pub fn resume(&self, id: &RunId, header: &Header) -> Result<Resumed, JournalError> {
        let (plan, journal) = self.load(id)?;
        let finished = finished(&journal);
        let run = Run::go_on(self.folder.join(id.as_str()), id.clone(), &plan, header, self.clock.clone())?;
        Ok(Resumed { run, plan, finished })
    }

    /// The plan of a run.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn plan(&self, id: &RunId) -> Result<Plan, JournalError> {
        Ok(Plan::load(&self.folder.join(id.as_str()).join("plan.json"))?)
    }

    /// The plan of a run and every line of its journal.
    ///
    /// # Errors
    /// When there is no such run, or its files cannot be read.
    pub fn load(&self, id: &RunId) -> Result<(Plan, Vec<Line>), JournalError> {
        if !run::journal_path(&self.folder.join(id.as_str())).exists() {
            return Err(JournalError::Unknown(id.to_string()));
        }
        Ok((self.plan(id)?, self.read(id)?))
    }

    /// A document that was kept beside a run's journal; none where it was not.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn kept(&self, id: &RunId, name: &str) -> Result<Option<Vec<u8>>, JournalError> {
        let path = self.folder.join(id.as_str()).join(name);
        match fs::read(&path) {
            Ok(content) => Ok(Some(content)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed("cannot read", &path)(error).into()),
        }
    }

    /// Every line of a run's journal.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(&self, id: &RunId) -> Result<Vec<Line>, JournalError> {
        run::read(&self.folder.join(id.as_str()))
    }

    /// All runs, the latest first. `active` is the run that the lock names, while somebody holds it.
    ///
    /// # Errors
    /// When the folder or a journal cannot be read.
    pub fn list(&self, active: Option<&str>) -> Result<Vec<RunSummary>, JournalError> {
        let mut runs = Vec::new();
        for folder in self.folders()? {
            let id = RunId::from(name(&folder));
            let is_active = active == Some(id.as_str());
            runs.extend(summary(id, &run::read(&folder)?, is_active));
        }
        runs.sort_by(|a, b| (b.started, &b.id).cmp(&(a.started, &a.id)));
        Ok(runs)
    }

    /// The run that `resume` takes up: the latest one, unless it was done. An older one is of the past: what came after
    /// it saw its work. Whether somebody works on it is for the lock to say.
    ///
    /// # Errors
    /// When the folder or a journal cannot be read.
    pub fn latest_unfinished(&self) -> Result<Option<RunSummary>, JournalError> {
        // What a drill left is not taken up again: the next command mends it.
        let latest = self.list(None)?.into_iter().find(|run| run.verb != crate::plan::Verb::Drill.as_str());
        Ok(latest.filter(|run| run.state != RunState::Done))
    }

    /// How long steps took in the latest runs. What cannot be read is left out: it is only a guess anyway.
    #[must_use]
    pub fn durations(&self) -> Durations {
        let mut durations = Durations::default();
        let folders = self.folders().unwrap_or_default();
        for folder in folders.iter().skip(folders.len().saturating_sub(LEARN_FROM)) {
            let lines = run::read(folder).unwrap_or_default();
            let mut titles: BTreeMap<&StepId, &str> = BTreeMap::new();
            for line in &lines {
                match &line.entry {
                    Entry::StepStarted { step, title, .. } => {
                        titles.insert(step, title);
                    }
                    Entry::StepFinished { step, elapsed_ms, .. } => {
                        let title = titles.get(step).copied().unwrap_or_default();
                        durations.note(step, title, Duration::from_millis(*elapsed_ms));
                    }
                    _ => {}
                }
            }
        }
        durations
    }

    /// Folders with a journal, in the order of their names, which is that of time.
    fn folders(&self) -> Result<Vec<PathBuf>, JournalError> {
        if !self.folder.exists() {
            return Ok(vec![]);
        }
        let read = || fs::read_dir(&self.folder)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>();
        let mut folders = read().map_err(failed("cannot read", &self.folder))?;
        // A crash may have left a folder without a journal: nothing was done in that run.
        folders.retain(|folder| run::journal_path(folder).exists());
        folders.sort();
        Ok(folders)
    }
}

fn name(folder: &Path) -> String {
    folder.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn finished(lines: &[Line]) -> BTreeSet<StepId> {
    let ended = |line: &Line| match &line.entry {
        Entry::StepFinished { step, .. } => Some(step.clone()),
        _ => None,
    };
    lines.iter().filter_map(ended).collect()
}

/// None where not even the first line was written: nothing was done then.
fn summary(id: RunId, lines: &[Line], active: bool) -> Option<RunSummary> {
    let started = lines.first()?.at;
    let last = lines.last()?;
    let begun = lines.iter().rev().find_map(|line| match &line.entry {
        Entry::RunStarted { verb, command, operator, total, .. } => Some((verb, command, operator, total)),
        _ => None,
    });
    let (verb, command, operator, total) = begun?;
    let state = match &last.entry {
        _ if active => RunState::Running,
        Entry::RunFinished { exit: exit::DONE } => RunState::Done,
        Entry::RunFinished { exit: exit::STOPPED } => RunState::Stopped,
        Entry::RunFinished { exit: exit::INTERRUPTED } => RunState::Interrupted,
        Entry::RunFinished { .. } => RunState::Failed,
        _ => RunState::Interrupted,
    };
    Some(RunSummary {
        id,
        verb: verb.clone(),
        command: command.clone(),
        by: operator.to_string(),
        started,
        duration: last.at.duration_since(started).unsigned_abs(),
        state,
        done: finished(lines).len(),
        total: *total,
    })
}
