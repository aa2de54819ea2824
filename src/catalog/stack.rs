//! The format of `roles/<stack>/stack.yaml`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A set of roles that belong together.
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StackSpec {
    /// What the stack is, one line.
    pub summary: String,
    /// Role that every node carries first.
    pub base: String,
    /// Roles of the reference architectures that this stack leaves out, each with the reason.
    #[serde(default)]
    pub omits: BTreeMap<String, String>,
    /// Role -> setting (`role.setting`) that names something of the user's own in its place, when it is not empty.
    #[serde(default)]
    pub stand_ins: BTreeMap<String, String>,
    /// What an application reaches under a fixed name: the first port (`role.port`) that the environment has.
    #[serde(default)]
    pub services: BTreeMap<String, Vec<String>>,
    /// Whole-path checks of `verify`.
    #[serde(default)]
    pub checks: Vec<PathCheck>,
    /// Secrets whose old and new value its roles take side by side, so that they can be rotated while everybody works.
    #[serde(default)]
    pub rotates: Vec<String>,
    /// Secrets that belong to the data or that users know: `migrate` takes them along. All others stay an environment's own.
    #[serde(default)]
    pub carries: Vec<String>,
    /// The product that the stack configures, where it has versions to choose from.
    #[serde(default)]
    pub product: Option<Product>,
    /// Ready-to-show facts at the end of `apply`: a name and a template.
    #[serde(default)]
    pub summary_lines: Vec<SummaryLine>,
}

/// A product with versions.
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Product {
    /// Setting that holds the version: `role.setting`. The role's status line of the same name tells which one a node has.
    pub version: String,
    /// Major versions that the stack can configure, oldest first, each with its last minor version where that is known.
    pub majors: BTreeMap<u32, Option<u32>>,
    /// File of the stack (JSON) that lists the settings which its versions know.
    pub settings: String,
    /// How its packages are called; a hyphen and the setting `edition` of the role in `version` follow.
    #[serde(default)]
    pub package: Option<String>,
    /// Setting (`role.setting`) that lets a node exchange the version that it has; `upgrade` sets it.
    #[serde(default)]
    pub consent: Option<String>,
    /// Versions `major.minor`, oldest first, that an upgrade must not jump over.
    #[serde(default)]
    pub stops: Vec<String>,
    /// What must hold before an upgrade changes anything, besides the stack's `checks`.
    #[serde(default)]
    pub upgrade_checks: Vec<PathCheck>,
    /// Asks all the while that an upgrade runs.
    #[serde(default)]
    pub probe: Option<Probe>,
}

/// A program that uses the environment as its users do, again and again until it is ended. Of each request it prints
/// `ok` or `failed`, the milliseconds it took, and what was asked.
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Probe {
    /// Role on whose first node it runs (the first of these that the environment has).
    pub on: Vec<String>,
    /// Template below the stack's `checks/`, like that of a check.
    pub script: String,
}

/// A check of a whole path, run on a node of the environment.
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PathCheck {
    /// Short name, unique.
    pub name: String,
    /// What is proven, in one sentence.
    pub proves: String,
    /// Role on whose first node the check runs (the first of these that the environment has).
    pub on: Vec<String>,
    /// Run on every node of the role instead of the first one.
    #[serde(default)]
    pub every: bool,
    /// Template below the stack's `checks/`: a POSIX shell script; success is exit code 0; its last line of
    /// output is shown as what was found. It is sent on standard input, so it may hold secrets.
    pub script: String,
    /// How many times in a row it must hold.
    #[serde(default = "default_samples")]
    pub samples: u32,
    /// Milliseconds between two samples.
    #[serde(default = "default_interval")]
    pub interval_ms: u64,
    /// Seconds that all of it may take. Until then a failed sample starts the row anew.
    #[serde(default = "default_deadline")]
    pub deadline: u32,
    /// What to look at when it fails.
    #[serde(default)]
    pub hint: Option<String>,
    /// Template expression over the environment's facts; false leaves the check out.
    #[serde(default)]
    pub when: Option<String>,
}

/// A line of the summary at the end of `apply`.
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SummaryLine {
    /// Left column.
    pub name: String,
    /// Right column, a template over the environment's facts.
    pub value: String,
}

fn default_samples() -> u32 {
    3
}
fn default_interval() -> u64 {
    300
}
fn default_deadline() -> u32 {
    60
}
