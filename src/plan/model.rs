//! The plan: steps with identity, reason, needs and risk.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::{configure::Moment, cost::MoneyChange, provider::Change};

/// Everything that one run will do, enumerated before it starts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Environment name.
    pub environment: String,
    /// What the plan is for.
    pub verb: Verb,
    /// Steps, each after everything it needs wherever the planner can arrange it; the engine goes by `needs`.
    pub steps: Vec<Step>,
    /// The product's version that an upgrade leads to; the kind of a backup; the time that a restore goes back to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// What is not done, and why.
    #[serde(default)]
    pub notes: Vec<String>,
    /// Nodes that exist and could not be looked at: the plan assumes that all of their work is to be done.
    #[serde(default)]
    pub unreachable: Vec<Unreachable>,
    /// The plan ends with the machines: nothing on them is configured.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub infrastructure_only: bool,
    /// The environment whose backups are restored, where that is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    /// What does not serve for a while, or serves elsewhere afterwards.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub downtime: Vec<Downtime>,
    /// What it does to the bill, where somebody sends one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub money: Option<MoneyChange>,
}

/// An environment whose data another one takes over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// Its name.
    pub environment: String,
    /// Its file, as the user named it.
    pub file: String,
}

/// What users of a role will notice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Downtime {
    /// Role.
    pub role: String,
    /// How.
    pub kind: DowntimeKind,
    /// Nodes that it concerns.
    pub nodes: Vec<String>,
    /// Why, in words.
    pub why: String,
}

/// How much of a role is away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DowntimeKind {
    /// None of its nodes serves for a while.
    Down,
    /// It serves on other nodes afterwards.
    Moves,
    /// A few nodes at a time are away.
    InTurn,
}

/// What a plan is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verb {
    /// Make the environment what its file says.
    Apply,
    /// Bring the product to another version while it serves.
    Upgrade,
    /// Make backups.
    Backup,
    /// Prove that backups can be restored.
    Verify,
    /// Go back to a backup.
    Restore,
    /// Break things, and see what comes of it.
    Drill,
    /// Remove the environment.
    Destroy,
}

/// A node that could not be looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unreachable {
    /// Node.
    pub node: String,
    /// What happened.
    pub error: String,
}

/// Identifies a step within its plan, and the same work in plans of other days: `configure demo-app-1 app`. Steps that
/// need it share the text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(from = "String")]
pub struct StepId(Arc<str>);

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Identity, unique in the plan and stable between plans.
    pub id: StepId,
    /// Node it concerns, if it concerns one. The engine runs one step at a time on a node.
    pub node: Option<String>,
    /// What is done, a few words: `create container`, `configure postgres`.
    pub title: String,
    /// Why.
    pub reason: String,
    /// Steps that must have ended well before.
    #[serde(default)]
    pub needs: Vec<StepId>,
    /// What it may cost those who use the environment.
    pub risk: Risk,
    /// What the executor is told to do.
    pub action: Action,
    /// The differences that make the step necessary, as far as they are known beforehand.
    #[serde(default)]
    pub changes: Vec<ItemChange>,
}

/// What a step may cost those who use the environment, from nothing to the worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Risk {
    /// Nobody notices.
    None,
    /// A service restarts; others of its kind go on serving.
    Restart,
    /// Users notice.
    Disruption,
    /// Data is lost: needs consent by name.
    DataLoss,
}

/// What an executor is told to do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Action {
    /// Change something that the provider has.
    Infrastructure(Change),
    /// Learn the addresses of machines that were made.
    Locate,
    /// Wait until the node answers.
    AwaitNode,
    /// One role's work on the step's node.
    Configure {
        /// Role.
        role: String,
    },
    /// What a role does on the step's node at one moment of an upgrade, a backup or a restore.
    Task {
        /// Role.
        role: String,
        /// When.
        moment: Moment,
    },
    /// A fault, and what comes of it.
    Drill {
        /// Drill.
        name: String,
    },
}

/// One thing on a node that differs from what it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemChange {
    /// Identity: `file /etc/hosts`, `service patroni`.
    pub item: String,
    /// What differs, a few words.
    pub detail: String,
    /// Unified diff of a file's content. Never there for a secret. Nodes whose files are the same share it.
    #[serde(with = "shared_text")]
    pub diff: Option<Arc<str>>,
    /// The content is secret.
    pub secret: bool,
}

