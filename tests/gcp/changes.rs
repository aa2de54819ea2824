//! The file changes, and the environment follows: more nodes and fewer, other types, larger disks, labels, buckets, the
//! cloud's own balancer, the tunnel.

use serde_json::json;

use crate::{
    SMALL,
    place::{PROJECT, Place},
};

#[test]
fn more_nodes_and_fewer() {
    let place = Place::new(SMALL);
    place.apply(&[]).ok();
    place.write(&SMALL.replace("app: { count: 2", "app: { count: 4"));
    place.apply(&[]).ok();
    let names: Vec<String> = place.machines().into_keys().filter(|name| name.contains("app")).collect();
    assert_eq!(names, ["demo-app-1", "demo-app-2", "demo-app-3", "demo-app-4"]);
    place.assert_settled();

    place.write(SMALL);
    place.apply(&["--destroy-data", "demo-app-3", "--destroy-data", "demo-app-4"]).ok();
    let names: Vec<String> = place.machines().into_keys().filter(|name| name.contains("app")).collect();
    assert_eq!(names, ["demo-app-1", "demo-app-2"]);
    place.assert_settled();
    place.destroy().ok();
    place.assert_empty();
    place.double.assert_as_described();
}

#[test]
fn another_machine_type_one_voter_at_a_time_and_a_larger_disk_while_it_runs() {
    let place = Place::new(SMALL);
    place.apply(&[]).ok();
    place.double.control("forget_calls", &json!({}));
    let wanted = SMALL.replace(
        "memory_gb: 8, machine_type: n2-standard-2, disk_gb: 50",
        "memory_gb: 16, machine_type: n2-standard-4, disk_gb: 80",
    );
    place.write(&wanted);
    place.apply(&[]).ok();
    for ordinal in 1..=3 {
        let one = &place.machines()[&format!("demo-postgres-{ordinal}")];
        assert!(one["machineType"].as_str().unwrap().ends_with("/n2-standard-4"), "{one:#}");
        assert_eq!(one["status"], "RUNNING");
    }
    let disks = place.double.of("disks");
    let grown = disks.iter().filter(|disk| disk["sizeGb"] == "80").count();
    assert_eq!(grown, 3);

    // Stopped and started in turn: never two of them down.
    let order: Vec<String> = place
        .double
        .calls()
        .iter()
        .filter(|call| {
            ["compute.instances.stop", "compute.instances.start"].iter().any(|method| call["method"] == *method)
        })
        .map(|call| call["method"].as_str().unwrap().rsplit('.').next().unwrap().to_owned())
        .collect();
    assert_eq!(order, ["stop", "start", "stop", "start", "stop", "start"]);
    place.assert_settled();
}

#[test]
fn buckets_are_private_and_the_nodes_account_may_use_them_and_nothing_else() {
    let place = Place::new(&format!("{SMALL}  buckets: [artifacts, lfs]\n"));
    place.apply(&[]).ok();
    let resources = place.double.resources();
    for name in ["artifacts", "lfs"] {
        let bucket = &resources[&format!("buckets/demo-{name}-{PROJECT}")];
        let access = &bucket["iamConfiguration"];
        assert_eq!(access["publicAccessPrevention"], "enforced");
        assert_eq!(access["uniformBucketLevelAccess"]["enabled"], true);
        assert_eq!(bucket["versioning"]["enabled"], true);
        let account = format!("serviceAccount:demo-app@{PROJECT}.iam.gserviceaccount.com");
        let own: Vec<_> = bucket["policy"]["bindings"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|binding| binding["members"].as_array().unwrap().contains(&json!(account)))
            .map(|binding| binding["role"].as_str().unwrap())
            .collect();
        assert_eq!(own, ["roles/storage.objectUser"]);
    }
    // Only those that have to do with the buckets have an account, and it is their group's.
    for (name, one) in place.machines() {
        let email = one["serviceAccounts"][0]["email"].as_str();
        assert_eq!(email.is_some(), name.starts_with("demo-app-"), "{name}: {email:?}");
        assert!(email.is_none_or(|email| email.starts_with("demo-app@")), "{name}: {email:?}");
    }
    place.assert_settled();

    // A bucket that holds something goes with the consent that names the data.
    place.double.control("objects", &json!({ "bucket": format!("demo-lfs-{PROJECT}"), "name": "a/b c" }));
    place.refarch("destroy", &["--yes"]).refused(&["bucket"]);
    place.destroy().ok();
    place.assert_empty();
    place.double.assert_as_described();
}

