//! The double itself is tested with the vendor's own clients: what they cannot use, Google would not have answered.

use std::{path::Path, process::Command};

use crate::double::python;

#[test]
fn the_vendors_clients_can_use_the_double() {
    let tests = Command::new(python())
        .args(["-m", "unittest", "discover", "-p", "*_test.py", "-s"])
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/gcp_fake"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .unwrap();
    assert!(tests.status.success(), "{}", String::from_utf8_lossy(&tests.stderr));
}
