//! Host keys come from the machines' guest attributes, the bastion's as well: nothing is taken on trust.

use std::{
    os::unix::fs::PermissionsExt as _,
    process::Stdio,
    time::{Duration, Instant},
};

use crate::{SMALL, place::Place};

#[test]
fn every_node_and_the_bastion_are_known_before_the_first_connection() {
    let place = Place::new(SMALL);
    place.apply(&[]).ok();
    // The double's machines have addresses that belong to strangers: no program of this test may go there.
    let programs = tempfile::tempdir().unwrap();
    let ssh = programs.path().join("ssh");
    std::fs::write(&ssh, "#!/bin/sh\nexit 255\n").unwrap();
    std::fs::set_permissions(&ssh, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", programs.path().display(), std::env::var("PATH").unwrap());
    let mut command = place.command("apply", &["--yes", "--no-verify"]);
    let mut child = command.env("PATH", path).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();

    let machines = place.machines();
    let known_hosts = place.workspace().join("demo/known_hosts");
    let end = Instant::now() + Duration::from_secs(120);
    let known = loop {
        let known = std::fs::read_to_string(&known_hosts).unwrap_or_default();
        if known.lines().count() == machines.len() {
            break known;
        }
        assert!(child.try_wait().unwrap().is_none(), "it ended before all keys were known:\n{known}");
        assert!(Instant::now() < end, "not all keys are known after two minutes:\n{known}");
        std::thread::sleep(Duration::from_millis(200));
    };
    child.kill().unwrap();
    child.wait().unwrap();
    let bastion = &machines["demo-bastion"]["networkInterfaces"][0]["accessConfigs"][0]["natIP"];
    let mut names: Vec<&str> = machines.keys().map(String::as_str).filter(|name| *name != "demo-bastion").collect();
    names.push(bastion.as_str().unwrap());
    for name in names {
        let start = format!("{name} ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI");
        assert!(known.lines().any(|line| line.starts_with(&start)), "{start} is not in\n{known}");
    }
    let config = std::fs::read_to_string(place.workspace().join("demo/ssh_config")).unwrap();
    assert!(!config.contains("accept-new"), "{config}");
    place.assert_settled();
}
