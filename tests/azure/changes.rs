//! The file changes, and the environment follows.

use crate::{SMALL, place::Place};

#[test]
fn groups_grow_and_shrink() {
    let place = Place::new(SMALL);
    place.apply(&[]).ok();
    let before = place.nodes();
    place.write(&SMALL.replace("app: { count: 2", "app: { count: 4"));
    place.apply(&[]).ok();
    let grown = place.nodes();
    assert_eq!(grown.len(), before.len() + 2);
    place.assert_settled();

    place.write(SMALL);
    place.apply(&[]).ok();
    assert_eq!(place.nodes(), before);
    place.assert_settled();
    place.destroy().ok();
    place.assert_empty();
}

#[test]
fn a_size_changes_by_deallocate_and_start_one_voter_at_a_time() {
    let place = Place::new(SMALL);
    place.apply(&[]).ok();
    let before = place.machines();
    let calls = place.changes().len();
    place.write(&SMALL.replace("Standard_D2s_v3", "Standard_D4s_v3"));
    place.apply(&[]).ok();
    let after = place.machines();
    for index in 1..=3 {
        let name = format!("demo-postgres-{index}");
        assert_eq!(
            after[&name]["properties"]["vmId"], before[&name]["properties"]["vmId"],
            "it was changed, not replaced"
        );
        assert_eq!(after[&name]["properties"]["hardwareProfile"]["vmSize"], "Standard_D4s_v3");
        assert_eq!(after[&name]["power"], "running");
    }
    // Each was started before the next one was stopped.
    let order: Vec<String> = place.changes()[calls..]
        .iter()
        .filter(|(_, path)| path.ends_with("/deallocate") || path.ends_with("/start"))
        .map(|(_, path)| path.rsplit('/').take(2).collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(order.len(), 6, "{order:?}");
    for pair in order.chunks(2) {
        let node = pair[0].strip_prefix("deallocate ").unwrap();
        assert_eq!(pair[1], format!("start {node}"), "{order:?}");
    }
    place.assert_settled();
}

#[test]
fn a_system_disk_grows_where_it_stands() {
    let place = Place::new(SMALL);
    place.apply(&[]).ok();
    place.write(&SMALL.replace("disk_gb: 64", "disk_gb: 128"));
    place.apply(&[]).ok();
    assert_eq!(place.all("/disks")["demo-postgres-1-os"]["properties"]["diskSizeGB"], 128);
    assert_eq!(place.machines()["demo-postgres-1"]["power"], "running");
    place.assert_settled();
}

#[test]
fn data_lies_on_a_disk_of_its_own_that_grows_and_is_destroyed_only_when_asked() {
    let text = SMALL.replace("disk_gb: 64,", "disk_gb: 64, data_disk: { size_gb: 128, mount: /var/opt/data },");
    let place = Place::new(&text);
    place.apply(&[]).ok();
    let machine = &place.machines()["demo-postgres-1"];
    let disk = &place.all("/disks")["demo-postgres-1-data"];
    assert_eq!(disk["managedBy"], machine["id"]);
    assert_eq!(machine["properties"]["storageProfile"]["dataDisks"][0]["deleteOption"], "Detach");
    place.write(&text.replace("size_gb: 128", "size_gb: 256"));
    place.apply(&[]).ok();
    assert_eq!(place.all("/disks")["demo-postgres-1-data"]["properties"]["diskSizeGB"], 256);
    place.assert_settled();
    place.destroy().ok();
    place.assert_empty();
}

#[test]
fn nodes_that_keep_data_are_locked_until_destroy_is_asked_for() {
    let place = Place::new(&SMALL.replace("cloud:\n", "cloud:\n  deletion_protection: true\n"));
    place.apply(&[]).ok();
    assert!(!place.all("/locks").is_empty());
    place.assert_settled();
    place.destroy().ok();
    place.assert_empty();
}

#[test]
fn a_region_without_zones_has_availability_sets() {
    let text = SMALL.replace("westeurope", "westus") + "azure: { availability_sets: true }\n";
    let place = Place::new(&text);
    place.apply(&[]).ok();
    let machine = &place.machines()["demo-postgres-1"];
    assert!(machine.get("zones").is_none());
    assert!(machine["properties"]["availabilitySet"]["id"].as_str().unwrap().ends_with("/demo-set-postgres"));
    place.assert_settled();
    place.destroy().ok();
    place.assert_empty();
}

#[test]
fn a_network_that_exists_is_used_and_stays() {
    let place = Place::new(SMALL);
    place.make_group("office");
    let subnets = [("doors", "10.9.1.0/24"), ("nodes", "10.9.2.0/24")];
    let network = place.make_network("office", "lan", "10.9.0.0/16", &subnets);
    let own = format!("cloud:\n  network: {{ id: {network}, public_subnets: [doors], private_subnets: [nodes] }}\n");
    place.write(&SMALL.replace("cloud:\n", &own));
    let before = place.shape();
    place.apply(&[]).ok();
    assert_eq!(place.all("/virtualNetworks").keys().collect::<Vec<_>>(), ["lan"]);
    let subnet = |name: &str| {
        let interface = &place.all("/networkInterfaces")[name];
        interface["properties"]["ipConfigurations"][0]["properties"]["subnet"]["id"].as_str().unwrap().to_owned()
    };
    assert_eq!(subnet("demo-postgres-1"), format!("{network}/subnets/nodes"));
    assert_eq!(subnet("demo-haproxy-external-1"), format!("{network}/subnets/doors"));
    place.assert_settled();
    place.destroy().ok();
    assert_eq!(place.shape(), before, "what was there before is as it was");
}

#[test]
fn another_laptop_finds_everything() {
    let place = Place::new(SMALL);
    place.apply(&[]).ok();
    place.elsewhere();
    place.destroy().ok();
    place.assert_empty();
}

#[test]
fn another_laptop_without_the_key_hands_one_over_for_machines_to_come() {
    let place = Place::new(SMALL);
    place.apply(&[]).ok();
    let key = || place.all("/sshPublicKeys")["demo-key"]["properties"]["publicKey"].clone();
    let known = |machine: &str| {
        let machine = &place.machines()[machine]["properties"]["osProfile"]["linuxConfiguration"];
        machine["ssh"]["publicKeys"][0]["keyData"].clone()
    };
    let before = key();
    place.elsewhere();
    place.write(&SMALL.replace("app: { count: 2", "app: { count: 3"));
    place.apply(&[]).ok();
    assert_ne!(key(), before);
    assert_eq!((known("demo-app-2"), known("demo-app-3")), (before, key()), "who is there keeps the one that he has");
    place.assert_settled();
}

#[test]
fn two_environments_share_a_resource_group_and_nothing_else() {
    let own = format!("{SMALL}azure: {{ resource_group: shared }}\n");
    let place = Place::new(&own);
    place.make_group("shared");
    place.apply(&[]).ok();
    place.write(&own.replace("name: demo", "name: other"));
    place.apply(&[]).ok();
    assert_eq!(place.machines().len(), 14);
    place.destroy().ok();
    assert!(place.machines().keys().all(|name| name.starts_with("demo-")));
    place.write(&own);
    place.assert_settled();
    place.destroy().ok();
    assert_eq!(place.fake.resources().len(), 1, "the group was not refarch's");
}

#[test]
fn todays_prices_are_asked_for_and_used() {
    let place = Place::new(SMALL);
    let shipped = place.refarch("cost", &[]).ok();
    assert!(shipped.out.contains("westus"), "{}", shipped.out);
    let asked = place.refarch("cost", &["refresh"]).ok();
    assert!(asked.out.contains("westeurope: 1 machine type"), "{}", asked.out);
    let now = place.refarch("cost", &[]).ok();
    assert!(now.out.contains("westeurope") && !now.out.contains("westus"), "{}", now.out);
}
