use super::*;
use crate::provider::{Change, Resource};

fn step(id: &str, needs: &[&str]) -> Step {
    Step {
        id: id.into(),
        node: Some("demo-app-1".to_owned()),
        title: "configure app".to_owned(),
        reason: "2 of 9 items differ".to_owned(),
        needs: needs.iter().map(|need| StepId::from(*need)).collect(),
        risk: Risk::Restart,
        action: Action::Configure { role: "app".to_owned() },
        changes: vec![],
    }
}

fn create(id: &str) -> Step {
    let resource = Resource {
        id: "network".to_owned(),
        kind: "network".to_owned(),
        node: None,
        attributes: [("b".to_owned(), 1.into()), ("a".to_owned(), "x".into())].into(),
        needs: vec![],
        data_bearing: false,
        reason: "nodes talk to each other".to_owned(),
        shared: false,
    };
    Step { action: Action::Infrastructure(Change::Create { resource }), risk: Risk::None, ..step(id, &[]) }
}

fn plan(steps: Vec<Step>) -> Plan {
    Plan {
        environment: "demo".to_owned(),
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

#[test]
fn a_plan_counts_and_weighs_its_steps() {
    let plan = plan(vec![create("a"), step("b", &["a"]), step("c", &["a"])]);
    assert_eq!(plan.counts(), Counts { create: 1, configure: 2, ..Counts::default() });
    assert_eq!(plan.counts().total(), 3);
    assert_eq!(plan.risk(), Risk::Restart);
    assert!(!plan.is_empty());
}

#[test]
fn prose_and_order_do_not_change_the_digest_but_work_does() {
    let first = plan(vec![create("a"), step("b", &["a"])]);
    let mut same = plan(vec![Step { reason: "another".to_owned(), ..step("b", &["a"]) }, create("a")]);
    same.notes.push("a note".to_owned());
    if let Action::Infrastructure(Change::Create { resource }) = &mut same.steps[1].action {
        resource.reason = "another".to_owned();
    }
    assert_eq!(first.digest(), same.digest());
    assert_eq!(first.digest().len(), 64);

    same.steps[0].action = Action::Configure { role: "sidekiq".to_owned() };
    assert_ne!(first.digest(), same.digest());
}

#[test]
fn plans_that_cannot_run_are_refused_with_the_steps_named() {
    let message = |steps| plan(steps).validate().unwrap_err().to_string();
    assert_eq!(message(vec![step("a", &[]), step("a", &[])]), "the plan has two steps `a`");
    assert_eq!(message(vec![step("a", &["z"])]), "step `a` needs `z`, which the plan does not have");
    assert_eq!(
        message(vec![step("a", &["c"]), step("b", &["a"]), step("c", &["b"]), step("d", &["a"])]),
        "these steps wait for each other: a -> c -> b -> a"
    );
    assert!(plan(vec![step("b", &["a"]), step("a", &[])]).validate().is_ok(), "plan order is not needs order");
}

#[test]
fn a_saved_plan_comes_back_and_an_edited_one_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plan.json");
    let plan = plan(vec![create("a"), step("b", &["a"])]);
    plan.save(&path).unwrap();
    assert_eq!(Plan::load(&path).unwrap(), plan);

    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("\"role\": \"app\"", "\"role\": \"web\"")).unwrap();
    assert!(Plan::load(&path).unwrap_err().to_string().ends_with("it was changed after it was saved"));

    std::fs::write(&path, text.replace("\"format\": 1", "\"format\": 7")).unwrap();
    assert!(matches!(Plan::load(&path), Err(PlanError::Version { found: 7, expected: 1, .. })));
}

fn live(id: &str, needs: &[&str]) -> Change {
    Change::Delete {
        live: crate::provider::Live {
            id: id.to_owned(),
            kind: "thing".to_owned(),
            node: id.strip_prefix("node/").map(str::to_owned),
            attributes: std::collections::BTreeMap::new(),
            condition: crate::provider::Condition::Good,
            handle: id.to_owned(),
            data_bearing: false,
            needs: needs.iter().map(|need| (*need).to_owned()).collect(),
        },
    }
}

