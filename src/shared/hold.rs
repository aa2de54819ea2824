//! The lock of a shared workspace: taking it, keeping it, giving it back.
//!
//! Whoever adds the next entry to the log has the lock; whoever held it until then finds that entry in its way and can
//! write nothing more. No clock is compared with another one: that a holder is gone is told by an entry that stays the
//! newest for as long as a lease lives, by the clock of whoever watches.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex as Slot, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Mutex, watch},
    task::JoinHandle,
    time::{self, Instant},
};

use super::{
    Entry, SharedError, SharedLease,
    chain::{Added, Chain},
    entry::{FORMAT, Kind},
};
use crate::{
    clock::Clock,
    lock::{Lease, LockError, LockRequest},
    operator,
};

/// A lease that shows no life for as long is nobody's.
pub(super) const EXPIRES_AFTER: Duration = Duration::from_secs(30);
/// Its holder gives up before others may take it.
const GIVE_UP_AFTER: Duration = Duration::from_secs(25);
const HEARTBEAT: Duration = Duration::from_secs(10);
/// After a heartbeat that could not be written.
const AGAIN: Duration = Duration::from_secs(2);
/// Between two looks at a lock that somebody else holds.
const LOOK: Duration = Duration::from_secs(1);
/// What nobody needs any more stays for as long: somebody may be reading it.
const LINGER: Duration = Duration::from_secs(30);
/// Ends of others' turns that are kept: a holder that slept through as many would not notice.
const FENCES: usize = 200;

/// What an environment is known by, and who may read its state.
#[derive(Debug, Clone)]
pub(super) struct Marks {
    pub origin: BTreeMap<String, String>,
    pub recipients: Vec<String>,
}

/// The lock, held.
pub(super) struct Hold {
    chain: Chain,
    clock: Arc<dyn Clock>,
    lease: SharedLease,
    marks: Marks,
    head: Mutex<Entry>,
    /// When the last write that succeeded began.
    written: Slot<Instant>,
    lost: watch::Sender<bool>,
    heart: Slot<Option<JoinHandle<()>>>,
    garbage: Slot<Vec<(Instant, Garbage)>>,
}

/// What nobody needs any more.
#[derive(Debug, Clone)]
pub(super) enum Garbage {
    Entry(u64),
    Object(String),
}

/// What a hold is made with.
pub(super) struct Asking<'a> {
    pub chain: &'a Chain,
    pub clock: Arc<dyn Clock>,
    pub request: LockRequest,
    pub marks: Marks,
    /// Refuses what must not be taken over.
    pub fits: &'a (dyn Fn(&Entry) -> Result<(), SharedError> + Sync),
    /// Hears why it takes long.
    pub waiting: &'a (dyn Fn(&Lease) + Sync),
}

