//! Backups, their proof, and the way back, as plans. Pure.

use std::collections::BTreeMap;

use super::{
    model::{Action, Downtime, DowntimeKind, Plan, Risk, Source, Step, StepId, Verb},
    upgrade::task_step,
};
use crate::{
    catalog::Role,
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

/// The last backup of an environment that moves: its users are sent away first, so that nothing comes after it.
#[must_use]
pub fn last_backup(topology: &Topology, roles: &BTreeMap<String, Role>, tasks: &BTreeMap<String, Vec<Task>>) -> Plan {
    let why = "what is answered from now on would be lost";
    let mut all = steps(topology, tasks, Moment::Quiet, &[], Risk::Disruption, why);
    // Who hands out work is sent away before who does it.
    let ids: BTreeMap<StepId, String> =
        all.iter().filter_map(|step| Some((step.id.clone(), role_of(step)?.to_owned()))).collect();
    for step in &mut all {
        let before = role_of(step).and_then(|role| roles.get(role)).map_or(&[][..], |role| &role.after);
        step.needs = ids.iter().filter(|(_, role)| before.contains(role)).map(|(id, _)| id.clone()).collect();
    }
    let mut downtime: Vec<Downtime> = Vec::new();
    for step in &all {
        let (Some(role), Some(node)) = (role_of(step), &step.node) else { continue };
        match downtime.iter_mut().find(|down| down.role == role) {
            Some(down) => down.nodes.push(node.clone()),
            None => downtime.push(Downtime {
                role: role.to_owned(),
                kind: DowntimeKind::Down,
                nodes: vec![node.clone()],
                why: "it is stopped on all its nodes, and stays so".to_owned(),
            }),
        }
    }
    let quiet: Vec<StepId> = ids.into_keys().collect();
    all.extend(steps(topology, tasks, Moment::Backup, &quiet, Risk::None, "the last one, with everything in it"));
    Plan { downtime, ..plan(topology, Verb::Backup, all, Some("incr".to_owned())) }
}

/// Fills an environment with the newest backups of another one.
#[must_use]
pub fn restore_from(topology: &Topology, tasks: &BTreeMap<String, Vec<Task>>, source: Source) -> Plan {
    let mut plan = restore(topology, tasks, None);
    for step in &mut plan.steps {
        step.reason = format!("the data of {} comes here", source.environment);
    }
    Plan { source: Some(source), ..plan }
}

fn role_of(step: &Step) -> Option<&str> {
    match &step.action {
        Action::Task { role, .. } => Some(role),
        _ => None,
    }
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
        source: None,
        downtime: Vec::new(),
        money: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::Node;

    fn node(name: &str, roles: &[&str]) -> Node {
        Node { data_bearing: true, ..Node::sample(name, name, 1, roles) }
    }

    fn place(nodes: Vec<Node>) -> (Topology, BTreeMap<String, Vec<Task>>) {
        let task =
            |role: &str, moment| Task { role: role.to_owned(), moment, run: "true".to_owned(), deadline: 60, on: None };
        let moments = |role: &str| match role {
            "app" | "worker" => vec![Moment::Quiet, Moment::Still],
            _ => vec![Moment::Backup, Moment::Prepare, Moment::Swap],
        };
        let tasks = nodes.iter().map(|node| {
            let own = node.roles.iter().flat_map(|role| moments(role).into_iter().map(|moment| task(role, moment)));
            (node.name.clone(), own.collect())
        });
        let tasks = tasks.collect();
        (Topology::sample(nodes), tasks)
    }

    fn listing(plan: &Plan) -> Vec<String> {
        plan.validate().unwrap();
        let line = |step: &Step| {
            let needs: Vec<&str> = step.needs.iter().map(StepId::as_str).collect();
            format!("{} after [{}]", step.id, needs.join(", "))
        };
        plan.steps.iter().map(line).collect()
    }

    #[test]
    fn the_last_backup_comes_when_nobody_can_write_any_more() {
        let worker: Role = serde_json::from_str(r#"{"summary": "", "after": ["app"]}"#).unwrap();
        let roles = BTreeMap::from([("worker".to_owned(), worker)]);
        // The worker comes first in the file: the order is the roles'.
        let (topology, tasks) =
            place(vec![node("w1", &["worker"]), node("a1", &["app"]), node("a2", &["app"]), node("d1", &["data"])]);
        let plan = last_backup(&topology, &roles, &tasks);
        assert_eq!(
            listing(&plan),
            [
                "quiet/w1/worker after [quiet/a1/app, quiet/a2/app]",
                "quiet/a1/app after []",
                "quiet/a2/app after []",
                "backup/d1/data after [quiet/a1/app, quiet/a2/app, quiet/w1/worker]",
            ]
        );
        assert_eq!(plan.risk(), Risk::Disruption);
        let down: Vec<(&str, usize)> =
            plan.downtime.iter().map(|down| (down.role.as_str(), down.nodes.len())).collect();
        assert_eq!(down, [("worker", 1), ("app", 2)]);
    }

    #[test]
    fn a_restore_of_anothers_backups_names_it_and_asks_for_consent_like_any_other() {
        let (topology, tasks) = place(vec![node("d1", &["data"])]);
        let source = Source { environment: "old".to_owned(), file: "/old.yaml".to_owned() };
        let plan = restore_from(&topology, &tasks, source.clone());
        assert_eq!(
            listing(&plan),
            ["prepare/d1/data after []", "swap/d1/data after [prepare/d1/data]", "backup/d1/data after [swap/d1/data]",]
        );
        assert_eq!((plan.risk(), plan.source.as_ref()), (Risk::DataLoss, Some(&source)));
        assert!(plan.steps.iter().all(|step| step.reason == "the data of old comes here"));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("plan.json");
        plan.save(&path).unwrap();
        assert_eq!(Plan::load(&path).unwrap(), plan, "a run that is taken up again knows where the data comes from");
        assert_ne!(restore(&topology, &tasks, None).digest(), plan.digest(), "it is another plan");
    }
}
