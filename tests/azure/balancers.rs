//! The cloud's balancers: at the door, and between the nodes in place of nodes that balance.

use std::collections::{BTreeMap, BTreeSet};

use refarch::provider::azure::azure_mgmt::{Client, Condition, network};
use serde_json::{Value, json};

use crate::{
    SMALL,
    drift::{somebody, without_read_only},
    place::Place,
};

/// A balancer by its name.
#[track_caller]
fn balancer(place: &Place, name: &str) -> Value {
    let all = place.all("/loadBalancers");
    all.get(name).unwrap_or_else(|| panic!("no balancer {name}: {:?}", all.keys())).clone()
}

/// The end of an id.
fn end(id: &Value) -> String {
    id.as_str().unwrap().rsplit('/').next().unwrap().to_owned()
}

/// Part of a balancer by its name.
fn part<'a>(balancer: &'a Value, kind: &str, id: &Value) -> &'a Value {
    let all = balancer["properties"][kind].as_array().unwrap();
    &all.iter().find(|one| one["name"] == end(id)).unwrap()["properties"]
}

/// Port -> port behind, port asked, path asked, names of the machines behind.
fn services(place: &Place, balancer: &Value) -> BTreeMap<u64, (u64, u64, String, BTreeSet<String>)> {
    let machines: BTreeMap<String, String> = place
        .all("/networkInterfaces")
        .into_iter()
        .map(|(name, one)| {
            let own = &one["properties"]["ipConfigurations"][0]["properties"]["privateIPAddress"];
            (own.as_str().unwrap().to_owned(), name)
        })
        .collect();
    let rules = balancer["properties"]["loadBalancingRules"].as_array().unwrap();
    let service = |rule: &Value| {
        let rule = &rule["properties"];
        let probe = part(balancer, "probes", &rule["probe"]["id"]);
        let pool = part(balancer, "backendAddressPools", &rule["backendAddressPool"]["id"]);
        let behind = pool["loadBalancerBackendAddresses"].as_array().unwrap().iter();
        let behind = behind.map(|one| machines[one["properties"]["ipAddress"].as_str().unwrap()].clone()).collect();
        let path = probe["requestPath"].as_str().unwrap_or_default().to_owned();
        assert_eq!(probe["protocol"], if path.is_empty() { "Tcp" } else { "Http" });
        let port = |value: &Value| value.as_u64().unwrap();
        (port(&rule["frontendPort"]), (port(&rule["backendPort"]), port(&probe["port"]), path, behind))
    };
    rules.iter().map(service).collect()
}

/// Who may come to a port of a group's machines, as its rules on their interfaces say.
pub fn may(place: &Place, group: &str, port: u64) -> BTreeSet<String> {
    let environment = place.environment();
    let groups = place.all("/networkSecurityGroups");
    let rules = groups[&format!("{environment}-firewall-{group}")]["properties"]["securityRules"].as_array().unwrap();
    let mut found = BTreeSet::new();
    for rule in rules.iter().map(|rule| &rule["properties"]).filter(|rule| rule["access"] == "Allow") {
        let ports = rule["destinationPortRange"].as_str().unwrap();
        let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
        if ports != "*" && !(first.parse().unwrap()..=last.parse().unwrap()).contains(&port) {
            continue;
        }
        match rule["sourceAddressPrefix"].as_str() {
            Some(range) => found.insert(range.to_owned()),
            None => {
                let name = end(&rule["sourceApplicationSecurityGroups"][0]["id"]);
                found.insert(name.trim_start_matches(&format!("{environment}-firewall-")).to_owned())
            }
        };
    }
    found
}

pub fn set<const N: usize>(names: [&str; N]) -> BTreeSet<String> {
    names.map(str::to_owned).into()
}

/// Somebody changes a balancer.
fn changed(place: &Place, name: &str, change: impl Fn(&mut Value)) {
    let write = async |client: Client| {
        let id = client.id("refarch-demo", "Microsoft.Network/loadBalancers", name);
        let there: Value = client.get(&id, network::VERSION).await.unwrap().unwrap();
        let mut body = without_read_only(there);
        change(&mut body);
        client.put(&id, network::VERSION, &body, Condition::Always).await.unwrap();
    };
    tokio::runtime::Runtime::new().unwrap().block_on(write(somebody(place)));
}