/// Steps by what they do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Things made.
    pub create: usize,
    /// Things started.
    pub start: usize,
    /// Things changed where they stand.
    pub update: usize,
    /// Things made anew.
    pub replace: usize,
    /// Things removed.
    pub delete: usize,
    /// Nodes waited for.
    pub wait: usize,
    /// Stages of nodes.
    pub configure: usize,
    /// What roles do besides, in an upgrade, a backup or a restore.
    #[serde(default)]
    pub task: usize,
    /// Faults.
    #[serde(default)]
    pub drill: usize,
}

/// A plan that cannot be run, read or written.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// Two steps have one id.
    #[error("the plan has two steps `{0}`")]
    Duplicate(StepId),
    /// A step needs one that is not there.
    #[error("step `{step}` needs `{need}`, which the plan does not have")]
    UnknownNeed {
        /// Step.
        step: StepId,
        /// What it needs.
        need: StepId,
    },
    /// Steps wait for each other.
    #[error("these steps wait for each other: {}", .0.iter().map(|id| id.as_str()).collect::<Vec<_>>().join(" -> "))]
    Cycle(Vec<StepId>),
    /// The file could not be read or written.
    #[error("plan file {path}: {source}")]
    File {
        /// File.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not a plan.
    #[error("{path} is not a saved plan: {reason}")]
    Format {
        /// File.
        path: String,
        /// Why.
        reason: String,
    },
    /// The file was saved by a version of refarch with another format.
    #[error("plan file {path} has format {found}; this version of refarch reads format {expected}")]
    Version {
        /// File.
        path: String,
        /// Its format.
        found: u64,
        /// The format that can be read.
        expected: u64,
    },
}

impl Plan {
    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// The same plan with nothing but the provider's part: machines, and what they stand on. What waited for a step
    /// that falls out waits for what that one waited for.
    #[must_use]
    pub fn infrastructure_only(mut self) -> Self {
        let out: BTreeMap<StepId, Vec<StepId>> = self
            .steps
            .iter()
            .filter(|step| !matches!(step.action, Action::Infrastructure(_)))
            .map(|step| (step.id.clone(), step.needs.clone()))
            .collect();
        self.steps.retain(|step| !out.contains_key(&step.id));
        for step in &mut self.steps {
            let (mut kept, mut seen) = (Vec::new(), BTreeSet::new());
            let mut open: Vec<StepId> = step.needs.iter().rev().cloned().collect();
            while let Some(need) = open.pop() {
                if !seen.insert(need.clone()) {
                    continue;
                }
                match out.get(&need) {
                    Some(before) => open.extend(before.iter().rev().cloned()),
                    None => kept.push(need),
                }
            }
            step.needs = kept;
        }
        self.infrastructure_only = true;
        self
    }

    /// The step of this id.
    #[must_use]
    pub fn step(&self, id: &StepId) -> Option<&Step> {
        self.steps.iter().find(|step| step.id == *id)
    }

