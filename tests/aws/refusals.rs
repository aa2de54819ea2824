//! What the user has to mend first: the error says what, where, which permission, and that it can be repeated.

use serde_json::{Value, json};

use crate::{
    SMALL,
    front::{Place, Said},
};

/// How every failed look at the place ends.
const END: &str = "\
error: this place is not ready for the environment; nothing was changed
hint: mend what is marked FAIL above; `refarch check` looks again
";

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
    refused(&place, 3, &format!("\
FAIL identity  ask who this is: The security token included in the request is invalid. (sts:GetCallerIdentity: InvalidClientTokenId, request ID)
               hint: AWS does not know these credentials, or this machine's clock is off; then the same command again goes on where this one stopped
{END}"));
    assert_eq!(changes(&place), 0);
}

#[test]
fn credentials_that_have_expired() {
    let place = Place::new(SMALL);
    place.front.settings(json!({"credentials": "expired"}));
    refused(&place, 3, &format!("\
FAIL identity  ask who this is: The security token included in the request is expired (sts:GetCallerIdentity: ExpiredToken, request ID)
               hint: your credentials have expired: log in again; then the same command again goes on where this one stopped
{END}"));
}

#[test]
fn credentials_that_expire_in_the_middle() {
    let place = Place::new(SMALL);
    place
        .front
        .faults(json!([{"operation": "RunInstances", "code": "RequestExpired", "message": "Request has expired."}]));
    let said = place.apply(&[]).ended(1);
    let told = "Request has expired. (ec2:RunInstances: RequestExpired";
    assert!(said.err.contains(told), "{}", said.err);
    assert!(
        said.err.contains("your credentials have expired: log in again; then the same command again"),
        "{}",
        said.err
    );
    place.front.faults(json!([]));
    place.apply(&[]).ok();
    place.assert_settled();
    place.destroy().ok();
    place.assert_empty();
}

#[test]
fn no_credentials_at_all() {
    let place = Place::new(SMALL);
    let mut command = place.command("apply", &["--infrastructure", "--yes"]);
    command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
    let said = Said::from(command.output().unwrap());
    let expected = format!("\
FAIL identity  ask who this is: no credentials found for sts:GetCallerIdentity
               hint: log in (`aws sso login`, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or `aws.profile` in the file); then the same command again goes on
{END}");
    assert_eq!(text(&place, &said), expected, "---- found:\n{}", text(&place, &said));
}

#[test]
fn a_region_without_the_type() {
    let place = Place::new(SMALL);
    place.front.settings(json!({"not_offered": [{"type": "m5.large"}]}));
    refused(&place, 3, &format!("\
FAIL machine types  not offered: m5.large in us-east-1a, m5.large in us-east-1b, m5.large in us-east-1c
                    hint: name other `cloud.zones`, another `machine_type`, or what may stand in under `cloud.equivalents`
{END}"));
    assert_eq!(changes(&place), 0);
}

#[test]
fn quotas_that_are_too_small() {
    let place = Place::new(SMALL);
    place.front.settings(json!({"quotas": {"L-1216C47A": 4, "L-0263D0A3": 1, "L-F678F1CE": 1}}));
    refused(
        &place,
        3,
        &format!(
            "\
FAIL quota VPCs                        1 needed, 0 of 1 left
                                       hint: Service Quotas, vpc L-F678F1CE: ask for 2 or more
FAIL quota elastic addresses           3 needed, 1 of 1 left
                                       hint: Service Quotas, ec2 L-0263D0A3: ask for 3 or more
FAIL quota vCPUs of standard machines  16 needed, 4 of 4 left
                                       hint: Service Quotas, ec2 L-1216C47A: ask for 16 or more
{END}"
        ),
    );
    assert_eq!(changes(&place), 0);
}

#[test]
fn a_clock_that_is_off() {
    let place = Place::new(SMALL);
    place.front.settings(json!({"clock_offset": 900.0}));
    refused(
        &place,
        3,
        &format!(
            "\
FAIL clock  this machine's clock is 900 s behind AWS's
            hint: set it (`timedatectl set-ntp true`): AWS refuses requests that are five minutes off
{END}"
        ),
    );
}

#[test]
fn a_network_without_subnets() {
    let place = Place::new(SMALL);
    let id = network(&place, &[]);
    place.write(&with_network(&id));
    refused(
        &place,
        3,
        &format!(
            "\
FAIL network  it has no private subnet in zone 1 for 3 nodes
              hint: make one, or name it under `cloud.network.private_subnets`; `cloud.zones` may be fewer
FAIL network  it has no private subnet in zone 2 for 2 nodes
              hint: make one, or name it under `cloud.network.private_subnets`; `cloud.zones` may be fewer
FAIL network  it has no private subnet in zone 3 for 1 node
              hint: make one, or name it under `cloud.network.private_subnets`; `cloud.zones` may be fewer
FAIL network  it has no public subnet in zone 1 for 1 node
              hint: make one, or name it under `cloud.network.public_subnets`; `cloud.zones` may be fewer
{END}"
        ),
    );
    assert_eq!(changes(&place), 0);
}

#[test]
fn a_network_that_is_too_small() {
    let place = Place::new(SMALL);
    // Eleven addresses each are free: enough for what is there, not for 40 nodes.
    let id = network(&place, &["10.9.0.0/28", "10.9.0.16/28", "10.9.0.32/28"]);
    place.write(&with_network(&id).replace("app: { count: 2", "app: { count: 40"));
    let said = place.apply(&[]).ended(3);
    let found = text(&place, &said);
    let small = found.lines().filter(|line| line.contains("has 11 addresses left, for ")).count();
    assert_eq!(small, 3, "{found}");
    assert!(found.contains("hint: name a wider one, or use more zones\n") && found.ends_with(END), "{found}");
    assert_eq!(changes(&place), 0);
}

#[test]
fn a_network_that_is_not_there() {
    let place = Place::new(&with_network("vpc-0123456789abcdef0"));
    refused(
        &place,
        3,
        &format!(
            "\
FAIL network  look at the network: us-east-1 has no network vpc-0123456789abcdef0
              hint: check `cloud.network.id`, the region and the account
{END}"
        ),
    );
}

#[test]
fn somebody_elses_things_under_our_names() {
    let place = Place::new(SMALL);
    place.front.somebody("ec2", "create_key_pair", json!({"KeyName": "demo-key"}));
    let said = place.apply(&[]).ended(1);
    let found = text(&place, &said);
    assert!(found.contains("error: not refarch's, and under its names: key pair demo-key (key-"), "{found}");
    assert!(found.contains("take over what is yours: `refarch adopt ") && found.contains(" key=key-"), "{found}");
    assert_eq!(changes(&place), 0);
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
