//! Which node of a role waits for which.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::{Input, Leaving, Plan, apply};
use crate::{
    catalog::Role,
    configure::{Item, ItemResult, Outcome, Stage, Want},
    observe::NodeState,
    topology::{Node, Topology},
};

const SERVICE: &str = "service app";
const READY: &str = "ready app answers";

fn node(number: u32) -> Node {
    Node::sample(&format!("demo-app-{number}"), "app", number, &["app"])
}

/// Plans for application nodes of which this was found to differ.
fn plan(found: &[&[(&str, &str)]]) -> Plan {
    let nodes: Vec<Node> = (1..).take(found.len()).map(node).collect();
    let item = |id: &str| Item { id: id.to_owned(), want: Want::Absent { path: String::new() } };
    let stage = |node: &Node| {
        let stage =
            Stage { node: node.name.clone(), role: "app".to_owned(), resources: vec![item(SERVICE), item(READY)] };
        (node.name.clone(), vec![stage])
    };
    let result = |(id, detail): &(&str, &str)| ItemResult {
        id: (*id).to_owned(),
        outcome: Outcome::Changed,
        detail: (*detail).to_owned(),
        present: None,
    };
    let seen = |(node, found): (&Node, &&[(&str, &str)])| {
        let stages = BTreeMap::from([("app".to_owned(), found.iter().map(result).collect())]);
        (node.name.clone(), NodeState::Seen { stages, leads: BTreeSet::new() })
    };
    let states = nodes.iter().zip(found).map(seen).collect();
    let stages = nodes.iter().map(stage).collect();
    let topology = Topology::sample(nodes);
    let role: Role = serde_json::from_value(json!({"summary": "", "rolling": {"max_unavailable": 1}})).unwrap();
    let plan = apply(&Input {
        topology: &topology,
        roles: &BTreeMap::from([("app".to_owned(), role)]),
        changes: &[],
        notes: &[],
        stages: &stages,
        nodes: &states,
        late_addresses: false,
        leaving: &Leaving::default(),
    });
    plan.validate().unwrap();
    plan
}

fn needs(plan: &Plan) -> Vec<Vec<String>> {
    let of = |step: &super::Step| step.needs.iter().map(ToString::to_string).collect();
    plan.steps.iter().map(of).collect()
}

const RESTART: (&str, &str) = (SERVICE, "restart (/etc/app.json changed)");

#[test]
fn nodes_that_serve_are_restarted_one_after_the_other() {
    assert_eq!(needs(&plan(&[&[RESTART], &[RESTART]])), [vec![], vec!["configure/demo-app-1/app".to_owned()]]);
}

#[test]
fn no_node_is_restarted_while_another_one_is_not_back() {
    // A controller that was killed may have left a node on its way down or up.
    for away in [(SERVICE, "start (deactivating)"), (READY, "not ready")] {
        let last = "configure/demo-app-3/app".to_owned();
        assert_eq!(
            needs(&plan(&[&[RESTART], &[RESTART], &[away]])),
            [vec![last.clone()], vec!["configure/demo-app-1/app".to_owned(), last], vec![]]
        );
    }
    // What else differs there keeps nobody waiting.
    assert_eq!(needs(&plan(&[&[RESTART], &[("file /etc/motd", "content")]])), [Vec::<String>::new(), vec![]]);
}
