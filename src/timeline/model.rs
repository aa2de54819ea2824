//! A run on a line of time.

use jiff::Timestamp;
use serde::Serialize;

use crate::plan::{StepId, Verb};

/// A run on a line of time. Every time is in milliseconds of work since its beginning: what lies between two processes
/// that worked on the run (it was stopped, and resumed later) is cut out.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Timeline {
    /// Run id.
    pub run: String,
    /// Environment name.
    pub environment: String,
    /// What the run was for.
    pub verb: Verb,
    /// When it began.
    pub started: Timestamp,
    /// From the first line of its journal to the last.
    pub elapsed_ms: u64,
    /// Where time was cut out.
    pub pauses: Vec<Pause>,
    /// Attempts of steps, by the time at which they began.
    pub bars: Vec<Bar>,
    /// From the last attempt that ended, what each one waited for, the first one first.
    pub path: Vec<Link>,
    /// What no order of the same steps could beat; none where no step ended.
    pub bound: Option<Bound>,
}

/// Time that nobody worked in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Pause {
    /// Where.
    pub at_ms: u64,
    /// How long it was.
    pub length_ms: u64,
}

/// One attempt of a step.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Bar {
    /// Step.
    pub step: StepId,
    /// Node that it concerns.
    pub node: Option<String>,
    /// What was done, a few words.
    pub title: String,
    /// What sort of work.
    pub kind: Kind,
    /// Attempt, from 1.
    pub attempt: u32,
    /// When it began.
    pub begin_ms: u64,
    /// When it ended.
    pub end_ms: u64,
    /// How.
    pub outcome: Outcome,
    /// Whether it is on the critical path.
    pub critical: bool,
}

/// What sort of work a step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Something that the provider has.
    Infrastructure,
    /// Waiting for a node.
    Wait,
    /// A stage.
    Configure,
    /// What a role does besides in an upgrade.
    Task,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Well.
    Done {
        /// Things changed.
        changed: usize,
    },
    /// With an error.
    Failed {
        /// What happened.
        error: String,
    },
    /// The journal does not say: it was running when the process ended.
    Unfinished,
}

/// One attempt of the critical path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Link {
    /// Index of the attempt.
    pub bar: usize,
    /// What it waited for last.
    pub because: Because,
    /// Time between the end of what it waited for and its own beginning: for a free place among the steps that run at
    /// a time, or before another attempt.
    pub waited_ms: u64,
}

/// What released a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Because {
    /// Nothing before it: it was ready when the run began.
    Ready,
    /// The end of a step that it needs.
    Need,
    /// The end of another step on its node.
    Node,
    /// The attempt before it failed or was broken off.
    Retry,
}

/// The least time that the same steps take, each as long as it was, if nothing but their order counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Bound {
    /// Milliseconds.
    pub ms: u64,
    /// What sets it.
    pub limit: Limit,
}

/// What sets the lower bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// The longest chain of steps that need each other.
    Chain,
    /// One node, on which one step runs at a time.
    Node,
}

impl Bar {
    /// Milliseconds.
    #[must_use]
    pub fn took_ms(&self) -> u64 {
        self.end_ms - self.begin_ms
    }
}

impl Timeline {
    /// Work on the critical path, in milliseconds.
    #[must_use]
    pub fn path_ms(&self) -> u64 {
        self.path.iter().map(|link| self.bars[link.bar].took_ms()).sum()
    }

    /// Waiting on the critical path, in milliseconds.
    #[must_use]
    pub fn waited_ms(&self) -> u64 {
        self.path.iter().map(|link| link.waited_ms).sum()
    }

    /// When the last step ended. What comes after it is the proof.
    #[must_use]
    pub fn worked_ms(&self) -> u64 {
        self.bars.iter().map(|bar| bar.end_ms).max().unwrap_or_default()
    }

    /// Nodes in the order of their first attempt, and the attempts of each; first of all what concerns no node.
    #[must_use]
    pub fn lanes(&self) -> Vec<(Option<&str>, Vec<usize>)> {
        let mut lanes: Vec<(Option<&str>, Vec<usize>)> = Vec::new();
        for (index, bar) in self.bars.iter().enumerate() {
            let node = bar.node.as_deref();
            match lanes.iter_mut().find(|(other, _)| *other == node) {
                Some((_, bars)) => bars.push(index),
                None => lanes.push((node, vec![index])),
            }
        }
        lanes.sort_by_key(|(node, _)| node.map(natural));
        lanes
    }
}

/// Orders `app-2` before `app-10`.
fn natural(name: &str) -> (String, u64) {
    let stem = name.trim_end_matches(|character: char| character.is_ascii_digit());
    (stem.to_owned(), name[stem.len()..].parse().unwrap_or_default())
}
