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

fn last(link: &Value) -> &str {
    link.as_str().unwrap().rsplit('/').next().unwrap()
}

fn up_and_down(size: Architecture) {
    let place = Place::shipped(size.name());
    place.apply(&[]).ok();

    // Machines of the right types, as the reference architecture says.
    let mut wanted: BTreeMap<String, u32> = BTreeMap::new();
    for group in reference::load(size).nodes.values() {
        *wanted.entry(group.machine_types["gcp"].clone()).or_default() += group.count;
    }
    let mut nodes = place.machines();
    nodes.retain(|name, _| !name.ends_with("bastion"));
    let mut found: BTreeMap<String, u32> = BTreeMap::new();
    for one in nodes.values() {
        *found.entry(last(&one["machineType"]).to_owned()).or_default() += 1;
    }
    assert_eq!(found, wanted);
    for (name, one) in place.machines() {
        assert_eq!(one["status"], "RUNNING", "{name}");
        let shielded = &one["shieldedInstanceConfig"];
        assert_eq!((&shielded["enableSecureBoot"], &shielded["enableVtpm"]), (&json!(true), &json!(true)), "{name}");
        // No bucket is asked for, so no machine has an account that could do anything.
        assert_eq!(one.get("serviceAccounts"), None, "{name}");
    }
    voters_are_spread(&nodes);
    nothing_is_open_to_all_inside(&place);
    mutations_can_be_repeated(&place);

    place.assert_settled();
    place.destroy().ok();
    place.assert_empty();
    place.double.assert_as_described();
}

/// The three nodes of a group that votes are in three zones.
fn voters_are_spread(nodes: &BTreeMap<String, Value>) {
    let mut zones: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, one) in nodes {
        zones.entry(name.rsplit_once('-').unwrap().0).or_default().push(last(&one["zone"]));
    }
    for (group, mut zones) in zones.into_iter().filter(|(_, zones)| zones.len() == 3) {
        zones.sort_unstable();
        zones.dedup();
        assert_eq!(zones.len(), 3, "{group} is in {zones:?} only");
    }
}

/// Every rule names whom it is for and who may come; none lets a whole network of the inside in.
fn nothing_is_open_to_all_inside(place: &Place) {
    for rule in place.double.of("firewalls") {
        assert!(rule["targetTags"].as_array().is_some_and(|tags| tags.len() == 1), "{rule:#}");
        for allowed in rule["allowed"].as_array().unwrap() {
            assert!(allowed["ports"].as_array().is_some_and(|ports| !ports.is_empty()), "{rule:#}");
        }
        for range in rule["sourceRanges"].as_array().into_iter().flatten() {
            assert!(!range.as_str().unwrap().starts_with("10."), "the whole network may come in: {rule:#}");
        }
    }
}

/// Every mutation of Compute Engine carries a request id.
fn mutations_can_be_repeated(place: &Place) {
    for call in place.double.calls().iter().filter(|call| call["mutates"] == true) {
        if call["method"].as_str().unwrap().starts_with("compute.") {
            assert!(call["query"]["requestId"].is_array(), "no request id: {call:#}");
        }
    }
}
