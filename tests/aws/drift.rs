//! Somebody changes something behind refarch's back: the plan names it, apply mends it.

use serde_json::json;

use crate::{SMALL, front::Place, power::switch, world::shape};

fn drifted(act: impl Fn(&Place), named: &[&str]) {
    let place = Place::new(SMALL);
    place.apply(&[]).ok();
    let before = shape(&place.front.inventory());
    act(&place);
    place.front.post("settle", json!({}));
    let said = place.refarch("plan", &["--infrastructure", "--detailed-exitcode"]).ended(2);
    for word in named {
        assert!(said.out.contains(word), "the plan does not name {word}:\n{}", said.out);
    }
    place.apply(&[]).ok();
    assert_eq!(shape(&place.front.inventory()), before);
    place.assert_settled();
    place.destroy().ok();
    place.assert_empty();
}

#[test]
fn a_terminated_instance_is_made_again() {
    drifted(
        |place| {
            let id = place.instance("demo-app-2")["InstanceId"].clone();
            place.front.somebody("ec2", "terminate_instances", json!({"InstanceIds": [id]}));
        },
        &["demo-app-2", "create instance"],
    );
}

#[test]
fn a_stopped_instance_is_started() {
    drifted(
        |place| {
            let id = place.instance("demo-postgres-1")["InstanceId"].clone();
            place.front.somebody("ec2", "stop_instances", json!({"InstanceIds": [id]}));
        },
        &["demo-postgres-1", "start instance"],
    );
}

#[test]
fn a_drill_takes_a_machines_power_away_and_gives_it_back() {
    let place = Place::new(SMALL);
    place.apply(&[]).ok();
    place.front.forget_calls();
    switch(&place.command("drill", &[]), "demo-app-1", "restart");
    switch(&place.command("drill", &[]), "demo-app-1", "off");
    let calls = place.front.calls_of("StopInstances");
    assert_eq!(calls.len(), 1, "{calls:?}");
    assert_eq!((&calls[0]["params"]["Force"], &calls[0]["params"]["SkipOsShutdown"]), (&json!("true"), &json!("true")));
    assert_ne!(place.instance("demo-app-1")["State"]["Name"], "running");
    switch(&place.command("drill", &[]), "demo-app-1", "on");
    switch(&place.command("drill", &[]), "demo-app-1", "on");
    assert_eq!(place.instance("demo-app-1")["State"]["Name"], "running");
    place.assert_settled();
}

#[test]
fn a_rule_that_was_added_is_taken_away() {
    drifted(
        |place| {
            let inventory = place.front.inventory();
            let groups = inventory["security_groups"].as_array().unwrap();
            let group = groups.iter().find(|one| one["GroupName"].as_str().unwrap().contains("postgres")).unwrap();
            let rule = json!([{
                "IpProtocol": "tcp", "FromPort": 5432, "ToPort": 5432, "IpRanges": [{"CidrIp": "0.0.0.0/0"}],
            }]);
            let params = json!({"GroupId": group["GroupId"], "IpPermissions": rule});
            place.front.somebody("ec2", "authorize_security_group_ingress", params);
        },
        &["rules", "0.0.0.0/0"],
    );
}

#[test]
fn a_tag_that_was_removed_comes_back() {
    drifted(
        |place| {
            let one = place.instance("demo-app-1");
            let key = one["Tags"].as_array().unwrap().iter().find(|tag| tag["Value"] == "qa@example.com").unwrap();
            let params = json!({"Resources": [one["InstanceId"]], "Tags": [{"Key": key["Key"]}]});
            place.front.somebody("ec2", "delete_tags", params);
        },
        &["demo-app-1", "tags"],
    );
}

#[test]
fn a_network_that_lost_its_way_out_gets_it_back() {
    drifted(
        |place| {
            let inventory = place.front.inventory();
            let tables = inventory["route_tables"].as_array().unwrap();
            let private = tables
                .iter()
                .find(|table| {
                    table["Routes"].as_array().unwrap().iter().any(|route| route.get("NatGatewayId").is_some())
                })
                .unwrap();
            let params = json!({"RouteTableId": private["RouteTableId"], "DestinationCidrBlock": "0.0.0.0/0"});
            place.front.somebody("ec2", "delete_route", params);
        },
        &["route table"],
    );
}
