//! The file changes, and the environment follows.

use crate::{
    SMALL,
    front::{Place, tag},
};

#[test]
fn groups_grow_and_shrink() {
    let place = Place::new(SMALL);
    place.apply(&[]).ok();
    let before = place.nodes();
    place.write(
        &SMALL.replace("app: { count: 2", "app: { count: 4").replace("gitaly: { count: 1", "gitaly: { count: 2"),
    );
    place.apply(&[]).ok();
    let grown = place.nodes();
    assert_eq!(grown.len(), before.len() + 3);
    assert!(grown.contains(&"demo-app-4".to_owned()) && grown.contains(&"demo-gitaly-2".to_owned()), "{grown:?}");
    place.assert_settled();

    place.write(SMALL);
    let said = place.apply(&[]).ended(1);
    assert!(said.err.contains("this would destroy the data of demo-gitaly-2"), "{}", said.err);
    assert_eq!(place.nodes(), grown, "without consent nothing is removed");
    place.apply(&["--destroy-data", "demo-gitaly-2"]).ok();
    assert_eq!(place.nodes(), before);
    place.assert_settled();
    place.destroy().ok();
    place.assert_empty();
}

#[test]
fn a_type_changes_by_stop_and_start_one_voter_at_a_time() {
    let place = Place::new(SMALL);
    place.apply(&[]).ok();
    let before: Vec<_> = (1..=3).map(|index| place.instance(&format!("demo-postgres-{index}"))).collect();
    place.write(&SMALL.replace("m5.large", "m5.xlarge"));
    place.front.forget_calls();
    place.apply(&[]).ok();
    for (index, old) in before.iter().enumerate() {
        let new = place.instance(&format!("demo-postgres-{}", index + 1));
        assert_eq!(new["InstanceId"], old["InstanceId"], "it was changed, not replaced");
        assert_eq!((new["InstanceType"].as_str(), new["State"]["Name"].as_str()), (Some("m5.xlarge"), Some("running")));
        assert_eq!(new["PrivateIpAddress"], old["PrivateIpAddress"]);
    }
    assert!(place.front.calls_of("RunInstances").is_empty());
    // Each was started before the next one was stopped.
    let order: Vec<(String, String)> = place
        .front
        .calls()
        .iter()
        .filter(|call| call["operation"] == "StopInstances" || call["operation"] == "StartInstances")
        .map(|call| {
            let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
            (text(&call["operation"]), text(&call["params"]["InstanceId.1"]))
        })
        .collect();
    assert_eq!(order.len(), 6, "{order:?}");
    for pair in order.chunks(2) {
        assert_eq!((pair[0].0.as_str(), pair[1].0.as_str()), ("StopInstances", "StartInstances"), "{order:?}");
        assert_eq!(pair[0].1, pair[1].1, "{order:?}");
    }
    place.assert_settled();
}

#[test]
fn a_disk_grows_where_it_stands() {
    let place = Place::new(SMALL);
    place.apply(&[]).ok();
    let before = place.instance("demo-postgres-1")["InstanceId"].clone();
    place.write(&SMALL.replace("disk_gb: 50", "disk_gb: 80"));
    place.apply(&[]).ok();
    assert_eq!(place.instance("demo-postgres-1")["InstanceId"], before);
    let sizes: Vec<u64> = place.front.inventory()["volumes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|volume| volume["Size"].as_u64().unwrap())
        .filter(|size| *size >= 50)
        .collect();
    assert_eq!(sizes, [80, 80, 80]);
    place.assert_settled();
}

#[test]
fn another_laptop_finds_everything() {
    let place = Place::new(SMALL);
    place.apply(&[]).ok();
    place.elsewhere();
    place.destroy().ok();
    place.assert_empty();
}

#[test]
fn two_environments_share_an_account_and_nothing_else() {
    let place = Place::new(SMALL);
    place.apply(&[]).ok();
    place.write(&SMALL.replace("name: demo", "name: other"));
    place.apply(&[]).ok();
    assert_eq!(place.nodes().len(), 16);
    place.destroy().ok();
    let left = place.front.inventory();
    for (resource, list) in left.as_object().unwrap() {
        for thing in list.as_array().unwrap() {
            assert!(!thing.to_string().contains("other"), "{resource} of the other one is left: {thing}");
        }
    }
    place.write(SMALL);
    place.assert_settled();
    place.destroy().ok();
    place.assert_empty();
}

#[test]
fn everything_says_whose_it_is() {
    let place = Place::new(SMALL);
    place.apply(&[]).ok();
    for (resource, list) in place.front.inventory().as_object().unwrap() {
        // What AWS makes by itself: the network's default group and routes, interfaces, and what has tags elsewhere.
        let own = ["network_interfaces", "listeners", "target_groups", "load_balancers", "roles", "instance_profiles"];
        if own.contains(&resource.as_str()) {
            continue;
        }
        for thing in list.as_array().unwrap() {
            let default = thing["GroupName"] == "default"
                || thing["Associations"].as_array().is_some_and(|all| all.iter().any(|one| one["Main"] == true));
            if default {
                continue;
            }
            let tags = thing["Tags"].to_string();
            assert!(tags.contains("demo") && tags.contains("qa@example.com"), "{resource}: {thing:#}");
        }
    }
    assert!(place.instances().iter().all(|one| tag(one, "Name").is_some()));
}
