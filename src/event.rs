//! What happens, as typed events. Work sends them; views render them; nothing comes back.

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

/// Something that happened during a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    /// A run began.
    RunStarted {
        /// Run id.
        run: String,
        /// Verb: `apply`, `destroy`.
        verb: String,
        /// Environment name.
        environment: String,
        /// Steps that will run.
        total: usize,
    },
    /// Something worth a line outside of any step (looking at the nodes, waiting for a lock).
    Note {
        /// Text.
        text: String,
    },
    /// A step began.
    StepStarted {
        /// Step id.
        step: String,
        /// Node, if it concerns one.
        node: Option<String>,
        /// What is being done.
        title: String,
        /// Attempt, from 1.
        attempt: u32,
    },
    /// A step got further.
    StepProgress {
        /// Step id.
        step: String,
        /// Parts done.
        done: u64,
        /// Parts in all; 0 where unknown.
        total: u64,
        /// What is going on now.
        note: String,
    },
    /// A line of output of a step.
    StepOutput {
        /// Step id.
        step: String,
        /// Node.
        node: Option<String>,
        /// Line, secrets removed.
        line: String,
    },
    /// A step ended well.
    StepFinished {
        /// Step id.
        step: String,
        /// Node.
        node: Option<String>,
        /// What was being done.
        title: String,
        /// Things changed.
        changed: usize,
        /// Milliseconds.
        elapsed_ms: u64,
    },
    /// A step failed and will be tried again.
    StepRetried {
        /// Step id.
        step: String,
        /// Node.
        node: Option<String>,
        /// Why.
        error: String,
        /// Milliseconds until the next attempt.
        wait_ms: u64,
    },
    /// A step failed for good.
    StepFailed {
        /// Step id.
        step: String,
        /// Node.
        node: Option<String>,
        /// What was being done.
        title: String,
        /// What happened.
        error: String,
        /// What to do.
        hint: Option<String>,
        /// The last lines of its output.
        tail: Vec<String>,
        /// File with the whole output.
        log: Option<String>,
    },
    /// A check of `verify` or `check` was decided.
    Checked {
        /// Check.
        name: String,
        /// Node it ran on.
        node: Option<String>,
        /// Whether it holds.
        ok: bool,
        /// What was found.
        found: String,
        /// Milliseconds it took.
        elapsed_ms: u64,
    },
    /// How long the rest of the run will take, as far as can be told. Sent again whenever more is known.
    Estimate {
        /// Milliseconds from now.
        remaining_ms: u64,
    },
    /// The user asked to stop: running steps are finished, no new one starts.
    Stopping,
    /// The run ended. Always the last event.
    RunFinished {
        /// Run id.
        run: String,
        /// Steps done.
        done: usize,
        /// Steps in all.
        total: usize,
        /// Steps that failed.
        failed: usize,
        /// Milliseconds.
        elapsed_ms: u64,
        /// The exit code the program will end with.
        exit_code: u8,
    },
}

/// Where events go. Cheap to clone; sending never blocks and never fails.
#[derive(Debug, Clone)]
pub struct Events(mpsc::UnboundedSender<Event>);

impl Events {
    /// A sender and the end that a view reads.
    #[must_use]
    pub fn channel() -> (Self, mpsc::UnboundedReceiver<Event>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self(sender), receiver)
    }

    /// Sends one. A view that is gone already is no reason to stop working.
    pub fn send(&self, event: Event) {
        let _ = self.0.send(event);
    }
}

/// What a running step says about itself.
#[derive(Debug, Clone)]
pub struct StepLog {
    events: Events,
    step: String,
    node: Option<String>,
}

impl StepLog {
    /// A log for one step.
    #[must_use]
    pub fn new(events: Events, step: impl Into<String>, node: Option<String>) -> Self {
        Self { events, step: step.into(), node }
    }

    /// A line of output.
    pub fn line(&self, line: impl Into<String>) {
        self.events.send(Event::StepOutput { step: self.step.clone(), node: self.node.clone(), line: line.into() });
    }

    /// How far it is: parts done, parts in all (0 where unknown), and what is going on.
    pub fn progress(&self, done: u64, total: u64, note: impl Into<String>) {
        self.events.send(Event::StepProgress { step: self.step.clone(), done, total, note: note.into() });
    }
}