#[test]
fn the_one_at_the_door_follows_the_nodes_there() {
    let door = SMALL.replace("cloud:\n", "cloud:\n  balancer: cloud\n  allowed_cidrs: [203.0.113.0/24]\n");
    let place = Place::new(&door);
    place.apply(&[]).ok();
    let there = balancer(&place, "demo-balancer-external");
    assert_eq!(there["sku"]["name"], "Standard");
    assert_eq!(services(&place, &there)[&443], (443, 443, String::new(), set(["demo-haproxy-external-1"])));
    // What comes through keeps its address: users and Azure's questions reach the nodes there, and nobody else.
    assert_eq!(may(&place, "haproxy-external", 443), set(["203.0.113.0/24", "AzureLoadBalancer"]));
    // A balancer has no interface, so nothing carries rules of its own.
    assert!(!place.all("/networkSecurityGroups").contains_key("demo-firewall-balancer"));
    let outside: Vec<String> = place
        .all("/networkInterfaces")
        .into_iter()
        .filter(|(_, one)| !one["properties"]["ipConfigurations"][0]["properties"]["publicIPAddress"].is_null())
        .map(|(name, _)| name)
        .collect();
    assert_eq!(outside, ["demo-bastion"], "nothing else has an address of its own");
    place.assert_settled();

    place.write(&door.replace("haproxy-external: { count: 1", "haproxy-external: { count: 2"));
    place.apply(&[]).ok();
    let both = set(["demo-haproxy-external-1", "demo-haproxy-external-2"]);
    assert_eq!(services(&place, &balancer(&place, "demo-balancer-external"))[&443].3, both);
    place.assert_settled();

    // Somebody takes one out, then somebody leads to a machine that is none of the door's.
    for members in [
        |all: &mut Vec<Value>| all.truncate(1),
        |all: &mut Vec<Value>| all[0]["properties"]["ipAddress"] = json!("10.20.200.77"),
    ] {
        changed(&place, "demo-balancer-external", |body| {
            let pool = &mut body["properties"]["backendAddressPools"][0]["properties"];
            members(pool["loadBalancerBackendAddresses"].as_array_mut().unwrap());
        });
        let said = place.refarch("plan", &["--infrastructure", "--detailed-exitcode"]).ended(2);
        assert!(said.out.contains("balancer external"), "{}", said.out);
        place.apply(&[]).ok();
        for (port, (.., members)) in services(&place, &balancer(&place, "demo-balancer-external")) {
            assert_eq!(members, both, "{port}");
        }
        place.assert_settled();
    }
    place.destroy().ok();
    place.assert_empty();
}

#[test]
fn one_between_the_nodes_stands_in_place_of_haproxy_nodes() {
    let haproxy = "name: demo\narchitecture: 3k\nprovider: azure\npurpose: test\n";
    let region = "cloud: { region: westeurope, admin_cidrs: [198.51.100.0/24] }\n";
    let place = Place::new(&format!("{haproxy}{}", region.replace(" }", ", internal_balancer: cloud }")));
    place.apply(&[]).ok();
    assert!(place.nodes().iter().all(|node| !node.contains("haproxy-internal")), "{:?}", place.nodes());

    // An address of the nodes' own subnet, in all zones, and none that the internet knows.
    let there = balancer(&place, "demo-balancer-haproxy-internal");
    let front = &there["properties"]["frontendIPConfigurations"][0];
    assert_eq!(front["zones"], json!(["1", "2", "3"]));
    assert!(front["properties"]["publicIPAddress"].is_null(), "{front}");
    assert_eq!(end(&front["properties"]["subnet"]["id"]), "private-1");
    let address = front["properties"]["privateIPAddress"].as_str().unwrap().to_owned();
    assert!(address.starts_with("10.20."), "{address}");

    let members = |group: &str| (1..=3).map(|ordinal| format!("demo-{group}-{ordinal}")).collect::<BTreeSet<_>>();
    let inside = services(&place, &there);
    assert_eq!(inside[&6432], (6432, 6432, String::new(), members("pgbouncer")));
    let leader = (5432, 8008, "/primary".to_owned(), members("postgres"));
    assert_eq!(inside[&5432], leader, "only the leader is good");

    // Who uses a service reaches the servers behind, at their port; where it only asks, nobody but Azure does.
    assert_eq!(may(&place, "pgbouncer", 6432), set(["AzureLoadBalancer", "app", "sidekiq"]));
    assert!(may(&place, "postgres", 8008).is_disjoint(&set(["app", "sidekiq", "haproxy-internal"])));
    for group in ["firewall-haproxy-internal", "firewall-balancer"] {
        assert!(!place.all("SecurityGroups").contains_key(&format!("demo-{group}")), "{group}");
    }
    place.assert_settled();

    // What is changed keeps its address: the nodes know it.
    changed(&place, "demo-balancer-haproxy-internal", |body| {
        for probe in body["properties"]["probes"].as_array_mut().unwrap() {
            if probe["properties"]["port"] == 8008 {
                probe["properties"]["requestPath"] = json!("/");
            }
        }
    });
    let said = place.refarch("plan", &["--infrastructure", "--detailed-exitcode"]).ended(2);
    assert!(said.out.contains("8008/primary"), "{}", said.out);
    place.apply(&[]).ok();
    let there = balancer(&place, "demo-balancer-haproxy-internal");
    assert_eq!(services(&place, &there)[&5432], leader);
    let front = &there["properties"]["frontendIPConfigurations"][0]["properties"];
    assert_eq!(front["privateIPAddress"], address.as_str());
    place.assert_settled();

    // Back to nodes: first they are there, then the balancer goes.
    place.write(&format!("{haproxy}{region}"));
    place.apply(&[]).ok();
    assert!(place.nodes().contains(&"demo-haproxy-internal-1".to_owned()), "{:?}", place.nodes());
    assert!(place.all("/loadBalancers").is_empty());
    assert!(may(&place, "pgbouncer", 6432).contains("haproxy-internal"));
    place.assert_settled();
    place.destroy().ok();
    place.assert_empty();
}

