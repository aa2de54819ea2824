//! Environments that are over their time are found by their tags and destroyed, without their file.

use serde_json::{Value, json};

use crate::{
    SMALL,
    place::{Place, Said},
};

#[test]
fn what_is_over_its_time_is_destroyed_and_nothing_else() {
    let place = Place::new(&format!("{SMALL}ttl: 8h\n"));
    place.apply(&[]).ok();
    let reap = |args: &[&str]| -> Said {
        let mut command = place.bare("reap");
        command.args(["--provider", "gcp", "--region", "europe-west4"]).args(args).output().unwrap().into()
    };
    let said = reap(&["--yes"]).ok();
    assert!(said.out.contains("demo"), "{}", said.out);
    assert_eq!(place.machines().len(), 7, "its time is not over");

    // Eight hours later, as far as its tags tell.
    for (path, body) in place.double.resources() {
        if path.contains("/instances/") {
            let mut labels = body["labels"].clone();
            labels["refarch-expires"] = json!("1000000000");
            place.double.tamper(&path, json!({ "labels": labels }));
        } else if path.contains("/networks/") {
            let mut tags: Value = serde_json::from_str(body["description"].as_str().unwrap()).unwrap();
            tags["refarch-expires"] = json!("1000000000");
            place.double.tamper(&path, json!({ "description": tags.to_string() }));
        }
    }
    reap(&["--yes"]).ok();
    place.assert_empty();
    place.double.assert_as_described();
}