#[test]
fn the_clouds_balancer_stands_at_the_door() {
    let place = Place::new(&format!("{SMALL}  balancer: cloud\n"));
    place.apply(&[]).ok();
    let rules = place.double.of("forwardingRules");
    assert_eq!(rules.len(), 1);
    assert_eq!(rules[0]["loadBalancingScheme"], "EXTERNAL");
    let groups = place.double.of("instanceGroups");
    let members: usize = groups.iter().map(|group| group["members"].as_array().unwrap().len()).sum();
    assert_eq!(members, 1);
    // What comes through keeps its address: users and Google's questions reach the door's nodes.
    let firewalls = place.double.of("firewalls");
    let door: Vec<&serde_json::Value> = firewalls
        .iter()
        .filter(|rule| rule["targetTags"] == json!(["demo-haproxy-external"]))
        .filter(|rule| {
            rule["allowed"]
                .as_array()
                .unwrap()
                .iter()
                .any(|one| one["ports"].as_array().unwrap().contains(&json!("443")))
        })
        .collect();
    let ranges: Vec<String> = door
        .iter()
        .flat_map(|rule| rule["sourceRanges"].as_array().cloned().unwrap_or_default())
        .map(|range| range.as_str().unwrap().to_owned())
        .collect();
    for range in ["0.0.0.0/0", "35.191.0.0/16", "209.85.152.0/22", "209.85.204.0/22"] {
        assert!(ranges.iter().any(|one| one == range), "{range} does not reach the door: {door:#?}");
    }
    // Nothing inside has an address of its own but the bastion.
    let outside: Vec<String> = place
        .machines()
        .into_iter()
        .filter(|(_, one)| one["networkInterfaces"][0].get("accessConfigs").is_some())
        .map(|(name, _)| name)
        .collect();
    assert_eq!(outside, ["demo-bastion"]);
    place.assert_settled();

    place.write(&format!(
        "{}  balancer: cloud\n",
        SMALL.replace("haproxy-external: { count: 1", "haproxy-external: { count: 2")
    ));
    place.apply(&[]).ok();
    let groups = place.double.of("instanceGroups");
    let members: usize = groups.iter().map(|group| group["members"].as_array().unwrap().len()).sum();
    assert_eq!(members, 2);
    place.assert_settled();
    place.destroy().ok();
    place.assert_empty();
    place.double.assert_as_described();
}

#[test]
fn a_balancer_between_the_nodes_stands_in_place_of_haproxy_nodes() {
    let haproxy = "name: demo\narchitecture: 3k\nprovider: gcp\npurpose: test\n";
    let place = Place::new(&format!("{haproxy}cloud: {{ internal_balancer: cloud }}\n"));
    let name = place.environment();
    place.apply(&[]).ok();
    assert!(place.machines().keys().all(|node| !node.contains("haproxy-internal")));
    // One address for all ports, and each port has its own question.
    let rules = place.double.of("forwardingRules");
    let port = |number: &str| rules.iter().find(|rule| rule["ports"] == json!([number])).unwrap().clone();
    let (pool, leader) = (port("6432"), port("5432"));
    assert_eq!(pool["IPAddress"], leader["IPAddress"]);
    for rule in [&pool, &leader] {
        assert_eq!(rule["loadBalancingScheme"], "INTERNAL");
    }
    let addresses = place.double.of("addresses");
    let shared = addresses.iter().find(|one| one["address"] == pool["IPAddress"]).unwrap();
    assert_eq!(
        (shared["addressType"].as_str(), shared["purpose"].as_str()),
        (Some("INTERNAL"), Some("SHARED_LOADBALANCER_VIP"))
    );
    let checks = place.double.of("healthChecks");
    let asks = |port: u16| checks.iter().find(|check| check["httpHealthCheck"]["port"] == port);
    assert_eq!(asks(8008).unwrap()["httpHealthCheck"]["requestPath"], "/primary", "only the leader is good");
    assert!(checks.iter().any(|check| check["tcpHealthCheck"]["port"] == 6432));
    // Who uses the service reaches the servers, as do Google's questions; nobody else does.
    let mut tags: Vec<String> = Vec::new();
    for rule in place.double.of("firewalls") {
        let pool = rule["targetTags"] == json!([format!("{name}-pgbouncer")])
            && rule["allowed"]
                .as_array()
                .unwrap()
                .iter()
                .any(|one| one["ports"].as_array().unwrap().contains(&json!("6432")));
        if pool {
            let from = rule["sourceTags"].as_array().cloned().unwrap_or_default();
            tags.extend(from.iter().map(|tag| tag.as_str().unwrap().to_owned()));
        }
    }
    tags.sort();
    assert_eq!(tags, [format!("{name}-app"), format!("{name}-sidekiq")]);
    place.assert_settled();

    place.write(haproxy);
    place.apply(&[]).ok();
    assert!(place.machines().contains_key(&format!("{name}-haproxy-internal-1")));
    assert!(place.double.of("forwardingRules").is_empty() && place.double.of("instanceGroups").is_empty());
    place.assert_settled();
    place.destroy().ok();
    place.assert_empty();
    place.double.assert_as_described();
}

