//! The cloud fails on the way: answers lost, refused for a moment, operations that end in an error, no capacity.

use serde_json::json;

use crate::{SMALL, place::Place};

#[test]
fn lost_answers_make_nothing_twice() {
    let place = Place::new(SMALL);
    place.apply(&[]).ok();
    let wanted = place.shape();
    for method in
        ["compute.instances.insert", "compute.networks.insert", "compute.firewalls.insert", "compute.addresses.insert"]
    {
        for when in ["after", "before"] {
            place.start_anew();
            place.double.faults(json!([{ "method": method, "lose": when, "times": 3 }]));
            place.apply(&[]).ok();
            assert!(place.double.fired() > 0, "{method}");
            assert_eq!(place.shape(), wanted, "{method} {when}");
        }
    }
    place.double.faults(json!([{ "method": "compute.*.delete", "lose": "after", "times": 8 }]));
    place.destroy().ok();
    place.assert_empty();
}

#[test]
fn refusals_of_the_moment_are_waited_out() {
    let place = Place::new(SMALL);
    place.double.faults(json!([
        { "method": "compute.instances.insert", "error": { "code": 429, "reason": "rateLimitExceeded", "retry_after": 1 }, "times": 3 },
        { "method": "compute.subnetworks.insert", "error": { "code": 503, "reason": "backendError" }, "times": 2 },
        { "method": "compute.instances.aggregatedList", "error": { "code": 500, "reason": "internalError" }, "times": 2 },
        { "method": "compute.firewalls.insert", "error": { "code": 400, "reason": "resourceNotReady", "message": "The resource is not ready" }, "times": 2 },
    ]));
    place.apply(&[]).ok();
    assert_eq!(place.double.fired(), 9);
    place.assert_settled();
}

#[test]
fn an_operation_that_ends_in_an_error_is_not_taken_for_done() {
    let place = Place::new(SMALL);
    place.double.faults(json!([{
        "method": "compute.instances.insert", "resource": "demo-postgres-2", "times": 1,
        "operation_error": { "code": "CONDITION_NOT_MET", "message": "the constraint says no" },
    }]));
    place.apply(&[]).refused(&["demo-postgres-2", "the constraint says no", "CONDITION_NOT_MET"]);
    assert!(!place.machines().contains_key("demo-postgres-2"));
    place.apply(&[]).ok();
    place.assert_settled();
}

#[test]
fn where_a_zone_has_no_machines_left_the_next_zone_or_another_type_is_taken() {
    let place = Place::new(SMALL);
    let exhausted = json!({ "code": "ZONE_RESOURCE_POOL_EXHAUSTED", "message": "The zone does not have enough resources available" });
    place.double.faults(
        json!([{ "method": "compute.instances.insert", "resource": "demo-app-1", "operation_error": exhausted }]),
    );
    place.apply(&[]).ok();
    let one = &place.machines()["demo-app-1"];
    // Not b: the other one is there, and all of a group are never in one zone.
    assert!(one["zone"].as_str().unwrap().ends_with("/europe-west4-c"), "{}", one["zone"]);
    place.assert_settled();
    place.destroy().ok();

    place.write(&format!("{SMALL}  equivalents: {{ n2-standard-2: [n2d-standard-2] }}\n"));
    place.double.faults(
        json!([{ "method": "compute.instances.insert", "resource": "demo-app-1", "operation_error": exhausted }]),
    );
    place.apply(&[]).ok();
    let one = &place.machines()["demo-app-1"];
    assert!(one["machineType"].as_str().unwrap().ends_with("/n2d-standard-2"), "{}", one["machineType"]);
    assert!(one["zone"].as_str().unwrap().ends_with("/europe-west4-a"), "{}", one["zone"]);
    place.assert_settled();
    place.destroy().ok();
    place.assert_empty();
}

#[test]
fn a_quota_that_is_reached_in_the_middle_is_told_and_the_rest_can_follow() {
    let place = Place::new(SMALL);
    place.double.faults(json!([{
        "method": "compute.instances.insert", "resource": "demo-app-*", "times": 2,
        "operation_error": { "code": "QUOTA_EXCEEDED", "message": "Quota 'N2_CPUS' exceeded. Limit: 8.0 in region europe-west4." },
    }]));
    place.apply(&[]).refused(&["N2_CPUS", "quota"]);
    place.apply(&[]).ok();
    place.assert_settled();
}
