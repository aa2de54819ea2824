//! What users notice when something breaks, and how nodes come and go, on one environment.

use std::{
    thread,
    time::{Duration, Instant},
};

use refarch::provider::local::leftovers;
use serde_json::{Value, json};

use super::{door::Door, place::Place};

const NAME: &str = "drilled";
const DOOR: Door = Door { domain: "drilled.test", balancer: "drilled-haproxy-external-1", client: "drilled-app-1" };

fn environment(purpose: &str) -> String {
    format!(
        "name: {NAME}\narchitecture: 3k\nprovider: local\npurpose: {purpose}\nnodes:\n  # as few as the drills need\n  app: {{ count: 2 }}\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn an_environment_survives_what_it_must_and_grows_and_shrinks() {
    let place = Place::new(NAME, &environment("demo"));
    place.refarch(&["apply", "--yes"]).expect(0);

    refused(&place);
    place.write("refarch.yaml", &environment("test"));
    interrupted(&place);
    killed(&place);
    watched(&place, drilled);
    scaled(&place);

    place.destroy().expect(0);
    assert_eq!(leftovers(NAME).await.unwrap(), Vec::<String>::new());
}

/// Nothing is broken that nobody may break, that does not exist, or that is not whole.
fn refused(place: &Place) {
    let refused = place.refarch(&["drill"]).expect(1);
    assert!(
        refused.stderr.contains("`purpose: demo`") && refused.stderr.contains("--disturb drilled"),
        "{}",
        refused.stderr
    );
    let refused = place.refarch(&["drill", "--only", "earthquake"]).expect(64);
    assert!(refused.stderr.contains("no drill is called `earthquake`"), "{}", refused.stderr);
    place.on("drilled-pgbouncer-1", "systemctl stop pgbouncer").expect(0);
    let refused = place.refarch(&["drill", "--disturb", NAME, "--only", "app-killed"]).expect(3);
    assert!(refused.stderr.contains("the environment is not healthy, nothing was broken"), "{}", refused.stderr);
    place.on("drilled-pgbouncer-1", "systemctl start pgbouncer").expect(0);
}

/// Somebody watches meanwhile, and is told what happens.
fn watched(place: &Place, work: fn(&Place)) {
    let told = place.path("watched.log");
    let log = std::fs::File::create(&told).unwrap();
    let mut watching = place.start_into(log, &["watch", "--every", "1", "--output", "plain"]);
    work(place);
    terminate(&watching);
    assert_eq!(watching.wait().unwrap().code(), Some(0));
    let told = std::fs::read_to_string(told).unwrap();
    for text in [
        "nodes healthy",
        "drill: postgres-leader-killed on drilled-postgres-",
        " is leader, was replica",
        " is healthy again",
    ] {
        assert!(told.contains(text), "no `{text}` in\n{told}");
    }
}

fn terminate(child: &std::process::Child) {
    assert!(std::process::Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
}

fn await_fault(place: &Place) {
    let file = place.path(".refarch").join(NAME).join("faults.json");
    let patience = Instant::now() + Duration::from_secs(120);
    while !file.exists() {
        assert!(Instant::now() < patience, "nothing was broken");
        thread::sleep(Duration::from_millis(100));
    }
}

/// Told to stop, a drill mends what it broke before it ends.
fn interrupted(place: &Place) {
    let mut running = place.start(&["drill", "--only", "sentinel-stopped"]);
    await_fault(place);
    terminate(&running);
    assert_eq!(running.wait().unwrap().code(), Some(130));
    assert!(!place.path(".refarch").join(NAME).join("faults.json").exists());
    place.on("role:redis", "systemctl is-active redis-sentinel").expect(0);
}

/// Killed, it cannot: then whoever takes the lock next does.
fn killed(place: &Place) {
    let mut running = place.start(&["drill", "--only", "pgbouncer-stopped"]);
    await_fault(place);
    let patience = Instant::now() + Duration::from_secs(30);
    while place.on("drilled-pgbouncer-1", "systemctl is-active pgbouncer").code == 0 {
        assert!(Instant::now() < patience, "it was not broken");
    }
    running.kill().unwrap();
    running.wait().unwrap();
    // The node would mend itself by and by.
    place.on("drilled-pgbouncer-1", "systemctl list-timers --all | grep -q refarch-drill").expect(0);
    let mended = place.refarch(&["drill", "--undo", "--lock-wait", "60"]).expect(0);
    assert!(mended.stderr.contains("mended: pgbouncer-stopped on drilled-pgbouncer-1"), "{}", mended.stderr);
    place.on("drilled-pgbouncer-1", "systemctl is-active pgbouncer").expect(0);
    assert_eq!(place.refarch(&["drill", "--undo"]).expect(0).text(), "drilled: nothing is left to mend");
}

/// The faults that matter most: nothing lost, one leader, everything works again and heals by itself. How fast is for
/// `make drill` on a machine of its own; here the cores may be busy with something else, so only a ceiling is held.
fn drilled(place: &Place) {
    let all = ["postgres-leader-killed", "leader-cut-off", "redis-primary-killed", "app-killed", "zone-delay"];
    let only: Vec<&str> = all.iter().flat_map(|name| ["--only", name]).collect();
    let arguments = [&["drill", "--output", "json", "--junit", "drills.xml"], only.as_slice()].concat();
    let ran = place.refarch(&arguments);
    assert!(matches!(ran.code, 0 | 3), "exit code {}\n{}\n{}", ran.code, ran.stdout, ran.stderr);
    let result = ran.last_line();
    assert_eq!((&result["lost"], &result["left"]), (&json!([]), &json!([])), "{result}");
    assert!(result["audited"].as_u64().unwrap() > 100, "{}", result["audited"]);
    let drills = result["drills"].as_array().unwrap();
    assert_eq!(drills.iter().map(|drill| text(&drill["name"])).collect::<Vec<_>>(), all);
    for drill in drills {
        held(drill);
    }
    assert!(drills[0]["during"]["write"]["gap"].as_u64().unwrap() > 1000, "a failover is not nothing: {}", drills[0]);
    let junit = std::fs::read_to_string(place.path("drills.xml")).unwrap();
    assert!(junit.contains("tests=\"6\""), "{junit}");
    let runs = place.refarch(&["runs", "--output", "json"]).expect(0).last_line();
    let id = text(&runs[0]["id"]);
    place.refarch(&["report", id, "-o", "report.html"]).expect(0);
    let page = std::fs::read_to_string(place.path("report.html")).unwrap();
    assert!(
        page.contains("postgres-leader-killed") && page.contains("<polyline") && page.contains("nodes healthy now")
    );
    assert!(
        !page.contains("<script") && !page.contains("src=\"http") && !page.contains("url("),
        "it needs something else"
    );
}

/// What must hold however busy the machine is.
fn held(drill: &Value) {
    if text(&drill["verdict"]) == "skipped" {
        assert!(drill["name"] == "zone-delay" && !netem(), "{drill}");
        return;
    }
    assert_eq!(drill["lost"], json!([]), "{drill}");
    assert!(drill["audited"].as_u64().unwrap() > 0 && drill["healed"].is_u64(), "{drill}");
    let late = |reason: &str| reason.contains("later than") || reason.starts_with("failed when nothing should");
    let reasons = drill["reasons"].as_array().unwrap();
    assert!(reasons.iter().all(|reason| late(text(reason))), "{drill}");
    for kind in ["write", "read"] {
        let again = drill["during"][kind]["again"].as_u64();
        assert!(again.is_some_and(|again| again < 60_000), "{kind}: {drill}");
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Whether this kernel can delay packets.
fn netem() -> bool {
    std::process::Command::new("modprobe").args(["-n", "sch_netem"]).output().is_ok_and(|done| done.status.success())
}

/// Where each step stands.
fn places(steps: &[String]) -> impl Fn(&str) -> usize {
    move |step| steps.iter().position(|one| one == step).unwrap_or_else(|| panic!("no {step} in {steps:?}"))
}

/// Out and in, with leave taken; and one made anew.
fn scaled(place: &Place) {
    let refused = place.refarch(&["scale", "consul=1", "redis=2", "--yes"]).expect(65);
    assert!(refused.stderr.contains("redis"), "{}", refused.stderr);

    // The controller is killed while the new nodes are configured.
    let mut scaling = place.start(&["scale", "app=3", "postgres=4", "--yes"]);
    let patience = Instant::now() + Duration::from_secs(180);
    while place.on("drilled-postgres-4", "true").code != 0 {
        assert!(Instant::now() < patience && scaling.try_wait().unwrap().is_none(), "no new node came");
    }
    scaling.kill().unwrap();
    scaling.wait().unwrap();
    place.refarch(&["resume", "--yes"]).expect(0).says("checks hold");
    let file = std::fs::read_to_string(place.path("refarch.yaml")).unwrap();
    assert!(file.contains("app: { count: 3 }") && file.contains("postgres: { count: 4 }"), "{file}");
    assert!(file.contains("# as few as the drills need"), "{file}");
    assert_eq!(
        place.refarch(&["apply"]).expect(0).text(),
        "drilled: nothing to do, everything is as the environment file says"
    );

    // In again: the leader is among those that go, and no consent to lose data is asked for.
    let go = ["app-3", "postgres-4"];
    place.on("drilled-postgres-1", "curl -fs -X POST --netrc-file /etc/refarch/postgres/patroni-rest.netrc -H 'Content-Type: application/json' -d \"{\\\"leader\\\": \\\"$(curl -s http://$(getent hosts $(hostname) | cut -d ' ' -f 1):8008/cluster | jq -r '.members[] | select(.role == \"leader\").name')\\\", \\\"candidate\\\": \\\"drilled-postgres-4\\\"}\" http://$(getent hosts $(hostname) | cut -d ' ' -f 1):8008/switchover || true");
    let shrunk = place.refarch(&["scale", "app=2", "postgres=3", "--yes", "--output", "jsonl"]).expect(0);
    let steps = shrunk.finished();
    let at = places(&steps);
    for node in go {
        let role = node.split('-').next().unwrap();
        assert!(at(&format!("part/drilled-{node}/{role}")) < at(&format!("resource/node/drilled-{node}")));
    }
    place.refarch(&["verify"]).expect(0);

    drained(place);

    // One made anew is another machine under the same name, and in step again.
    let before = place.on("drilled-postgres-2", "cat /etc/machine-id").expect(0).stdout;
    place.refarch(&["replace", "postgres-2", "--yes"]).expect(0).says("checks hold");
    assert_ne!(place.on("drilled-postgres-2", "cat /etc/machine-id").expect(0).stdout, before);
}

/// A repository server goes while users push to what it keeps and clone it, and the controller is killed on the way.
fn drained(place: &Place) {
    // What nobody knows is nobody's to move.
    place.on("drilled-gitaly-3", "mkdir -p /srv/git/aa/bb/cc.git").expect(0);
    let refused = place.refarch(&["scale", "gitaly=2", "--yes"]).expect(1);
    assert!(
        refused.stderr.contains(
            "drilled-gitaly-3 cannot leave gitaly: 1 repositories are on it that no project has (aa/bb/cc.git)"
        ),
        "{}",
        refused.stderr
    );
    let file = std::fs::read_to_string(place.path("refarch.yaml")).unwrap();
    assert!(!file.contains("gitaly"), "nothing was changed: {file}");
    place.on("drilled-gitaly-3", "rm -r /srv/git/aa").expect(0);

    let projects = 12;
    let pusher = DOOR.pusher(place, "drilled-gitaly-3", projects);
    let told = place.path("drained.log");
    let log = std::fs::File::create(&told).unwrap();
    let mut draining = place.start_into(log, &["scale", "gitaly=2", "--yes", "--output", "jsonl"]);
    let patience = Instant::now() + Duration::from_secs(120);
    while !std::fs::read_to_string(&told).unwrap().contains(" moved: ") {
        assert!(Instant::now() < patience && draining.try_wait().unwrap().is_none(), "nothing was moved");
        thread::sleep(Duration::from_millis(20));
    }
    draining.kill().unwrap();
    draining.wait().unwrap();
    let log = std::fs::read_to_string(&told).unwrap();
    assert!(!log.contains("keeps nothing any more"), "it was done before it was killed: {log}");

    let again = place.refarch(&["scale", "gitaly=2", "--yes", "--lock-wait", "60", "--output", "jsonl"]).expect(0);
    let steps = again.finished();
    let at = places(&steps);
    let order = [
        "drain/drilled-gitaly-3/gitaly",
        "configure/drilled-app-1/app",
        "part/drilled-gitaly-3/gitaly",
        "resource/node/drilled-gitaly-3",
    ];
    assert!(order.is_sorted_by_key(|step| at(step)), "{steps:?}");
    assert!(again.stdout.contains(" moved: "), "something was left to move\n{}", again.stdout);

    let told = pusher.stop();
    let last = told.iter().position(|line| line == "last round").unwrap();
    let count = |lines: &[String], what: &str| lines.iter().filter(|line| line.starts_with(what)).count();
    eprintln!("{} pushes and {} clones while a storage was drained", count(&told, "pushed"), count(&told, "cloned"));
    assert_eq!(count(&told, "lost"), 0, "{told:#?}");
    // A push that was under way when its repository was frozen is told so, and nothing of it is kept.
    let refused = told.iter().filter(|line| line.starts_with("refused"));
    let odd: Vec<&String> = refused.clone().filter(|line| !line.contains("push again")).collect();
    assert!(odd.is_empty() && refused.count() <= 3, "{told:#?}");
    assert_eq!((count(&told[last..], "pushed"), count(&told[last..], "cloned")), (projects, projects), "{told:#?}");
    assert!(count(&told[last..], "made") == 1 && !told[last..].iter().any(|line| line.contains("drilled-gitaly-3")));
    assert_ne!(place.on("drilled-gitaly-3", "true").code, 0, "it is still there");
    assert_eq!(
        place.refarch(&["apply"]).expect(0).text(),
        "drilled: nothing to do, everything is as the environment file says"
    );
}
