//! An upgrade of the product's double from one major version to the next: refused, interrupted, finished, unnoticed.

use std::{
    thread,
    time::{Duration, Instant},
};

use super::{
    place::Place,
    product::{Call, calls},
};

const OLD: &str = "18.11.3";
const NEW: &str = "19.2.1";

pub(super) fn while_it_serves(place: &Place, name: &str, package: &str) {
    let location = format!("settings.linux-package.location={package}");
    let upgrade = |more: &[&str]| {
        let all = [&["upgrade", "--to", NEW, "--set", &location, "--yes"], more].concat();
        place.refarch(&all)
    };

    // No way that jumps over a required stop, back, or with work of the last upgrade left; nothing has changed then.
    let refused = place.refarch(&["upgrade", "--to", "19.5.0"]).expect(1);
    assert!(refused.stderr.contains("19.5.0 must not be reached without 19.2 in between"), "{}", refused.stderr);
    let refused = place.refarch(&["upgrade", "--to", "18.8.1"]).expect(1);
    assert!(refused.stderr.contains("the database cannot go back"), "{}", refused.stderr);
    place.on("role:postgres", "touch /etc/gitlab-double/unfinished").expect(0);
    upgrade(&[]).expect(3).says("2 unfinished");
    place.on("role:postgres", "rm /etc/gitlab-double/unfinished").expect(0);
    assert_eq!(versions(place), [OLD], "nothing was changed");

    // The controller is killed while one node hangs; the rest is finished later by another one.
    let before = calls(place).len();
    let stuck = format!("{name}-app-2");
    place.on(&stuck, "printf 'gitlab-ctl reconfigure' >/etc/gitlab-double/hang").expect(0);
    let mut first = place.start(&["upgrade", "--to", NEW, "--set", &location, "--yes"]);
    let patience = Instant::now() + Duration::from_secs(900);
    while !place.on(&stuck, "grep -c '\"hang\"' /var/log/gitlab-double/calls.jsonl").stdout.contains("| 1") {
        assert!(first.try_wait().unwrap().is_none(), "it ended before the node hung");
        assert!(Instant::now() < patience, "the node was never reached");
        thread::sleep(Duration::from_millis(500));
    }
    assert!(calls(place).iter().all(|call| call.node != format!("{name}-app-3") || call.time < hung(place, &stuck)));
    first.kill().unwrap();
    first.wait().unwrap();
    place.on(&stuck, "rm /etc/gitlab-double/hang").expect(0);
    let resumed = place.refarch(&["resume", "--set", &location, "--lock-wait", "60", "--output", "json"]).expect(0);
    let ended = resumed.last_line();
    assert_eq!(ended["failed"], serde_json::json!([]));
    assert_eq!(ended["probe"]["failed"], serde_json::json!([]), "users noticed: {}", ended["probe"]);
    assert!(ended["probe"]["requests"].as_u64().unwrap() > 20, "{}", ended["probe"]);
    assert_eq!(versions(place), [NEW]);
    pushed_and_tidied_up(place);

    let all = calls(place);
    in_order(&all[before..], name);

    // It is done: the file says so too, and then nothing is left.
    let text = std::fs::read_to_string(place.path("refarch.yaml")).unwrap();
    place.write("refarch.yaml", &text.replace(OLD, NEW));
    assert!(place.refarch(&["apply"]).expect(0).text().contains("nothing to do"));
    place.refarch(&["upgrade", "--yes"]).expect(0).says("none failed");
}

/// The versions that nodes have, each once.
fn versions(place: &Place) -> Vec<String> {
    let ran = place.on("role:linux-package", "dpkg-query -W -f '${Version}' gitlab-ee").expect(0);
    let mut found: Vec<String> =
        ran.stdout.lines().map(|line| line.split_once(" | ").unwrap().1.trim_end_matches("-ee.0").to_owned()).collect();
    found.sort();
    found.dedup();
    found
}

