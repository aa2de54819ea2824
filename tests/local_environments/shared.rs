//! A team's environment on real nodes: one laptop begins, is killed and is gone; another one finishes, lives with it, and
//! removes it.

use std::time::{Duration, Instant};

use refarch::provider::local::leftovers;

use super::place::Place;

const NAME: &str = "teamed";

#[tokio::test]
async fn another_laptop_finishes_uses_and_destroys_what_the_first_one_began() {
    let shared = tempfile::tempdir().unwrap();
    let environment =
        format!("name: {NAME}\narchitecture: 1k\nprovider: local\nworkspace: {}\n", shared.path().display());
    // What a test before this one may have left has its workspace nowhere any more.
    Place::new(NAME, &format!("name: {NAME}\narchitecture: 1k\nprovider: local\n"));
    let [one, two] = [(); 2].map(|()| {
        let place = Place::empty(NAME);
        place.write("refarch.yaml", &environment);
        place
    });

    let mut apply = one.start(&["apply", "--yes"]);
    let patience = Instant::now();
    // Killed when the node is there and something is configured on it.
    while two.refarch(&["runs", "show", "latest"]).stdout.matches(" done ").count() < 4 {
        assert!(patience.elapsed() < Duration::from_secs(300), "nothing is done: {}", two.refarch(&["runs"]).stdout);
        assert!(apply.try_wait().unwrap().is_none(), "it ended before it was killed");
        std::thread::sleep(Duration::from_millis(100));
    }
    two.refarch(&["apply", "--yes"]).expect(4);
    apply.kill().unwrap();
    apply.wait().unwrap();
    drop(one);

    two.refarch(&["runs"]).expect(0).says("interrupted");
    // What the killed controller left at work on the node may still be in the way (docs/status.md).
    let resumed = (0..5).any(|_| two.refarch(&["resume"]).code == 0);
    assert!(resumed, "{}", two.refarch(&["resume"]).stderr);
    two.refarch(&["plan", "--detailed-exitcode"]).expect(0);
    two.refarch(&["status"]).expect(0);
    // A third one reaches the node with the key that the first one made.
    let three = Place::empty(NAME);
    three.write("refarch.yaml", &environment);
    let said = three.on("*", "hostname").expect(0);
    assert!(said.stdout.contains(&format!("{NAME}-single-1")), "{}", said.stdout);
    three.refarch(&["secrets", "show", "root_token"]).expect(0);

    three.destroy().expect(0);
    three.destroy().expect(0).says("nothing is there");
    three.refarch(&["runs"]).expect(0).says(&format!("destroy {NAME}"));
    assert_eq!(leftovers(NAME).await.unwrap(), Vec::<String>::new());
    // Everybody's copy loses keys and secrets, and everybody keeps the runs.
    two.refarch(&["runs"]).expect(0).says(&format!("destroy {NAME}"));
    let own = [".gitignore", "known_hosts", "lock.guard", "runs", "shared.guard", "shared.json", "ssh_config"];
    assert_eq!(two.workspace(), own);
    two.refarch(&["secrets", "list"]).expect(0).says("no secrets yet");
}
