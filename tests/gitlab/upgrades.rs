//! The order of an upgrade: golden for every size, and what becomes of nodes that have the version already.

use std::collections::{BTreeMap, BTreeSet};

use refarch::{
    configure::{ItemResult, Moment, Outcome, Stage},
    observe::NodeState,
    plan::{Action, Plan, UpgradeInput, upgrade},
};

use super::place::{Place, root};

/// The plan where all nodes have 18.11.3, but for those named, which have the new version; the first of each role leads.
fn plan(size: &str, done: &[&str]) -> Plan {
    let place = Place::new(size, "settings: { linux-package: { version: 19.2.1 } }\n");
    let topology = place.session.topology();
    let stages = place.stages();
    let results = |stage: &Stage, ok: bool| -> Vec<ItemResult> {
        let outcome = if ok { Outcome::Ok } else { Outcome::Changed };
        let one = |id: &str| ItemResult { id: id.to_owned(), outcome, detail: String::new(), present: None };
        stage.resources.iter().map(|item| one(&item.id)).collect()
    };
    let nodes = topology.nodes.iter().map(|node| {
        let ok = done.contains(&node.name.as_str());
        let stages = stages[&node.name].iter().map(|stage| (stage.role.clone(), results(stage, ok))).collect();
        let leads = if node.ordinal == 1 { node.roles.iter().cloned().collect() } else { BTreeSet::new() };
        (node.name.clone(), NodeState::Seen { stages, leads })
    });
    let nodes: BTreeMap<String, NodeState> = nodes.collect();
    let with_product = topology.nodes.iter().filter(|node| node.roles.iter().any(|role| role == "linux-package"));
    let installed = with_product.map(|node| {
        let version = if done.contains(&node.name.as_str()) { "19.2.1-ee.0" } else { "18.11.3-ee.0" };
        (node.name.clone(), version.to_owned())
    });
    let installed: BTreeMap<String, String> = installed.collect();
    let plan = upgrade(&UpgradeInput {
        topology,
        roles: &place.session.catalog().roles,
        stages: &stages,
        tasks: &place.session.preview_tasks().unwrap(),
        nodes: &nodes,
        installed: &installed,
        to: "19.2.1",
        stops: &place.session.catalog().stack.product.as_ref().unwrap().stops,
    })
    .unwrap();
    plan.validate().unwrap();
    plan
}

/// A step a line, stages that only follow the one before them on their node left out.
fn listing(plan: &Plan) -> String {
    let mut text = String::new();
    for step in &plan.steps {
        let own = |need: &str| step.node.as_deref().is_some_and(|node| need.split('/').nth(1) == Some(node));
        let others: Vec<&str> = step.needs.iter().map(|need| need.as_str()).filter(|need| !own(need)).collect();
        let line = match (others.len(), &step.action) {
            (_, Action::Task { moment: Moment::Finish, .. }) => format!("{}  after all {}\n", step.id, others.len()),
            (0, Action::Configure { .. }) if !step.needs.is_empty() => continue,
            (0, _) => format!("{}\n", step.id),
            _ => format!("{}  after {}\n", step.id, others.join(", ")),
        };
        text.push_str(&line);
    }
    text
}

#[test]
fn every_size_has_its_golden_order() {
    for size in ["1k", "2k", "3k", "10k"] {
        let golden = root().join(format!("tests/golden/upgrade/{size}.txt"));
        let text = listing(&plan(size, &[]));
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            std::fs::create_dir_all(golden.parent().unwrap()).unwrap();
            std::fs::write(&golden, &text).unwrap();
        }
        let expected = std::fs::read_to_string(&golden).unwrap_or_default();
        assert!(expected == text, "{} differs; UPDATE_EXPECT=1 rewrites it. Now:\n{text}", golden.display());
    }
}

#[test]
fn leaders_are_the_last_of_their_role() {
    let plan = plan("3k", &[]);
    for group in ["consul", "postgres", "redis"] {
        let first = plan.steps.iter().find(|step| step.node.as_deref() == Some(&format!("demo-{group}-1"))).unwrap();
        let before = format!("/demo-{group}-3/");
        assert!(first.needs.iter().any(|need| need.as_str().contains(&before)), "{group}: {:?}", first.needs);
    }
}

#[test]
fn a_node_that_has_the_version_only_makes_sure_that_it_serves() {
    let plan = plan("3k", &["demo-app-1", "demo-postgres-2"]);
    let of = |node: &str| -> Vec<&str> {
        plan.steps.iter().filter(|step| step.node.as_deref() == Some(node)).map(|step| step.id.as_str()).collect()
    };
    assert_eq!(of("demo-app-1"), ["settle/demo-app-1/app", "finish/demo-app-1/migrations"]);
    assert_eq!(of("demo-postgres-2"), Vec::<&str>::new());
    assert_eq!(of("demo-app-2").first(), Some(&"leave/demo-app-2/app"));
}
