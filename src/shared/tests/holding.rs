//! Many machines want the lock. Some sleep for a while, calls and answers get lost, clocks are wrong by hours.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use object_store::memory::InMemory;
use proptest::prelude::*;
use tokio::time::{self, Instant};

use super::Weather;
use crate::{
    clock::{Clock, TestClock},
    lock::{LockError, LockRequest},
    operator::Operator,
    shared::{
        SharedError, Store,
        chain::Chain,
        hold::{Asking, EXPIRES_AFTER, Garbage, Hold, Marks, break_lock},
    },
};

fn chain(objects: &Arc<InMemory>, weather: Option<Weather>) -> Chain {
    let objects: Arc<dyn object_store::ObjectStore> = objects.clone();
    let mut store = Store::new(objects, "", "demo", "memory".to_owned());
    store.weather = weather.map(Arc::new);
    Chain::new(Arc::new(store))
}

async fn take(
    chain: &Chain,
    clock: Arc<dyn Clock>,
    who: &str,
    wait: Option<Duration>,
) -> Result<Arc<Hold>, SharedError> {
    // A machine of its own: nobody else can tell whether its processes run.
    let operator = Operator { user: who.to_owned(), host: format!("{who}-laptop"), pid: 7, pid_started: Some(1) };
    let asking = Asking {
        chain,
        clock,
        request: LockRequest { operator, command: "apply demo".to_owned(), run: None, wait },
        marks: Marks { origin: BTreeMap::new(), recipients: vec!["age1x".to_owned()] },
        fits: &|_| Ok(()),
        waiting: &|_| (),
    };
    asking.take().await
}

fn clock() -> Arc<dyn Clock> {
    Arc::new(TestClock::at("2026-11-30T12:00:00Z"))
}

fn held_by(error: &SharedError) -> &str {
    match error {
        SharedError::Lock(LockError::Held(lease)) => &lease.holder.user,
        other => panic!("{other}"),
    }
}

const NO_END: Option<Duration> = Some(Duration::from_secs(3600));

