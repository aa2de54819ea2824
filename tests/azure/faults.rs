//! Azure has a bad day: throttling, lost answers, no room, machines that fail after they were accepted.

use serde_json::{Value, json};

use crate::{SMALL, bad_days::tries, place::Place};

#[test]
fn answers_that_are_lost_are_asked_for_again_and_nothing_is_made_twice() {
    let place = Place::new(SMALL);
    place.apply(&[]).ok();
    let wanted = place.shape();
    let changing = place.changes_that_went_through();
    let times = tries(12, 3);
    for skip in (0..times).map(|index| index * (changing - 5) / (times - 1)) {
        place.start_anew();
        place.fake.rule(json!({ "method": "change", "skip": skip, "times": 3, "lost": "answer" }));
        place.fake.rule(json!({ "method": "change", "skip": skip, "times": 2, "lost": "request" }));
        place.apply(&[]).ok();
        place.assert_shape(&wanted, &format!("lost after {skip}"));
    }
    place.fake.rule(json!({ "method": "DELETE", "times": 8, "skip": 3, "lost": "answer" }));
    place.destroy().ok();
    place.assert_empty();
}

#[test]
fn throttling_is_waited_out_as_long_as_azure_says() {
    let place = Place::new(SMALL);
    place.fake.set(json!({ "writes_per_second": 10, "write_burst": 20 }));
    place.apply(&[]).ok();
    let refused = place.fake.log().iter().filter(|call| call["status"] == 429).count();
    assert!(refused > 0, "nothing was throttled");
    assert_eq!(place.fake.violations(), Vec::<Value>::new());
    place.assert_settled();
}

#[test]
fn a_machine_that_fails_after_it_was_accepted_is_told_and_made_by_the_next_run() {
    let place = Place::new(SMALL);
    place.fake.rule(json!({ "method": "PUT", "path": "*/virtualmachines/demo-app-1", "operation_error": {
        "code": "OSProvisioningTimedOut", "message": "OS Provisioning for VM 'demo-app-1' did not finish in the allotted time."
    }}));
    let said = place.apply(&[]).ended(1);
    assert!(said.err.contains("OSProvisioningTimedOut"), "{}", said.err);
    assert!(!place.machines().contains_key("demo-app-1"), "what never ran is not kept");
    place.apply(&[]).ok();
    assert_eq!(place.machines()["demo-app-1"]["power"], "running");
    place.assert_settled();
    place.destroy().ok();
    place.assert_empty();
}

#[test]
fn a_zone_without_the_size_gives_way_to_the_next() {
    let place = Place::new(SMALL);
    place.fake.set(json!({ "restricted": { "Standard_F2s_v2": ["1"] } }));
    place.apply(&[]).ok();
    for (name, machine) in place.machines() {
        if machine["properties"]["hardwareProfile"]["vmSize"] == "Standard_F2s_v2" {
            assert_ne!(machine["zones"][0], "1", "{name}");
        }
    }
    place.assert_settled();
    place.destroy().ok();
    place.assert_empty();
}

#[test]
fn a_zone_that_is_full_when_the_machine_is_placed_gives_way_too() {
    let place = Place::new(SMALL);
    place.fake.rule(json!({ "method": "PUT", "path": "*/virtualmachines/demo-app-1", "times": 1, "operation_error": {
        "code": "ZonalAllocationFailed", "message": "Allocation failed. We do not have sufficient capacity in this zone."
    }}));
    place.apply(&[]).ok();
    assert_eq!(place.machines()["demo-app-1"]["power"], "running");
    assert_ne!(place.machines()["demo-app-1"]["zones"][0], "1");
    place.assert_settled();
}

#[test]
fn a_size_that_cannot_be_had_gives_way_to_one_that_the_file_allows() {
    let place =
        Place::new(&SMALL.replace("cloud:\n", "cloud:\n  equivalents: { Standard_D2s_v3: [Standard_D2s_v5] }\n"));
    place.fake.set(json!({ "restricted": { "Standard_D2s_v3": "all" } }));
    place.apply(&[]).ok();
    let machine = &place.machines()["demo-postgres-1"];
    assert_eq!(machine["properties"]["hardwareProfile"]["vmSize"], "Standard_D2s_v5");
    place.assert_settled();
}

#[test]
fn operations_that_take_their_time_are_asked_no_sooner_than_wanted() {
    let place = Place::new(SMALL);
    place.fake.set(json!({ "operation_seconds": 0.8, "retry_after": 1 }));
    place.apply(&[]).ok();
    assert_eq!(place.fake.violations(), Vec::<Value>::new());
    place.assert_settled();
}

#[test]
fn long_lists_are_read_to_their_end() {
    let place = Place::new(SMALL);
    place.fake.set(json!({ "page_size": 2 }));
    place.apply(&[]).ok();
    place.assert_settled();
    place.destroy().ok();
    place.assert_empty();
}
