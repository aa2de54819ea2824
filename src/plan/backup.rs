//! Backups, their proof, and the way back, as plans. Pure.

use std::collections::BTreeMap;

use super::{
    model::{Plan, Risk, Step, StepId, Verb},
    upgrade::task_step,
};
use crate::{
    configure::{Moment, Task},
    topology::Topology,
};

/// Makes a backup of everything that has one. `kind` is `full` or `incr`.
#[must_use]
pub fn backup(topology: &Topology, tasks: &BTreeMap<String, Vec<Task>>, kind: &str) -> Plan {
    let steps = steps(topology, tasks, Moment::Backup, &[], Risk::None, "it was asked for");
    plan(topology, Verb::Backup, steps, Some(kind.to_owned()))
}

/// Restores the newest backups beside the live data and reads them.
#[must_use]
pub fn verify_backups(topology: &Topology, tasks: &BTreeMap<String, Vec<Task>>) -> Plan {
    let steps = steps(topology, tasks, Moment::Verify, &[], Risk::None, "only a backup that was restored is one");
    plan(topology, Verb::Verify, steps, None)
}

/// Goes back to the backups, as of `target` (none: the newest): everything is restored beside the live data before
/// anything that serves is touched, and a new full backup ends it.
#[must_use]
pub fn restore(topology: &Topology, tasks: &BTreeMap<String, Vec<Task>>, target: Option<&str>) -> Plan {
    let why = target.map_or_else(|| "back to the newest backup".to_owned(), |time| format!("back to {time}"));
    let mut all: Vec<Step> = Vec::new();
    let mut before: Vec<StepId> = Vec::new();
    for (moment, risk) in [
        (Moment::Prepare, Risk::None),
        (Moment::Halt, Risk::Disruption),
        (Moment::Swap, Risk::DataLoss),
        (Moment::Return, Risk::Disruption),
        (Moment::Backup, Risk::None),
    ] {
        let next = steps(topology, tasks, moment, &before, risk, &why);
        if !next.is_empty() {
            before = next.iter().map(|step| step.id.clone()).collect();
        }
        all.extend(next);
    }
    plan(topology, Verb::Restore, all, target.map(str::to_owned))
}

fn steps(
    topology: &Topology,
    tasks: &BTreeMap<String, Vec<Task>>,
    moment: Moment,
    needs: &[StepId],
    risk: Risk,
    reason: &str,
) -> Vec<Step> {
    let mut steps = Vec::new();
    for node in &topology.nodes {
        for task in tasks.get(&node.name).into_iter().flatten().filter(|task| task.moment == moment) {
            steps.push(Step { needs: needs.to_vec(), risk, ..task_step(node, task, reason.to_owned()) });
        }
    }
    steps
}

fn plan(topology: &Topology, verb: Verb, steps: Vec<Step>, to: Option<String>) -> Plan {
    let environment = topology.environment.clone();
    Plan {
        environment,
        verb,
        to,
        steps,
        notes: Vec::new(),
        unreachable: Vec::new(),
        infrastructure_only: false,
        money: None,
    }
}
