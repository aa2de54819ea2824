//! Somebody changes things behind refarch's back: the plan says it, the next apply mends it.

use serde_json::{Value, json};

use crate::{SMALL, place::Place, power::switch};

#[test]
fn a_machine_that_was_removed_is_made_anew() {
    let place = Place::new(SMALL);
    place.apply(&[]).ok();
    let wanted = place.shape();
    place.double.tamper(&place.path_of("demo-app-2"), Value::Null);
    let said = place.plan().ended(2);
    assert!(said.out.contains("demo-app-2"), "{}", said.out);
    place.apply(&[]).ok();
    assert_eq!(place.shape(), wanted);
    place.assert_settled();
}

#[test]
fn a_machine_that_was_stopped_is_started() {
    let place = Place::new(SMALL);
    place.apply(&[]).ok();
    place.double.tamper(&place.path_of("demo-app-1"), json!({ "status": "TERMINATED" }));
    place.plan().ended(2);
    place.apply(&[]).ok();
    assert_eq!(place.machines()["demo-app-1"]["status"], "RUNNING");
    place.assert_settled();
}

#[test]
fn a_drill_takes_a_machines_power_away_and_gives_it_back() {
    let place = Place::new(SMALL);
    place.apply(&[]).ok();
    switch(&place.command("drill", &[]), "demo-app-1", "restart");
    switch(&place.command("drill", &[]), "demo-app-1", "off");
    assert_eq!(place.machines()["demo-app-1"]["status"], "TERMINATED");
    switch(&place.command("drill", &[]), "demo-app-1", "on");
    switch(&place.command("drill", &[]), "demo-app-1", "on");
    assert_eq!(place.machines()["demo-app-1"]["status"], "RUNNING");
    place.assert_settled();
}

#[test]
fn rules_that_were_removed_widened_or_turned_off_are_mended() {
    let place = Place::new(SMALL);
    place.apply(&[]).ok();
    let wanted = place.shape();
    let paths: Vec<String> = wanted.keys().filter(|path| path.contains("/firewalls/")).cloned().collect();
    place.double.tamper(&paths[0], Value::Null);
    place.double.tamper(&paths[1], json!({ "disabled": true }));
    place.double.tamper(&paths[2], json!({ "sourceRanges": ["0.0.0.0/0"] }));
    place.plan().ended(2);
    place.apply(&[]).ok();
    let found = place.shape();
    for path in &paths {
        for field in ["allowed", "sourceTags", "sourceRanges", "targetTags"] {
            assert_eq!(found[path][field], wanted[path][field], "{path} {field}");
        }
        assert_ne!(found[path]["disabled"], true, "{path}");
    }
    place.assert_settled();
    place.double.assert_as_described();
}

#[test]
fn a_label_that_was_changed_and_a_network_tag_that_was_taken_away_are_mended() {
    let place = Place::new(SMALL);
    place.apply(&[]).ok();
    let path = place.path_of("demo-app-1");
    let mut labels = place.machines()["demo-app-1"]["labels"].clone();
    labels["refarch-purpose"] = json!("nothing");
    place.double.tamper(&path, json!({ "labels": labels, "tags": { "items": ["demo-app"], "fingerprint": "eA==" } }));
    place.plan().ended(2);
    place.apply(&[]).ok();
    let one = &place.machines()["demo-app-1"];
    assert_eq!(one["labels"]["refarch-purpose"], "test");
    assert_eq!(one["tags"]["items"], json!(["demo-app", "demo-everyone"]));
    place.assert_settled();
}