#[tokio::test(start_paused = true)]
async fn who_has_it_keeps_it_and_who_gives_it_back_has_it_no_more() {
    let (objects, clock) = (Arc::new(InMemory::new()), clock());
    let chain = chain(&objects, None);
    let ann = take(&chain, clock.clone(), "ann", None).await.unwrap();
    time::sleep(Duration::from_secs(300)).await;
    let begun = Instant::now();
    assert_eq!(held_by(&take(&chain, clock.clone(), "bob", None).await.err().unwrap()), "ann");
    assert_eq!(begun.elapsed(), Duration::ZERO, "nobody asked to wait");
    ann.go_on(None).await.unwrap();
    ann.release(async |_| ()).await.unwrap();
    take(&chain, clock.clone(), "bob", None).await.unwrap().release(async |_| ()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_holder_that_is_gone_is_watched_for_as_long_as_a_lease_lives() {
    let (objects, clock) = (Arc::new(InMemory::new()), clock());
    let chain = chain(&objects, None);
    let ann = take(&chain, clock.clone(), "ann", None).await.unwrap();
    ann.stop();
    time::sleep(Duration::from_secs(60)).await;
    let begun = Instant::now();
    let bob = take(&chain, clock.clone(), "bob", None).await.unwrap();
    assert!(begun.elapsed() >= EXPIRES_AFTER, "it was watched for {:?}", begun.elapsed());
    // She was asleep, no more: she finds out with the next thing that she wants to write.
    assert!(matches!(ann.go_on(None).await, Err(SharedError::Lost { .. })));
    assert!(ann.is_lost() && !bob.is_lost());
    ann.release(async |_| ()).await.unwrap();
    bob.go_on(None).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_wrong_by_hours_takes_nothing_from_anybody() {
    let (objects, clock) = (Arc::new(InMemory::new()), clock());
    let chain = chain(&objects, None);
    let past: Arc<dyn Clock> = Arc::new(TestClock::at("2026-11-30T03:00:00Z"));
    let ann = take(&chain, past, "ann", None).await.unwrap();
    let begun = Instant::now();
    assert_eq!(held_by(&take(&chain, clock.clone(), "bob", None).await.err().unwrap()), "ann");
    assert!(begun.elapsed() < EXPIRES_AFTER, "her next beat told");
    ann.release(async |_| ()).await.unwrap();
    let future: Arc<dyn Clock> = Arc::new(TestClock::at("2026-12-01T03:00:00Z"));
    let eve = take(&chain, future, "eve", None).await.unwrap();
    assert_eq!(held_by(&take(&chain, clock.clone(), "bob", None).await.err().unwrap()), "eve");
    eve.stop();
    take(&chain, clock.clone(), "bob", None).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_lock_that_is_broken_is_lost_within_a_heartbeat() {
    let (objects, clock) = (Arc::new(InMemory::new()), clock());
    let chain = chain(&objects, None);
    let ann = take(&chain, clock.clone(), "ann", None).await.unwrap();
    let mut lost = ann.lost();
    assert_eq!(break_lock(&chain, clock.as_ref()).await.unwrap().unwrap().lease.holder.user, "ann");
    let begun = Instant::now();
    lost.wait_for(|lost| *lost).await.unwrap();
    assert!(begun.elapsed() <= Duration::from_secs(11));
    assert!(break_lock(&chain, clock.as_ref()).await.unwrap().is_none());
    take(&chain, clock.clone(), "bob", None).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_holder_without_a_network_gives_up_before_others_take_over() {
    let objects = Arc::new(InMemory::new());
    let ann = take(&chain(&objects, Some(Weather::new(1, 0, 0))), clock(), "ann", None).await.unwrap();
    let begun = Instant::now();
    ann.cut_off();
    ann.lost().wait_for(|lost| *lost).await.unwrap();
    assert!(begun.elapsed() < EXPIRES_AFTER, "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_store_without_conditional_writes_is_refused() {
    let objects = Arc::new(InMemory::new());
    let mut old = Weather::new(1, 0, 0);
    old.knows_no_conditions = true;
    let chain = chain(&objects, Some(old));
    assert!(matches!(take(&chain, clock(), "ann", None).await, Err(SharedError::NoConditions { .. })));
    assert!(chain.numbers().await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_log_stays_short_however_long_a_run_takes() {
    let objects = Arc::new(InMemory::new());
    let chain = chain(&objects, None);
    for turn in 0..3 {
        let hold = take(&chain, clock(), "ann", None).await.unwrap();
        for _ in 0..50 {
            hold.go_on(Some((format!("state-{turn}"), vec![]))).await.unwrap();
        }
        hold.release(async |garbage| tidy(&chain, garbage).await).await.unwrap();
    }
    // Where each turn began, and the newest.
    let kept = chain.numbers().await.unwrap();
    assert!(kept.len() <= 5, "{kept:?}");
    assert_eq!(chain.head().await.unwrap().unwrap().state.as_deref(), Some("state-2"));
}

/// What a machine did, in the order of time: its turn with the lock.
type Acts = Arc<Mutex<Vec<u64>>>;

/// Wants the lock, acts a few times, gives it back or is killed; all over again.
///
/// Where time stands still while a machine sleeps, nothing tells its holder that the lease is over: only the log does.
async fn work(chain: Chain, clock: Arc<dyn Clock>, who: String, stands_still: bool, dies: bool, acts: Acts) {
    for _ in 0..3 {
        let hold = match take(&chain, clock.clone(), &who, NO_END).await {
            Ok(hold) => hold,
            Err(_) => {
                time::sleep(Duration::from_secs(5)).await;
                continue;
            }
        };
        if stands_still {
            hold.stop();
        }
        for _ in 0..4 {
            time::sleep(Duration::from_secs(3)).await;
            for garbage in hold.ripe() {
                tidy(&chain, garbage).await;
            }
            match hold.go_on(None).await {
                Ok(()) => acts.lock().unwrap().push(hold.turn()),
                Err(SharedError::Lost { .. }) => break,
                Err(_) => {}
            }
        }
        if dies {
            hold.stop();
            return;
        }
        let _ = hold.release(async |garbage| tidy(&chain, garbage).await).await;
    }
}

async fn tidy(chain: &Chain, garbage: Garbage) {
    if let Garbage::Entry(number) = garbage {
        let _ = chain.remove(number).await;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// Whoever acts, nobody acted before with a later turn: a turn that ended never acts again.
    #[test]
    fn two_never_act_in_turns_that_overlap(
        seed in any::<u64>(),
        machines in 2_usize..6,
        failing in 0_u32..80,
        sleepy in 0_u32..100,
        skew in -20_i64..20,
        dying in 0_usize..3,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let acts: Acts = Acts::default();
        let left = tokio::task::LocalSet::new().block_on(&runtime, async {
            let objects = Arc::new(InMemory::new());
            let working: Vec<_> = (0..machines)
                .map(|number| {
                    let index = i64::try_from(number).unwrap();
                    let hour = 12 + skew * index % 10;
                    let clock: Arc<dyn Clock> = Arc::new(TestClock::at(&format!("2026-11-30T{:02}:00:00Z", hour.rem_euclid(24))));
                    let weather = Weather::new(seed.wrapping_add(number as u64), failing, sleepy);
                    let chain = chain(&objects, Some(weather));
                    tokio::task::spawn_local(work(chain, clock, format!("m{number}"), number % 2 == 1, number < dying, acts.clone()))
                })
                .collect();
            for one in working {
                one.await.unwrap();
            }
            // Whatever happened, the lock can be had.
            take(&chain(&objects, None), clock(), "last", NO_END).await.map(|hold| hold.turn())
        });
        let acts = acts.lock().unwrap().clone();
        prop_assert!(acts.windows(2).all(|pair| pair[0] <= pair[1]), "{acts:?}");
        prop_assert!(left.is_ok_and(|turn| acts.iter().all(|act| *act < turn)));
    }
}
