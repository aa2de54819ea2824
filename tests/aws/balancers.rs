//! The cloud's balancers: at the door, and between the nodes in place of nodes that balance.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::{
    SMALL,
    front::{Place, tag},
};

/// A balancer by its name.
fn balancer(place: &Place, name: &str) -> Value {
    let inventory = place.front.inventory();
    let all = inventory["load_balancers"].as_array().cloned().unwrap_or_default();
    all.into_iter().find(|one| one["LoadBalancerName"] == name).unwrap_or_else(|| panic!("no balancer {name}"))
}

/// Port -> port behind, port asked, path asked, names of the machines behind.
fn services(place: &Place, name: &str) -> BTreeMap<u64, (u64, String, String, BTreeSet<String>)> {
    let arn = balancer(place, name)["LoadBalancerArn"].clone();
    let inventory = place.front.inventory();
    let names: BTreeMap<String, String> = place
        .instances()
        .iter()
        .map(|one| (one["InstanceId"].as_str().unwrap().to_owned(), tag(one, "Name").unwrap()))
        .collect();
    let listeners = inventory["listeners"].as_array().cloned().unwrap_or_default();
    listeners
        .iter()
        .filter(|listener| listener["LoadBalancerArn"] == arn)
        .map(|listener| {
            let group = &listener["DefaultActions"][0]["TargetGroupArn"];
            let groups = inventory["target_groups"].as_array().unwrap();
            let found = groups.iter().find(|one| one["TargetGroupArn"] == *group).unwrap();
            let health = place.front.somebody("elbv2", "describe_target_health", json!({"TargetGroupArn": group}));
            let members = health["TargetHealthDescriptions"].as_array().unwrap().iter();
            let members = members.map(|one| names[one["Target"]["Id"].as_str().unwrap()].clone()).collect();
            let asked = found["HealthCheckPort"].as_str().unwrap().to_owned();
            let path = found["HealthCheckPath"].as_str().unwrap_or_default().to_owned();
            (listener["Port"].as_u64().unwrap(), (found["Port"].as_u64().unwrap(), asked, path, members))
        })
        .collect()
}

/// Rules of a security group: port, who.
fn rules(place: &Place, name: &str) -> BTreeSet<(u64, String)> {
    let inventory = place.front.inventory();
    let groups = inventory["security_groups"].as_array().unwrap();
    let of = |id: &Value| groups.iter().find(|one| one["GroupId"] == *id).unwrap()["GroupName"].as_str().unwrap();
    let group = groups.iter().find(|one| one["GroupName"] == name).unwrap_or_else(|| panic!("no group {name}"));
    let mut found = BTreeSet::new();
    for rule in group["IpPermissions"].as_array().unwrap() {
        for port in rule["FromPort"].as_u64().unwrap()..=rule["ToPort"].as_u64().unwrap() {
            let pairs = rule["UserIdGroupPairs"].as_array().unwrap().iter();
            found.extend(pairs.map(|pair| (port, of(&pair["GroupId"]).to_owned())));
            let ranges = rule["IpRanges"].as_array().unwrap().iter();
            found.extend(ranges.map(|range| (port, range["CidrIp"].as_str().unwrap().to_owned())));
        }
    }
    found
}

#[test]
fn the_application_is_told_of_the_balancer_and_of_nothing_behind_it() {
    let place = Place::shipped("3k");
    let told = |sets: &[&str]| {
        let args = ["--on", "git-3k-app-1", "--file", "/etc/gitlab/gitlab.rb"];
        place.refarch("render", &[sets, &args].concat()).ok().out
    };
    let line = |text: &str| text.lines().find(|line| line.starts_with("gitlab_rails['db_host']")).unwrap().to_owned();
    let nodes = line(&told(&[]));
    let cloud = line(&told(&["--set", "cloud.internal_balancer=cloud"]));
    // Its real name is known once it is there.
    assert_eq!(cloud, "gitlab_rails['db_host'] = 'git-3k-haproxy-internal'");
    assert_ne!(nodes, cloud);
}

fn set<const N: usize>(names: [&str; N]) -> BTreeSet<String> {
    names.map(str::to_owned).into()
}

