//! Working copies of several machines, and what they have in common.

use std::{collections::BTreeMap, fs, path::Path, sync::Arc, time::Duration};

use futures_util::TryStreamExt as _;
use object_store::{ObjectStore, ObjectStoreExt as _, memory::InMemory};
use proptest::prelude::*;

use super::Weather;
use crate::{
    clock::{SystemClock, TestClock},
    lock::LockRequest,
    operator::Operator,
    secrets::{IdentitySource, Recipients},
    shared::{Freshness, Shared, SharedError, SharedOptions, Store, Taken},
    workspace::Workspace,
};

/// A team's store, and its members' machines.
struct Team {
    objects: Arc<InMemory>,
    folder: tempfile::TempDir,
    is_far: bool,
    /// Seed, lost calls and sleepy calls of a thousand, for every machine that is made from now on.
    storm: Option<(u64, u32, u32)>,
}

impl Team {
    fn new() -> Self {
        Self { objects: Arc::new(InMemory::new()), folder: tempfile::tempdir().unwrap(), is_far: false, storm: None }
    }

    fn identity(&self, who: &str) -> IdentitySource {
        IdentitySource::File(self.folder.path().join(format!("{who}.identity")))
    }

    /// Everybody has the same identity unless told.
    fn machine(&self, name: &str) -> Machine {
        self.machine_of(name, "team", None)
    }

    fn machine_of(&self, name: &str, who: &str, recipients: Option<&[&str]>) -> Machine {
        self.machine_with(name, who, recipients, &[("provider", "static")])
    }

    fn machine_with(&self, name: &str, who: &str, recipients: Option<&[&str]>, origin: &[(&str, &str)]) -> Machine {
        let file = self.folder.path().join(name).join("demo.yaml");
        let workspace = Workspace::for_environment(&file, "demo", None);
        let objects: Arc<dyn ObjectStore> = self.objects.clone();
        let mut store = Store::new(objects, "team", "demo", "memory://team".to_owned());
        store.weather = self.is_far.then(|| Arc::new(Weather::new(1, 0, 0)));
        if let Some((seed, failing, sleepy)) = self.storm {
            let own = name.bytes().fold(seed, |seed, byte| seed.wrapping_mul(31).wrapping_add(byte.into()));
            store.weather = Some(Arc::new(Weather::new(own, failing, sleepy)));
        }
        let keys = |names: &[&str]| -> Vec<String> {
            names.iter().map(|name| self.identity(name).public_key().unwrap()).collect()
        };
        let options = SharedOptions {
            workspace: workspace.clone(),
            environment: "demo".to_owned(),
            origin: origin.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
            identity: self.identity(who),
            recipients: recipients.map(|names| Recipients::new(&keys(names)).unwrap()),
            clock: Arc::new(SystemClock),
        };
        Machine { shared: Shared::new(store, options), workspace }
    }

    /// Everything that a reader of the bucket sees.
    async fn bytes(&self) -> BTreeMap<String, Vec<u8>> {
        let mut all = BTreeMap::new();
        for meta in self.objects.list(None).try_collect::<Vec<_>>().await.unwrap() {
            let content = self.objects.get(&meta.location).await.unwrap().bytes().await.unwrap();
            all.insert(meta.location.to_string(), content.to_vec());
        }
        all
    }
}

struct Machine {
    shared: Shared,
    workspace: Workspace,
}

impl Machine {
    fn path(&self, name: &str) -> std::path::PathBuf {
        self.workspace.root().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn read(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.path(name)).ok()
    }

    async fn pull(&self) -> Result<(), SharedError> {
        self.shared.pull(Freshness::Needed).await
    }

    async fn take(&self) -> Result<Taken, SharedError> {
        self.take_as(Operator::current()).await
    }

    /// As a process that others will find gone.
    async fn take_to_die(&self) {
        self.take_as(Operator { pid_started: Some(1), ..Operator::current() }).await.unwrap();
    }

    async fn take_as(&self, operator: Operator) -> Result<Taken, SharedError> {
        self.take_for(operator, Duration::ZERO).await
    }

    async fn take_for(&self, operator: Operator, wait: Duration) -> Result<Taken, SharedError> {
        let (command, run, wait) = ("apply demo".to_owned(), None, Some(wait));
        let request = LockRequest { operator, command, run, wait };
        self.shared.take(request, &|_| ()).await
    }

