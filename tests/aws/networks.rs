//! A network that exists already: used, never changed, and there afterwards.

use serde_json::json;

use crate::{SMALL, front::Place, world::shape};

/// A network of somebody's: a public and a private subnet in each of three zones.
pub fn somebodys(place: &Place) -> (String, Vec<String>) {
    let vpc = place.front.somebody("ec2", "create_vpc", json!({"CidrBlock": "10.9.0.0/16"}));
    let id = vpc["Vpc"]["VpcId"].as_str().unwrap().to_owned();
    let mut subnets = Vec::new();
    for (index, zone) in ["us-east-1a", "us-east-1b", "us-east-1c"].iter().enumerate() {
        for (side, public) in [(0, true), (8, false)] {
            let range = format!("10.9.{}.0/24", index + side);
            let params = json!({"VpcId": id, "CidrBlock": range, "AvailabilityZone": zone});
            let made = place.front.somebody("ec2", "create_subnet", params);
            let subnet = made["Subnet"]["SubnetId"].as_str().unwrap().to_owned();
            if public {
                let params = json!({"SubnetId": subnet, "MapPublicIpOnLaunch": {"Value": true}});
                place.front.somebody("ec2", "modify_subnet_attribute", params);
            }
            subnets.push(subnet);
        }
    }
    (id, subnets)
}

#[test]
fn an_environment_stands_in_it_and_leaves_it_as_it_was() {
    let place = Place::new(SMALL);
    let (id, subnets) = somebodys(&place);
    let before = shape(&place.front.inventory());
    place.write(&SMALL.replace("cloud:\n", &format!("cloud:\n  network: {{ id: {id} }}\n")));
    place.apply(&[]).ok();
    for one in place.instances() {
        assert_eq!(one["VpcId"], json!(id));
        assert!(subnets.contains(&one["SubnetId"].as_str().unwrap().to_owned()), "{}", one["SubnetId"]);
    }
    let public = place.instance("demo-haproxy-external-1");
    assert_eq!(public["SubnetId"], json!(subnets[0]), "users come to a subnet that assigns public addresses");
    assert_eq!(place.instance("demo-postgres-2")["SubnetId"], json!(subnets[3]));
    for call in place.front.calls() {
        let operation = call["operation"].as_str().unwrap();
        for what in ["Vpc", "Subnet", "Route", "NatGateway", "InternetGateway"] {
            let changes = call["mutates"] == true && operation.ends_with(what);
            assert!(!changes, "the network is somebody's, and refarch called {operation}: {call}");
        }
    }
    place.assert_settled();
    place.destroy().ok();
    assert_eq!(shape(&place.front.inventory()), before);
}

#[test]
fn subnets_that_are_named_are_the_ones_that_are_taken() {
    let place = Place::new(SMALL);
    let (id, subnets) = somebodys(&place);
    let private = [&subnets[1], &subnets[3], &subnets[5]].map(String::as_str).join(", ");
    let public = [&subnets[0], &subnets[2], &subnets[4]].map(String::as_str).join(", ");
    let network = format!("  network: {{ id: {id}, private_subnets: [{private}], public_subnets: [{public}] }}\n");
    place.write(&SMALL.replace("cloud:\n", &format!("cloud:\n{network}")));
    place.apply(&[]).ok();
    assert_eq!(place.instance("demo-postgres-3")["SubnetId"], json!(subnets[5]));
    place.assert_settled();

    // In the wrong order they would put a zone's nodes into another zone.
    let wrong = format!("  network: {{ id: {id}, private_subnets: [{}] }}\n", subnets[3]);
    place.write(&SMALL.replace("name: demo", "name: other").replace("cloud:\n", &format!("cloud:\n{wrong}")));
    let said = place.apply(&[]).ended(3);
    assert!(
        said.err.contains(&format!("subnet {} is in us-east-1b, and zone 1 is us-east-1a", subnets[3])),
        "{}",
        said.err
    );
}
