//! The tests' own clouds are tested with the vendors' own clients: does boto3 see what AWS would answer?

#![allow(clippy::unwrap_used)] // a test that cannot go on ends here

use std::{path::Path, process::Command};

#[test]
fn the_front_before_moto_answers_as_aws_does() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let made = Command::new(root.join("scripts/emulators.sh")).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let folder = String::from_utf8(made.stdout).unwrap();
    let tests = Command::new(Path::new(folder.trim()).join("bin/python"))
        .args(["-m", "unittest", "aws_front.test_front"])
        .current_dir(root.join("tests/support"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .unwrap();
    assert!(tests.status.success(), "{}", String::from_utf8_lossy(&tests.stderr));
}
