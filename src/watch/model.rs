//! One look at an environment.

use jiff::Timestamp;
use serde::Serialize;

/// An environment as it was at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Look {
    /// When.
    pub at: Timestamp,
    /// Milliseconds that the look took.
    pub took_ms: u64,
    /// Environment.
    pub environment: String,
    /// What it is, in words: `3k`, `local`, `sandbox`.
    pub kind: Vec<String>,
    /// Every node, in the order of the topology.
    pub nodes: Vec<NodeLook>,
    /// Who works on the environment now: the lock's lease, in words.
    pub holder: Option<String>,
    /// The latest run.
    pub run: Option<RunLook>,
    /// What drills broke and nobody mended yet, in words.
    pub faults: Vec<String>,
}

/// A node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NodeLook {
    /// Name.
    pub node: String,
    /// Its group.
    pub group: String,
    /// How it is.
    pub health: Health,
    /// In words: `healthy`, `redis-server is failed`.
    pub says: String,
    /// What it is at the moment: `leader`, `replica`. Empty where its role has no states.
    pub state: String,
    /// Its role's facts.
    pub details: String,
}

/// How a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// Every service runs and every probe holds.
    Good,
    /// It answers, and something on it is not as it should be.
    Ill,
    /// It does not answer, or is not there.
    Gone,
}

/// The latest run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RunLook {
    /// Id.
    pub id: String,
    /// What was asked for.
    pub command: String,
    /// Who.
    pub by: String,
    /// `running`, `done`, `failed`, `stopped`, `interrupted`.
    pub state: String,
    /// When it began.
    pub started: Timestamp,
    /// Milliseconds until now, or until it ended.
    pub elapsed_ms: u64,
    /// Steps done.
    pub done: usize,
    /// Steps of the plan.
    pub total: usize,
    /// Steps that run now: node (none: the environment), what is done.
    pub running: Vec<(Option<String>, String)>,
    /// What was done when.
    pub strips: Vec<Strip>,
}

/// A piece of work on the line of time of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Strip {
    /// Node; none: the environment.
    pub node: Option<String>,
    /// Milliseconds from the run's beginning.
    pub from_ms: u64,
    /// Milliseconds from the run's beginning.
    pub to_ms: u64,
    /// Whether it failed.
    pub failed: bool,
}

impl Look {
    /// Nodes that are healthy.
    #[must_use]
    pub fn healthy(&self) -> usize {
        self.nodes.iter().filter(|node| node.health == Health::Good).count()
    }
}
