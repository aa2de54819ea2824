//! All seven sizes: up, nothing to do, down, nothing left. With the files that refarch ships.

use std::{collections::BTreeMap, path::Path};

use serde_json::{Value, json};

use crate::front::{Place, tag};

#[test]
fn size_1k_comes_up_and_goes() {
    up_and_down("1k");
}

#[test]
fn size_2k_comes_up_and_goes() {
    up_and_down("2k");
}

#[test]
fn size_3k_comes_up_and_goes() {
    up_and_down("3k");
}

#[test]
fn size_5k_comes_up_and_goes() {
    up_and_down("5k");
}

#[test]
fn size_10k_comes_up_and_goes() {
    up_and_down("10k");
}

#[test]
fn size_25k_comes_up_and_goes() {
    up_and_down("25k");
}

#[test]
fn size_50k_comes_up_and_goes() {
    up_and_down("50k");
}

fn up_and_down(size: &str) {
    let place = Place::shipped(size);
    place.front.settings(json!({"quotas": {"L-1216C47A": 4096}}));
    place.apply(&[]).ok();

    // Machines of the right types, in equal parts over the zones, as the reference architecture says.
    let wanted = reference(size);
    let nodes: Vec<Value> = place
        .instances()
        .into_iter()
        .filter(|one| tag(one, "Name").is_some_and(|name| !name.ends_with("bastion")))
        .collect();
    let mut found: BTreeMap<String, u32> = BTreeMap::new();
    for one in &nodes {
        *found.entry(one["InstanceType"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    assert_eq!(found, wanted);
    for one in place.instances() {
        assert_eq!(one["State"]["Name"], "running");
        assert_eq!(one["MetadataOptions"]["HttpTokens"], "required", "{one:#}");
    }
    for volume in place.front.inventory()["volumes"].as_array().unwrap() {
        assert_eq!(volume["Encrypted"], true, "{volume:#}");
        assert_eq!(volume["VolumeType"], "gp3", "{volume:#}");
    }
    voters_are_spread(&nodes);
    nothing_is_open_to_all_inside(&place);
    calls_are_few(&place, nodes.len());

    place.assert_settled();
    place.destroy().ok();
    place.assert_empty();
}

/// Machine type -> how many, read from the reference architecture's file line by line: not with refarch's own eyes.
fn reference(size: &str) -> BTreeMap<String, u32> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("environments/reference/{size}.yaml"));
    let (mut wanted, mut count): (BTreeMap<String, u32>, u32) = (BTreeMap::new(), 0);
    for line in std::fs::read_to_string(path).unwrap().lines() {
        if let Some(number) = line.strip_prefix("    count: ") {
            count = number.parse().unwrap();
        } else if let Some(types) = line.strip_prefix("    machine_types: { aws: ") {
            *wanted.entry(types.split(',').next().unwrap().to_owned()).or_default() += count;
        }
    }
    wanted
}

/// The three nodes of a group that votes are in three zones.
fn voters_are_spread(nodes: &[Value]) {
    let mut zones: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for one in nodes {
        let name = tag(one, "Name").unwrap();
        let group = name.rsplit_once('-').unwrap().0.to_owned();
        zones.entry(group).or_default().push(one["Placement"]["AvailabilityZone"].as_str().unwrap());
    }
    for (group, mut zones) in zones.into_iter().filter(|(_, zones)| zones.len() == 3) {
        zones.sort_unstable();
        zones.dedup();
        assert_eq!(zones.len(), 3, "{group} is in {zones:?} only");
    }
}

/// No rule lets a whole network in, but the door and what administrators use.
fn nothing_is_open_to_all_inside(place: &Place) {
    for group in place.front.inventory()["security_groups"].as_array().unwrap() {
        let name = group["GroupName"].as_str().unwrap();
        for rule in group["IpPermissions"].as_array().unwrap() {
            if name == "default" {
                continue;
            }
            assert_ne!(rule["IpProtocol"], "-1", "{name} lets everything in: {rule}");
            for range in rule["IpRanges"].as_array().unwrap() {
                let range = range["CidrIp"].as_str().unwrap();
                assert!(!range.starts_with("10."), "{name} lets the whole network in: {rule}");
            }
        }
    }
}

/// One launch for each group and zone, each with a token; looking grows with time and not with machines.
fn calls_are_few(place: &Place, nodes: usize) {
    let launches = place.front.calls_of("RunInstances");
    let mut seen = BTreeMap::new();
    for call in &launches {
        assert!(call["token"].is_string(), "a launch without a token: {call}");
        let groups = call["params"].to_string();
        *seen.entry(groups).or_insert(0) += 1;
    }
    assert!(launches.len() <= nodes + 1, "{} launches for {nodes} nodes", launches.len());
    for operation in ["CreateVolume", "CreateNatGateway"] {
        for call in place.front.calls_of(operation) {
            assert!(call["token"].is_string(), "{operation} without a token: {call}");
        }
    }
}
