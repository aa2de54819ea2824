//! Somebody changes something behind refarch's back: the plan names it, apply mends it.

use std::time::Duration;

use azure_core::credentials::Secret;
use refarch::provider::azure::azure_mgmt::{Client, Condition, Login, Patience, Place as Where, compute, network};
use serde_json::{Value, json};

use crate::{
    SMALL,
    azure_fake::{CLIENT, SECRET, SUBSCRIPTION, TENANT},
    place::Place,
    power::switch,
};

/// Somebody else's client.
pub fn somebody(place: &Place) -> Client {
    let login = Login {
        tenant: Some(TENANT.to_owned()),
        client: Some(CLIENT.to_owned()),
        secret: Some(Secret::new(SECRET)),
        token_file: None,
    };
    let patience = Patience { between: Duration::from_millis(50), total: Duration::from_secs(60) };
    Client::new(Where::at(&place.fake.endpoint()).unwrap(), login, SUBSCRIPTION).with_patience(patience)
}

#[test]
fn a_drill_takes_a_machines_power_away_and_gives_it_back() {
    let place = Place::new(SMALL);
    place.apply(&[]).ok();
    switch(&place.command("drill", &[]), "demo-app-1", "restart");
    place.assert_settled();
    switch(&place.command("drill", &[]), "demo-app-1", "off");
    let plan = place.refarch("plan", &["--infrastructure", "--detailed-exitcode"]).ended(2);
    assert!(plan.out.contains("start instance"), "{}", plan.out);
    switch(&place.command("drill", &[]), "demo-app-1", "on");
    switch(&place.command("drill", &[]), "demo-app-1", "on");
    place.assert_settled();
}

fn drifted(act: impl AsyncFn(Client), named: &[&str]) {
    let place = Place::new(SMALL);
    place.apply(&[]).ok();
    let before = place.shape();
    tokio::runtime::Runtime::new().unwrap().block_on(act(somebody(&place)));
    let said = place.refarch("plan", &["--infrastructure", "--detailed-exitcode"]).ended(2);
    for word in named {
        assert!(said.out.contains(word), "the plan does not name {word}:\n{}", said.out);
    }
    place.apply(&[]).ok();
    assert_eq!(place.shape(), before);
    place.assert_settled();
    place.destroy().ok();
    place.assert_empty();
}

fn machine(client: &Client, name: &str) -> String {
    client.id("refarch-demo", "Microsoft.Compute/virtualMachines", name)
}

#[test]
fn a_machine_that_was_removed_is_made_again() {
    drifted(
        async |client| client.delete(&machine(&client, "demo-app-2"), compute::VERSION).await.unwrap(),
        &["demo-app-2", "create"],
    );
}

#[test]
fn a_machine_that_was_deallocated_is_started() {
    drifted(
        async |client| client.act(&machine(&client, "demo-postgres-1"), "deallocate", compute::VERSION).await.unwrap(),
        &["demo-postgres-1", "start"],
    );
}

#[test]
fn a_rule_that_was_added_is_taken_away() {
    drifted(
        async |client| {
            let id = client.id("refarch-demo", "Microsoft.Network/networkSecurityGroups", "demo-firewall-postgres");
            let mut group: Value = client.get(&id, network::VERSION).await.unwrap().unwrap();
            group["properties"]["securityRules"].as_array_mut().unwrap().push(json!({
                "name": "oops",
                "properties": {
                    "protocol": "Tcp", "access": "Allow", "direction": "Inbound", "priority": 3000,
                    "sourcePortRange": "*", "destinationPortRange": "5432",
                    "sourceAddressPrefix": "0.0.0.0/0", "destinationAddressPrefix": "*",
                },
            }));
            client.put(&id, network::VERSION, &without_read_only(group), Condition::Always).await.unwrap();
        },
        &["rules", "0.0.0.0/0"],
    );
}

#[test]
fn a_tag_that_was_removed_comes_back() {
    drifted(
        async |client| {
            let tags = [("refarch-owner".to_owned(), "qa@example.com".to_owned())].into();
            client.change_tags(&machine(&client, "demo-app-1"), "Delete", &tags).await.unwrap();
        },
        &["demo-app-1", "tags"],
    );
}

#[test]
fn a_subnet_that_lost_its_way_out_gets_it_back() {
    drifted(
        async |client| {
            let id = client.id("refarch-demo", "Microsoft.Network/virtualNetworks", "demo-network/subnets/private-2");
            let mut subnet: Value = client.get(&id, network::VERSION).await.unwrap().unwrap();
            subnet["properties"].as_object_mut().unwrap().remove("natGateway");
            let subnet = without_read_only(json!({ "properties": subnet["properties"] }));
            client.put(&id, network::VERSION, &subnet, Condition::Always).await.unwrap();
        },
        &["create route table private-2"],
    );
}

#[test]
fn rules_that_were_taken_off_the_machines_and_removed_are_made_and_put_on_again() {
    drifted(
        async |client| {
            for name in ["demo-app-1", "demo-app-2"] {
                let id = client.id("refarch-demo", "Microsoft.Network/networkInterfaces", name);
                let mut interface: Value = client.get(&id, network::VERSION).await.unwrap().unwrap();
                interface["properties"].as_object_mut().unwrap().remove("networkSecurityGroup");
                client.put(&id, network::VERSION, &without_read_only(interface), Condition::Always).await.unwrap();
            }
            let rules = client.id("refarch-demo", "Microsoft.Network/networkSecurityGroups", "demo-firewall-app");
            client.delete(&rules, network::VERSION).await.unwrap();
        },
        &["change security group app", "create security rules app", "change network interface demo-app-1"],
    );
}

/// A body that was read, so that it can be sent.
pub fn without_read_only(mut value: Value) -> Value {
    match &mut value {
        Value::Object(map) => {
            for name in ["provisioningState", "virtualMachine"] {
                map.remove(name);
            }
            map.values_mut().for_each(|one| *one = without_read_only(one.take()));
        }
        Value::Array(list) => list.iter_mut().for_each(|one| *one = without_read_only(one.take())),
        _ => {}
    }
    value
}
