//! The controller is killed (SIGKILL) at many points of `apply` and `destroy`, before and after Azure acted. The same
//! command again ends in the same state; nothing is there twice, nothing is left.

use serde_json::json;

use crate::{
    SMALL,
    bad_days::{Point, points},
    place::Place,
};

#[test]
fn apply_killed_anywhere_and_repeated_ends_in_the_same_state() {
    let place = Place::new(&everything());
    place.apply(&[]).ok();
    let wanted = place.shape();
    let changing = place.changes_that_went_through();

    for point in points(changing) {
        place.start_anew();
        hold(&place, &point);
        place.kill_while_held("apply", &["--infrastructure", "--yes"]);
        if point.elsewhere {
            place.elsewhere();
        }
        place.apply(&["--lock-wait", "60"]).ok();
        place.assert_shape(&wanted, &point);
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

fn hold(place: &Place, point: &Point) {
    let when = if point.acted { "answer" } else { "request" };
    place.fake.rule(json!({ "method": "change", "skip": point.after, "times": 1, "hold": when }));
}
