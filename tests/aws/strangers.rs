//! Somebody else's things under the environment's names: refused and named, and taken over when the user says so.

use serde_json::{Value, json};

use crate::{SMALL, front::Place};

const RICH: &str = "  buckets: [lfs]\n  balancer: cloud\n";

fn changes(place: &Place) -> usize {
    place.front.calls().iter().filter(|call| call["mutates"] == true).count()
}

/// The default network and a subnet of it.
fn default_subnet(place: &Place) -> (String, String) {
    let found = place.front.somebody(
        "ec2",
        "describe_subnets",
        json!({"Filters": [{"Name": "default-for-az", "Values": ["true"]}]}),
    );
    let first = &found["Subnets"][0];
    (first["VpcId"].as_str().unwrap().to_owned(), first["SubnetId"].as_str().unwrap().to_owned())
}

fn account(place: &Place) -> String {
    let roles = place.front.somebody("iam", "get_role", json!({"RoleName": "demo-identity"}));
    roles["Role"]["Arn"].as_str().unwrap().split(':').nth(4).unwrap().to_owned()
}

/// One of each kind that has a name which somebody else may have taken.
fn occupy(place: &Place) -> (String, String, String, String, String) {
    let trust = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}]});
    let role = json!({"RoleName": "demo-identity", "AssumeRolePolicyDocument": trust.to_string()});
    place.front.somebody("iam", "create_role", role);
    let key = place.front.somebody("ec2", "create_key_pair", json!({"KeyName": "demo-key"}));
    let bucket = format!("demo-lfs-{}", account(place));
    place.front.somebody("s3", "create_bucket", json!({"Bucket": bucket}));
    let theirs = json!({"Bucket": bucket, "Tagging": {"TagSet": [{"Key": "team", "Value": "others"}]}});
    place.front.somebody("s3", "put_bucket_tagging", theirs);
    let (_, subnet) = default_subnet(place);
    let balancer = json!({"Name": "demo-lb", "Type": "network", "Subnets": [subnet]});
    let balancer = place.front.somebody("elbv2", "create_load_balancer", balancer);
    let images = place.front.somebody("ec2", "describe_images", json!({"Owners": ["136693071363"]}));
    let image = images["Images"].as_array().unwrap().iter().find(|one| one["Architecture"] == "x86_64").unwrap();
    let machine = json!({
        "ImageId": image["ImageId"], "InstanceType": "t3.micro", "MinCount": 1, "MaxCount": 1, "SubnetId": subnet,
        "TagSpecifications": [{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": "demo-app-1"}]}],
    });
    let machine = place.front.somebody("ec2", "run_instances", machine);
    place.front.post("settle", json!({}));
    (
        key["KeyPairId"].as_str().unwrap().to_owned(),
        bucket,
        "demo-identity".to_owned(),
        balancer["LoadBalancers"][0]["LoadBalancerArn"].as_str().unwrap().to_owned(),
        machine["Instances"][0]["InstanceId"].as_str().unwrap().to_owned(),
    )
}

#[test]
fn all_are_named_with_what_they_stand_in_the_way_of_and_nothing_is_changed() {
    let place = Place::new(&format!("{SMALL}{RICH}"));
    let (key, bucket, role, balancer, machine) = occupy(&place);
    let before = place.front.inventory();
    place.front.forget_calls();
    for verb in ["plan", "apply"] {
        let args: &[&str] = if verb == "apply" { &["--infrastructure", "--yes"] } else { &["--infrastructure"] };
        let said = place.refarch(verb, args).ended(1);
        for named in [
            format!("key pair demo-key ({key}) for key"),
            format!("bucket ({bucket}) for bucket/lfs"),
            format!("role ({role}) for identity"),
            format!("balancer demo-lb ({balancer}) for balancer/external"),
            format!("instance demo-app-1 ({machine}) for node/demo-app-1"),
        ] {
            assert!(said.err.contains(&named), "{verb} does not say {named:?}:\n{}", said.err);
        }
        assert!(said.err.contains("take over what is yours: `refarch adopt "), "{}", said.err);
    }
    assert_eq!(changes(&place), 0);
    assert_eq!(place.front.inventory(), before);
}

#[test]
fn what_is_adopted_is_made_right_used_and_destroyed_with_the_environment() {
    let place = Place::new(&format!("{SMALL}{RICH}"));
    let (key, bucket, role, balancer, machine) = occupy(&place);
    // A machine in another network could never be a node of this one.
    place.front.somebody("ec2", "terminate_instances", json!({"InstanceIds": [machine]}));
    place.front.somebody("elbv2", "delete_load_balancer", json!({"LoadBalancerArn": balancer}));
    place.front.post("settle", json!({}));
    let said = place.adopt(&[&format!("key={key}"), &format!("bucket/lfs={bucket}"), &format!("identity={role}")]).ok();
    assert!(said.out.contains(&format!("{key} is key of demo now")), "{}", said.out);
    place.apply(&[]).ok();
    let inventory = place.front.inventory();
    let keys: Vec<&Value> = inventory["key_pairs"].as_array().unwrap().iter().collect();
    assert_eq!(keys.len(), 1, "{keys:#?}");
    let profile = &place.instance("demo-app-1")["IamInstanceProfile"]["Arn"];
    assert!(profile.as_str().unwrap().ends_with("/demo-identity"), "{profile}");
    let versioning = place.front.somebody("s3", "get_bucket_versioning", json!({"Bucket": bucket}));
    assert_eq!(versioning["Status"], "Enabled");
    place.assert_settled();
    place.destroy().ok();
    place.assert_empty();
}

#[test]
fn only_what_stands_in_the_way_can_be_adopted() {
    let place = Place::new(SMALL);
    let key = place.front.somebody("ec2", "create_key_pair", json!({"KeyName": "demo-key"}));
    let key = key["KeyPairId"].as_str().unwrap().to_owned();
    place.front.somebody("ec2", "create_key_pair", json!({"KeyName": "precious"}));
    place.front.forget_calls();
    let said = place.adopt(&["key=key-0123456789abcdef0"]).ended(1);
    assert!(said.err.contains("nothing of others' with the identifier key-0123456789abcdef0"), "{}", said.err);
    assert!(said.err.contains(&format!("there is key pair demo-key ({key})")), "{}", said.err);
    let said = place.adopt(&["kee=key-1"]).ended(64);
    assert!(said.err.contains("did you mean `key`?"), "{}", said.err);
    assert_eq!(changes(&place), 0);
}

#[test]
fn a_machine_that_lost_its_tags_is_a_stranger_and_can_be_taken_back() {
    let place = Place::new(SMALL);
    place.apply(&[]).ok();
    let one = place.instance("demo-app-2");
    let id = one["InstanceId"].as_str().unwrap().to_owned();
    let lost: Vec<Value> = one["Tags"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|tag| tag["Key"] != "Name")
        .map(|tag| json!({"Key": tag["Key"]}))
        .collect();
    place.front.somebody("ec2", "delete_tags", json!({"Resources": [id], "Tags": lost}));
    let said = place.apply(&[]).ended(1);
    assert!(said.err.contains(&format!("instance demo-app-2 ({id}) for node/demo-app-2")), "{}", said.err);
    place.adopt(&[&format!("node/demo-app-2={id}")]).ok();
    place.assert_settled();
    assert_eq!(place.instance("demo-app-2")["InstanceId"], one["InstanceId"]);
    place.destroy().ok();
    place.assert_empty();
}