    /// Takes the lock, writes, gives it back.
    async fn work(&self, files: &[(&str, &str)]) {
        self.take().await.unwrap();
        for (name, text) in files {
            self.write(name, text);
        }
        self.shared.release().await.unwrap();
    }

    /// As after SIGKILL: nobody beats, nobody says goodbye.
    fn killed(self) -> Workspace {
        self.shared.abandon();
        self.workspace
    }
}

#[tokio::test]
async fn a_second_machine_has_everything_and_a_reader_of_the_bucket_nothing() {
    let team = Team::new();
    let one = team.machine("one");
    one.pull().await.unwrap();
    one.work(&[
        ("secrets.age", "hunter22-secrets"),
        ("ssh/id_ed25519", "hunter22-key"),
        ("runs/r1/journal.jsonl", "hunter22\n"),
    ])
    .await;
    let two = team.machine("two");
    two.pull().await.unwrap();
    assert_eq!(two.read("ssh/id_ed25519").unwrap(), "hunter22-key");
    assert_eq!(two.read("runs/r1/journal.jsonl").unwrap(), "hunter22\n");
    let mode =
        |name: &str| std::os::unix::fs::PermissionsExt::mode(&fs::metadata(two.path(name)).unwrap().permissions());
    assert_eq!((mode("ssh/id_ed25519") & 0o777, mode("ssh") & 0o777), (0o600, 0o700));
    for (name, content) in team.bytes().await {
        let text = String::from_utf8_lossy(&content).into_owned();
        assert!(!text.contains("hunter22") && !text.contains("id_ed25519"), "{name}");
    }
    // What the one removes, the other has no more.
    one.take().await.unwrap();
    fs::remove_file(one.path("ssh/id_ed25519")).unwrap();
    one.shared.release().await.unwrap();
    two.pull().await.unwrap();
    assert_eq!(two.read("ssh/id_ed25519"), None);
    // The log, one object for the state and one for each file that is left: nothing else stays.
    let objects = team.bytes().await.into_keys().filter(|name| name.contains("/objects/")).count();
    assert_eq!(objects, 3);
}

#[tokio::test]
async fn a_run_of_a_machine_that_died_is_known_as_far_as_it_acted() {
    let team = Team::new();
    let one = team.machine("one");
    one.take_to_die().await;
    one.write("runs/r1/journal.jsonl", "network begins\n");
    one.shared.settle().await.unwrap();
    one.write("runs/r1/journal.jsonl", "network begins\nnetwork done\n");
    let left = one.killed();

    let two = team.machine("two");
    two.pull().await.unwrap();
    assert_eq!(two.read("runs/r1/journal.jsonl").unwrap(), "network begins\n");
    two.take().await.unwrap();
    two.write("runs/r1/journal.jsonl", "network begins\nnetwork begins\n");
    two.shared.release().await.unwrap();

    // It comes back: what only it knew is kept, and the team's counts.
    let one = team.machine("one");
    assert_eq!(one.workspace, left);
    one.pull().await.unwrap();
    assert_eq!(one.read("runs/r1/journal.jsonl").unwrap(), "network begins\nnetwork begins\n");
    let notes = one.shared.take_notes().join("\n");
    assert!(notes.contains("runs/r1/journal.jsonl") && notes.contains("aside"), "{notes}");
    let aside: Vec<_> = fs::read_dir(one.path("aside")).unwrap().map(|entry| entry.unwrap().path()).collect();
    let kept = fs::read_to_string(aside[0].join("runs/r1/journal.jsonl")).unwrap();
    assert_eq!(kept, "network begins\nnetwork done\n");
}

#[tokio::test]
async fn what_did_not_reach_the_store_goes_with_the_next_command() {
    let team = Team::new();
    let one = team.machine("one");
    one.work(&[("applied.jsonl", "a\n")]).await;
    one.take_to_die().await;
    one.write("applied.jsonl", "a\nb\n");
    one.killed();
    let one = team.machine("one");
    one.pull().await.unwrap();
    assert_eq!(one.read("applied.jsonl").unwrap(), "a\nb\n", "nobody else was there meanwhile");
    one.work(&[]).await;
    assert!(one.shared.take_notes().join("").contains("had not reached it"));
    let two = team.machine("two");
    two.pull().await.unwrap();
    assert_eq!(two.read("applied.jsonl").unwrap(), "a\nb\n");
}

