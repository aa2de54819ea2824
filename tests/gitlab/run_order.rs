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
