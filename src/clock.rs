//! Where the time of day comes from, so that tests can hold it still.

use jiff::Timestamp;

/// The time of day.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;
}

/// This machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// A clock for tests: starts at a given moment and follows tokio's time, which a test can pause.
#[cfg(test)]
#[derive(Debug, Clone, Copy)]
pub struct TestClock {
    start: Timestamp,
    since: tokio::time::Instant,
}

#[cfg(test)]
impl TestClock {
    /// Shows `time`, for example `2026-11-23T23:41:00Z`, now.
    pub fn at(time: &str) -> Self {
        Self { start: time.parse().expect("a timestamp"), since: tokio::time::Instant::now() }
    }
}

#[cfg(test)]
impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        self.start.checked_add(self.since.elapsed()).expect("tests do not run for millennia")
    }
}
