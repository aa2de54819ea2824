//! What every environment's topology must be like, whatever counts a user sets.

#![allow(clippy::unwrap_used)] // a test that cannot go on ends here

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    path::{Path, PathBuf},
};

use proptest::prelude::*;
use refarch::{
    catalog::{Catalog, StackCatalog, reference},
    environment::{Architecture, Environment, NodeGroup},
    topology::{Input, Leg, Topology, resolve},
};

fn sandbox() -> StackCatalog {
    Catalog::load("sandbox", None).expect("the sandbox stack is consistent")
}

fn environment(yaml: &str) -> Environment {
    serde_saphyr::from_str(yaml).expect("a valid environment")
}

fn topology(stack: &StackCatalog, environment: &Environment) -> Topology {
    let reference = environment.architecture.map(reference::load);
    resolve(&Input {
        environment,
        reference: reference.as_ref(),
        stack: &stack.stack,
        roles: &stack.roles,
        machines: None,
    })
    .expect("the environment resolves")
}

/// The nodes of a topology, one line each, as a person would check them.
fn listing(topology: &Topology) -> String {
    let mut out = String::new();
    for node in &topology.nodes {
        let machine = &node.machine;
        writeln!(
            out,
            "{:<28} {:<60} {:>3} vCPU {:>6} GB {:<18} {:>5} GB {}{}",
            node.name,
            node.roles.join(" "),
            machine.vcpu,
            machine.memory_gb,
            machine.machine_type.as_deref().unwrap_or("-"),
            machine.disk_gb,
            machine.disk_type.as_deref().unwrap_or("-"),
            if node.data_bearing { " data" } else { "" },
        )
        .unwrap();
    }
    for (role, reason) in &topology.omitted {
        writeln!(out, "without {role}: {reason}").unwrap();
    }
    out
}

/// Who reaches whom, by group.
fn ways(topology: &Topology) -> String {
    let group = |name: &str| topology.node(name).map_or(name.to_owned(), |node| node.group.clone());
    let lines: BTreeSet<String> = topology
        .edges
        .iter()
        .map(|edge| {
            let leg = match edge.leg {
                Leg::Direct => "",
                Leg::Front => " (to the balancer)",
                Leg::Back => " (from the balancer)",
            };
            format!("{} -> {} :{} for {}{leg}", group(&edge.from), group(&edge.to), edge.port, edge.service)
        })
        .collect();
    lines.into_iter().map(|line| line + "\n").collect()
}

