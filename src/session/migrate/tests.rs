//! Moves between environments that have no machines: what a controller that comes later makes of what one before it left.

use std::path::Path;

use super::*;
use crate::{
    configure::Moment,
    plan::{Action, Risk, Step, Verb},
};

async fn environments(folder: &Path) -> Migration {
    let file = |name: &str, size: &str| {
        let file = folder.join(format!("{name}.yaml"));
        let backup = "settings: { backup: { endpoint: s3.example.com, bucket: backups } }";
        std::fs::write(&file, format!("name: {name}\narchitecture: {size}\nprovider: local\n{backup}\n")).unwrap();
        Request { file, sets: Vec::new(), roles: None, workspace: Some(folder.join("state")) }
    };
    Migration::open(&file("old", "1k"), &file("new", "3k")).await.unwrap()
}

fn record(began: &str) -> MigrationRecord {
    MigrationRecord {
        from: "old".to_owned(),
        began: began.parse().unwrap(),
        fresh: true,
        last_backup: None,
        stopped: None,
        restore: None,
        done: None,
    }
}

/// A run of one step; not `finished`, its controller died.
fn ran(session: &Session, id: &str, command: &str, finished: bool) {
    session.workspace.create().unwrap();
    let plan = Plan {
        environment: session.topology.environment.clone(),
        verb: Verb::Backup,
        to: None,
        steps: vec![Step {
            id: "backup/x/postgres".into(),
            node: None,
            title: String::new(),
            reason: String::new(),
            needs: Vec::new(),
            risk: Risk::None,
            action: Action::Task { role: "postgres".to_owned(), moment: Moment::Backup },
            changes: Vec::new(),
        }],
        notes: Vec::new(),
        unreachable: Vec::new(),
        infrastructure_only: false,
        source: None,
        downtime: Vec::new(),
        money: None,
    };
    let run = session.begin(RunId::from(id.to_owned()), &plan, command).unwrap();
    if finished {
        run.finish(exit::DONE).unwrap();
    }
}

#[tokio::test]
async fn a_move_is_taken_up_by_its_own_and_by_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let moving = environments(folder.path()).await;
    let kept = record("2026-11-30T12:00:00Z");
    moving.keep(&kept).unwrap();
    assert_eq!(moving.record().await.unwrap(), kept);
    ran(&moving.to, "20261130-1201-aaaa", "migrate: make new what its file says", true);
    assert_eq!(moving.record().await.unwrap(), kept, "its own work is no news");
    // Somebody used what was half made: what is in it is not ours to throw away.
    ran(&moving.to, "20261130-1202-aaaa", "apply new", true);
    assert_eq!(moving.record().await.unwrap(), MigrationRecord { fresh: false, ..kept.clone() });

    moving.keep(&MigrationRecord { from: "third".to_owned(), ..kept }).unwrap();
    let error = moving.record().await.unwrap_err();
    assert_eq!(error.to_string(), "the data of `third` is on its way into `new`");
    assert!(error.hint().unwrap().contains("refarch destroy "), "{error}");
}

#[tokio::test]
async fn a_restore_is_finished_only_while_its_backup_is_the_last_thing_that_was_done() {
    let folder = tempfile::tempdir().unwrap();
    let moving = environments(folder.path()).await;
    let backup = RunId::from("20261130-1203-aaaa".to_owned());
    ran(&moving.from, backup.as_str(), "migrate: stop and back up", true);
    assert!(moving.left_alone(&backup).unwrap());
    ran(&moving.from, "20261130-1204-aaaa", "apply old", false);
    assert!(!moving.left_alone(&backup).unwrap(), "users may have come back");

    assert_eq!(Turn::after(None), Turn::Begin);
    for state in [RunState::Running, RunState::Failed, RunState::Stopped, RunState::Interrupted] {
        assert_eq!(Turn::after(Some(state)), Turn::GoOn);
    }
    assert_eq!(Turn::after(Some(RunState::Done)), Turn::Prove);
}

#[tokio::test]
async fn the_way_to_the_backups_holds_secrets_that_no_log_shows() {
    let folder = tempfile::tempdir().unwrap();
    let moving = environments(folder.path()).await;
    moving.from.workspace.create().unwrap();
    let identity = crate::secrets::IdentitySource::File(folder.path().join("identity.txt"));
    let mut store = crate::secrets::SecretStore::open(&moving.from.workspace, identity).unwrap();
    store.ensure(&moving.from.secret_specs(), &[]).unwrap();
    let (ways, redactor) = moving.from.ways_of(&store).unwrap();
    assert_eq!(ways.keys().collect::<Vec<_>>(), ["gitaly", "postgres"]);
    for (role, way) in &ways {
        let cipher = store.text("backup_cipher").unwrap().expose();
        assert!(way.contains(cipher) && way.contains("old-single-1"), "{role}: {way}");
        assert!(!redactor.redact(way).contains(cipher));
        let checked = std::process::Command::new("sh").args(["-n", "-c", way]).status().unwrap();
        assert!(checked.success(), "{way}");
    }
}