#[test]
fn one_leads_to_another_port_and_who_uses_it_reaches_that() {
    let place = Place::shipped("3k");
    place.fake.set(json!({ "cores": 4096 }));
    let inner = ["--set", "cloud.internal_balancer=cloud"];
    place.apply(&inner).ok();
    let name = place.environment();
    let there = balancer(&place, &format!("{name}-balancer-haproxy-internal"));
    let behind = (1..=3).map(|ordinal| format!("{name}-app-{ordinal}")).collect();
    assert_eq!(services(&place, &there)[&80], (8880, 8880, "/-/readiness".to_owned(), behind));
    let who = may(&place, "app", 8880);
    assert!(who.is_superset(&set(["gitaly", "haproxy-external"])) && !who.contains("haproxy-internal"), "{who:?}");
    let said = place.refarch("plan", &[&inner[..], &["--infrastructure", "--detailed-exitcode"]].concat()).ended(0);
    assert!(said.out.contains("nothing to do"), "{}", said.out);
}

#[test]
fn where_a_region_has_no_zones_the_front_has_none() {
    let inner = "\
name: demo
architecture: 3k
provider: azure
purpose: test
cloud: { region: westus, admin_cidrs: [198.51.100.0/24], internal_balancer: cloud }
azure: { availability_sets: true }
";
    let place = Place::new(inner);
    place.apply(&[]).ok();
    let there = balancer(&place, "demo-balancer-haproxy-internal");
    assert!(there["properties"]["frontendIPConfigurations"][0]["zones"].is_null(), "{there}");
    place.assert_settled();
}

#[test]
fn a_node_that_would_reach_itself_is_told_before_anything_is_made() {
    let both = "\
name: demo
provider: azure
purpose: test
nodes:
  haproxy-external: { count: 1, machine_type: Standard_F2s_v2 }
  haproxy-internal: { count: 1, machine_type: Standard_F2s_v2 }
  postgres: { count: 3, roles: [postgres, consul, redis, gitaly], machine_type: Standard_D2s_v3 }
  app: { count: 2, roles: [app, sidekiq, pgbouncer], machine_type: Standard_F2s_v2 }
cloud: { region: westeurope, admin_cidrs: [198.51.100.0/24], internal_balancer: cloud }
";
    let place = Place::new(both);
    let said = place.apply(&[]);
    let text = format!("{}{}", said.out, said.err);
    assert_ne!(said.code, Some(0), "{text}");
    assert!(text.contains("demo-app-1 would reach itself through the balancer in place of haproxy-internal"), "{text}");
    assert!(text.contains("cloud.internal_balancer: haproxy"), "{text}");
    assert!(place.changes().is_empty());
}
