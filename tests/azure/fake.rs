//! The fake is tested with the vendor's own clients: what they cannot do with it, refarch cannot be proved with.

use std::{path::Path, process::Command};

#[test]
fn the_vendors_own_clients_get_on_with_the_fake() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/azure-fake.sh");
    let tests = Command::new(script).arg("check").output().unwrap();
    assert!(tests.status.success(), "{}", String::from_utf8_lossy(&tests.stderr));
}
