//! The format of `roles/<stack>/drills.yaml`: what may be broken, how it is mended, and what users may notice.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Probe;

/// The drills of a stack.
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Drills {
    /// What users do all the while. Its script defines `work`, `audit` and `clean` (see `docs/design/role-format.md`).
    pub workload: Probe,
    /// The drills, in the order in which they are run.
    pub drills: Vec<DrillSpec>,
}

/// One fault, how it is mended, and what users may notice of it.
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DrillSpec {
    /// Short name, unique.
    pub name: String,
    /// What is broken, in words.
    pub fault: String,
    /// What the environment is expected to do about it, in words.
    pub expect: String,
    /// Where.
    pub on: Target,
    /// Template expression over the environment's facts; false skips the drill.
    #[serde(default)]
    pub when: Option<String>,
    /// Why it is skipped then.
    #[serde(default)]
    pub because: Option<String>,
    /// POSIX shell, asked on the target before: where it fails, the drill is skipped, and its last line says why.
    #[serde(default)]
    pub possible: Option<String>,
    /// What happens to the machine.
    #[serde(default)]
    pub machine: Option<Machine>,
    /// POSIX shell, a template, run as root on the target: the fault.
    #[serde(default)]
    pub run: Option<String>,
    /// POSIX shell, a template: mends it. Must succeed where there is nothing to mend. Also kept on the node, which runs
    /// it by itself when nobody else does.
    #[serde(default)]
    pub undo: Option<String>,
    /// Seconds that the fault lasts at least.
    #[serde(default)]
    pub hold: u32,
    /// Kind of request -> seconds from the fault until it works again for good.
    #[serde(default)]
    pub limits: BTreeMap<String, u32>,
    /// Milliseconds after the fault from which on no request may fail that begins later: a number or a template.
    #[serde(default)]
    pub no_failure_after: Option<String>,
    /// Looks meanwhile at every node of a role for two that accept writes.
    #[serde(default)]
    pub watch: Option<WatchSpec>,
}

/// Which nodes a fault hits.
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// Nodes of the first of these roles that the environment has; empty: all nodes.
    #[serde(default)]
    pub roles: Vec<String>,
    /// Of this zone only.
    #[serde(default)]
    pub zone: Option<u32>,
    /// Which of them.
    pub which: Which,
    /// `which: where`: POSIX shell, a template, that succeeds on the node that is meant.
    #[serde(default, rename = "where")]
    pub question: Option<String>,
    /// Fewest nodes that there must be; with fewer the drill is skipped.
    #[serde(default = "one")]
    pub least: usize,
}

/// Which nodes of a selection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Which {
    /// The one on which the role's `leader` succeeds.
    Leader,
    /// The first on which it does not.
    Follower,
    /// The first.
    First,
    /// The one on which `where` succeeds.
    Where,
    /// All at the same time.
    All,
    /// One after the other, each mended before the next.
    Turns,
}

/// What happens to a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Machine {
    /// It loses its power, and gets it back afterwards.
    Stop,
    /// It is shut down and started.
    Restart,
}

/// Asks every node of a role all the while whether it accepts writes.
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WatchSpec {
    /// Role.
    pub on: String,
    /// Script, like that of a check. Of each write that the node took it prints `accepted TERM MILLISECONDS`: the term
    /// grows with every new leader, the time is Unix time.
    pub script: String,
}

fn one() -> usize {
    1
}
