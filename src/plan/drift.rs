//! Drift: what differs although nobody asked for a change - something was changed behind refarch's back. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{
    build::differing,
    model::{Action, ItemChange, Plan, Step, StepId},
};
use crate::{
    configure::{Item, Stage, Want},
    observe::NodeState,
    provider::{Change, Resource},
};

/// What was wanted when it was applied last, by fingerprint.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Applied {
    resources: BTreeMap<String, String>,
    /// Node and role -> item -> fingerprint.
    stages: BTreeMap<(String, String), BTreeMap<String, String>>,
}

/// Something that was applied, or taken away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum AppliedEntry {
    /// The provider has this resource as described.
    Resource {
        /// Its id.
        id: String,
        /// Node that it is.
        node: Option<String>,
        /// What was wanted of it.
        fingerprint: String,
    },
    /// The provider has it no more.
    Removed {
        /// Its id.
        id: String,
        /// Node that it was.
        node: Option<String>,
    },
    /// These things of a stage are as wanted.
    Stage {
        /// Node.
        node: String,
        /// Role.
        role: String,
        /// Item -> fingerprint of what was wanted.
        items: BTreeMap<String, String>,
    },
}

/// What changed behind refarch's back, and what does not count as such.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Drift {
    /// The steps that would put it back, each with only the differences that nobody asked for.
    #[serde(flatten)]
    pub plan: Plan,
    /// Steps that the environment file, its settings or a new version of refarch ask for.
    pub expected: Vec<StepId>,
}

impl AppliedEntry {
    /// A resource that was made or changed.
    #[must_use]
    pub fn resource(resource: &Resource) -> Self {
        Self::Resource {
            id: resource.id.clone(),
            node: resource.node.clone(),
            fingerprint: resource_fingerprint(resource),
        }
    }

    /// Those items of a stage that `settled` names.
    #[must_use]
    pub fn stage(stage: &Stage, settled: &BTreeSet<&str>) -> Self {
        let items = stage.resources.iter().filter(|item| settled.contains(item.id.as_str()));
        Self::Stage {
            node: stage.node.clone(),
            role: stage.role.clone(),
            items: items.map(|item| (item.id.clone(), fingerprint(item))).collect(),
        }
    }
}

impl Applied {
    /// Node -> roles that were configured on it.
    #[must_use]
    pub fn roles(&self) -> BTreeMap<String, BTreeSet<String>> {
        let mut roles: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (node, role) in self.stages.keys() {
            roles.entry(node.clone()).or_default().insert(role.clone());
        }
        roles
    }

    /// Whether nothing is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.resources.is_empty() && self.stages.is_empty()
    }

    /// Takes an entry in.
    pub fn note(&mut self, entry: AppliedEntry) {
        match entry {
            AppliedEntry::Resource { id, fingerprint, .. } => {
                self.resources.insert(id, fingerprint);
            }
            AppliedEntry::Removed { id, node } => {
                self.resources.remove(&id);
                self.stages.retain(|(of, _), _| Some(of) != node.as_ref());
            }
            AppliedEntry::Stage { node, role, items } => self.stages.entry((node, role)).or_default().extend(items),
        }
    }

    /// The entries that come to the same.
    #[must_use]
    pub fn entries(&self) -> Vec<AppliedEntry> {
        let resources = self.resources.iter().map(|(id, fingerprint)| AppliedEntry::Resource {
            id: id.clone(),
            node: None,
            fingerprint: fingerprint.clone(),
        });
        let stages = self.stages.iter().map(|((node, role), items)| AppliedEntry::Stage {
            node: node.clone(),
            role: role.clone(),
            items: items.clone(),
        });
        resources.chain(stages).collect()
    }

    fn has_item(&self, stage: &Stage, change: &ItemChange) -> bool {
        let known = self.stages.get(&(stage.node.clone(), stage.role.clone()));
        let item = stage.resources.iter().find(|item| item.id == change.item);
        item.zip(known).is_some_and(|(item, known)| known.get(&item.id) == Some(&fingerprint(item)))
    }
}

