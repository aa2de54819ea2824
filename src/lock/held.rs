//! Taking the lock, keeping it, giving it back.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tokio::{sync::watch, task::JoinHandle, time};

use super::{
    Lease, LockError,
    lease::{EXPIRES_AFTER, exclusively, remove, status, write},
};
use crate::{clock::Clock, operator::Operator};

const HEARTBEAT: Duration = Duration::from_secs(10);
/// Between two looks at a lock that somebody else holds.
const LOOK: Duration = Duration::from_millis(500);

/// Who asks for the lock, for what, and with how much patience.
#[derive(Debug, Clone)]
pub struct LockRequest {
    /// Who.
    pub operator: Operator,
    /// For what, in words: `apply demo`. Never the argument list: it may hold secrets.
    pub command: String,
    /// Run that it is for.
    pub run: Option<String>,
    /// How long to wait for another holder; none: not at all.
    pub wait: Option<Duration>,
}

/// The lock, held. Dropping it gives it back.
#[derive(Debug)]
pub struct Lock {
    path: PathBuf,
    token: String,
    lost: watch::Receiver<bool>,
    pub(super) heart: JoinHandle<()>,
}

impl Lock {
    /// Takes the lock, if nobody has it or its holder is gone. `waiting` is called once with the present lease when
    /// the lock is not free and there is patience to wait. Needs a tokio runtime for the heartbeat.
    ///
    /// # Errors
    /// [`LockError::Held`] when somebody else has it all the time.
    pub async fn acquire(
        path: &Path,
        request: LockRequest,
        clock: Arc<dyn Clock>,
        waiting: impl FnOnce(&Lease),
    ) -> Result<Self, LockError> {
        let deadline = request.wait.map(|wait| time::Instant::now() + wait);
        let mut waiting = Some(waiting);
        let token = format!("{:032x}", rand::random::<u128>());
        loop {
            let held = match take(path, &request, &token, clock.as_ref()) {
                Ok(()) => return Ok(Self::keep(path.to_owned(), token, clock)),
                Err(LockError::Held(held)) => held,
                Err(error) => return Err(error),
            };
            if deadline.is_none_or(|deadline| time::Instant::now() >= deadline) {
                return Err(LockError::Held(held));
            }
            if let Some(waiting) = waiting.take() {
                waiting(&held);
            }
            // Another machine may hold it: there is nothing to be awaited but time.
            time::sleep(LOOK).await;
        }
    }

    /// Becomes true when somebody took the lock away, or it could not be kept: then the work must stop.
    #[must_use]
    pub fn lost(&self) -> watch::Receiver<bool> {
        self.lost.clone()
    }

    /// Gives the lock back.
    ///
    /// # Errors
    /// When the lease cannot be removed.
    pub fn release(self) -> Result<(), LockError> {
        self.give_back()
    }

    fn keep(path: PathBuf, token: String, clock: Arc<dyn Clock>) -> Self {
        let (sender, lost) = watch::channel(false);
        let heart = tokio::spawn(beat(path.clone(), token.clone(), clock, sender));
        Self { path, token, lost, heart }
    }

    fn give_back(&self) -> Result<(), LockError> {
        self.heart.abort();
        // A folder that is gone took the lease with it.
        if !self.path.exists() {
            return Ok(());
        }
        exclusively(&self.path, || match status(&self.path)? {
            Some(lease) if lease.token == self.token => remove(&self.path),
            _ => Ok(()),
        })
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // There is nobody to tell; a lease that stays expires by itself.
        let _ = self.give_back();
    }
}

fn take(path: &Path, request: &LockRequest, token: &str, clock: &dyn Clock) -> Result<(), LockError> {
    exclusively(path, || {
        let now = clock.now();
        match status(path)? {
            Some(lease) if !lease.is_expired(now) => Err(LockError::Held(Box::new(lease))),
            _ => write(
                path,
                &Lease {
                    holder: request.operator.clone(),
                    command: request.command.clone(),
                    run: request.run.clone(),
                    since: now,
                    heartbeat: now,
                    token: token.to_owned(),
                },
            ),
        }
    })
}

/// Says every ten seconds that the holder is there, until the lease is not its own any more.
async fn beat(path: PathBuf, token: String, clock: Arc<dyn Clock>, lost: watch::Sender<bool>) {
    let mut ticks = time::interval_at(time::Instant::now() + HEARTBEAT, HEARTBEAT);
    ticks.set_missed_tick_behavior(time::MissedTickBehavior::Delay);
    let mut last = time::Instant::now();
    loop {
        ticks.tick().await;
        let renewed = exclusively(&path, || match status(&path)? {
            Some(lease) if lease.token == token => {
                write(&path, &Lease { heartbeat: clock.now(), ..lease })?;
                Ok(true)
            }
            _ => Ok(false),
        });
        match renewed {
            Ok(true) => last = time::Instant::now(),
            // A full disk may have room again soon, but a lease that others see as expired is lost.
            Err(_) if last.elapsed() < EXPIRES_AFTER => {}
            Ok(false) | Err(_) => {
                lost.send_replace(true);
                return;
            }
        }
    }
}