#[test]
fn the_one_at_the_door_follows_the_nodes_there() {
    // Redis votes: it stands where nodes are not added.
    let small = SMALL
        .replace("roles: [haproxy-external, redis]", "roles: [haproxy-external]")
        .replace("gitaly: { count: 1,", "gitaly: { count: 1, roles: [gitaly, redis],");
    let place = Place::new(&format!("{small}  balancer: cloud\n"));
    place.apply(&[]).ok();
    assert_eq!(balancer(&place, "demo-lb")["Scheme"], "internet-facing");
    let door = services(&place, "demo-lb");
    assert_eq!(door[&443], (443, "443".to_owned(), String::new(), set(["demo-haproxy-external-1"])));
    assert!(rules(&place, "demo-firewall-haproxy-external").contains(&(443, "demo-firewall-balancer".to_owned())));
    assert!(rules(&place, "demo-firewall-balancer").contains(&(443, "0.0.0.0/0".to_owned())));
    let outside: Vec<String> = place
        .instances()
        .iter()
        .filter(|one| one.get("PublicIpAddress").is_some())
        .filter_map(|one| tag(one, "Name"))
        .collect();
    assert_eq!(outside, ["demo-bastion"], "nothing else has an address of its own");
    place.assert_settled();

    place.write(&format!(
        "{}  balancer: cloud\n",
        small.replace("haproxy-external: { count: 1", "haproxy-external: { count: 2")
    ));
    place.apply(&[]).ok();
    let both = set(["demo-haproxy-external-1", "demo-haproxy-external-2"]);
    assert_eq!(services(&place, "demo-lb")[&443].3, both);
    place.assert_settled();

    // Somebody takes one out.
    let group = place.front.inventory()["target_groups"][0]["TargetGroupArn"].clone();
    let machine = place.instance("demo-haproxy-external-2")["InstanceId"].clone();
    let params = json!({"TargetGroupArn": group, "Targets": [{"Id": machine}]});
    place.front.somebody("elbv2", "deregister_targets", params);
    let said = place.refarch("plan", &["--infrastructure", "--detailed-exitcode"]).ended(2);
    assert!(said.out.contains("balancer"), "{}", said.out);
    place.apply(&[]).ok();
    for (port, (.., members)) in services(&place, "demo-lb") {
        assert_eq!(members, both, "{port}");
    }
    place.assert_settled();
    place.destroy().ok();
    place.assert_empty();
}

#[test]
fn one_between_the_nodes_stands_in_place_of_haproxy_nodes() {
    let haproxy = "name: demo\narchitecture: 3k\nprovider: aws\npurpose: test\n";
    let place = Place::new(&format!("{haproxy}cloud: {{ internal_balancer: cloud }}\n"));
    place.front.settings(json!({"quotas": {"L-1216C47A": 4096}}));
    let name = place.environment();
    place.apply(&[]).ok();
    assert!(place.nodes().iter().all(|node| !node.contains("haproxy-internal")), "{:?}", place.nodes());
    assert_eq!(balancer(&place, &format!("{name}-haproxy-internal"))["Scheme"], "internal");
    let members: BTreeSet<String> = (1..=3).map(|ordinal| format!("{name}-pgbouncer-{ordinal}")).collect();
    let inside = services(&place, &format!("{name}-haproxy-internal"));
    assert_eq!(inside[&6432], (6432, "6432".to_owned(), String::new(), members));
    let (port, asked, path, servers) = &inside[&5432];
    assert_eq!((*port, asked.as_str(), path.as_str()), (5432, "8008", "/primary"), "only the leader is good");
    assert_eq!(servers.len(), 3, "{servers:?}");
    for group in place.front.inventory()["target_groups"].as_array().unwrap() {
        let params = json!({"TargetGroupArn": group["TargetGroupArn"]});
        let attributes = place.front.somebody("elbv2", "describe_target_group_attributes", params);
        let attributes = attributes["Attributes"].as_array().unwrap().clone();
        let keep = attributes.iter().find(|one| one["Key"] == "preserve_client_ip.enabled").unwrap();
        assert_eq!(keep["Value"], "false", "a node must reach itself through it: {group}");
    }

    // Who uses a service reaches the balancer, and the balancer alone reaches the servers for it.
    let group = |role: &str| format!("{name}-firewall-{role}");
    let front = rules(&place, &group("haproxy-internal"));
    let pool: BTreeSet<String> = front.iter().filter(|(port, _)| *port == 6432).map(|(_, who)| who.clone()).collect();
    assert_eq!(pool, [group("app"), group("sidekiq")].into());
    let behind: BTreeSet<String> =
        rules(&place, &group("pgbouncer")).into_iter().filter(|(port, _)| *port == 6432).map(|(_, who)| who).collect();
    assert_eq!(behind, [group("haproxy-internal")].into());
    assert!(rules(&place, &group("postgres")).contains(&(8008, group("haproxy-internal"))), "its questions pass");
    place.assert_settled();

    // Back to nodes: first they are there, then the balancer goes.
    place.write(haproxy);
    place.apply(&[]).ok();
    assert!(place.nodes().contains(&format!("{name}-haproxy-internal-1")), "{:?}", place.nodes());
    assert!(place.front.inventory().get("load_balancers").is_none());
    place.assert_settled();
    place.destroy().ok();
    place.assert_empty();
}
