//! The sandbox's own application, where it is more than a page: `tests/sandbox/*.py`.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::{path::Path, process::Command};

/// Runs a file with so many tests.
fn passes(file: &str, tests: usize) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sandbox").join(file);
    let output = Command::new("python3").arg(&script).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains(&format!("Ran {tests} tests")), "{said}");
}

/// Killed before each call that a mover makes, pushed to meanwhile, and with one that comes back from the dead.
#[test]
fn repositories_move_to_other_storages_and_nothing_acknowledged_is_lost() {
    passes("drain_test.py", 12);
}

#[test]
fn a_node_that_restarts_waits_until_balancers_know_it_again() {
    passes("askers_test.py", 3);
}
