//! What is refused before anything changes, and what is told where nothing is.

use std::os::unix::fs::PermissionsExt as _;

use refarch::provider::local::leftovers;

use super::place::Place;

#[tokio::test]
async fn nothing_happens_that_nobody_agreed_to() {
    let place = Place::new("agreed", "name: agreed\narchitecture: 1k\nprovider: local\npurpose: test\n");

    let refused = place.refarch(&["apply", "--output", "plain"]).expect(64).says("11 stages to configure)");
    assert!(refused.stderr.contains("nobody can be asked here, and there is no `--yes`"), "{}", refused.stderr);
    let refused = place.refarch(&["status", "--output", "plain"]);
    assert_ne!(refused.code, 0, "{}", refused.stdout);
    assert_eq!(place.refarch(&["runs"]).expect(0).text(), "nothing was run yet");
    let there = leftovers("agreed").await.unwrap();
    assert_eq!(there, Vec::<String>::new());

    // A plan is good for one state of the world only: another size is another world.
    place.refarch(&["plan", "-o", "plan.json"]).expect(0);
    let mode = std::fs::metadata(place.path("plan.json")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "what a plan tells is its owner's");
    let plan = std::fs::read_to_string(place.path("plan.json")).unwrap();
    assert!(plan.contains("Written by refarch") && !plan.contains("PRIVATE KEY"), "files show, secrets do not");
    place.write("refarch.yaml", "name: agreed\narchitecture: 2k\nprovider: local\npurpose: test\n");
    let moved = place.refarch(&["apply", "plan.json"]).expect(1);
    assert!(moved.stderr.contains("the plan does not fit any more"), "{}", moved.stderr);
    assert_eq!(leftovers("agreed").await.unwrap(), Vec::<String>::new());

    assert_eq!(place.destroy().expect(0).text(), "agreed: nothing is there");
}