#[test]
fn what_stands_on_something_goes_before_it() {
    let changes = [
        live("node/a", &["subnet/1"]),
        live("nat/1", &["subnet/1"]),
        live("subnet/1", &["network"]),
        live("network", &[]),
    ];
    let plan = crate::plan::destroy("demo", &changes, Vec::new());
    plan.validate().unwrap();
    let needs = |id: &str| -> Vec<String> {
        let step = plan.step(&StepId::from(format!("resource/{id}"))).unwrap();
        step.needs.iter().map(|need| need.as_str().replace("resource/", "")).collect()
    };
    assert_eq!(needs("network"), ["subnet/1", "node/a"]);
    assert_eq!(needs("subnet/1"), ["node/a", "nat/1"]);
    assert_eq!(needs("nat/1"), ["node/a"]);
}

#[test]
fn without_the_nodes_what_waited_for_their_work_waits_for_what_that_waited_for() {
    let mut second = create("resource/node/2");
    second.needs = vec!["configure/1/app".into()];
    let steps = vec![
        create("resource/node/1"),
        step("await/1", &["resource/node/1"]),
        step("configure/1/app", &["await/1"]),
        second,
    ];
    let plan = plan(steps).infrastructure_only();
    plan.validate().unwrap();
    assert_eq!(plan.steps.len(), 2);
    assert_eq!(plan.steps[1].needs, [StepId::from("resource/node/1")]);
}

mod leaving {
    use std::collections::{BTreeMap, BTreeSet};

    use serde_json::json;

    use super::super::{Input, Leaving, Plan, Risk, apply};
    use crate::{
        catalog::Role,
        configure::{Item, ItemResult, Moment, Outcome, Stage, Task, Want},
        observe::NodeState,
        provider::{Change, Condition, Live, Resource},
        topology::{Node, Topology},
    };

    fn node(name: &str, role: &str) -> Node {
        Node { data_bearing: true, ..Node::sample(name, role, 1, &[role]) }
    }

    fn task(role: &str, moment: Moment) -> Task {
        Task { role: role.to_owned(), moment, run: "true".to_owned(), deadline: 60, on: None }
    }

    fn gone(name: &str) -> Change {
        Change::Delete {
            live: Live {
                id: format!("node/{name}"),
                kind: "container".to_owned(),
                node: Some(name.to_owned()),
                attributes: BTreeMap::new(),
                condition: Condition::Good,
                handle: name.to_owned(),
                data_bearing: true,
                needs: Vec::new(),
            },
        }
    }

    fn plan(changes: &[Change], leaving: &Leaving) -> Plan {
        configuring(changes, leaving, &BTreeMap::new(), &BTreeMap::new())
    }

    fn configuring(
        changes: &[Change],
        leaving: &Leaving,
        stages: &BTreeMap<String, Vec<Stage>>,
        nodes: &BTreeMap<String, NodeState>,
    ) -> Plan {
        let topology = Topology::sample(vec![node("demo-consul-1", "consul"), node("demo-consul-2", "consul")]);
        let role: Role = serde_json::from_value(json!({"summary": "", "data_bearing": true})).unwrap();
        let store: Role = serde_json::from_value(json!({
            "summary": "", "data_bearing": true, "leave": {"drain": {"on": "consul", "does": "moves everything"}}
        }))
        .unwrap();
        let plan = apply(&Input {
            topology: &topology,
            roles: &BTreeMap::from([("consul".to_owned(), role), ("store".to_owned(), store)]),
            changes,
            notes: &[],
            stages,
            nodes,
            late_addresses: false,
            leaving,
        });
        plan.validate().unwrap();
        plan
    }

