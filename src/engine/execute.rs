//! The loop that runs a plan.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use futures_util::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use tokio::time::Instant;

use super::{
    Blocked, ErrorClass, FailedStep, Report, StopSignal, estimate,
    schedule::{Schedule, State},
};
use crate::{
    event::{Event, Events, StepLog},
    journal::{Durations, Entry, JournalError, Record},
    plan::{Plan, Step, StepId},
};

/// Does what a step says.
pub trait Execute: Send + Sync {
    /// Does it once. It may be done again after a crash or a transient failure, so it must be idempotent. When the
    /// future is dropped, the step is abandoned.
    fn run<'a>(&'a self, step: &'a Step, log: &'a StepLog) -> BoxFuture<'a, Result<StepOutcome, StepError>>;
}

/// A step that ended well.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StepOutcome {
    /// Things changed.
    pub changed: usize,
}

/// A step that failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct StepError {
    /// What happened.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
    /// Whether to try again.
    pub class: ErrorClass,
    /// The last lines of its output. May be empty: then what the step logged is shown.
    pub tail: Vec<String>,
}

/// How to run a plan.
#[derive(Debug, Clone)]
pub struct Options {
    /// Run id, for the events.
    pub run: String,
    /// Steps that may run at a time.
    pub concurrency: usize,
    /// Times that a step is tried in all, while its failures are transient.
    pub attempts: u32,
    /// Waiting between attempts.
    pub backoff: Backoff,
    /// Steps that ended well before: not run again.
    pub finished: BTreeSet<StepId>,
    /// What steps took before.
    pub durations: Durations,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            run: String::new(),
            concurrency: 32,
            attempts: 5,
            backoff: Backoff::default(),
            finished: BTreeSet::new(),
            durations: Durations::default(),
        }
    }
}

/// Waiting between attempts: each time twice as long, less up to a half, so that steps that failed together do not
/// come back together.
#[derive(Debug, Clone, Copy)]
pub struct Backoff {
    /// Longest wait before the second attempt.
    pub first: Duration,
    /// Longest wait before any attempt.
    pub most: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { first: Duration::from_secs(1), most: Duration::from_secs(30) }
    }
}

impl Backoff {
    /// Wait after the given attempt of a step. The same for the same step, attempt and run.
    fn wait(self, run: &str, step: &StepId, attempt: u32) -> Duration {
        let longest = self.first.saturating_mul(1 << (attempt - 1).min(16)).min(self.most);
        // FNV-1a: any even spread does, and this one is the same with every compiler.
        let bytes = run.bytes().chain(step.as_str().bytes()).chain(attempt.to_le_bytes());
        let hash =
            bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
        let permille = 500 + (hash >> 32) % 501;
        Duration::from_millis(millis(longest).saturating_mul(permille) / 1000)
    }
}

/// Steps left below which the time left is told after every one of them.
const ESTIMATE_ALWAYS: usize = 200;

/// What a future of the loop ended with.
enum Ended {
    Attempt(Result<StepOutcome, StepError>),
    Waited,
}

struct Running {
    attempt: u32,
    since: Instant,
}

/// Runs the steps of a valid plan that are not in `options.finished`, until all ended, or nothing more can run, or
/// `stop` says so.
///
/// A step that fails keeps only those back that need it. The journal is written before each attempt and after it;
/// when it cannot be written, everything is abandoned at once, because what is not recorded cannot be resumed.
/// Sends every event of the run except the last one, [`Report::finished`].
pub async fn execute(
    plan: &Plan,
    executor: &dyn Execute,
    options: Options,
    events: &Events,
    journal: &mut dyn Record,
    stop: StopSignal,
) -> Report {
    let started = Instant::now();
    let mut run = Loop::new(plan, executor, &options, events, journal);
    events.send(Event::RunStarted {
        run: options.run.clone(),
        verb: plan.verb.to_string(),
        environment: plan.environment.clone(),
        total: run.total,
    });
    run.estimate();
    let (abandoned, journal_error) = match run.until_the_end(&stop).await {
        Ok(abandoned) => (abandoned, None),
        Err(error) => (true, Some(error.to_string())),
    };
    run.report(stop.asked(), abandoned, journal_error, started.elapsed())
}

