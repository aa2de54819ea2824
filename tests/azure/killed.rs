//! The controller is killed (SIGKILL) at many points of `apply` and `destroy`, before and after Azure acted. The same
//! command again ends in the same state; nothing is there twice, nothing is left.

use serde_json::json;

use crate::{SMALL, place::Place};

/// Points of each verb: spread evenly over its changing calls, by turns before and after the act.
const POINTS: usize = 25;

#[test]
fn apply_killed_anywhere_and_repeated_ends_in_the_same_state() {
    let place = Place::new(&everything());
    place.apply(&[]).ok();
    let wanted = place.shape();
    let changing = place.changes_that_went_through();
    assert!(changing >= POINTS, "{changing} changing calls are fewer than the points");

    for point in points(changing) {
        place.start_anew();
        hold(&place, &point);
        place.kill_while_held("apply", &["--infrastructure", "--yes"]);
        if point.elsewhere {
            place.elsewhere();
        }
        place.apply(&["--lock-wait", "60"]).ok();
        assert_eq!(place.shape(), wanted, "{point:?}");
        place.assert_settled();
    }
}

#[test]
fn destroy_killed_anywhere_and_repeated_leaves_nothing() {
    let place = Place::new(&everything());
    place.apply(&[]).ok();
    let before = place.changes_that_went_through();
    place.destroy().ok();
    let changing = place.changes_that_went_through() - before;
    assert!(changing >= POINTS, "{changing} changing calls are fewer than the points");

    for point in points(changing) {
        place.start_anew();
        place.apply(&[]).ok();
        hold(&place, &point);
        place.kill_while_held("destroy", &["--yes", "--destroy-data", "demo"]);
        if point.elsewhere {
            place.elsewhere();
        }
        place.refarch("destroy", &["--yes", "--destroy-data", "demo", "--lock-wait", "60"]).ok();
        let left: Vec<String> = place.fake.resources().keys().cloned().collect();
        assert!(left.is_empty(), "{point:?} left {left:#?}");
    }
}

/// With a bucket, who may use it, the cloud's balancer and locks, so that every kind of resource is killed at.
fn everything() -> String {
    SMALL.replace("cloud:\n", "cloud:\n  buckets: [lfs]\n  balancer: cloud\n  deletion_protection: true\n")
}

#[derive(Debug)]
struct Point {
    /// Changing calls that pass first.
    after: usize,
    /// Silence before the act (`request`) or after it (`answer`).
    when: &'static str,
    /// What the killed run left on this machine is lost too.
    elsewhere: bool,
}

fn points(changing: usize) -> Vec<Point> {
    let last = changing - 1;
    (0..POINTS)
        .map(|index| Point {
            after: index * last / (POINTS - 1),
            when: if index % 2 == 0 { "answer" } else { "request" },
            elsewhere: index % 5 == 4,
        })
        .collect()
}

fn hold(place: &Place, point: &Point) {
    place.fake.rule(json!({ "method": "change", "skip": point.after, "times": 1, "hold": point.when }));
}
