//! Nodes that go for good: they take their leave from the others first. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    build::Input,
    model::{Action, Downtime, Risk, Step, StepId},
};
use crate::{
    configure::{Moment, Task},
    provider::Change,
};

/// Nodes that go for good, and what those that stay do then.
#[derive(Debug, Clone, Default)]
pub struct Leaving {
    /// Node that goes, and answers -> what its roles do at the end, in the order of its roles.
    pub parting: BTreeMap<String, Vec<Task>>,
    /// Every node that stays -> what its roles do when others are gone.
    pub staying: BTreeMap<String, Vec<Task>>,
    /// Nodes that go and whose data others have.
    pub keeps_data: BTreeSet<String>,
    /// Roles that go with all of their nodes.
    pub moves: Vec<Downtime>,
}

impl Leaving {
    /// What a node does last: what came last on it goes first.
    fn last(&self, node: &str) -> impl Iterator<Item = &Task> {
        self.parting.get(node).into_iter().flatten().rev().filter(|task| task.moment == Moment::Part)
    }
}

/// Puts the removals at the end: when nobody is configured to use a node any more, it takes its leave, its machine goes,
/// and the others forget it. Nodes of one role leave one after the other.
pub(super) fn removals(steps: &mut Vec<Step>, removals: Vec<Step>, configured: &[StepId], input: &Input<'_>) {
    // Role -> the last step of the node of it that left before.
    let mut before: BTreeMap<&str, StepId> = BTreeMap::new();
    let mut gone: BTreeSet<&str> = BTreeSet::new();
    let mut ids = Vec::new();
    for mut removal in removals {
        removal.needs.extend(configured.iter().cloned());
        let node = removal.node.clone().unwrap_or_default();
        let mut last = None;
        let roles: Vec<&str> = input.leaving.last(&node).map(|task| task.role.as_str()).collect();
        for task in input.leaving.last(&node) {
            let mut needs: Vec<StepId> = last.clone().map_or_else(|| configured.to_vec(), |last| vec![last]);
            needs.extend(before.get(task.role.as_str()).cloned());
            let step = part(&node, task, "it goes for good", needs);
            last = Some(step.id.clone());
            steps.push(step);
        }
        removal.needs.extend(last);
        for role in roles {
            before.insert(role, removal.id.clone());
            gone.insert(role);
        }
        ids.push(removal.id.clone());
        steps.push(removal);
    }
    forget(steps, &gone, &ids, input);
}

fn forget(steps: &mut Vec<Step>, gone: &BTreeSet<&str>, removals: &[StepId], input: &Input<'_>) {
    let mut before: BTreeMap<&str, StepId> = BTreeMap::new();
    for node in &input.topology.nodes {
        let tasks = input.leaving.staying.get(&node.name).into_iter().flatten();
        for task in tasks.filter(|task| task.moment == Moment::Forget && gone.contains(task.role.as_str())) {
            let mut needs = removals.to_vec();
            needs.extend(before.get(task.role.as_str()).cloned());
            let id = StepId::from(format!("forget/{}/{}", node.name, task.role));
            before.insert(&task.role, id.clone());
            steps.push(Step {
                id,
                node: Some(node.name.clone()),
                title: format!("{}: forget who left", task.role),
                reason: "nodes of the role are gone for good".to_owned(),
                needs,
                risk: Risk::None,
                action: Action::Task { role: task.role.clone(), moment: Moment::Forget },
                changes: Vec::new(),
            });
        }
    }
}

/// A node that is made anew takes its leave first; where several of one role are, each waits until the one before it is
/// back.
pub(super) fn replacements(steps: &mut Vec<Step>, input: &Input<'_>) {
    let mut back: BTreeMap<String, StepId> = BTreeMap::new();
    for change in input.changes {
        let Change::Replace { resource, .. } = change else { continue };
        let Some(node) = &resource.node else { continue };
        let mut last: Option<StepId> = None;
        let mut parting = Vec::new();
        for task in input.leaving.last(node) {
            let needs = last.iter().cloned().chain(back.get(&task.role).cloned()).collect();
            let step = part(node, task, "it is made anew", needs);
            last = Some(step.id.clone());
            parting.push(step);
        }
        let id = StepId::from(format!("resource/{}", resource.id));
        let Some(place) = steps.iter().position(|step| step.id == id) else { continue };
        steps[place].needs.extend(last);
        steps.splice(place..place, parting);
        let own = |step: &&Step| step.node.as_ref() == Some(node) && matches!(step.action, Action::Configure { .. });
        if let Some(end) = steps.iter().rfind(own) {
            for task in input.leaving.last(node) {
                back.insert(task.role.clone(), end.id.clone());
            }
        }
    }
}

/// What a node keeps is moved while everybody still knows it: nothing is configured, changed or removed before that. One
/// node after the other. What is only made may be made meanwhile.
pub(super) fn drains(steps: &mut Vec<Step>, input: &Input<'_>) {
    let mut drains: Vec<Step> = Vec::new();
    for (node, tasks) in &input.leaving.parting {
        for task in tasks.iter().filter(|task| task.moment == Moment::Drain) {
            let drain = input.roles.get(&task.role).and_then(|role| role.leave.as_ref()?.drain.as_ref());
            let does = drain.map(|drain| format!(": {}", drain.does)).unwrap_or_default();
            let why = if input.topology.node(node).is_some() { "it is made anew" } else { "it goes for good" };
            let needs = drains.last().map(|drain| drain.id.clone()).into_iter().collect();
            drains.push(farewell(node, task, "drain", format!("{why}{does}"), needs));
        }
    }
    let made = |step: &Step| match &step.action {
        Action::Infrastructure(change) => matches!(change, Change::Create { .. } | Change::Start { .. }),
        Action::Locate | Action::AwaitNode => true,
        _ => false,
    };
    for step in steps.iter_mut().filter(|step| !made(step)) {
        step.needs.extend(drains.iter().map(|drain| drain.id.clone()));
    }
    steps.splice(0..0, drains);
}

fn part(node: &str, task: &Task, why: &str, needs: Vec<StepId>) -> Step {
    farewell(node, task, "take leave", why.to_owned(), needs)
}

/// What a node's role does before the node goes.
fn farewell(node: &str, task: &Task, does: &str, reason: String, needs: Vec<StepId>) -> Step {
    Step {
        id: StepId::from(format!("{}/{node}/{}", task.moment.name(), task.role)),
        node: Some(node.to_owned()),
        title: format!("{}: {does}", task.role),
        reason,
        needs,
        risk: Risk::Restart,
        action: Action::Task { role: task.role.clone(), moment: task.moment },
        changes: Vec::new(),
    }
}