impl Asking<'_> {
    /// Takes the lock, if nobody has it or its holder is gone.
    ///
    /// # Errors
    /// [`LockError::Held`] when somebody else has it all the time; when the store does not answer.
    pub async fn take(self) -> Result<Arc<Hold>, SharedError> {
        let patience = self.request.wait.map(|wait| Instant::now() + wait);
        let mut watched: Option<(u64, Instant)> = None;
        let mut told = false;
        loop {
            let head = self.chain.head().await?;
            if let Some(entry) = &head {
                (self.fits)(entry)?;
            }
            if let Some(entry) = &head
                && let Some(lease) = entry.lease.as_ref().filter(|lease| !lease.is_gone())
            {
                let now = Instant::now();
                let seen = watched.filter(|(number, _)| *number == entry.number);
                if seen.is_none_or(|(_, since)| now - since < EXPIRES_AFTER) {
                    // Nothing but the look of it: a holder whose clock is behind is watched in vain, no more.
                    let looks_gone = self.clock.now().duration_since(entry.at).unsigned_abs() > EXPIRES_AFTER;
                    let hope = seen.is_some() || watched.is_none() && looks_gone;
                    if !hope && patience.is_none_or(|patience| now >= patience) {
                        return Err(LockError::Held(Box::new(lease.lease.clone())).into());
                    }
                    if !std::mem::replace(&mut told, true) {
                        (self.waiting)(&lease.lease);
                    }
                    watched = Some(seen.unwrap_or((entry.number, now)));
                    time::sleep(LOOK).await;
                    continue;
                }
            }
            if let Some(hold) = self.try_take(head).await? {
                return Ok(hold);
            }
        }
    }

    /// Adds the entry that takes the lock; none where somebody else was faster.
    async fn try_take(&self, head: Option<Entry>) -> Result<Option<Arc<Hold>>, SharedError> {
        let begun = Instant::now();
        let before = head.as_ref().map(|head| (head.number, head.kind));
        let number = head.as_ref().map_or(0, |head| head.number) + 1;
        let now = self.clock.now();
        let lease = SharedLease {
            lease: Lease {
                holder: self.request.operator.clone(),
                command: self.request.command.clone(),
                run: self.request.run.clone(),
                since: now,
                heartbeat: now,
                token: random(),
            },
            taken: number,
            seat: operator::seat(),
        };
        let mut origin = head.as_ref().map(|head| head.origin.clone()).unwrap_or_default();
        origin.extend(self.marks.origin.clone());
        let entry = Entry {
            format: FORMAT,
            number,
            kind: Kind::Take,
            life: head.as_ref().map_or_else(random, |head| head.life.clone()),
            origin,
            at: now,
            nonce: random(),
            lease: Some(lease.clone()),
            state: head.as_ref().and_then(|head| head.state.clone()),
            recipients: head.map_or_else(|| self.marks.recipients.clone(), |head| head.recipients),
        };
        if let Added::Taken(_) = self.chain.add(&entry).await? {
            return Ok(None);
        }
        if number == 1 {
            self.chain.prove(&entry).await?;
        }
        // Between the look at the log and this entry the log may have gone on and been tidied, so that the number was
        // free again: then the lock is not this one's, and nobody has seen its entry.
        // The entry stays: it may be in the way of a holder that sleeps.
        if self.chain.head().await?.is_none_or(|head| head.nonce != entry.nonce) {
            return Ok(None);
        }
        let hold = Arc::new(Hold {
            chain: self.chain.clone(),
            clock: self.clock.clone(),
            lease,
            marks: self.marks.clone(),
            head: Mutex::new(entry),
            written: Slot::new(begun),
            lost: watch::channel(false).0,
            heart: Slot::new(None),
            garbage: Slot::default(),
        });
        if let Some(old) = before.filter(|(_, kind)| !kind.is_fence()) {
            hold.discard(Garbage::Entry(old.0));
        }
        let heart = tokio::spawn(beat(Arc::clone(&hold)));
        *slot(&hold.heart) = Some(heart);
        Ok(Some(hold))
    }
}

impl Hold {
    /// Becomes true when somebody took the lock away, or it could not be kept.
    pub fn lost(&self) -> watch::Receiver<bool> {
        self.lost.subscribe()
    }

    pub fn is_lost(&self) -> bool {
        *self.lost.borrow()
    }

    /// What the names of this turn's objects begin with.
    pub fn turn(&self) -> u64 {
        self.lease.taken
    }

    /// The newest entry, which is this holder's.
    pub async fn head(&self) -> Entry {
        self.head.lock().await.clone()
    }

    /// Writes that the holder is there, with another state where one is given. When this returns well, nobody else had
    /// the lock until now.
    ///
    /// # Errors
    /// [`SharedError::Lost`] when somebody else has it; when the store does not answer.
    pub async fn go_on(&self, state: Option<(String, Vec<String>)>) -> Result<(), SharedError> {
        let kind = if state.is_some() { Kind::Push } else { Kind::Beat };
        self.add(kind, state).await
    }

    /// Gives the lock back. One that was lost is not this holder's to give.
    ///
    /// # Errors
    /// When the store does not answer: others wait until the lease is over.
    pub async fn release(&self, sweep: impl AsyncFn(Garbage)) -> Result<(), SharedError> {
        self.stop();
        if self.is_lost() {
            return Ok(());
        }
        match self.add(Kind::Release, None).await {
            Err(SharedError::Lost { .. }) => return Ok(()),
            outcome => outcome?,
        }
        let garbage = std::mem::take(&mut *slot(&self.garbage));
        for (_, garbage) in garbage {
            sweep(garbage).await;
        }
        // What this writes over, and what is older than anybody's sleep. Nobody needs it gone.
        if let Ok(numbers) = self.chain.numbers().await {
            let head = self.head.lock().await.number;
            for number in numbers.iter().filter(|number| **number < head).rev().skip(FENCES) {
                let _ = self.chain.remove(*number).await;
            }
        }
        Ok(())
    }

    /// Ends the heartbeat.
    pub fn stop(&self) {
        if let Some(heart) = slot(&self.heart).take() {
            heart.abort();
        }
    }

    /// Keeps in mind what nobody needs any more.
    pub fn discard(&self, garbage: Garbage) {
        slot(&self.garbage).push((Instant::now(), garbage));
    }