    fn listing(plan: &Plan) -> Vec<String> {
        let line = |step: &super::super::Step| {
            let needs: Vec<&str> = step.needs.iter().map(|need| need.as_str()).collect();
            format!("{} after [{}]", step.id, needs.join(", "))
        };
        plan.steps.iter().map(line).collect()
    }

    #[test]
    fn nodes_leave_one_after_the_other_and_are_forgotten_by_those_that_stay() {
        let parting = |roles: &[&str]| roles.iter().map(|role| task(role, Moment::Part)).collect::<Vec<_>>();
        let leaving = Leaving {
            // The agent came first on the node, so it goes last.
            parting: BTreeMap::from([
                ("demo-consul-5".to_owned(), parting(&["agent", "consul"])),
                ("demo-consul-4".to_owned(), parting(&["consul"])),
            ]),
            staying: BTreeMap::from([
                ("demo-consul-1".to_owned(), vec![task("consul", Moment::Forget), task("redis", Moment::Forget)]),
                ("demo-consul-2".to_owned(), vec![task("consul", Moment::Forget)]),
            ]),
            keeps_data: BTreeSet::from(["demo-consul-4".to_owned()]),
            moves: Vec::new(),
        };
        let plan = plan(&[gone("demo-consul-5"), gone("demo-consul-4")], &leaving);
        assert_eq!(
            listing(&plan),
            [
                "part/demo-consul-5/consul after []",
                "part/demo-consul-5/agent after [part/demo-consul-5/consul]",
                "resource/node/demo-consul-5 after [part/demo-consul-5/agent]",
                "part/demo-consul-4/consul after [resource/node/demo-consul-5]",
                "resource/node/demo-consul-4 after [part/demo-consul-4/consul]",
                "forget/demo-consul-1/consul after [resource/node/demo-consul-5, resource/node/demo-consul-4]",
                "forget/demo-consul-2/consul after [resource/node/demo-consul-5, resource/node/demo-consul-4, \
                 forget/demo-consul-1/consul]",
            ]
        );
        // Only what nobody else has needs consent.
        let risk = |id: &str| plan.steps.iter().find(|step| step.id.as_str() == id).unwrap().risk;
        assert_eq!(risk("resource/node/demo-consul-5"), Risk::DataLoss);
        assert_eq!(risk("resource/node/demo-consul-4"), Risk::Disruption);
    }

    fn machine(name: &str) -> Resource {
        Resource {
            id: format!("node/{name}"),
            kind: "container".to_owned(),
            node: Some(name.to_owned()),
            attributes: BTreeMap::new(),
            needs: Vec::new(),
            data_bearing: true,
            reason: String::new(),
            shared: false,
        }
    }