/// The part of a plan that mends what nobody asked for. Where nothing is known of what was applied, that is all of it.
#[must_use]
pub fn drift(
    plan: &Plan,
    stages: &BTreeMap<String, Vec<Stage>>,
    nodes: &BTreeMap<String, NodeState>,
    applied: &Applied,
) -> Drift {
    let silent: BTreeSet<&str> = plan.unreachable.iter().map(|node| node.node.as_str()).collect();
    let arriving: BTreeSet<&str> = plan
        .steps
        .iter()
        .filter(|step| matches!(step.action, Action::AwaitNode))
        .filter_map(|step| step.node.as_deref())
        .collect();
    let mut steps = Vec::new();
    let mut expected = Vec::new();
    for step in &plan.steps {
        let node = step.node.as_deref().unwrap_or_default();
        let kept = match &step.action {
            Action::Infrastructure(change) => infrastructure(step, change, applied),
            // What follows from the machine being away is no news of its own.
            Action::Locate => continue,
            Action::AwaitNode if !silent.contains(node) => continue,
            Action::Configure { .. } if arriving.contains(node) => continue,
            Action::AwaitNode => Some(step.clone()),
            Action::Configure { role } => {
                let stage = stages.get(node).and_then(|stages| stages.iter().find(|stage| stage.role == *role));
                // The plan says of a stage after one that changes only that it is looked at again: what was found counts.
                let Some((stage, state)) = stage.zip(nodes.get(node)) else { continue };
                match differing(stage, state).as_slice() {
                    [] => continue,
                    found => configure(step, stage, found, applied),
                }
            }
            Action::Task { .. } | Action::Drill { .. } => None,
        };
        match kept {
            Some(step) => steps.push(step),
            None => expected.push(step.id.clone()),
        }
    }
    let ids: BTreeSet<StepId> = steps.iter().map(|step| step.id.clone()).collect();
    for step in &mut steps {
        step.needs.retain(|need| ids.contains(need));
    }
    let mut notes = plan.notes.clone();
    if applied.is_empty() && !plan.is_empty() {
        notes.push("nothing is known here of what was applied before: all that differs is shown".to_owned());
    }
    Drift { plan: Plan { steps, notes, ..plan.clone() }, expected }
}

fn infrastructure(step: &Step, change: &Change, applied: &Applied) -> Option<Step> {
    let (known, reason) = match change {
        Change::Create { resource } => (applied.resources.contains_key(&resource.id), "it was there, and is gone"),
        Change::Start { .. } => (true, "it was stopped"),
        Change::Update { resource, .. } => (
            applied.resources.get(&resource.id) == Some(&resource_fingerprint(resource)),
            "it was changed at the provider",
        ),
        Change::Replace { .. } => return None,
        Change::Delete { live } => {
            (!applied.resources.contains_key(&live.id), "it carries this environment's tags, and was never applied")
        }
    };
    (known || applied.is_empty()).then(|| Step { reason: reason.to_owned(), ..step.clone() })
}

fn configure(step: &Step, stage: &Stage, found: &[ItemChange], applied: &Applied) -> Option<Step> {
    // A service that does not answer is news where nothing else tells why.
    let probe = |change: &&ItemChange| change.item.starts_with("ready ");
    let all_probes = found.iter().all(|change| probe(&change));
    let counts = |change: &&ItemChange| {
        !follows(change) && (all_probes || !probe(change)) && (applied.is_empty() || applied.has_item(stage, change))
    };
    let changes: Vec<ItemChange> = found.iter().filter(counts).cloned().collect();
    let reason = match changes.as_slice() {
        [] => return None,
        [one] => format!("{}: {}", one.item, one.detail),
        many => format!("{} things are not as they were left", many.len()),
    };
    Some(Step { reason, changes, ..step.clone() })
}

/// A service that restarts because a file is put back is no drift of its own; one that was stopped is.
fn follows(change: &ItemChange) -> bool {
    change.item.starts_with("service ")
        && ["restart (", "reload ("].iter().any(|verb| change.detail.starts_with(verb))
        && !change.detail.contains("it keeps ending")
}

fn fingerprint(item: &Item) -> String {
    // The content is part of it, so only the hash may be kept.
    match &item.want {
        Want::File { path, content, mode, owner, group, secret, initial } => {
            let content = Sha256::digest(content);
            hash(&format!("{path:?} {content:?} {mode} {owner} {group} {secret} {initial}"))
        }
        want => hash(&format!("{want:?}")),
    }
}

fn resource_fingerprint(resource: &Resource) -> String {
    hash(&format!("{} {:?}", resource.kind, resource.attributes))
}

fn hash(text: &str) -> String {
    Sha256::digest(text).iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
#[path = "drift_tests.rs"]
mod tests;