    /// What can be removed by now.
    pub fn ripe(&self) -> Vec<Garbage> {
        let mut all = slot(&self.garbage);
        let (ripe, rest) = all.drain(..).partition(|(since, _)| since.elapsed() >= LINGER);
        *all = rest;
        ripe.into_iter().map(|(_, garbage): (Instant, Garbage)| garbage).collect()
    }

    async fn add(&self, kind: Kind, state: Option<(String, Vec<String>)>) -> Result<(), SharedError> {
        let mut head = self.head.lock().await;
        loop {
            if self.is_lost() {
                return Err(self.lost_to(None));
            }
            let begun = Instant::now();
            let now = self.clock.now();
            let mut lease = self.lease.clone();
            lease.lease.heartbeat = now;
            let (object, recipients) = state.clone().map_or_else(
                || (head.state.clone(), head.recipients.clone()),
                |(object, recipients)| (Some(object), recipients),
            );
            let mut origin = head.origin.clone();
            origin.extend(self.marks.origin.clone());
            let next = Entry {
                format: FORMAT,
                number: head.number + 1,
                kind,
                life: head.life.clone(),
                origin,
                at: now,
                nonce: random(),
                lease: (kind != Kind::Release).then_some(lease),
                state: object,
                recipients,
            };
            match self.chain.add(&next).await? {
                Added::Ours => {
                    let old = std::mem::replace(&mut *head, next);
                    *slot(&self.written) = begun;
                    if !old.kind.is_fence() {
                        self.discard(Garbage::Entry(old.number));
                    }
                    // An answer that took as long says nothing any more: others may have waited for the lease meanwhile.
                    if begun.elapsed() < GIVE_UP_AFTER {
                        return Ok(());
                    }
                }
                // This holder's own, of an attempt that was broken off.
                Added::Taken(found) if found.lease.as_ref().is_some_and(|lease| self.is_own(lease)) => *head = *found,
                Added::Taken(found) => {
                    self.lost.send_replace(true);
                    return Err(self.lost_to(found.lease.as_ref()));
                }
            }
        }
    }

    /// From here on nothing reaches the store.
    #[cfg(test)]
    pub fn cut_off(&self) {
        self.chain.cut_off();
    }

    fn is_own(&self, lease: &SharedLease) -> bool {
        lease.lease.token == self.lease.lease.token
    }

    fn lost_to(&self, lease: Option<&SharedLease>) -> SharedError {
        let by = lease.map(|lease| format!(", but of {}", lease.lease)).unwrap_or_default();
        SharedError::Lost { place: self.chain.place().to_owned(), by }
    }
}

/// Says every ten seconds that the holder is there, until the lock is not its own any more.
async fn beat(hold: Arc<Hold>) {
    loop {
        let written = *slot(&hold.written);
        time::sleep_until(written + HEARTBEAT).await;
        if *slot(&hold.written) != written {
            // Something else was written meanwhile, which says the same.
            continue;
        }
        let limit = written + GIVE_UP_AFTER;
        loop {
            match time::timeout_at(limit, hold.go_on(None)).await {
                Ok(Ok(())) => break,
                Ok(Err(SharedError::Lost { .. })) => return,
                Ok(Err(_)) if Instant::now() + AGAIN < limit => time::sleep(AGAIN).await,
                Ok(Err(_)) | Err(_) => {
                    hold.lost.send_replace(true);
                    return;
                }
            }
        }
        // A machine that slept may come back to a log that went on without it, and was tidied.
        if let Ok(Some(head)) = hold.chain.head().await
            && !head.lease.as_ref().is_some_and(|lease| hold.is_own(lease))
        {
            hold.lost.send_replace(true);
            return;
        }
    }
}

/// Takes the lock away from whoever holds it; returns who it was.
///
/// # Errors
/// When the store does not answer.
pub(super) async fn break_lock(chain: &Chain, clock: &dyn Clock) -> Result<Option<SharedLease>, SharedError> {
    loop {
        let Some(head) = chain.head().await? else { return Ok(None) };
        let Some(lease) = head.lease.clone() else { return Ok(None) };
        let entry =
            Entry { number: head.number + 1, kind: Kind::Break, at: clock.now(), nonce: random(), lease: None, ..head };
        if let Added::Ours = chain.add(&entry).await? {
            return Ok(Some(lease));
        }
    }
}

fn random() -> String {
    format!("{:032x}", rand::random::<u128>())
}

fn slot<T>(slot: &Slot<T>) -> std::sync::MutexGuard<'_, T> {
    slot.lock().unwrap_or_else(PoisonError::into_inner)
}
