//! Runs compiled stages on a node and reads their results.

use std::sync::Mutex;

use tokio::sync::mpsc;

use super::{
    program::{FAILED, Mode, compile, compile_check},
    resource::{Item, ItemResult, Outcome, Stage, Want},
    results::{Collector, Message, parse_line},
    upload::{self, Asked},
};
use crate::{
    event::StepLog,
    provider::Host,
    remote::{Program, Remote, RemoteError},
};

/// What came of one stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageReport {
    /// Node.
    pub node: String,
    /// Role.
    pub role: String,
    /// One result per resource, in order.
    pub results: Vec<ItemResult>,
}

impl StageReport {
    /// Resources that were changed, or would be.
    #[must_use]
    pub fn changed(&self) -> usize {
        self.results.iter().filter(|result| result.outcome == Outcome::Changed).count()
    }

    /// Whether everything is as wanted.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.results.iter().all(|result| result.outcome == Outcome::Ok)
    }
}

/// Why a stage did not get to its end.
#[derive(Debug, thiserror::Error)]
pub enum ConfigureError {
    /// The node cannot be reached, or the outcome is unknown.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// A resource could not be made as wanted.
    #[error("{item}: {detail}")]
    Failed {
        /// Identity of the resource.
        item: String,
        /// What went wrong.
        detail: String,
        /// What it printed, the last lines.
        output: Vec<String>,
        /// What to look at.
        hint: Option<String>,
        /// Everything up to there.
        report: Box<StageReport>,
    },
    /// The program itself broke off.
    #[error("the program for {role} on {node} ended {}", code.map_or("by a signal".to_owned(), |code| format!("with code {code}")))]
    Broken {
        /// Node.
        node: String,
        /// Role.
        role: String,
        /// Exit code.
        code: Option<i32>,
        /// What it printed, the last lines.
        output: Vec<String>,
    },
}

impl ConfigureError {
    /// What was printed before the failure.
    #[must_use]
    pub fn output(&self) -> &[String] {
        match self {
            Self::Remote(_) => &[],
            Self::Failed { output, .. } | Self::Broken { output, .. } => output,
        }
    }

    /// What to look at.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Failed { hint, .. } => hint.as_deref(),
            _ => None,
        }
    }
}

/// Checks or applies one stage.
///
/// # Errors
/// When the node cannot be reached, when the program breaks off, and in [`Mode::Apply`] when a resource fails.
pub async fn run_stage(
    remote: &dyn Remote,
    host: &Host,
    stage: &Stage,
    mode: Mode,
    log: &StepLog,
) -> Result<StageReport, ConfigureError> {
    run_compiled(remote, host, stage, compile(stage, mode), mode, log).await
}

/// The same with a program that was compiled already.
pub(super) async fn run_compiled(
    remote: &dyn Remote,
    host: &Host,
    stage: &Stage,
    program: Program,
    mode: Mode,
    log: &StepLog,
) -> Result<StageReport, ConfigureError> {
    let collector = run(remote, host, program, &[stage], Some(log)).await?;
    let failure = collector.failure().map(|(number, result, output)| {
        (result.id.clone(), result.detail.clone(), output.to_vec(), hint(&stage.resources[number]))
    });
    let report = StageReport { node: stage.node.clone(), role: stage.role.clone(), results: collector.into_results() };
    match failure {
        Some((item, detail, output, hint)) if mode == Mode::Apply => {
            Err(ConfigureError::Failed { item, detail, output, hint, report: Box::new(report) })
        }
        _ => Ok(report),
    }
}

/// Looks at all stages of a node in one round trip.
///
/// # Errors
/// When the node cannot be reached or the program breaks off.
pub async fn check_node(
    remote: &dyn Remote,
    host: &Host,
    stages: &[&Stage],
) -> Result<Vec<StageReport>, ConfigureError> {
    let collector = run(remote, host, compile_check(stages), stages, None).await?;
    let mut results = collector.into_results().into_iter();
    let reports = stages.iter().map(|stage| StageReport {
        node: stage.node.clone(),
        role: stage.role.clone(),
        results: results.by_ref().take(stage.resources.len()).collect(),
    });
    Ok(reports.collect())
}

async fn run(
    remote: &dyn Remote,
    host: &Host,
    program: Program,
    stages: &[&Stage],
    log: Option<&StepLog>,
) -> Result<Collector, ConfigureError> {
    let ids = stages.iter().flat_map(|stage| &stage.resources).map(|item| item.id.clone());
    let collector = Mutex::new(Collector::new(ids));
    let total = stages.iter().map(|stage| stage.resources.len() as u64).sum();
    let (ask, asked) = mpsc::unbounded_channel();
    let sink = |line: &str| {
        let mut collector = collector.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        for message in parse_line(line) {
            if let Some(log) = log {
                tell(log, &collector, &message, total);
            }
            if let Message::Send(number, from, what) = &message {
                // Whoever serves is gone when the program has ended.
                let _ = ask.send(Asked { number: *number, from: *from, what: what.clone() });
            }
            collector.take(message);
        }
    };
    let items: Vec<&Item> = stages.iter().flat_map(|stage| &stage.resources).collect();
    let output = if items.iter().any(|item| item.is_sent()) {
        let (pieces, more) = mpsc::channel(1);
        let progress = |note: String| {
            let Some(log) = log else { return };
            let done = collector.lock().unwrap_or_else(std::sync::PoisonError::into_inner).done() as u64;
            log.progress(done, total, note);
        };
        let serve = async {
            if let Err(reason) = upload::serve(&items, asked, pieces, &progress).await {
                sink(&reason);
            }
            std::future::pending().await
        };
        tokio::select! {
            output = remote.run_fed(host, program, more, &sink) => output?,
            output = serve => output,
        }
    } else {
        remote.run(host, program, &sink).await?
    };
    let collector = collector.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    if output.code == Some(0) || (output.code == Some(FAILED) && collector.failure().is_some()) {
        return Ok(collector);
    }
    let mut lines = collector.recent().to_vec();
    lines.extend(String::from_utf8_lossy(&output.stderr).lines().map(str::to_owned));
    let first = stages.first();
    Err(ConfigureError::Broken {
        node: host.node.clone(),
        role: first.map(|stage| stage.role.clone()).unwrap_or_default(),
        code: output.code,
        output: lines,
    })
}

fn tell(log: &StepLog, collector: &Collector, message: &Message, total: u64) {
    let done = collector.done() as u64;
    let id = |number: &usize| collector.id(*number).unwrap_or_default().to_owned();
    match message {
        Message::Output(line) => log.line(line.clone()),
        Message::Doing(number, what) => log.progress(done, total, format!("{}: {what}", id(number))),
        Message::Outcome(number, outcome, detail) => {
            let note = id(number);
            if *outcome == Outcome::Changed {
                log.line(format!("{note}: {detail}"));
            }
            log.progress(done + 1, total, note);
        }
        Message::Present(..) | Message::Send(..) => {}
    }
}

fn hint(item: &Item) -> Option<String> {
    match &item.want {
        Want::Ready { hint, .. } => hint.clone(),
        Want::Service { name, .. } => Some(format!("look at `journalctl -u {name}` on the node")),
        _ => None,
    }
}
