use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::{
    configure::{ItemResult, Outcome},
    plan::{Risk, Verb},
    provider::{Condition, Live},
};

fn file(path: &str, content: &str) -> Item {
    Item {
        id: format!("file {path}"),
        want: Want::File {
            path: path.to_owned(),
            content: content.as_bytes().into(),
            mode: "0644".to_owned(),
            owner: "root".to_owned(),
            group: "root".to_owned(),
            secret: false,
            initial: false,
        },
    }
}

fn stage(resources: Vec<Item>) -> Stage {
    Stage { node: "demo-app-1".to_owned(), role: "app".to_owned(), resources }
}

fn resource(image: &str) -> Resource {
    Resource {
        id: "node/demo-app-1".to_owned(),
        kind: "container".to_owned(),
        node: Some("demo-app-1".to_owned()),
        attributes: BTreeMap::from([("image".to_owned(), image.into())]),
        needs: vec![],
        data_bearing: false,
        reason: String::new(),
        shared: false,
    }
}

fn step(action: Action) -> Step {
    let id = match &action {
        Action::Configure { role } => format!("configure/demo-app-1/{role}"),
        Action::AwaitNode => "await/demo-app-1".to_owned(),
        _ => "resource/node/demo-app-1".to_owned(),
    };
    Step {
        id: id.into(),
        node: Some("demo-app-1".to_owned()),
        title: "do it".to_owned(),
        reason: "differs".to_owned(),
        needs: vec![],
        risk: Risk::None,
        action,
        changes: vec![],
    }
}

fn plan(steps: Vec<Step>) -> Plan {
    let environment = "demo".to_owned();
    Plan {
        environment,
        verb: Verb::Apply,
        to: None,
        steps,
        notes: vec![],
        unreachable: vec![],
        infrastructure_only: false,
        source: None,
        downtime: Vec::new(),
        money: None,
    }
}

/// What a look at the node found to differ.
type Found<'a> = &'a [(&'a str, &'a str)];

fn drifted(plan: &Plan, stage: Stage, found: Found<'_>, applied: &Applied) -> (Vec<String>, Vec<String>) {
    let result = |(id, detail): &(&str, &str)| ItemResult {
        id: (*id).to_owned(),
        outcome: Outcome::Changed,
        detail: (*detail).to_owned(),
        present: None,
    };
    let seen = BTreeMap::from([(stage.role.clone(), found.iter().map(result).collect())]);
    let nodes = BTreeMap::from([("demo-app-1".to_owned(), NodeState::Seen { stages: seen, leads: BTreeSet::new() })]);
    let stages = BTreeMap::from([("demo-app-1".to_owned(), vec![stage])]);
    let found = drift(plan, &stages, &nodes, applied);
    let told = found.plan.steps.iter().map(|step| format!("{}: {}", step.id, step.reason)).collect();
    (told, found.expected.iter().map(ToString::to_string).collect())
}

fn applied(stage: &Stage) -> Applied {
    let mut applied = Applied::default();
    applied.note(AppliedEntry::resource(&resource("a")));
    let settled: BTreeSet<&str> = stage.resources.iter().map(|item| item.id.as_str()).collect();
    applied.note(AppliedEntry::stage(stage, &settled));
    applied
}

#[test]
fn a_file_that_somebody_edited_is_drift_and_one_that_the_environment_wants_otherwise_is_not() {
    let before = stage(vec![file("/etc/a", "1"), file("/etc/b", "1")]);
    let now = stage(vec![file("/etc/a", "1"), file("/etc/b", "2")]);
    let configure = Action::Configure { role: "app".to_owned() };
    let both = [("file /etc/a", "content"), ("file /etc/b", "content"), ("service app", "restart (/etc/a changed)")];
    let plan = plan(vec![step(configure)]);
    let applied = applied(&before);
    assert_eq!(
        drifted(&plan, now.clone(), &both, &applied),
        (vec!["configure/demo-app-1/app: file /etc/a: content".to_owned()], vec![])
    );
    let wanted = stage(vec![file("/etc/a", "2"), file("/etc/b", "2")]);
    assert_eq!(drifted(&plan, wanted, &both, &applied), (vec![], vec!["configure/demo-app-1/app".to_owned()]));
    // It is in the plan because a stage before it changes something: neither drift nor asked for.
    assert_eq!(drifted(&plan, before, &[], &applied), (vec![], vec![]));
}

#[test]
fn a_service_that_does_not_answer_is_news_only_where_nothing_tells_why() {
    let item = |id: &str| Item { id: id.to_owned(), want: Want::Absent { path: id.to_owned() } };
    let stage = stage(vec![item("service app"), item("ready app")]);
    let applied = applied(&stage);
    let told = |found: Found<'_>| {
        let plan = plan(vec![step(Action::Configure { role: "app".to_owned() })]);
        drifted(&plan, stage.clone(), found, &applied).0
    };
    let silent = ("ready app", "not ready");
    assert_eq!(
        told(&[("service app", "start (inactive)"), silent]),
        ["configure/demo-app-1/app: service app: start (inactive)"]
    );
    assert_eq!(told(&[silent]), ["configure/demo-app-1/app: ready app: not ready"]);
}

#[test]
fn a_machine_that_is_gone_is_one_piece_of_news() {
    let of = stage(vec![file("/etc/a", "1")]);
    let create = Action::Infrastructure(Change::Create { resource: resource("a") });
    let steps = vec![step(create), step(Action::AwaitNode), step(Action::Configure { role: "app".to_owned() })];
    let found = drifted(&plan(steps.clone()), of.clone(), &[("file /etc/a", "new")], &applied(&of));
    assert_eq!(found, (vec!["resource/node/demo-app-1: it was there, and is gone".to_owned()], vec![]));

    // A node that the file has now and did not have before is no drift.
    let mut without = applied(&of);
    without.note(AppliedEntry::Removed { id: "node/demo-app-1".to_owned(), node: Some("demo-app-1".to_owned()) });
    without.note(AppliedEntry::resource(&Resource { id: "network".to_owned(), ..resource("n") }));
    assert_eq!(drifted(&plan(steps), of, &[], &without), (vec![], vec!["resource/node/demo-app-1".to_owned()]));
}

#[test]
fn stopped_changed_and_strange_resources_are_drift() {
    let of = stage(vec![]);
    let applied = applied(&of);
    let told = |change| drifted(&plan(vec![step(Action::Infrastructure(change))]), of.clone(), &[], &applied).0;
    assert_eq!(told(Change::Start { resource: resource("a") }), ["resource/node/demo-app-1: it was stopped"]);
    let update = |image| Change::Update { resource: resource(image), fields: vec![], restart: false };
    assert_eq!(told(update("a")), ["resource/node/demo-app-1: it was changed at the provider"]);
    assert_eq!(told(update("b")), Vec::<String>::new(), "the environment file asks for another image");
    let live = |id: &str| Live {
        id: id.to_owned(),
        kind: "container".to_owned(),
        node: None,
        attributes: BTreeMap::new(),
        condition: Condition::Good,
        handle: String::new(),
        data_bearing: false,
        needs: vec![],
    };
    assert_eq!(told(Change::Delete { live: live("node/demo-app-1") }), Vec::<String>::new());
    assert_eq!(told(Change::Delete { live: live("node/demo-x-1") }).len(), 1);
}

#[test]
fn entries_come_to_the_same() {
    let known = applied(&stage(vec![file("/etc/a", "1")]));
    let mut again = Applied::default();
    known.entries().into_iter().for_each(|entry| again.note(entry));
    assert_eq!(again, known);
}
