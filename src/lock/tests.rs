use std::{
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use super::*;
use crate::{
    clock::{Clock, SystemClock, TestClock},
    operator::Operator,
};

fn clock() -> Arc<dyn Clock> {
    Arc::new(TestClock::at("2026-11-23T23:41:00Z"))
}

/// Somebody on another machine, so that only heartbeats tell whether they are there.
fn someone(name: &str) -> LockRequest {
    let operator = Operator { user: name.to_owned(), host: "elsewhere".to_owned(), pid: 4711, pid_started: Some(1) };
    LockRequest { operator, command: "apply demo".to_owned(), run: Some("20261123-2341-k3f9".to_owned()), wait: None }
}

async fn take(path: &Path, request: LockRequest, clock: &Arc<dyn Clock>) -> Result<Lock, LockError> {
    Lock::acquire(path, request, clock.clone(), |_| {}).await
}

fn place() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lock.json");
    (folder, path)
}

#[tokio::test(start_paused = true)]
async fn the_second_one_learns_who_holds_it() {
    let (_folder, path) = place();
    let clock = clock();
    let lock = take(&path, someone("ann"), &clock).await.unwrap();
    let error = take(&path, someone("bob"), &clock).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the environment is locked by ann@elsewhere (process 4711) since 2026-11-23 23:41:00 UTC for `apply demo`, \
         run 20261123-2341-k3f9"
    );
    assert!(error.hint().unwrap().contains("refarch lock break"));
    lock.release().unwrap();
    assert_eq!(status(&path).unwrap(), None);
    take(&path, someone("bob"), &clock).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_heartbeat_keeps_it_and_silence_loses_it() {
    let (_folder, path) = place();
    let clock = clock();
    let lock = take(&path, someone("ann"), &clock).await.unwrap();
    tokio::time::sleep(Duration::from_secs(305)).await;
    assert!(take(&path, someone("bob"), &clock).await.is_err(), "its heart beats");

    // The holder dies without a word, five seconds after its last heartbeat.
    lock.heart.abort();
    let lease = status(&path).unwrap().unwrap();
    std::mem::forget(lock);
    tokio::time::sleep(Duration::from_secs(24)).await;
    assert!(take(&path, someone("bob"), &clock).await.is_err());
    tokio::time::sleep(Duration::from_secs(2)).await;
    take(&path, someone("bob"), &clock).await.unwrap();
    assert!(lease.is_expired(clock.now()));
}

#[tokio::test(start_paused = true)]
async fn who_waits_gets_it_when_it_is_given_back() {
    let (_folder, path) = place();
    let clock = clock();
    let lock = take(&path, someone("ann"), &clock).await.unwrap();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(7)).await;
        drop(lock);
    });
    let start = tokio::time::Instant::now();
    let patient = LockRequest { wait: Some(Duration::from_secs(60)), ..someone("bob") };
    let mut seen = None;
    let lock = Lock::acquire(&path, patient, clock.clone(), |lease| seen = Some(lease.holder.user.clone())).await;
    assert!(lock.is_ok() && start.elapsed() < Duration::from_secs(8), "{:?}", start.elapsed());
    assert_eq!(seen.as_deref(), Some("ann"));

    let start = tokio::time::Instant::now();
    let impatient = LockRequest { wait: Some(Duration::from_secs(3)), ..someone("cat") };
    assert!(take(&path, impatient, &clock).await.is_err());
    assert_eq!(start.elapsed(), Duration::from_secs(3));
}

#[tokio::test(start_paused = true)]
async fn a_holder_notices_that_it_was_broken_and_leaves_the_new_lease_alone() {
    let (_folder, path) = place();
    let clock = clock();
    let first = take(&path, someone("ann"), &clock).await.unwrap();
    assert_eq!(break_lock(&path).unwrap().unwrap().holder.user, "ann");
    let _second = take(&path, someone("bob"), &clock).await.unwrap();
    let mut lost = first.lost();
    assert!(!*lost.borrow());
    tokio::time::timeout(Duration::from_secs(11), lost.wait_for(|lost| *lost)).await.unwrap().unwrap();
    drop(first);
    assert_eq!(status(&path).unwrap().unwrap().holder.user, "bob");
}

#[tokio::test]
async fn what_is_no_lease_is_not_taken_for_a_free_lock() {
    let (_folder, path) = place();
    std::fs::write(&path, "{").unwrap();
    assert!(matches!(take(&path, someone("ann"), &clock()).await, Err(LockError::Unreadable { .. })));
    assert_eq!(break_lock(&path).unwrap(), None);
    assert!(!path.exists());
}

#[test]
fn of_many_threads_exactly_one_wins() {
    let (_folder, path) = place();
    let barrier = std::sync::Barrier::new(8);
    let winners: usize = std::thread::scope(|scope| {
        let contend = || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
            barrier.wait();
            let lock = runtime.block_on(async { take(&path, someone("ann"), &clock()).await });
            // Nobody gives it back before everybody has tried.
            barrier.wait();
            usize::from(lock.is_ok())
        };
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(contend)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(winners, 1);
}

/// Started by the next test as a process of its own.
#[tokio::test]
#[ignore = "a helper of `of_many_processes_one_wins_and_a_killed_one_loses`"]
async fn contender() {
    let Some(path) = std::env::var_os("REFARCH_TEST_LOCK") else { return };
    let request = LockRequest { operator: Operator::current(), ..someone("ann") };
    let lock = take(Path::new(&path), request, &(Arc::new(SystemClock) as Arc<dyn Clock>)).await;
    eprintln!("{}", if lock.is_ok() { "won" } else { "lost" });
    // Holds on until its parent closes the pipe.
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink()).unwrap();
}

#[tokio::test]
async fn of_many_processes_one_wins_and_a_killed_one_loses() {
    let (_folder, path) = place();
    let contender = || -> (Child, BufReader<std::process::ChildStderr>) {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "lock::tests::contender", "--nocapture"])
            .env("REFARCH_TEST_LOCK", &path)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        (child, stderr)
    };
    let mut children: Vec<_> = (0..4).map(|_| contender()).collect();
    let mut winners = Vec::new();
    for (i, (_, stderr)) in children.iter_mut().enumerate() {
        let answer = stderr.lines().map(|line| line.unwrap()).find(|line| line == "won" || line == "lost").unwrap();
        winners.extend((answer == "won").then_some(i));
    }
    assert_eq!(winners.len(), 1);

    let own = LockRequest { operator: Operator::current(), ..someone("me") };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    assert!(take(&path, own.clone(), &clock).await.is_err(), "the winner lives");
    let (mut winner, _) = children.swap_remove(winners[0]);
    winner.kill().unwrap();
    winner.wait().unwrap();
    take(&path, own, &clock).await.expect("a process that is gone holds nothing, heartbeat or not");
    for (mut child, _) in children {
        child.stdin.take().unwrap().flush().unwrap();
        child.wait().unwrap();
    }
}