struct Loop<'a> {
    plan: &'a Plan,
    executor: &'a dyn Execute,
    options: &'a Options,
    events: &'a Events,
    journal: &'a mut dyn Record,
    schedule: Schedule<'a>,
    /// Steps between their first attempt and their end, waits included.
    running: BTreeMap<usize, Running>,
    futures: FuturesUnordered<BoxFuture<'a, (usize, Ended)>>,
    /// Kept apart, because a run that stops does not wait for further attempts.
    waits: FuturesUnordered<BoxFuture<'a, (usize, Ended)>>,
    durations: Durations,
    estimated: Option<Instant>,
    stopping: bool,
    total: usize,
    done: usize,
    changed: usize,
    failed: Vec<FailedStep>,
}

impl<'a> Loop<'a> {
    fn new(
        plan: &'a Plan,
        executor: &'a dyn Execute,
        options: &'a Options,
        events: &'a Events,
        journal: &'a mut dyn Record,
    ) -> Self {
        // Where nothing is known, every step weighs the same: then the longest chain goes first.
        let weight = |i: usize| options.durations.of(&plan.steps[i]).unwrap_or(Duration::from_secs(1));
        let schedule = Schedule::new(plan, &options.finished, weight);
        let total = schedule.states().iter().filter(|state| **state != State::Done).count();
        Self {
            plan,
            executor,
            options,
            events,
            journal,
            schedule,
            running: BTreeMap::new(),
            futures: FuturesUnordered::new(),
            waits: FuturesUnordered::new(),
            durations: options.durations.clone(),
            estimated: None,
            stopping: false,
            total,
            done: 0,
            changed: 0,
            failed: Vec::new(),
        }
    }

    /// Returns whether running steps were abandoned.
    async fn until_the_end(&mut self, stop: &StopSignal) -> Result<bool, JournalError> {
        loop {
            if !self.stopping && stop.asked().is_some() {
                self.stopping = true;
                self.events.send(Event::Stopping);
                self.waits.clear();
            }
            while !self.stopping
                && self.running.len() < self.options.concurrency.max(1)
                && let Some(i) = self.schedule.next()
            {
                self.attempt(i, 1)?;
            }
            if self.futures.is_empty() && self.waits.is_empty() {
                return Ok(false);
            }
            // What ended counts before a wish to stop, so that nothing finished is taken for abandoned.
            let (i, ended) = tokio::select! {
                biased;
                Some(ended) = self.futures.next() => ended,
                () = stop.now() => return Ok(true),
                () = stop.finish(), if !self.stopping => continue,
                Some(ended) = self.waits.next() => ended,
            };
            match ended {
                Ended::Waited => {
                    let attempt = self.running.get(&i).map_or(1, |running| running.attempt + 1);
                    self.attempt(i, attempt)?;
                }
                Ended::Attempt(Ok(outcome)) => self.succeeded(i, outcome)?,
                Ended::Attempt(Err(error)) => self.attempt_failed(i, error)?,
            }
        }
    }

    fn attempt(&mut self, i: usize, attempt: u32) -> Result<(), JournalError> {
        let step = &self.plan.steps[i];
        self.journal.record(Entry::StepStarted {
            step: step.id.clone(),
            node: step.node.clone(),
            title: step.title.clone(),
            attempt,
        })?;
        self.events.send(Event::StepStarted {
            step: step.id.to_string(),
            node: step.node.clone(),
            title: step.title.clone(),
            attempt,
        });
        self.running.insert(i, Running { attempt, since: Instant::now() });
        let log = StepLog::new(self.events.clone(), step.id.as_str(), step.node.clone());
        let executor = self.executor;
        self.futures.push(Box::pin(async move { (i, Ended::Attempt(executor.run(step, &log).await)) }));
        Ok(())
    }

