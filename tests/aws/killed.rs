//! The controller is killed (SIGKILL) at many points of `apply` and `destroy`, before and after AWS acted. The same
//! command again ends in the same state; nothing is there twice, nothing is left.

use std::collections::BTreeMap;

use serde_json::json;

use crate::{
    SMALL,
    bad_days::{Point, points},
    front::Place,
    world::shape,
};

#[test]
fn apply_killed_anywhere_and_repeated_ends_in_the_same_state() {
    let place = Place::new(&everything());
    place.apply(&[]).ok();
    let wanted = shape(&place.front.inventory());
    let changing = changing_calls(&place);

    for point in points(changing) {
        start_anew(&place);
        hold(&place, &point);
        let came = place.kill_while_held("apply", &["--infrastructure", "--yes"]);
        assert!(came, "{point:?}: the call never came");
        place.front.faults(json!([]));
        if point.elsewhere {
            place.elsewhere();
        }
        place.apply(&["--lock-wait", "60"]).ok();
        let found = shape(&place.front.inventory());
        assert_eq!(found, wanted, "{point:?}");
        place.assert_settled();
    }
}

#[test]
fn destroy_killed_anywhere_and_repeated_leaves_nothing() {
    let place = Place::new(&everything());
    place.apply(&[]).ok();
    place.front.forget_calls();
    place.destroy().ok();
    let changing = changing_calls(&place);

    for point in points(changing) {
        start_anew(&place);
        place.apply(&[]).ok();
        hold(&place, &point);
        let came = place.kill_while_held("destroy", &["--yes", "--destroy-data", "demo"]);
        assert!(came, "{point:?}: the call never came");
        place.front.faults(json!([]));
        if point.elsewhere {
            place.elsewhere();
        }
        place.refarch("destroy", &["--yes", "--destroy-data", "demo", "--lock-wait", "60"]).ok();
        let left = place.front.inventory();
        assert_eq!(left, json!({}), "{point:?} left {left:#}");
    }
}

/// With a bucket, the role for it and the cloud's balancer, so that every kind of resource is killed at.
fn everything() -> String {
    format!("{SMALL}  buckets: [lfs]\n  balancer: cloud\n")
}

fn hold(place: &Place, point: &Point) {
    let hold = if point.acted { "after" } else { "before" };
    place.front.faults(json!([{"mutating": true, "skip": point.after, "times": 1, "hold": hold}]));
}

/// A fresh account and a fresh machine.
fn start_anew(place: &Place) {
    place.front.post("reset", json!({}));
    place.front.settings(json!({"settle_polls": 1, "settle_seconds": 0.3}));
    place.elsewhere();
}

fn changing_calls(place: &Place) -> usize {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for call in place.front.calls().iter().filter(|call| call["mutates"] == true) {
        *counts.entry(call["operation"].to_string()).or_default() += 1;
    }
    counts.values().sum()
}