#[test]
fn members_that_share_a_zone_stand_apart_where_the_file_asks_for_it() {
    let four = SMALL.replace("app: { count: 2", "app: { count: 4");
    let place = Place::new(&format!("{four}gcp: {{ placement: spread }}\n"));
    place.apply(&[]).ok();
    let policies = place.double.of("resourcePolicies");
    assert_eq!(policies.len(), 1, "only app-1 and app-4 share a zone: {policies:#?}");
    assert_eq!(policies[0]["groupPlacementPolicy"]["availabilityDomainCount"], 8);
    let with = |place: &Place| -> Vec<String> {
        let has = |one: &serde_json::Value| one["resourcePolicies"].as_array().is_some_and(|all| !all.is_empty());
        place.machines().into_iter().filter(|(_, one)| has(one)).map(|(name, _)| name).collect()
    };
    assert_eq!(with(&place), ["demo-app-1", "demo-app-4"]);
    place.assert_settled();

    // Without it the same machines stand where they stood, and the policy goes when nobody has it.
    place.write(&four);
    place.apply(&[]).ok();
    assert!(with(&place).is_empty() && place.double.of("resourcePolicies").is_empty());
    place.assert_settled();
    place.write(&format!("{four}gcp: {{ placement: spread }}\n"));
    place.apply(&[]).ok();
    assert_eq!(with(&place), ["demo-app-1", "demo-app-4"]);
    place.assert_settled();
    place.destroy().ok();
    place.assert_empty();
    place.double.assert_as_described();
}

#[test]
fn through_googles_tunnel_nothing_but_google_reaches_ssh() {
    let place = Place::new(&format!("{SMALL}ssh: {{ via: iap }}\n"));
    place.apply(&[]).ok();
    let ssh: Vec<_> = place
        .double
        .of("firewalls")
        .into_iter()
        .filter(|rule| {
            rule["allowed"]
                .as_array()
                .unwrap()
                .iter()
                .any(|one| one["ports"].as_array().unwrap().contains(&json!("22")))
        })
        .collect();
    assert_eq!(ssh.len(), 1, "{ssh:#?}");
    assert_eq!(ssh[0]["sourceRanges"], json!(["35.235.240.0/20"]));
    assert!(!place.machines().contains_key("demo-bastion"));
    place.assert_settled();
    place.destroy().ok();
    place.assert_empty();
}

#[test]
fn labels_follow_the_file_and_production_is_protected() {
    let place = Place::new(SMALL);
    place.apply(&[]).ok();
    place.write(&format!(
        "{}  tags: {{ cost-center: \"4711\" }}\n",
        SMALL.replace("purpose: test", "purpose: production")
    ));
    place.apply(&[]).ok();
    for (name, one) in place.machines() {
        assert_eq!(one["labels"]["cost-center"], "4711", "{name}");
        assert_eq!(one["labels"]["refarch-purpose"], "production", "{name}");
        let data = one["labels"]["refarch-data"] == "true";
        assert_eq!(one["deletionProtection"], data, "{name}");
    }
    place.assert_settled();
    place.destroy().ok();
    place.assert_empty();
    place.double.assert_as_described();
}