    /// Steps by what they do.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for step in &self.steps {
            *match &step.action {
                Action::Infrastructure(Change::Create { .. }) => &mut counts.create,
                Action::Infrastructure(Change::Start { .. }) => &mut counts.start,
                Action::Infrastructure(Change::Update { .. }) => &mut counts.update,
                Action::Infrastructure(Change::Replace { .. }) => &mut counts.replace,
                Action::Infrastructure(Change::Delete { .. }) => &mut counts.delete,
                Action::Locate | Action::AwaitNode => &mut counts.wait,
                Action::Configure { .. } => &mut counts.configure,
                Action::Task { .. } => &mut counts.task,
                Action::Drill { .. } => &mut counts.drill,
            } += 1;
        }
        counts
    }

    /// The worst that any step may cost.
    #[must_use]
    pub fn risk(&self) -> Risk {
        self.steps.iter().map(|step| step.risk).max().unwrap_or(Risk::None)
    }

    /// SHA-256, as lower-case hexadecimal, over what would be done. Two plans with the same digest do the same,
    /// whatever their reasons, titles, notes and the order of their lists.
    #[must_use]
    pub fn digest(&self) -> String {
        let mut steps: Vec<&Step> = self.steps.iter().collect();
        steps.sort_by(|a, b| a.id.cmp(&b.id));
        let steps: Vec<Value> = steps
            .into_iter()
            .map(|step| {
                let needs: BTreeSet<&StepId> = step.needs.iter().collect();
                let action = step.action.without_reason();
                serde_json::json!([step.id, step.node, needs, step.risk, action, step.changes])
            })
            .collect();
        let mut whole = serde_json::json!([self.environment, self.verb, self.to, steps]);
        if let (Some(source), Value::Array(parts)) = (&self.source, &mut whole) {
            parts.push(Value::from(source.environment.as_str()));
        }
        let whole = sorted(whole);
        let hash = Sha256::digest(whole.to_string());
        hash.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Checks that the steps can be run: ids are unique, every need exists, and no steps wait for each other.
    ///
    /// # Errors
    /// The first thing that is wrong. All of them are faults of the planner, not of the user.
    pub fn validate(&self) -> Result<(), PlanError> {
        let mut index: HashMap<&StepId, usize> = HashMap::with_capacity(self.steps.len());
        for (i, step) in self.steps.iter().enumerate() {
            if index.insert(&step.id, i).is_some() {
                return Err(PlanError::Duplicate(step.id.clone()));
            }
        }
        let mut waits = vec![0_usize; self.steps.len()];
        let mut dependents = vec![Vec::new(); self.steps.len()];
        for (i, step) in self.steps.iter().enumerate() {
            for need in &step.needs {
                let Some(needed) = index.get(need) else {
                    return Err(PlanError::UnknownNeed { step: step.id.clone(), need: need.clone() });
                };
                dependents[*needed].push(i);
                waits[i] += 1;
            }
        }
        // Takes away what needs nothing that is left, until nothing is left or all that is left waits.
        let mut free: Vec<usize> = (0..self.steps.len()).filter(|i| waits[*i] == 0).collect();
        while let Some(i) = free.pop() {
            for dependent in &dependents[i] {
                waits[*dependent] -= 1;
                if waits[*dependent] == 0 {
                    free.push(*dependent);
                }
            }
        }
        let left = self.steps.iter().zip(&waits).filter(|(_, waits)| **waits > 0);
        let needs: BTreeMap<&StepId, &[StepId]> = left.map(|(step, _)| (&step.id, step.needs.as_slice())).collect();
        match needs.keys().next() {
            None => Ok(()),
            Some(start) => Err(PlanError::Cycle(cycle(start, &needs))),
        }
    }
}

/// Follows needs from `start` until a step comes up again. Every step in `needs` needs another one in it.
fn cycle(start: &StepId, needs: &BTreeMap<&StepId, &[StepId]>) -> Vec<StepId> {
    let mut path = vec![start.clone()];
    loop {
        let last = &path[path.len() - 1];
        let Some(next) = needs.get(last).and_then(|wants| wants.iter().find(|want| needs.contains_key(want))) else {
            return path;
        };
        let again = path.iter().position(|id| id == next);
        path.push(next.clone());
        if let Some(from) = again {
            return path.split_off(from);
        }
    }
}

/// The same value with the keys of every object in order.
fn sorted(value: Value) -> Value {
    match value {
        Value::Array(list) => Value::Array(list.into_iter().map(sorted).collect()),
        Value::Object(map) => {
            let ordered: BTreeMap<String, Value> = map.into_iter().map(|(key, value)| (key, sorted(value))).collect();
            Value::Object(ordered.into_iter().collect())
        }
        other => other,
    }
}

impl Action {
    /// The resource's own `reason` is prose too.
    fn without_reason(&self) -> Self {
        let mut action = self.clone();
        if let Self::Infrastructure(
            Change::Create { resource }
            | Change::Start { resource }
            | Change::Update { resource, .. }
            | Change::Replace { resource, .. },
        ) = &mut action
        {
            resource.reason.clear();
        }
        action
    }
}

impl Counts {
    /// All steps.
    #[must_use]
    pub fn total(&self) -> usize {
        self.create
            + self.start
            + self.update
            + self.replace
            + self.delete
            + self.wait
            + self.configure
            + self.task
            + self.drill
    }
}

impl Verb {
    /// As the command line spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Apply => "apply",
            Self::Upgrade => "upgrade",
            Self::Backup => "backup",
            Self::Verify => "verify backups",
            Self::Restore => "restore",
            Self::Drill => "drill",
            Self::Destroy => "destroy",
        }
    }
}

impl std::fmt::Display for Verb {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

impl StepId {
    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for StepId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&self.0)
    }
}

impl Serialize for StepId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// As serde does with a text that has one owner.
mod shared_text {
    use std::sync::Arc;

    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

    pub(super) fn serialize<S: Serializer>(text: &Option<Arc<str>>, serializer: S) -> Result<S::Ok, S::Error> {
        text.as_deref().serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Arc<str>>, D::Error> {
        Ok(Option::<String>::deserialize(deserializer)?.map(Into::into))
    }
}

impl From<String> for StepId {
    fn from(id: String) -> Self {
        Self(id.into())
    }
}

impl From<&str> for StepId {
    fn from(id: &str) -> Self {
        Self(id.into())
    }
}
