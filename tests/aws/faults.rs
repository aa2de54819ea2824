//! AWS has a bad day: throttling, lost answers, no capacity, pages instead of answers, silence.

use serde_json::json;

use crate::{SMALL, bad_days::tries, front::Place, world::shape};

/// Answers that are lost, calls that are refused for a moment, things that take their time: by chance, and each run's
/// chance its own.
#[test]
fn in_many_runs_nothing_is_made_twice() {
    let place = Place::new(SMALL);
    place.apply(&[]).ok();
    let wanted = shape(&place.front.inventory());
    for run in 0..tries(50, 5) {
        place.front.post("reset", json!({}));
        place.elsewhere();
        place.front.settings(json!({"settle_polls": run % 3, "settle_seconds": 0.3, "iam_seconds": run % 2}));
        place.front.faults(json!([
            {"operation": "RunInstances", "chance": 0.3, "seed": run, "lost": true, "times": 4},
            {"mutating": true, "chance": 0.05, "seed": run + 100, "lost": true},
            {"mutating": true, "chance": 0.05, "seed": run + 200, "code": "RequestLimitExceeded", "status": 503},
            {"chance": 0.02, "seed": run + 300, "code": "InternalError", "status": 500},
            {"chance": 0.01, "seed": run + 400, "status": 502, "html": "<html>bad gateway</html>"},
        ]));
        // What it does not get over itself, the same command again does.
        let mut said = place.apply(&[]);
        for _ in 0..3 {
            if said.code == Some(0) {
                break;
            }
            said = place.apply(&[]);
        }
        let said = said.ok();
        place.front.faults(json!([]));
        let found = shape(&place.front.inventory());
        assert_eq!(found, wanted, "run {run}: {}", said.err);
    }
}

#[test]
fn throttling_is_waited_out() {
    let place = Place::new(SMALL);
    place.front.faults(json!([
        {"operation": "RunInstances", "times": 3, "code": "RequestLimitExceeded", "status": 503},
        {"operation": "DescribeInstances", "times": 3, "code": "RequestLimitExceeded", "status": 503},
        {"operation": "CreateSecurityGroup", "times": 3, "code": "RequestLimitExceeded", "status": 503},
    ]));
    place.apply(&[]).ok();
    place.assert_settled();
}

#[test]
fn a_zone_without_capacity_gives_way_to_the_next() {
    let place = Place::new(SMALL);
    place.front.settings(json!({"capacity": [{"zone": "us-east-1a", "type": "c5.large"}]}));
    place.apply(&[]).ok();
    for one in place.instances().iter().filter(|one| one["InstanceType"] == "c5.large") {
        assert_ne!(one["Placement"]["AvailabilityZone"], "us-east-1a");
    }
    place.assert_settled();
    place.destroy().ok();
    place.assert_empty();
}

#[test]
fn a_type_without_capacity_gives_way_to_one_that_the_file_allows() {
    let text = SMALL.replace("cloud:\n", "cloud:\n  equivalents: { m5.large: [m5a.large] }\n");
    let place = Place::new(&text);
    place.front.settings(json!({"capacity": [{"type": "m5.large"}]}));
    place.apply(&[]).ok();
    assert_eq!(place.instance("demo-postgres-1")["InstanceType"], "m5a.large");
    // What is there is what the file allows: that is no drift.
    place.assert_settled();
}

#[test]
fn no_capacity_anywhere_says_what_to_do_and_goes_on_later() {
    let place = Place::new(SMALL);
    place.front.settings(json!({"capacity": [{"type": "m5.large"}]}));
    let said = place.apply(&[]).ended(1);
    assert!(said.err.contains("m5.large") && said.err.contains("capacity"), "{}", said.err);
    place.front.settings(json!({"capacity": []}));
    place.apply(&[]).ok();
    place.assert_settled();
}

#[test]
fn a_denial_in_the_middle_names_the_permission_and_goes_on_later() {
    let place = Place::new(SMALL);
    place.front.faults(json!([{
        "operation": "CreateNatGateway", "code": "UnauthorizedOperation", "status": 403,
        "message": "You are not authorized to perform this operation. User: arn:aws:iam::123456789012:user/qa is not \
                    authorized to perform: ec2:CreateNatGateway on resource: arn:aws:ec2:us-east-1:123456789012:natgateway/* \
                    because no identity-based policy allows the ec2:CreateNatGateway action.",
    }]));
    let said = place.apply(&[]).ended(1);
    assert!(said.err.contains("`ec2:CreateNatGateway` is missing"), "{}", said.err);
    place.front.faults(json!([]));
    place.apply(&[]).ok();
    place.assert_settled();
    place.destroy().ok();
    place.assert_empty();
}

#[test]
fn a_machine_that_takes_its_time_is_waited_for() {
    let place = Place::new(SMALL);
    place.front.settings(json!({"settle_polls": 8, "settle_seconds": 30, "iam_seconds": 2, "lag_polls": 2}));
    place.apply(&[]).ok();
    for one in place.instances() {
        assert_eq!(one["State"]["Name"], "running");
    }
    // All machines are asked about together.
    let machines = place.instances().len();
    let looks = place.front.calls_of("DescribeInstances").len();
    assert!(looks <= 40, "{looks} questions about {machines} machines");
    place.destroy().ok();
    place.assert_empty();
}