#[tokio::test]
async fn secrets_that_were_made_here_and_there_stop_everything() {
    let team = Team::new();
    let (one, two) = (team.machine("one"), team.machine("two"));
    one.work(&[("secrets.age", "first")]).await;
    two.pull().await.unwrap();
    one.write("secrets.age", "mine");
    two.work(&[("secrets.age", "theirs")]).await;
    let error = one.pull().await.unwrap_err();
    assert!(matches!(error, SharedError::Diverged { .. }) && error.to_string().contains("secrets.age"), "{error}");
    assert!(error.hint().unwrap().contains("mv "));
    assert_eq!(one.read("secrets.age").unwrap(), "mine", "nothing was changed");
    assert!(one.take().await.is_err());
    // And nobody has to wait for whoever was refused.
    two.work(&[]).await;
}

#[tokio::test]
async fn an_environment_of_this_machine_moves_in_but_over_nobody() {
    let team = Team::new();
    let one = team.machine("one");
    one.write("secrets.age", "mine");
    one.pull().await.unwrap();
    one.work(&[]).await;
    assert!(one.shared.take_notes().join("").contains("moved 1 file"));
    let two = team.machine("two");
    two.write("secrets.age", "of another environment");
    for refused in [two.pull().await.unwrap_err(), two.take().await.err().unwrap()] {
        assert!(matches!(refused, SharedError::OtherCopy { .. }), "{refused}");
    }
    assert_eq!(two.read("secrets.age").unwrap(), "of another environment");
    let three = team.machine("three");
    three.pull().await.unwrap();
    assert_eq!(three.read("secrets.age").unwrap(), "mine");
}

#[tokio::test]
async fn another_environment_of_the_name_is_refused() {
    let team = Team::new();
    team.machine("one").work(&[("applied.jsonl", "a")]).await;
    let other = team.machine_with("two", "team", None, &[("provider", "aws"), ("region", "eu-central-1")]);
    let error = other.pull().await.unwrap_err();
    assert_eq!(error.to_string(), "memory://team has another environment `demo`: provider static there, aws here");
    assert!(other.take().await.is_err());
}

#[tokio::test]
async fn a_store_that_was_emptied_or_begun_anew_is_not_taken_for_the_same() {
    let team = Team::new();
    let one = team.machine("one");
    one.work(&[("applied.jsonl", "a")]).await;
    let empty = Team { objects: Arc::new(InMemory::new()), ..team };
    let one = empty.machine("one");
    let error = one.pull().await.unwrap_err();
    assert!(error.to_string().contains("has nothing of `demo` now"), "{error}");
    assert!(one.take().await.is_err());
    empty.machine("two").work(&[("applied.jsonl", "b")]).await;
    let error = one.pull().await.unwrap_err();
    assert!(error.to_string().contains("earlier life"), "{error}");
    assert_eq!(one.read("applied.jsonl").unwrap(), "a");
}

#[tokio::test]
async fn whoever_is_no_recipient_is_told_for_whom_it_is_and_can_be_added() {
    let team = Team::new();
    team.machine_of("one", "ann", None).work(&[("secrets.age", "x")]).await;
    let key = team.identity("bob").public_key().unwrap();
    let error = team.machine_of("two", "bob", None).pull().await.unwrap_err();
    assert!(matches!(error, SharedError::NotForYou { .. }) && error.to_string().contains(&key), "{error}");
    // A stranger cannot write either.
    assert!(team.machine_of("two", "bob", None).take().await.is_err());

    let ann = team.machine_of("one", "ann", Some(&["ann", "bob"]));
    ann.pull().await.unwrap();
    assert!(ann.take().await.unwrap().has_other_readers);
    ann.shared.release().await.unwrap();
    let bob = team.machine_of("two", "bob", None);
    bob.pull().await.unwrap();
    assert_eq!(bob.read("secrets.age").unwrap(), "x");
    // What he writes she can read, although his file names nobody.
    bob.work(&[("applied.jsonl", "bob")]).await;
    let ann = team.machine_of("three", "ann", None);
    ann.pull().await.unwrap();
    assert_eq!(ann.read("applied.jsonl").unwrap(), "bob");
    // Without her he cannot be left alone by accident: a list must have whoever writes.
    let error = team.machine_of("four", "ann", Some(&["bob"])).pull().await.unwrap_err();
    assert!(matches!(error, SharedError::Secrets(_)), "{error}");
}

