//! All seven sizes: up, nothing to do, down, nothing left. With the files that refarch ships.

use std::collections::BTreeMap;

use refarch::{catalog::reference, environment::Architecture};
use serde_json::{Value, json};

use crate::place::Place;

#[test]
fn size_1k_comes_up_and_goes() {
    up_and_down(Architecture::K1);
}

#[test]
fn size_2k_comes_up_and_goes() {
    up_and_down(Architecture::K2);
}

#[test]
fn size_3k_comes_up_and_goes() {
    up_and_down(Architecture::K3);
}

#[test]
fn size_5k_comes_up_and_goes() {
    up_and_down(Architecture::K5);
}

#[test]
fn size_10k_comes_up_and_goes() {
    up_and_down(Architecture::K10);
}

#[test]
fn size_25k_comes_up_and_goes() {
    up_and_down(Architecture::K25);
}

#[test]
fn size_50k_comes_up_and_goes() {
    up_and_down(Architecture::K50);
}

fn up_and_down(size: Architecture) {
    let place = Place::shipped(size.name());
    place.fake.set(json!({ "cores": 4096 }));
    place.apply(&[]).ok();

    // Machines of the right sizes, as the reference architecture says, all of them running.
    let mut wanted: BTreeMap<String, u32> = BTreeMap::new();
    for group in reference::load(size).nodes.values() {
        *wanted.entry(group.machine_types["azure"].clone()).or_default() += group.count;
    }
    let machines = place.machines();
    let mut found: BTreeMap<String, u32> = BTreeMap::new();
    for name in place.nodes() {
        let machine = &machines[&name]["properties"];
        *found.entry(machine["hardwareProfile"]["vmSize"].as_str().unwrap().to_owned()).or_default() += 1;
        assert_eq!(machine["osProfile"]["linuxConfiguration"]["disablePasswordAuthentication"], true, "{name}");
        assert_eq!(machine["securityProfile"]["securityType"], "TrustedLaunch", "{name}");
    }
    assert_eq!(found, wanted);
    assert!(machines.values().all(|machine| machine["power"] == "running"));
    voters_are_spread(&place, &machines);
    nothing_is_open_to_all_inside(&place);
    everything_says_whose_it_is(&place);
    assert_eq!(place.fake.violations(), Vec::<Value>::new());

    place.assert_settled();
    place.destroy().ok();
    place.assert_empty();
}

/// The three nodes of a group that votes are in three zones.
fn voters_are_spread(place: &Place, machines: &BTreeMap<String, Value>) {
    let mut zones: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for name in place.nodes() {
        let group = name.rsplit_once('-').unwrap().0.to_owned();
        zones.entry(group).or_default().push(machines[&name]["zones"][0].as_str().unwrap());
    }
    for (group, mut zones) in zones.into_iter().filter(|(_, zones)| zones.len() == 3) {
        zones.sort_unstable();
        assert_eq!(zones, ["1", "2", "3"], "{group}");
    }
}

/// Every machine has rules of its own, which end with keeping everybody else out.
fn nothing_is_open_to_all_inside(place: &Place) {
    let groups = place.all("/networkSecurityGroups");
    for (name, interface) in place.all("/networkInterfaces") {
        let rules = interface["properties"]["networkSecurityGroup"]["id"].as_str().unwrap_or_default();
        let rules = &groups[rules.rsplit('/').next().unwrap()]["properties"]["securityRules"];
        let last = rules.as_array().unwrap().iter().max_by_key(|rule| rule["properties"]["priority"].as_u64()).unwrap();
        assert_eq!(
            (&last["properties"]["access"], &last["properties"]["sourceAddressPrefix"]),
            (&json!("Deny"), &json!("*")),
            "{name}"
        );
        for rule in rules.as_array().unwrap() {
            let from = rule["properties"]["sourceAddressPrefix"].as_str().unwrap_or_default();
            assert!(!from.starts_with("10.") && from != "VirtualNetwork", "{name} lets the whole network in: {rule}");
        }
    }
}

/// Tags are on everything that can have some, system disks too.
fn everything_says_whose_it_is(place: &Place) {
    let environment = place.environment();
    for (id, one) in place.fake.resources() {
        let without = ["/locks", "/roleAssignments", "/containers"];
        if without.iter().any(|end| one["type"].as_str().unwrap().ends_with(end)) {
            continue;
        }
        assert_eq!(one["tags"]["refarch-environment"], environment.as_str(), "{id}");
    }
}
