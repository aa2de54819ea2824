//! The order of an upgrade: node by node, role after role, while the rest serves. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    build::{differing, may_run},
    model::{Action, Plan, Risk, Step, StepId, Verb},
};
use crate::{
    catalog::{
        Role,
        version::{at_least, parts},
    },
    configure::{Moment, Stage, Task},
    observe::NodeState,
    topology::{Node, Topology},
};

/// All that the plan of an upgrade is made from.
pub struct UpgradeInput<'a> {
    /// The environment.
    pub topology: &'a Topology,
    /// The stack's roles.
    pub roles: &'a BTreeMap<String, Role>,
    /// Node -> its stages in run order, rendered for the new version.
    pub stages: &'a BTreeMap<String, Vec<Stage>>,
    /// Node -> what its roles do at the moments of an upgrade.
    pub tasks: &'a BTreeMap<String, Vec<Task>>,
    /// Node -> what was found.
    pub nodes: &'a BTreeMap<String, NodeState>,
    /// Node -> the version that is installed, for nodes that have the product.
    pub installed: &'a BTreeMap<String, String>,
    /// The version that is wanted.
    pub to: &'a str,
    /// Versions `major.minor`, oldest first, that must not be jumped over.
    pub stops: &'a [String],
}

/// Why there is no way to a version.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum UpgradeError {
    /// Not a number.
    #[error("`{0}` is no version to upgrade to: name one such as 19.2.1, or a line such as 19.2")]
    NoVersion(String),
    /// Older than what is there.
    #[error("{node} has {installed}, and {to} is older: the database cannot go back")]
    Older {
        /// Node.
        node: String,
        /// Its version.
        installed: String,
        /// The version wanted.
        to: String,
    },
    /// A required stop lies between.
    #[error("{node} has {installed}: {to} must not be reached without {stop} in between")]
    Stop {
        /// Node.
        node: String,
        /// Its version.
        installed: String,
        /// The version wanted.
        to: String,
        /// The next version to upgrade to.
        stop: String,
    },
    /// Nodes that could not be looked at.
    #[error("{} cannot be looked at: {}", .0.join(", "), .1)]
    Unseen(Vec<String>, String),
}

/// Whether one version may follow another, and if not, by which the way goes.
fn way(node: &str, installed: &str, to: &str, stops: &[String]) -> Result<(), UpgradeError> {
    let (Some(have), Some(want)) = (parts(installed), parts(to)) else {
        return Err(UpgradeError::NoVersion(if parts(to).is_none() { to } else { installed }.to_owned()));
    };
    let line = |version: [u32; 3]| (version[0], version[1]);
    let (node, installed, to) = (node.to_owned(), installed.to_owned(), to.to_owned());
    // `19.2` means its newest patch.
    let older = if to.matches('.').count() < 2 { line(want) < line(have) } else { want < have };
    if older {
        return Err(UpgradeError::Older { node, installed, to });
    }
    let between = |stop: &&String| parts(stop).is_some_and(|stop| line(have) < line(stop) && line(stop) < line(want));
    match stops.iter().find(between) {
        Some(stop) => Err(UpgradeError::Stop { node, installed, to, stop: stop.clone() }),
        None => Ok(()),
    }
}

/// One node of an upgrade, with the range of its steps.
struct Part<'a> {
    node: &'a Node,
    first: usize,
    last: usize,
}

/// Every node that has the product gets the new version: what it leads is handed over and its users are sent away, it is
/// configured, and takes part again, before the next of its role begins. Nodes that have the version and are as they should
/// be only make sure that they take part.
///
/// # Errors
/// When the version cannot follow what is installed, or a node cannot be looked at.
pub fn upgrade(input: &UpgradeInput<'_>) -> Result<Plan, UpgradeError> {
    let nodes = || input.topology.nodes.iter().filter(|node| input.installed.contains_key(&node.name));
    let reason = |node: &Node| match input.nodes.get(&node.name) {
        Some(NodeState::Seen { .. }) => None,
        Some(NodeState::Unreachable { reason }) => Some((node.name.clone(), reason.clone())),
        _ => Some((node.name.clone(), "it does not run".to_owned())),
    };
    let unseen: Vec<(String, String)> = input.topology.nodes.iter().filter_map(reason).collect();
    if let Some((_, first)) = unseen.first().cloned() {
        return Err(UpgradeError::Unseen(unseen.into_iter().map(|(node, _)| node).collect(), first));
    }
    for node in nodes() {
        way(&node.name, &input.installed[&node.name], input.to, input.stops)?;
    }

    let mut steps = Vec::new();
    let mut all = Vec::new();
    for node in nodes() {
        let first = steps.len();
        push_node(input, node, &mut steps);
        if steps.len() > first {
            all.push(Part { node, first, last: steps.len() - 1 });
        }
    }
    order(input, &all, &mut steps);

    let ends: Vec<StepId> = all.iter().map(|part| steps[part.last].id.clone()).collect();
    for node in nodes() {
        for task in tasks(input, node, Moment::Finish) {
            let mut step = task_step(node, task, "every node has the new version".to_owned());
            step.needs.extend(ends.iter().cloned());
            steps.push(step);
        }
    }
    Ok(Plan {
        environment: input.topology.environment.clone(),
        verb: Verb::Upgrade,
        to: Some(input.to.to_owned()),
        steps,
        notes: Vec::new(),
        unreachable: Vec::new(),
        infrastructure_only: false,
        source: None,
        downtime: Vec::new(),
        money: None,
    })
}