#[tokio::test]
async fn a_holder_whose_lock_was_taken_writes_nothing_more() {
    let team = Team::new();
    let (one, two) = (team.machine("one"), team.machine("two"));
    one.work(&[("applied.jsonl", "a")]).await;
    one.take().await.unwrap();
    one.write("applied.jsonl", "mine");
    two.shared.break_lock().await.unwrap().unwrap();
    two.pull().await.unwrap();
    two.work(&[("applied.jsonl", "theirs")]).await;
    assert!(matches!(one.shared.settle().await, Err(SharedError::Lost { .. })));
    one.shared.release().await.unwrap();
    assert!(one.shared.take_notes().join("").contains("taken away"));
    let three = team.machine("three");
    three.pull().await.unwrap();
    assert_eq!(three.read("applied.jsonl").unwrap(), "theirs");
}

#[tokio::test]
async fn what_is_damaged_is_not_written_over() {
    let team = Team::new();
    let one = team.machine("one");
    one.work(&[("secrets.age", "x"), ("applied.jsonl", "y")]).await;
    let names: Vec<String> = team.bytes().await.into_keys().filter(|name| name.contains("/objects/")).collect();
    for name in &names {
        team.objects.put(&object_store::path::Path::from(name.as_str()), b"torn".to_vec().into()).await.unwrap();
    }
    let two = team.machine("two");
    assert!(two.pull().await.is_err());
    assert!(!Path::new(&two.path("secrets.age")).exists());
    assert!(two.take().await.is_err());
}

#[tokio::test(start_paused = true)]
async fn many_acts_at_a_time_share_one_sending() {
    let team = Team { is_far: true, ..Team::new() };
    let mut one = team.machine("one");
    one.shared.options.clock = Arc::new(TestClock::at("2026-11-30T12:00:00Z"));
    one.take().await.unwrap();
    one.write("runs/r1/journal.jsonl", "begins\n");
    one.shared.settle().await.unwrap();
    let before = one.shared.chain.head().await.unwrap().unwrap().number;
    one.write("runs/r1/journal.jsonl", "begins\nmore\n");
    let many = futures_util::future::join_all((0..50).map(|_| one.shared.settle())).await;
    assert!(many.iter().all(Result::is_ok));
    let after = one.shared.chain.head().await.unwrap().unwrap().number;
    assert!(after - before <= 3, "{} entries for 50 acts", after - before);
}

/// Counts one up under the lock, again and again. Returns what it knows to have written.
async fn count(machine: Machine, operator: Operator) -> Vec<u64> {
    let mut written = Vec::new();
    for _ in 0..60 {
        if written.len() == 3 {
            break;
        }
        if machine.take_for(operator.clone(), Duration::from_secs(3600)).await.is_err() {
            tokio::time::sleep(Duration::from_secs(5)).await;
            continue;
        }
        let next = machine.read("counter.json").map_or(0, |text| text.parse::<u64>().unwrap()) + 1;
        machine.write("counter.json", &next.to_string());
        if machine.shared.settle().await.is_ok() {
            written.push(next);
        }
        let _ = machine.shared.release().await;
    }
    machine.shared.abandon();
    written
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// What somebody was told is in the store is there, and nobody wrote over it without having seen it.
    #[test]
    fn no_change_is_lost_whoever_sleeps_and_whatever_gets_lost(
        seed in any::<u64>(),
        machines in 2_usize..5,
        failing in 0_u32..40,
        sleepy in 0_u32..40,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let (written, last) = tokio::task::LocalSet::new().block_on(&runtime, async {
            let mut team = Team { storm: Some((seed, failing, sleepy)), ..Team::new() };
            team.identity("team").public_key().unwrap();
            let working: Vec<_> = (0..machines)
                .map(|number| {
                    let mut machine = team.machine(&format!("m{number}"));
                    machine.shared.options.clock = Arc::new(TestClock::at("2026-11-30T12:00:00Z"));
                    let operator = Operator { host: format!("m{number}"), ..Operator::current() };
                    tokio::task::spawn_local(count(machine, operator))
                })
                .collect();
            let mut written = Vec::new();
            for one in working {
                written.extend(one.await.unwrap());
            }
            team.storm = None;
            let last = team.machine("last");
            last.pull().await.unwrap();
            (written, last.read("counter.json").map_or(0, |text| text.parse::<u64>().unwrap()))
        });
        let mut distinct = written.clone();
        distinct.sort_unstable();
        distinct.dedup();
        prop_assert_eq!(distinct.len(), written.len(), "two wrote the same: {:?}", written);
        prop_assert!(written.iter().all(|value| *value <= last), "{last} after {written:?}");
        // Most of it gets through, or nothing was tried here.
        prop_assert!(written.len() >= machines, "{written:?} of {machines} machines");
    }
}
