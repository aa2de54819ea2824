//! `resume` and `runs` after a controller that was killed: its lease is still there, and nobody is behind it.

#![allow(clippy::unwrap_used)] // a test that cannot go on ends here

use std::{
    path::Path,
    process::{Command, Output},
    sync::Arc,
};

use refarch::{
    clock::{Clock as _, SystemClock},
    journal::{Header, RunId, Runs},
    lock::Lease,
    operator::Operator,
    plan::{Plan, Verb},
    workspace::Workspace,
};

/// An environment of one machine that nobody asks for, with a run that began and did not end.
fn place() -> (tempfile::TempDir, Workspace, RunId) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("refarch.yaml");
    std::fs::write(&file, "name: demo\narchitecture: 1k\nprovider: static\ninventory: machines.yaml\n").unwrap();
    let machine = "hosts:\n  - { name: demo-app-1, address: 192.0.2.1, group: app }\n";
    std::fs::write(folder.path().join("machines.yaml"), machine).unwrap();
    let workspace = Workspace::for_environment(&file, "demo", None);
    workspace.create().unwrap();
    let runs = Runs::at(workspace.runs(), Arc::new(SystemClock));
    let plan = Plan {
        environment: "demo".to_owned(),
        verb: Verb::Destroy,
        to: None,
        steps: vec![],
        notes: vec![],
        unreachable: vec![],
        infrastructure_only: false,
        source: None,
        downtime: Vec::new(),
        money: None,
    };
    let id = runs.new_id();
    let header = Header { command: "destroy demo".to_owned(), operator: Operator::current() };
    drop(runs.begin(id.clone(), &plan, &header).unwrap());
    (folder, workspace, id)
}

fn lease(workspace: &Workspace, holder: Operator, run: &RunId) {
    let now = SystemClock.now();
    let (command, token) = ("destroy demo".to_owned(), "0123".to_owned());
    let lease = Lease { holder, command, run: Some(run.to_string()), since: now, heartbeat: now, token };
    std::fs::write(workspace.lock(), serde_json::to_string(&lease).unwrap()).unwrap();
}

fn refarch(folder: &Path, arguments: &[&str]) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_refarch"));
    let Output { status, stdout, stderr } = command.args(arguments).current_dir(folder).output().unwrap();
    (status.code().unwrap(), format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr)))
}

#[test]
fn a_killed_controllers_run_is_interrupted_and_is_taken_up_at_once() {
    let (folder, workspace, id) = place();
    lease(&workspace, Operator { pid_started: Some(1), ..Operator::current() }, &id);
    let (code, text) = refarch(folder.path(), &["runs"]);
    assert!(code == 0 && text.contains("interrupted"), "{text}");
    let (code, text) = refarch(folder.path(), &["resume"]);
    assert_eq!(code, 0, "{text}");
    let (code, text) = refarch(folder.path(), &["resume"]);
    assert!(code == 1 && text.contains("no run is left to finish"), "{text}");
}

#[test]
fn a_run_that_somebody_works_on_is_theirs() {
    let (folder, workspace, id) = place();
    lease(&workspace, Operator::current(), &id);
    let (code, text) = refarch(folder.path(), &["runs"]);
    assert!(code == 0 && text.contains("running"), "{text}");
    let (code, text) = refarch(folder.path(), &["resume"]);
    assert!(code == 4 && text.contains(&format!("for `destroy demo`, run {id}")), "{text}");
}
