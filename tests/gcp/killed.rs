//! The controller is killed (SIGKILL) at many points of `apply` and `destroy`, before and after Google acted. The same
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
    let changing = place.double.changing_calls();

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

    for point in points(changing) {
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

fn hold(place: &Place, point: &Point) {
    let hold = if point.acted { "after" } else { "before" };
    place.double.faults(json!([{ "mutating": true, "after": point.after, "times": 1, "hold": hold }]));
}
