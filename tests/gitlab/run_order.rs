//! What waits for what: as little as the product allows.

use std::collections::{BTreeMap, BTreeSet};

use super::place::Place;

/// Step -> everything that must be done before it, near and far.
fn before(place: &Place) -> BTreeMap<String, BTreeSet<String>> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let plan = runtime.block_on(place.session.plan_from_nothing()).unwrap();
    let needs: BTreeMap<String, Vec<String>> = plan
        .steps
        .iter()
        .map(|step| (step.id.to_string(), step.needs.iter().map(ToString::to_string).collect()))
        .collect();
    fn collect(id: &str, needs: &BTreeMap<String, Vec<String>>, into: &mut BTreeSet<String>) {
        for need in &needs[id] {
            if into.insert(need.clone()) {
                collect(need, needs, into);
            }
        }
    }
    let all = |id: &String| {
        let mut found = BTreeSet::new();
        collect(id, &needs, &mut found);
        (id.clone(), found)
    };
    needs.keys().map(all).collect()
}

fn waits(before: &BTreeMap<String, BTreeSet<String>>, step: &str, other: &str) -> bool {
    before[&format!("configure/{step}")].contains(&format!("configure/{other}"))
}

#[test]
fn the_stores_are_configured_at_the_same_time() {
    let before = before(&Place::new("10k", ""));
    let stores = [
        "demo-consul-1/consul",
        "demo-consul-2/consul",
        "demo-postgres-1/postgres",
        "demo-postgres-2/postgres",
        "demo-pgbouncer-1/pgbouncer",
        "demo-redis-cache-1/redis-cache",
        "demo-redis-persistent-2/redis-persistent",
        "demo-gitaly-1/gitaly",
        "demo-praefect-postgres-1/praefect-postgres",
        "demo-monitor-1/monitor",
        "demo-haproxy-internal-1/haproxy-internal",
        "demo-haproxy-external-1/haproxy-node",
    ];
    for step in stores {
        for other in stores.iter().filter(|other| **other != step) {
            assert!(!waits(&before, step, other), "{step} waits for {other}");
        }
    }
}

#[test]
fn what_the_product_needs_first_comes_first() {
    let before = before(&Place::new("3k", ""));
    for (step, first) in [
        ("demo-praefect-2/praefect", "demo-praefect-postgres-1/praefect-postgres"),
        ("demo-praefect-1/praefect", "demo-gitaly-3/gitaly"),
        ("demo-app-1/migrations", "demo-postgres-2/postgres"),
        ("demo-app-1/migrations", "demo-redis-1/redis"),
        ("demo-app-1/migrations", "demo-praefect-1/praefect"),
        ("demo-app-1/app", "demo-app-1/migrations"),
        ("demo-app-3/app", "demo-app-1/migrations"),
        ("demo-sidekiq-1/sidekiq", "demo-app-2/app"),
    ] {
        assert!(waits(&before, step, first), "{step} does not wait for {first}");
    }
    assert!(!waits(&before, "demo-app-2/app", "demo-app-1/app"), "application nodes come up together");
    assert!(!before.contains_key("configure/demo-app-2/migrations"), "one node makes the schema");
}

#[test]
fn every_node_has_the_secrets_before_it_reconfigures_for_the_first_time() {
    use refarch::configure::Want;
    let place = Place::new("10k", "");
    let mut seen: BTreeSet<String> = BTreeSet::new();
    for (node, stages) in place.stages() {
        let commands: Vec<(usize, &str)> = stages
            .iter()
            .flat_map(|stage| &stage.resources)
            .enumerate()
            .filter_map(|(position, item)| match &item.want {
                Want::Command { name, .. } => Some((position, name.as_str())),
                _ => None,
            })
            .collect();
        let at = |wanted: &str| commands.iter().find(|(_, name)| *name == wanted).map(|(position, _)| *position);
        let Some(reconfigure) = at("reconfigure") else { continue };
        assert!(at("the environment's secrets").unwrap() < reconfigure, "{node}");
        let text = super::place::file(&stages, "/etc/refarch/gitlab-secrets.json").unwrap();
        seen.insert(text);
    }
    assert_eq!(seen.len(), 1, "all nodes have the same secrets");
}

/// The plan where every node is there and one thing differs on each.
fn differing(place: &Place, what: &str, detail: &str, leader: &str) -> refarch::plan::Plan {
    use refarch::{
        configure::{ItemResult, Outcome},
        observe::NodeState,
    };
    let stages = place.stages();
    let result = |id: &str| {
        let differs = id == what;
        let outcome = if differs { Outcome::Changed } else { Outcome::Ok };
        let detail = if differs { detail } else { "" };
        ItemResult { id: id.to_owned(), outcome, detail: detail.to_owned(), present: None }
    };
    let nodes = stages
        .iter()
        .map(|(node, stages)| {
            let results =
                |stage: &refarch::configure::Stage| stage.resources.iter().map(|item| result(&item.id)).collect();
            let stages = stages.iter().map(|stage| (stage.role.clone(), results(stage))).collect();
            let leads = if node == leader { BTreeSet::from(["postgres".to_owned()]) } else { BTreeSet::new() };
            (node.clone(), NodeState::Seen { stages, leads })
        })
        .collect();
    refarch::plan::apply(&refarch::plan::Input {
        topology: place.session.topology(),
        roles: &place.session.catalog().roles,
        changes: &[],
        notes: &[],
        stages: &stages,
        nodes: &nodes,
        late_addresses: false,
        leaving: &refarch::plan::Leaving::default(),
    })
}

fn needs(plan: &refarch::plan::Plan, step: &str) -> Vec<String> {
    let step = plan.steps.iter().find(|one| one.id.to_string() == format!("configure/{step}")).unwrap();
    step.needs.iter().map(|need| need.to_string().replace("configure/", "")).collect()
}

#[test]
fn nodes_that_serve_take_turns_and_the_leader_is_last() {
    let place = Place::new("3k", "");
    let plan = differing(&place, "command reconfigure", "run, with a restart", "demo-postgres-1");
    assert_eq!(needs(&plan, "demo-postgres-2/postgres"), Vec::<String>::new());
    assert_eq!(needs(&plan, "demo-postgres-3/postgres"), ["demo-postgres-2/postgres"]);
    assert_eq!(needs(&plan, "demo-postgres-1/postgres"), ["demo-postgres-3/postgres"]);
}

#[test]
fn machines_that_exist_and_serve_nothing_yet_do_not_wait_for_each_other() {
    // The first Consul server of three would wait for ever for the others.
    let plan = differing(&Place::new("3k", ""), "command reconfigure", "run", "");
    for node in 1..=3 {
        assert_eq!(needs(&plan, &format!("demo-consul-{node}/consul")), Vec::<String>::new());
    }
}

#[test]
fn a_new_configuration_reaches_nodes_that_serve_one_after_the_other() {
    // The file differs in a stage before the one that reconfigures, whose own look finds nothing to do yet.
    let place = Place::new("3k", "");
    let plan = differing(&place, "file /etc/gitlab/gitlab.rb", "content", "demo-postgres-2");
    let own = |node: &str| format!("{node}/linux-package");
    assert_eq!(needs(&plan, "demo-consul-1/consul"), [own("demo-consul-1")]);
    assert_eq!(needs(&plan, "demo-consul-2/consul"), [own("demo-consul-2"), "demo-consul-1/consul".to_owned()]);
    assert_eq!(
        needs(&plan, "demo-postgres-2/postgres"),
        [own("demo-postgres-2"), "demo-postgres-3/postgres".to_owned()]
    );
}