fn tasks<'a>(input: &'a UpgradeInput<'_>, node: &Node, moment: Moment) -> impl Iterator<Item = &'a Task> {
    input.tasks.get(&node.name).into_iter().flatten().filter(move |task| task.moment == moment)
}

pub(super) fn task_step(node: &Node, task: &Task, reason: String) -> Step {
    let word = task.moment.name();
    Step {
        id: StepId::from(format!("{word}/{}/{}", node.name, task.role)),
        node: Some(node.name.clone()),
        title: format!("{word} {}", task.role),
        reason,
        needs: Vec::new(),
        risk: Risk::None,
        action: Action::Task { role: task.role.clone(), moment: task.moment },
        changes: Vec::new(),
    }
}

/// A node's steps, each after the one before it.
fn push_node(input: &UpgradeInput<'_>, node: &Node, steps: &mut Vec<Step>) {
    let first = steps.len();
    let installed = &input.installed[&node.name];
    let has_it = at_least(installed, input.to);
    let state = &input.nodes[&node.name];
    let stages = input.stages.get(&node.name).into_iter().flatten().filter(|stage| may_run(stage, input.roles));
    let stages: Vec<&Stage> = stages.collect();
    let done = has_it && stages.iter().all(|stage| differing(stage, state).is_empty());
    let why = match (has_it, done) {
        (true, true) => "makes sure that the node does its part".to_owned(),
        (true, false) => format!("{installed} is installed, and not all of it is done"),
        (false, _) => format!("{installed} -> {}", input.to),
    };
    if !done {
        steps.extend(tasks(input, node, Moment::Leave).map(|task| task_step(node, task, why.clone())));
        steps.extend(stages.into_iter().map(|stage| Step {
            id: StepId::from(format!("configure/{}/{}", node.name, stage.role)),
            node: Some(node.name.clone()),
            title: format!("configure {}", stage.role),
            reason: why.clone(),
            needs: Vec::new(),
            risk: Risk::Restart,
            action: Action::Configure { role: stage.role.clone() },
            changes: differing(stage, state),
        }));
    }
    steps.extend(tasks(input, node, Moment::Settle).map(|task| task_step(node, task, why.clone())));
    for at in first + 1..steps.len() {
        let before = steps[at - 1].id.clone();
        steps[at].needs.push(before);
    }
}

/// Nodes of a role take turns, the leader last; a role waits for those that it names.
fn order(input: &UpgradeInput<'_>, all: &[Part<'_>], steps: &mut [Step]) {
    let mut needs: Vec<BTreeSet<StepId>> = vec![BTreeSet::new(); all.len()];
    for (name, role) in input.roles {
        let Some(spec) = &role.upgrade else { continue };
        let leads = |part: &Part<'_>| match &input.nodes[&part.node.name] {
            NodeState::Seen { leads, .. } => role.rolling.leader_last && leads.contains(name),
            _ => false,
        };
        let mut turns: Vec<(bool, usize)> = all
            .iter()
            .enumerate()
            .filter(|(_, part)| part.node.roles.contains(name))
            .map(|(at, part)| (leads(part), at))
            .collect();
        turns.sort_unstable();
        for (position, (_, at)) in turns.iter().enumerate() {
            let width = role.rolling.max_unavailable as usize;
            if width > 0 && position >= width {
                needs[*at].insert(steps[all[turns[position - width].1].last].id.clone());
            }
            let earlier = all
                .iter()
                .enumerate()
                .filter(|(other, part)| other != at && part.node.roles.iter().any(|role| spec.after.contains(role)));
            needs[*at].extend(earlier.map(|(_, part)| steps[part.last].id.clone()));
        }
    }
    for (part, needs) in all.iter().zip(needs) {
        steps[part.first].needs.extend(needs);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stops() -> Vec<String> {
        ["18.8", "18.11", "19.2"].map(str::to_owned).to_vec()
    }

    #[test]
    fn a_required_stop_is_named_and_one_that_is_reached_is_good() {
        let told = |installed, to| way("demo-app-1", installed, to, &stops()).map_err(|error| error.to_string());
        assert_eq!(told("18.11.3-ee.0", "19.2.1"), Ok(()));
        assert_eq!(told("18.11.3-ee.0", "18.11.3"), Ok(()));
        assert_eq!(told("19.2.4-ee.0", "19.2"), Ok(()), "a line means its newest patch");
        assert_eq!(
            told("18.8.1", "19.0.0"),
            Err("demo-app-1 has 18.8.1: 19.0.0 must not be reached without 18.11 in between".to_owned())
        );
        assert_eq!(
            told("18.5.1", "19.0.0").unwrap_err(),
            "demo-app-1 has 18.5.1: 19.0.0 must not be reached without 18.8 in between"
        );
    }

    #[test]
    fn there_is_no_way_back_and_none_to_a_word() {
        let told = |installed, to| way("demo-app-1", installed, to, &stops()).unwrap_err();
        assert!(matches!(told("19.2.1", "19.2.0"), UpgradeError::Older { .. }));
        assert!(matches!(told("19.2.1", "18.11"), UpgradeError::Older { .. }));
        assert_eq!(told("19.2.1", "newest"), UpgradeError::NoVersion("newest".to_owned()));
    }
}
