//! The controller is killed (SIGKILL) at many points of `apply` and `destroy`, before and after Google acted. The same
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
    let changing = place.double.changing_calls();
    assert!(changing >= POINTS, "{changing} changing calls are fewer than the points");

    for point in points(changing) {
        place.start_anew();
        hold(&place, &point);
        let came = place.kill_while_held("apply", &["--infrastructure", "--yes"]);
        assert!(came, "{point:?}: the call never came");
        place.double.faults(json!([]));
        if point.elsewhere {
            place.elsewhere();
        }
        place.apply(&["--lock-wait", "60"]).ok();
        assert_eq!(place.shape(), wanted, "{point:?}");
        place.assert_settled();
    }
    place.double.assert_as_described();
}

#[test]
fn destroy_killed_anywhere_and_repeated_leaves_nothing() {
    let place = Place::new(&everything());
    place.apply(&[]).ok();
    place.double.control("forget_calls", &json!({}));
    place.destroy().ok();
    let changing = place.double.changing_calls();
    let points = points(changing.min(POINTS));

    for point in points {
        place.start_anew();
        place.apply(&[]).ok();
        hold(&place, &point);
        let came = place.kill_while_held("destroy", &["--yes", "--destroy-data", "demo"]);
        assert!(came, "{point:?}: the call never came");
        place.double.faults(json!([]));
        if point.elsewhere {
            place.elsewhere();
        }
        place.refarch("destroy", &["--yes", "--destroy-data", "demo", "--lock-wait", "60"]).ok();
        place.assert_empty();
    }
}

/// With buckets and the cloud's balancer, so that every kind of resource is killed at.
fn everything() -> String {
    format!("{SMALL}  buckets: [artifacts, lfs]\n  balancer: cloud\n")
}

#[derive(Debug)]
struct Point {
    /// Changing calls that pass first.
    after: usize,
    /// `before` or `after` the act.
    when: &'static str,
    /// What the killed run left on this machine is lost too.
    elsewhere: bool,
}

fn points(changing: usize) -> Vec<Point> {
    let count = POINTS.min(changing);
    (0..count)
        .map(|index| Point {
            after: index * (changing - 1) / (count - 1).max(1),
            when: if index % 2 == 0 { "after" } else { "before" },
            elsewhere: index % 5 == 4,
        })
        .collect()
}

fn hold(place: &Place, point: &Point) {
    place.double.faults(json!([{ "mutating": true, "after": point.after, "times": 1, "hold": point.when }]));
}
