//! What the user has to mend first: the error says what, where, which permission, and that it can be repeated.

use serde_json::{Value, json};

use crate::{
    SMALL,
    front::{Place, Said},
};

/// What was said on both outputs, without what differs from one time to the next.
fn text(place: &Place, said: &Said) -> String {
    let words = format!("{}{}", said.out, said.err);
    let words = words.replace(&place.front.url().to_owned(), "URL");
    let mut clean = String::new();
    for line in words.lines() {
        // Request identifiers.
        let line = match line.find(", request ") {
            Some(start) => {
                let rest = &line[start + ", request ".len()..];
                let end = rest.find(')').unwrap_or(rest.len());
                format!("{}, request ID{}", &line[..start], &rest[end..])
            }
            None => line.to_owned(),
        };
        clean.push_str(line.trim_end());
        clean.push('\n');
    }
    clean
}

#[track_caller]
fn refused(place: &Place, code: i32, expected: &str) {
    let said = place.apply(&[]);
    let found = text(place, &said);
    assert_eq!(found, expected, "---- found:\n{found}");
    assert_eq!(said.code, Some(code));
}

#[test]
fn credentials_that_aws_does_not_know() {
    let place = Place::new(SMALL);
    place.front.settings(json!({"credentials": "invalid"}));
    refused(&place, 3, "");
    assert_eq!(changes(&place), 0);
}

#[test]
fn credentials_that_have_expired() {
    let place = Place::new(SMALL);
    place.front.settings(json!({"credentials": "expired"}));
    refused(&place, 3, "");
}

#[test]
fn no_credentials_at_all() {
    let place = Place::new(SMALL);
    let mut command = place.command("apply", &["--infrastructure", "--yes"]);
    command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
    let said = Said::from(command.output().unwrap());
    assert_eq!(text(&place, &said), "", "---- found:\n{}", text(&place, &said));
}

#[test]
fn a_region_without_the_type() {
    let place = Place::new(SMALL);
    place.front.settings(json!({"not_offered": [{"type": "m5.large"}]}));
    refused(&place, 3, "");
    assert_eq!(changes(&place), 0);
}

#[test]
fn quotas_that_are_too_small() {
    let place = Place::new(SMALL);
    place.front.settings(json!({"quotas": {"L-1216C47A": 4, "L-0263D0A3": 1, "L-F678F1CE": 1}}));
    refused(&place, 3, "");
    assert_eq!(changes(&place), 0);
}

#[test]
fn a_clock_that_is_off() {
    let place = Place::new(SMALL);
    place.front.settings(json!({"clock_offset": 900.0}));
    refused(&place, 3, "");
}

#[test]
fn a_network_without_subnets() {
    let place = Place::new(SMALL);
    let id = network(&place, &[]);
    place.write(&with_network(&id));
    refused(&place, 3, "");
    assert_eq!(changes(&place), 0);
}

#[test]
fn a_network_that_is_too_small() {
    let place = Place::new(SMALL);
    let id = network(&place, &["10.9.0.0/28", "10.9.0.16/28"]);
    place.write(&with_network(&id));
    refused(&place, 3, "");
}

#[test]
fn a_network_that_is_not_there() {
    let place = Place::new(&with_network("vpc-0123456789abcdef0"));
    refused(&place, 3, "");
}

#[test]
fn somebody_elses_things_under_our_names() {
    let place = Place::new(SMALL);
    place.front.somebody("ec2", "create_key_pair", json!({"KeyName": "demo-key"}));
    refused(&place, 1, "");
}

fn with_network(id: &str) -> String {
    SMALL.replace("cloud:\n", &format!("cloud:\n  network: {{ id: {id} }}\n"))
}

/// A network of somebody's with these subnets.
fn network(place: &Place, subnets: &[&str]) -> String {
    let vpc = place.front.somebody("ec2", "create_vpc", json!({"CidrBlock": "10.9.0.0/16"}));
    let id = vpc["Vpc"]["VpcId"].as_str().unwrap().to_owned();
    for (range, zone) in subnets.iter().zip(["us-east-1a", "us-east-1b", "us-east-1c"]) {
        let params = json!({"VpcId": id, "CidrBlock": range, "AvailabilityZone": zone});
        place.front.somebody("ec2", "create_subnet", params);
    }
    id
}

/// Changing calls that refarch made.
fn changes(place: &Place) -> usize {
    let own = |call: &&Value| call["mutates"] == true;
    place.front.calls().iter().filter(own).count()
}