/// The probe's pushes arrived, and neither its project nor its token is left.
fn pushed_and_tidied_up(place: &Place) {
    let kept = || -> serde_json::Value {
        let ran = place.on("role:postgres", "cat /var/opt/gitlab/postgresql.json").expect(0);
        let text = ran.stdout.lines().next().unwrap().split_once(" | ").unwrap().1;
        serde_json::from_str::<serde_json::Value>(text).unwrap()["kept"].clone()
    };
    // It tidies up when nobody listens any more.
    let patience = Instant::now() + Duration::from_secs(120);
    loop {
        let kept = kept();
        if kept["token"] == "none" && kept["project"] == "none" {
            let pushes: u32 = kept["pushes"].as_str().unwrap().parse().unwrap();
            assert!(pushes > 10, "{pushes} pushes");
            return;
        }
        assert!(Instant::now() < patience, "the probe left its project or token behind: {kept}");
        thread::sleep(Duration::from_millis(500));
    }
}

/// When the node began to hang.
fn hung(place: &Place, node: &str) -> f64 {
    calls(place).iter().find(|call| call.node == node && call.result == "hang").unwrap().time
}

fn in_order(calls: &[Call], name: &str) {
    let of = |group: &str| -> Vec<&Call> {
        let start = format!("{name}-{group}-");
        let own = |call: &&Call| call.node.strip_prefix(&start).is_some_and(|rest| rest.parse::<u32>().is_ok());
        calls.iter().filter(|call| call.what == "gitlab-ctl reconfigure").filter(own).collect()
    };
    let before = |earlier: &str, later: &str| {
        let last = of(earlier).last().unwrap().time;
        let first = of(later).first().unwrap().time;
        assert!(last <= first, "{earlier} before {later}");
    };
    for (earlier, later) in [
        ("consul", "postgres"),
        ("postgres", "pgbouncer"),
        ("gitaly", "praefect"),
        ("pgbouncer", "app"),
        ("redis", "app"),
        ("praefect", "app"),
        ("app", "sidekiq"),
        ("sidekiq", "monitor"),
    ] {
        if earlier == "app" {
            // The first application node carries the last migrations too, when all others are done.
            continue;
        }
        before(earlier, later);
    }
    // One node of a role at a time.
    for group in ["consul", "postgres", "pgbouncer", "redis", "app"] {
        let mut nodes: Vec<&str> = of(group).iter().map(|call| call.node.as_str()).collect();
        nodes.dedup();
        let turns: std::collections::BTreeSet<&str> = nodes.iter().copied().collect();
        let again = usize::from(group == "app");
        assert!(nodes.len() <= turns.len() + again, "{group}: {nodes:?}");
    }
    let last = of("consul").last().unwrap().node.clone();
    assert_eq!(last, format!("{name}-consul-1"), "the double's Consul is led by the first server: {:?}", of("consul"));
    // Only the leader handed over, and after the others were upgraded.
    let switched: Vec<&Call> = calls
        .iter()
        .filter(|call| call.what == "gitlab-ctl patroni switchover --force" && call.result == "done")
        .collect();
    assert_eq!(switched.len(), 1, "{switched:?}");
    let others = of("postgres").into_iter().filter(|call| call.node != switched[0].node);
    assert!(others.map(|call| call.time).all(|time| time < switched[0].time), "the leader is the last");
    // The schema: first what both versions can work with, the rest when the last node is done.
    let rakes: Vec<(&str, &str)> = calls
        .iter()
        .filter(|call| call.what.starts_with("gitlab-rake") && call.result == "done")
        .map(|call| (call.node.as_str(), call.what.as_str()))
        .collect();
    let node = format!("{name}-app-1");
    assert_eq!(
        rakes,
        [
            (node.as_str(), "gitlab-rake db:migrate without post-deployment migrations"),
            (node.as_str(), "gitlab-rake db:migrate")
        ]
    );
    let finish = calls.iter().rfind(|call| call.what == "gitlab-rake db:migrate").unwrap().time;
    for group in ["app", "sidekiq", "monitor"] {
        let last = of(group).into_iter().filter(|call| call.node != node).map(|call| call.time).fold(0.0, f64::max);
        assert!(last < finish, "{group} has the new code before the old code's columns go");
    }
}
