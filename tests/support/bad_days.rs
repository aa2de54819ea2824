//! How much of what goes wrong is tried. Taken in with `#[path]` by the tests of each cloud.
//!
//! `make test` tries a few, `make test-clouds` (`REFARCH_THOROUGH=1`) as many as the figures in the documentation say.

/// This many in a thorough run, and a few otherwise.
pub fn tries(thorough: usize, few: usize) -> usize {
    if std::env::var_os("REFARCH_THOROUGH").is_some_and(|value| value == "1") { thorough } else { few }
}

/// A moment at which the controller is killed.
#[derive(Debug)]
pub struct Point {
    /// Changing calls that pass first.
    pub after: usize,
    /// Whether the cloud has done what was asked for, and only its answer is not there yet.
    pub acted: bool,
    /// What the killed run left on this machine is lost too.
    pub elsewhere: bool,
}

/// Points spread evenly over changing calls, from the first to the last, by turns before and after the act.
pub fn points(changing: usize) -> Vec<Point> {
    let count = tries(25, 5).min(changing);
    assert!(count >= 5, "{changing} changing calls are too few");
    let point =
        |index| Point { after: index * (changing - 1) / (count - 1), acted: index % 2 == 0, elsewhere: index % 5 == 4 };
    (0..count).map(point).collect()
}
