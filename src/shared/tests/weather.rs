//! What a network does to calls, and what a machine does to a process: by chance, and the same again for the same seed.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use tokio::time::{self, Instant};

/// The weather between one machine and the store.
#[derive(Debug)]
pub struct Weather {
    random: Mutex<StdRng>,
    asleep: Mutex<Instant>,
    /// Of a thousand calls, those that never arrive, and those whose answer is lost.
    failing: AtomicU32,
    /// Of a thousand calls, those at which the whole machine falls asleep.
    sleepy: u32,
    /// Old stores write over what is there, whatever they are told.
    pub knows_no_conditions: bool,
}

impl Weather {
    pub fn new(seed: u64, failing: u32, sleepy: u32) -> Self {
        let random = Mutex::new(StdRng::seed_from_u64(seed));
        Self { random, asleep: Mutex::new(Instant::now()), failing: failing.into(), sleepy, knows_no_conditions: false }
    }

    /// Nothing arrives from now on.
    pub fn cut_off(&self) {
        self.failing.store(1000, Ordering::SeqCst);
    }

    /// Somewhere between machine and store, there or back; false where the call gets lost.
    pub async fn passes(&self) -> bool {
        let (delay, lost) = {
            let mut random = self.random.lock().unwrap();
            let lost = random.random_range(0..1000) < self.failing.load(Ordering::SeqCst);
            (Duration::from_millis(random.random_range(1..400)), lost)
        };
        time::sleep(delay).await;
        !lost
    }

    /// The machine may fall asleep at any call. Everything of it sleeps then: nothing goes on, no time is up.
    pub async fn sleeps(&self) {
        {
            let mut random = self.random.lock().unwrap();
            if random.random_range(0..1000) < self.sleepy {
                *self.asleep.lock().unwrap() = Instant::now() + Duration::from_secs(random.random_range(1..120));
            }
        }
        loop {
            let until = *self.asleep.lock().unwrap();
            if until <= Instant::now() {
                return;
            }
            time::sleep_until(until).await;
        }
    }
}