    #[test]
    fn what_nodes_keep_is_moved_before_anybody_is_configured_without_them() {
        let parting =
            || vec![task("store", Moment::Drainable), task("store", Moment::Drain), task("store", Moment::Part)];
        let leaving = Leaving {
            parting: BTreeMap::from([
                ("demo-store-2".to_owned(), parting()),
                ("demo-store-3".to_owned(), parting()),
                ("demo-consul-3".to_owned(), vec![task("consul", Moment::Part)]),
            ]),
            keeps_data: BTreeSet::from(["demo-store-2".to_owned(), "demo-store-3".to_owned()]),
            ..Leaving::default()
        };
        let item = Item { id: "file /etc/hosts".to_owned(), want: Want::Absent { path: "/etc/hosts".to_owned() } };
        let stage =
            |node: &str| Stage { node: node.to_owned(), role: "consul".to_owned(), resources: vec![item.clone()] };
        let found =
            ItemResult { id: item.id.clone(), outcome: Outcome::Changed, detail: "content".to_owned(), present: None };
        let seen =
            NodeState::Seen { stages: BTreeMap::from([("consul".to_owned(), vec![found])]), leads: BTreeSet::new() };
        // One that stays is configured without them, one is made.
        let plan = configuring(
            &[
                Change::Create { resource: machine("demo-consul-2") },
                gone("demo-store-3"),
                gone("demo-store-2"),
                gone("demo-consul-3"),
            ],
            &leaving,
            &BTreeMap::from(["demo-consul-1", "demo-consul-2"].map(|node| (node.to_owned(), vec![stage(node)]))),
            &BTreeMap::from([("demo-consul-1".to_owned(), seen)]),
        );
        let drains = "drain/demo-store-2/store, drain/demo-store-3/store";
        let both = "configure/demo-consul-1/consul, configure/demo-consul-2/consul";
        assert_eq!(
            listing(&plan),
            [
                "drain/demo-store-2/store after []".to_owned(),
                "drain/demo-store-3/store after [drain/demo-store-2/store]".to_owned(),
                // Machines may come up meanwhile; nobody learns that the others go.
                "resource/node/demo-consul-2 after []".to_owned(),
                "await/demo-consul-2 after [resource/node/demo-consul-2]".to_owned(),
                format!("configure/demo-consul-1/consul after [{drains}]"),
                format!("configure/demo-consul-2/consul after [await/demo-consul-2, {drains}]"),
                format!("part/demo-store-3/store after [{both}, {drains}]"),
                format!("resource/node/demo-store-3 after [{both}, part/demo-store-3/store, {drains}]"),
                format!("part/demo-store-2/store after [{both}, resource/node/demo-store-3, {drains}]"),
                format!("resource/node/demo-store-2 after [{both}, part/demo-store-2/store, {drains}]"),
                format!("part/demo-consul-3/consul after [{both}, {drains}]"),
                format!("resource/node/demo-consul-3 after [{both}, part/demo-consul-3/consul, {drains}]"),
            ]
        );
        let first = &plan.steps[0];
        assert_eq!(
            (first.title.as_str(), first.reason.as_str(), first.risk),
            ("store: drain", "it goes for good: moves everything", Risk::Restart)
        );
        assert!(plan.steps.iter().all(|step| !step.id.as_str().contains("store") || step.risk < Risk::DataLoss));
    }

    #[test]
    fn a_node_made_anew_is_drained_first() {
        let parting = vec![task("store", Moment::Drain), task("store", Moment::Part)];
        let leaving =
            Leaving { parting: BTreeMap::from([("demo-consul-2".to_owned(), parting)]), ..Leaving::default() };
        let plan = plan(&[Change::Replace { resource: machine("demo-consul-2"), fields: Vec::new() }], &leaving);
        assert_eq!(
            listing(&plan),
            [
                "drain/demo-consul-2/store after []",
                "part/demo-consul-2/store after [drain/demo-consul-2/store]",
                "resource/node/demo-consul-2 after [part/demo-consul-2/store, drain/demo-consul-2/store]",
                "await/demo-consul-2 after [resource/node/demo-consul-2]",
            ]
        );
        assert!(plan.steps[0].reason.starts_with("it is made anew"));
    }

    #[test]
    fn a_node_made_anew_takes_its_leave_before_its_machine_goes() {
        let resource = machine("demo-consul-2");
        let leaving = Leaving {
            parting: BTreeMap::from([("demo-consul-2".to_owned(), vec![task("consul", Moment::Part)])]),
            keeps_data: BTreeSet::from(["demo-consul-2".to_owned()]),
            ..Leaving::default()
        };
        let plan = plan(&[Change::Replace { resource, fields: Vec::new() }], &leaving);
        assert_eq!(
            listing(&plan),
            [
                "part/demo-consul-2/consul after []",
                "resource/node/demo-consul-2 after [part/demo-consul-2/consul]",
                "await/demo-consul-2 after [resource/node/demo-consul-2]",
            ]
        );
        assert!(plan.steps.iter().all(|step| step.risk < Risk::DataLoss));
    }
}
