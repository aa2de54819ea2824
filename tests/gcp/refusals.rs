//! What cannot work is told before anything is made.

use serde_json::json;

use crate::{SMALL, place::Place};

/// Nothing was made, nor tried.
#[track_caller]
fn nothing_was_tried(place: &Place) {
    assert_eq!(place.double.changing_calls(), 0);
    place.assert_empty();
}

#[test]
fn no_credentials() {
    let place = Place::new(SMALL);
    let said = place
        .command("apply", &["--infrastructure", "--yes"])
        .env("GOOGLE_APPLICATION_CREDENTIALS", "/nowhere.json")
        .output();
    let said: crate::place::Said = said.unwrap().into();
    said.refused(&["credentials", "gcloud auth application-default login"]);
    nothing_was_tried(&place);
}

#[test]
fn credentials_that_google_does_not_believe() {
    let place = Place::new(SMALL);
    let stranger = crate::double::Double::start();
    std::fs::write(place.key_file(), stranger.control("credentials", &json!({})).to_string()).unwrap();
    place.apply(&[]).refused(&["credentials", "gcloud auth application-default login"]);
    nothing_was_tried(&place);
}

#[test]
fn credentials_that_have_expired() {
    let place = Place::new(SMALL);
    place.double.settings(json!({ "credentials": "expired" }));
    place.apply(&[]).refused(&["credentials", "gcloud auth application-default login", "nothing was changed"]);
    nothing_was_tried(&place);
}

#[test]
fn credentials_that_expire_in_the_middle() {
    let place = Place::new(SMALL);
    let error =
        json!({ "code": 401, "reason": "authError", "message": "Request had invalid authentication credentials." });
    place.double.faults(json!([{ "method": "compute.instances.insert", "error": error }]));
    place.apply(&[]).refused(&["invalid authentication credentials", "gcloud auth application-default login"]);
    place.double.faults(json!([]));
    place.apply(&[]).ok();
    place.assert_settled();
    place.destroy().ok();
    place.assert_empty();
}

#[test]
fn a_project_that_is_not_there() {
    let place = Place::new(&format!("{SMALL}gcp: {{ project: no-such-project }}\n"));
    place.apply(&[]).refused(&["no-such-project", "gcloud projects list"]);
    nothing_was_tried(&place);
}

#[test]
fn a_service_that_is_not_enabled() {
    let place = Place::new(&format!("{SMALL}  buckets: [lfs]\n"));
    place.double.settings(json!({ "disabled_services": ["storage.googleapis.com"] }));
    place.apply(&[]).refused(&["gcloud services enable", "storage.googleapis.com"]);
    place.double.settings(json!({ "disabled_services": ["compute.googleapis.com"] }));
    place.apply(&[]).refused(&["Compute Engine API", "gcloud services enable"]);
    nothing_was_tried(&place);
}

#[test]
fn a_permission_that_is_missing() {
    let place = Place::new(SMALL);
    place.double.settings(json!({ "denied": ["compute.instances.create"] }));
    place.apply(&[]).refused(&["compute.instances.create", "administrator"]);
    nothing_was_tried(&place);
}

#[test]
fn a_quota_that_is_too_small() {
    let place = Place::new(SMALL);
    place.double.settings(json!({ "quotas": { "europe-west4": { "N2_CPUS": 8 } } }));
    place.apply(&[]).refused(&["N2_CPUS", "12 needed, 8 of 8 left"]);
    nothing_was_tried(&place);
}

#[test]
fn a_machine_type_that_a_zone_does_not_offer() {
    let place = Place::new(SMALL);
    place.double.settings(json!({ "missing_machine_types": [["n2-standard-2", "europe-west4-b"]] }));
    place.apply(&[]).refused(&["europe-west4-b does not offer n2-standard-2"]);
    nothing_was_tried(&place);
}

#[test]
fn a_policy_that_forbids_public_addresses() {
    let place = Place::new(SMALL);
    place.double.settings(json!({ "organisation_policies": { "compute.vmExternalIpAccess": true } }));
    place.apply(&[]).refused(&["no public address", "compute.vmExternalIpAccess"]);
    nothing_was_tried(&place);
}

#[test]
fn a_policy_that_wants_os_login() {
    let place = Place::new(SMALL);
    place.double.settings(json!({ "organisation_policies": { "compute.requireOsLogin": true } }));
    place.apply(&[]).refused(&["OS Login is required", "compute.requireOsLogin"]);
    nothing_was_tried(&place);
}

#[test]
fn labels_outside_of_the_rules() {
    let place = Place::new(&format!("{SMALL}  tags: {{ Cost-Center: \"4711\" }}\n"));
    place.apply(&[]).refused(&["Cost-Center", "lower-case"]);
    nothing_was_tried(&place);
}

#[test]
fn a_region_that_is_not_there() {
    let place = Place::new(&SMALL.replace("europe-west4", "mars-north1"));
    place.apply(&[]).refused(&["mars-north1"]);
    nothing_was_tried(&place);
}

#[test]
fn a_network_that_exists_in_another_region_or_is_too_small() {
    let place = Place::new(&format!("{SMALL}  network: {{ id: office }}\n"));
    place.apply(&[]).refused(&["no network `office`"]);
    nothing_was_tried(&place);

    let other = Place::new(SMALL);
    other.apply(&[]).ok();
    // The environment's own network stands for somebody's: its subnet is in europe-west4.
    let file = SMALL.replace("name: demo", "name: second").replace("region: europe-west4", "region: europe-west1");
    other.write(&format!("{file}  network: {{ id: demo-network }}\n"));
    other.apply(&[]).refused(&["no subnet in region europe-west1"]);
}

#[test]
fn a_subnet_that_exists_and_is_too_small() {
    let place = Place::new(SMALL);
    place.apply(&[]).ok();
    // The environment's own network stands for somebody's.
    let subnet = place.double.resources().into_iter().find(|(path, _)| path.contains("/subnetworks/")).unwrap().0;
    place.double.tamper(&subnet, json!({ "ipCidrRange": "10.20.0.0/29" }));
    let before = place.double.changing_calls();
    place.write(&format!("{}  network: {{ id: demo-network }}\n", SMALL.replace("name: demo", "name: second")));
    place.apply(&[]).refused(&["demo-subnet (10.20.0.0/29) has room for 4 machines, and there are 6"]);
    assert_eq!(place.double.changing_calls(), before);
}

#[test]
fn a_network_that_exists_is_used_and_left_as_it_was() {
    let place = Place::new(SMALL);
    place.apply(&[]).ok();
    let before = place.shape();
    let second = format!("{}  network: {{ id: demo-network }}\n", SMALL.replace("name: demo", "name: second"));
    place.write(&second);
    place.apply(&[]).ok();
    for (name, one) in place.machines() {
        assert!(one["networkInterfaces"][0]["network"].as_str().unwrap().ends_with("/demo-network"), "{name}");
    }
    place.assert_settled();
    place.destroy().ok();
    assert_eq!(place.shape(), before);
    place.write(SMALL);
    place.assert_settled();
}

#[test]
fn what_others_have_under_the_same_name() {
    let place = Place::new(SMALL);
    place.apply(&[]).ok();
    // Its labels taken away, it is nobody's that refarch knows.
    place.double.tamper(&place.path_of("demo-app-1"), json!({ "labels": {} }));
    place.apply(&[]).refused(&["demo-app-1"]);
    assert!(place.machines().contains_key("demo-app-1"), "it is left alone");
}