    fn succeeded(&mut self, i: usize, outcome: StepOutcome) -> Result<(), JournalError> {
        let step = &self.plan.steps[i];
        let elapsed = self.running.remove(&i).map_or(Duration::ZERO, |running| running.since.elapsed());
        let elapsed_ms = millis(elapsed);
        self.journal.record(Entry::StepFinished { step: step.id.clone(), changed: outcome.changed, elapsed_ms })?;
        self.schedule.done(i);
        self.durations.note(&step.id, &step.title, elapsed);
        self.done += 1;
        self.changed += outcome.changed;
        self.events.send(Event::StepFinished {
            step: step.id.to_string(),
            node: step.node.clone(),
            title: step.title.clone(),
            changed: outcome.changed,
            elapsed_ms,
        });
        self.estimate();
        Ok(())
    }

    fn attempt_failed(&mut self, i: usize, error: StepError) -> Result<(), JournalError> {
        let step = &self.plan.steps[i];
        let attempt = self.running.get(&i).map_or(1, |running| running.attempt);
        let again = error.class == ErrorClass::Transient && attempt < self.options.attempts;
        self.journal.record(Entry::StepFailed { step: step.id.clone(), error: error.message.clone(), again })?;
        if again && self.stopping {
            // It stays among the running ones, and so among what is left.
            let text = format!("{} is left unfinished: {}", step.id, error.message);
            self.events.send(Event::Note { text });
            return Ok(());
        }
        if again {
            let wait = self.options.backoff.wait(&self.options.run, &step.id, attempt);
            self.events.send(Event::StepRetried {
                step: step.id.to_string(),
                node: step.node.clone(),
                error: error.message,
                wait_ms: millis(wait),
            });
            self.waits.push(Box::pin(async move {
                tokio::time::sleep(wait).await;
                (i, Ended::Waited)
            }));
            return Ok(());
        }
        self.running.remove(&i);
        let blocked = self.schedule.failed(i);
        self.events.send(Event::StepFailed {
            step: step.id.to_string(),
            node: step.node.clone(),
            title: step.title.clone(),
            error: error.message.clone(),
            hint: error.hint.clone(),
            tail: error.tail.clone(),
            log: None,
        });
        if blocked > 0 {
            let steps = if blocked == 1 { "1 step needs".to_owned() } else { format!("{blocked} steps need") };
            self.events.send(Event::Note { text: format!("{steps} {} and will not be tried", step.id) });
        }
        self.estimate();
        self.failed.push(FailedStep {
            step: step.id.clone(),
            node: step.node.clone(),
            title: step.title.clone(),
            error,
        });
        Ok(())
    }

    fn estimate(&mut self) {
        // Playing the rest of a large plan through costs more than a step: once a second is enough for a reader.
        let left = self.total - self.done;
        let fresh = self.estimated.is_some_and(|at| at.elapsed() < Duration::from_secs(1));
        if self.stopping || left > ESTIMATE_ALWAYS && fresh {
            return;
        }
        self.estimated = Some(Instant::now());
        let running = self.running.iter().map(|(i, running)| (*i, running.since.elapsed()));
        let remaining =
            estimate::remaining(self.plan, &self.schedule, running, self.options.concurrency.max(1), &self.durations);
        if let Some(remaining) = remaining {
            self.events.send(Event::Estimate { remaining_ms: millis(remaining) });
        }
    }

    fn report(
        self,
        stopped: Option<String>,
        abandoned: bool,
        journal_error: Option<String>,
        elapsed: Duration,
    ) -> Report {
        let mut blocked = Vec::new();
        let mut left = Vec::new();
        for (step, state) in self.plan.steps.iter().zip(self.schedule.states()) {
            match state {
                State::Waiting | State::Ready | State::Running => left.push(step.id.clone()),
                State::Blocked(by) => {
                    blocked.push(Blocked { step: step.id.clone(), because: self.plan.steps[*by].id.clone() });
                }
                State::Done | State::Failed => {}
            }
        }
        Report {
            total: self.total,
            done: self.done,
            changed: self.changed,
            failed: self.failed,
            blocked,
            left,
            stopped,
            // With nothing left running there was nothing to abandon.
            abandoned: abandoned && !self.running.is_empty(),
            journal_error,
            elapsed,
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
