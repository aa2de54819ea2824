//! Host keys come from the machines' consoles, the bastion's as well: nothing is taken on trust.

use std::{
    os::unix::fs::PermissionsExt as _,
    process::Stdio,
    time::{Duration, Instant},
};

use crate::{
    SMALL,
    front::{Place, tag},
};

#[test]
fn every_node_and_the_bastion_are_known_before_the_first_connection() {
    let place = Place::new(SMALL);
    place.apply(&[]).ok();
    // Emulated machines have addresses that belong to strangers: no program of this test may go there.
    let programs = tempfile::tempdir().unwrap();
    let ssh = programs.path().join("ssh");
    std::fs::write(&ssh, "#!/bin/sh\nexit 255\n").unwrap();
    std::fs::set_permissions(&ssh, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", programs.path().display(), std::env::var("PATH").unwrap());
    let mut command = place.command("apply", &["--yes", "--no-verify"]);
    let mut child = command.env("PATH", path).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();

    let machines = place.instances().len();
    let known_hosts = place.workspace().join("demo/known_hosts");
    let end = Instant::now() + Duration::from_secs(120);
    let known = loop {
        let known = std::fs::read_to_string(&known_hosts).unwrap_or_default();
        if known.lines().count() == machines {
            break known;
        }
        assert!(child.try_wait().unwrap().is_none(), "it ended before all keys were known:\n{known}");
        assert!(Instant::now() < end, "not all keys are known after two minutes:\n{known}");
        std::thread::sleep(Duration::from_millis(200));
    };
    child.kill().unwrap();
    child.wait().unwrap();

    for one in place.instances() {
        let key = tag(&one, "refarch-host-key").unwrap_or_else(|| panic!("no key on {one:#}"));
        let name = match tag(&one, "Name").unwrap() {
            bastion if bastion.ends_with("-bastion") => one["PublicIpAddress"].as_str().unwrap().to_owned(),
            node => node,
        };
        assert!(known.lines().any(|line| line == format!("{name} {key}")), "{name} {key} is not in\n{known}");
    }
    let config = std::fs::read_to_string(place.workspace().join("demo/ssh_config")).unwrap();
    assert!(!config.contains("accept-new"), "{config}");
    // Keys are tags of the moment: no difference to the file.
    place.assert_settled();
}
