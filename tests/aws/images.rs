//! The image is chosen once and stays, until somebody asks for a newer one.

use serde_json::json;

use crate::{SMALL, front::Place};

/// A copy of the distribution's image under a name of the account's own.
fn publish(place: &Place, name: &str) -> String {
    let images = place.front.somebody("ec2", "describe_images", json!({"Owners": ["136693071363"]}));
    let images = images["Images"].as_array().unwrap();
    let debian = images
        .iter()
        .find(|one| one["Architecture"] == "x86_64" && one["Name"].as_str().unwrap().starts_with("debian-12"));
    let params = json!({"Name": name, "SourceImageId": debian.unwrap()["ImageId"], "SourceRegion": "us-east-1"});
    place.front.somebody("ec2", "copy_image", params)["ImageId"].as_str().unwrap().to_owned()
}

#[test]
fn a_newer_one_is_taken_on_request_only_and_by_new_machines_only() {
    let text = SMALL.replace("cloud:\n", "cloud:\n  image: { name: \"acme-*\", owner: \"123456789012\" }\n");
    let place = Place::new(&text);
    let first = publish(&place, "acme-1");
    place.apply(&[]).ok();
    assert_eq!(place.instance("demo-app-1")["ImageId"], json!(first));

    let second = publish(&place, "acme-2");
    place.assert_settled();
    let said = place.refarch("plan", &["--infrastructure", "--newer-image"]).ok();
    let line = format!("image for x86_64: acme-2 ({second}) in place of {first}");
    assert!(said.err.contains(&line), "{}", said.err);
    assert!(said.out.contains("--replace"), "nodes that are there are named, and how they get it:\n{}", said.out);

    // A plan decides nothing: a node that comes now is as the others.
    place.write(&text.replace("app: { count: 2", "app: { count: 3"));
    place.apply(&[]).ok();
    assert_eq!(place.instance("demo-app-3")["ImageId"], json!(first));

    place.write(&text.replace("app: { count: 2", "app: { count: 4"));
    let said = place.apply(&["--newer-image"]).ok();
    assert!(said.err.contains(&line), "{}", said.err);
    assert_eq!(place.instance("demo-app-4")["ImageId"], json!(second));
    assert_eq!(place.instance("demo-app-1")["ImageId"], json!(first), "nothing is replaced by itself");

    // It is the pinned one now.
    place.apply(&["--replace", "demo-app-1", "--destroy-data", "demo-app-1"]).ok();
    assert_eq!(place.instance("demo-app-1")["ImageId"], json!(second));
    let said = place.refarch("plan", &["--infrastructure", "--newer-image"]).ok();
    assert!(said.err.contains(&format!("acme-2 ({second}) is the newest already")), "{}", said.err);
    place.destroy().ok();
}

#[test]
fn where_the_file_names_the_image_there_is_nothing_newer() {
    let place = Place::new(SMALL);
    let id = publish(&place, "acme-1");
    place.write(&SMALL.replace("cloud:\n", &format!("cloud:\n  image: {{ id: {id} }}\n")));
    let said = place.apply(&["--newer-image"]).ended(1);
    assert!(said.err.contains(&format!("the file itself names the image, {id}")), "{}", said.err);
    assert_eq!(place.instances(), Vec::<serde_json::Value>::new());
}