fn compare(name: &str, text: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/topology").join(name);
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(expected == text, "{} differs; UPDATE_EXPECT=1 rewrites it. Now:\n{text}", shown(&path));
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

#[test]
fn every_architecture_resolves_to_its_golden_nodes_and_ways() {
    let stack = sandbox();
    for size in Architecture::ALL {
        let name = size.name();
        let local = environment(&format!("{{name: demo, architecture: {name}, provider: local}}"));
        let resolved = topology(&stack, &local);
        compare(&format!("{name}.local.txt"), &format!("{}\n{}", listing(&resolved), ways(&resolved)));
        for cloud in ["aws", "gcp", "azure"] {
            let there = environment(&format!("{{name: demo, architecture: {name}, provider: {cloud}}}"));
            compare(&format!("{name}.{cloud}.txt"), &listing(&topology(&stack, &there)));
        }
    }
}

#[test]
fn below_3k_nothing_of_high_availability_is_there_and_redis_is_split_from_10k_on() {
    let stack = sandbox();
    for size in Architecture::ALL {
        let resolved =
            topology(&stack, &environment(&format!("{{name: demo, architecture: {}, provider: local}}", size.name())));
        for role in ["consul", "consul-agent", "pgbouncer", "haproxy-internal"] {
            assert_eq!(resolved.has_role(role), size >= Architecture::K3, "{role} at {}", size.name());
        }
        assert_eq!(resolved.has_role("redis"), size < Architecture::K10, "{}", size.name());
        assert_eq!(resolved.has_role("redis-cache"), size >= Architecture::K10, "{}", size.name());
    }
}

#[test]
fn the_ways_of_the_application_follow_what_is_there() {
    let stack = sandbox();
    let with = |yaml: &str| topology(&stack, &environment(yaml));
    let large = with("{name: demo, architecture: 3k, provider: local}");
    assert_eq!(large.services["database"], "pgbouncer.pool");
    let front: BTreeSet<&str> = large
        .edges
        .iter()
        .filter(|edge| edge.from == "demo-app-1" && edge.service == "pgbouncer.pool")
        .map(|edge| edge.to.as_str())
        .collect();
    assert_eq!(front, BTreeSet::from(["demo-haproxy-internal-1"]), "the application only knows the balancer");

    let small = with("{name: demo, architecture: 2k, provider: local}");
    assert_eq!(small.services["database"], "postgres.single");
    assert!(
        small.edges.iter().any(|edge| edge.from == "demo-app-1" && edge.to == "demo-postgres-1" && edge.port == 5432),
        "without a balancer the way is direct"
    );
}

#[test]
fn a_balancer_of_the_cloud_takes_the_place_of_nodes_between_nodes() {
    let stack = Catalog::load("gitlab", None).expect("the gitlab stack is consistent");
    let on = |provider: &str| {
        let text = format!(
            "{{name: demo, stack: gitlab, architecture: 3k, provider: {provider}, cloud: {{internal_balancer: cloud}}}}"
        );
        topology(&stack, &environment(&text))
    };
    let from = |topology: &Topology, client: &str, service: &str| -> BTreeSet<(String, u16)> {
        let edges = topology.edges.iter().filter(|edge| edge.from == client && edge.service == service);
        edges.map(|edge| (edge.to.to_string(), edge.port)).collect()
    };
    let one = |name: &str, port: u16| BTreeSet::from([(name.to_owned(), port)]);
    for provider in ["aws", "gcp"] {
        let topology = on(provider);
        assert!(!topology.has_role("haproxy-internal") && topology.has_role("haproxy-external"), "{provider}");
        assert_eq!(from(&topology, "demo-app-1", "pgbouncer.pool"), one("demo-haproxy-internal", 6432), "{provider}");
        assert_eq!(from(&topology, "demo-haproxy-internal", "pgbouncer.pool").len(), 3, "{provider}");
    }
    // One listens on another port than the servers; where a cloud's cannot, the way that is there without it is taken.
    assert_eq!(from(&on("aws"), "demo-gitaly-1", "app.http"), one("demo-haproxy-internal", 80));
    assert_eq!(from(&on("gcp"), "demo-gitaly-1", "app.http"), one("demo-haproxy-external-1", 443));
    assert!(on("local").balancers.is_empty(), "containers have no cloud around them");
}

prop_compose! {
    /// Any counts for the groups of any architecture, quorums odd as the environment's checks demand.
    fn any_environment()(
        size in prop::sample::select(Architecture::ALL.to_vec()),
        counts in prop::collection::btree_map(
            prop::sample::select(vec![
                "consul", "postgres", "pgbouncer", "redis", "gitaly", "app", "sidekiq", "haproxy-external",
                "haproxy-internal", "monitor",
            ]),
            0u32..7,
            0..10,
        ),
    ) -> Environment {
        let mut environment = environment(&format!("{{name: prop, architecture: {}, provider: local}}", size.name()));
        for (group, count) in counts {
            let count = if matches!(group, "consul" | "redis") { count | 1 } else { count };
            environment.nodes.insert(group.to_owned(), NodeGroup { count: Some(count), ..NodeGroup::default() });
        }
        environment.nodes.insert("app".to_owned(), NodeGroup { count: Some(2), ..NodeGroup::default() });
        environment
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_counts_make_a_sound_topology(environment in any_environment()) {
        let stack = sandbox();
        let topology = topology(&stack, &environment);
        let names: BTreeSet<&str> = topology.nodes.iter().map(|node| node.name.as_str()).collect();
        prop_assert_eq!(names.len(), topology.nodes.len(), "no two nodes share a name");
        for edge in &topology.edges {
            prop_assert!(edge.from == "users" || names.contains(edge.from.as_str()), "{:?} starts nowhere", edge);
            prop_assert!(names.contains(edge.to.as_str()), "{:?} ends nowhere", edge);
        }
        for node in &topology.nodes {
            prop_assert_eq!(node.roles.first().map(String::as_str), Some(stack.stack.base.as_str()));
            let unique: BTreeSet<&String> = node.roles.iter().collect();
            prop_assert_eq!(unique.len(), node.roles.len(), "{} carries a role twice", node.name);
            for role in &node.roles {
                for with in &stack.roles[role].with {
                    let brought = &stack.roles[with];
                    let left_out = !brought.only_with.is_empty()
                        && !brought.only_with.iter().any(|other| topology.has_role(other))
                        || brought.unless_node_has.iter().any(|other| node.has(other));
                    prop_assert!(node.has(with) != left_out, "{}: {role} brings {with}", node.name);
                }
            }
        }
        // Every service that anybody may use has somebody behind it.
        for provider in topology.services.values() {
            let role = provider.split('.').next().unwrap();
            prop_assert!(topology.has_role(role), "{provider} has no node");
        }
        // A balancer's front leads to servers behind it.
        let fronts: BTreeMap<(&str, &str), ()> = topology
            .edges
            .iter()
            .filter(|edge| edge.leg == Leg::Front)
            .map(|edge| ((edge.to.as_str(), edge.service.as_str()), ()))
            .collect();
        for (balancer, service) in fronts.keys() {
            prop_assert!(
                topology.edges.iter().any(|edge| edge.leg == Leg::Back && edge.from == *balancer && edge.service == *service),
                "{balancer} has nothing behind {service}"
            );
        }
        prop_assert_eq!(&topology, &self::topology(&stack, &environment), "resolving twice gives the same");
    }
}
