//! Environments that are over their time are found by their tags and destroyed, without their file.

use refarch::provider::azure::azure_mgmt::Client;

use crate::{
    SMALL,
    drift::somebody,
    place::{Place, Said},
};

#[test]
fn what_is_over_its_time_is_destroyed_and_nothing_else() {
    let place = Place::new(&format!("{SMALL}ttl: 8h\n"));
    place.apply(&[]).ok();
    let said = reap(&place, &["--yes"]).ok();
    assert!(said.out.contains("demo"), "{}", said.out);
    assert_eq!(place.machines().len(), 7, "its time is not over");

    eight_hours_later(&place);
    reap(&place, &["--yes"]).ok();
    place.assert_empty();
}

#[test]
fn an_environment_in_a_group_that_it_did_not_make_is_found_by_its_tags() {
    let own = format!("{SMALL}ttl: 8h\nazure: {{ resource_group: shared }}\n");
    let place = Place::new(&own);
    place.make_group("shared");
    place.apply(&[]).ok();
    place.write(&own.replace("name: demo", "name: other").replace("ttl: 8h\n", ""));
    place.apply(&[]).ok();
    let listed = reap(&place, &[]).ok();
    assert!(listed.out.contains("demo") && listed.out.contains("other"), "{}", listed.out);

    eight_hours_later(&place);
    reap(&place, &["--yes"]).ok();
    assert!(place.machines().keys().all(|name| name.starts_with("other-")), "{:?}", place.machines().keys());
    assert_eq!(place.machines().len(), 7, "nobody said how long the other one lives");
    place.assert_settled();
}

fn reap(place: &Place, args: &[&str]) -> Said {
    let mut command = place.bare("reap");
    command.args(["--provider", "azure", "--region", "westeurope"]).args(args).output().unwrap().into()
}

/// As far as the tags tell.
fn eight_hours_later(place: &Place) {
    let ids = place.fake.resources().into_iter();
    let over: Vec<String> =
        ids.filter(|(_, one)| !one["tags"]["refarch-expires"].is_null()).map(|(id, _)| id).collect();
    assert!(!over.is_empty());
    let write = async |client: Client| {
        let tags = [("refarch-expires".to_owned(), "1000000000".to_owned())].into();
        for id in &over {
            client.change_tags(id, "Merge", &tags).await.unwrap();
        }
    };
    tokio::runtime::Runtime::new().unwrap().block_on(write(somebody(place)));
}
