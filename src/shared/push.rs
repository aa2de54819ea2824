//! Sending what changed. The state is replaced as a whole by one entry of the log, which only the holder of the lock can
//! add: objects are written under names of their own first, so that readers see the old state or the new one.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::atomic::Ordering,
    time::Duration,
};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use tokio::time::Instant;

use super::{
    Entry, Shared, SharedError,
    copy::{self, Base, Copy},
    entry::{State, Stored},
    hold::{Garbage, Hold},
    team::AT_ONCE,
};
use crate::secrets::Seal;

pub(super) const OBJECTS: &str = "objects";
/// Output that grows with every line is sent as often, and at the end.
const OUTPUT_EVERY: Duration = Duration::from_secs(20);

/// What the store is known to have.
#[derive(Debug, Default)]
pub(super) struct Known {
    state: State,
    object: Option<String>,
    pub(super) recipients: Vec<String>,
    /// Tickets that are covered by what was sent.
    covered: u64,
    /// When output was sent last.
    output: Option<Instant>,
}

impl Known {
    pub fn of(state: State, head: &Entry) -> Self {
        Self {
            state,
            object: head.state.clone(),
            recipients: if head.state.is_some() { head.recipients.clone() } else { Vec::new() },
            covered: 0,
            output: None,
        }
    }
}

impl Shared {
    /// Waits until everything that was written into the working copy before this call is in the store, and the lock was
    /// this process's until then: then what was written down may be done. Calls at the same time share one sending.
    ///
    /// # Errors
    /// [`SharedError::Lost`] when somebody else has the lock; when the store does not answer.
    pub async fn settle(&self) -> Result<(), SharedError> {
        let ticket = self.ticket();
        let lost = || SharedError::Lost { place: self.place().to_owned(), by: String::new() };
        if self.held().ok_or_else(lost)?.is_lost() {
            return Err(lost());
        }
        if self.known.lock().await.covered >= ticket {
            return Ok(());
        }
        self.push_for(Some(ticket), false).await.map(|_| ())
    }

    /// Sends what changed; `everything`: also output that grows. Returns the files that were sent or removed.
    pub(super) async fn push(&self, everything: bool) -> Result<Vec<String>, SharedError> {
        self.push_for(None, everything).await
    }

    async fn push_for(&self, ticket: Option<u64>, everything: bool) -> Result<Vec<String>, SharedError> {
        let mut copy = self.copy.lock().await;
        let mut known = self.known.lock().await;
        if ticket.is_some_and(|ticket| known.covered >= ticket) {
            return Ok(Vec::new());
        }
        let hold =
            self.held().ok_or_else(|| SharedError::Lost { place: self.place().to_owned(), by: String::new() })?;
        let upto = self.tickets.load(Ordering::SeqCst);
        let seal = self.seal(&known.recipients, true)?;
        let for_others = known.object.is_some() && seal.recipients() != known.recipients;

        let output_due = everything || known.output.is_none_or(|at| at.elapsed() >= OUTPUT_EVERY);
        let here = copy.scan()?;
        let mut next = known.state.clone();
        next.files.retain(|path, _| here.contains_key(path));
        let removed = known.state.files.keys().filter(|path| !here.contains_key(*path)).cloned();
        let mut moved: Vec<String> = removed.collect();
        let changed: Vec<String> = here
            .iter()
            .filter(|(path, hash)| {
                let same = known.state.files.get(*path).is_some_and(|stored| stored.sha256 == **hash);
                for_others || !same && (output_due || !is_output(path))
            })
            .map(|(path, _)| path.clone())
            .collect();
        let sending =
            stream::iter(changed).map(|path| self.send_file(&hold, &seal, &copy, path)).buffer_unordered(AT_ONCE);
        let sent: Vec<_> = sending.try_collect().await?;
        let sent: BTreeMap<String, Stored> = sent.into_iter().flatten().collect();
        moved.extend(sent.keys().cloned());
        if moved.is_empty() && known.object.is_some() && !for_others {
            if ticket.is_some() {
                hold.go_on(None).await?;
            }
            known.covered = upto;
            return Ok(Vec::new());
        }
        if moved.is_empty() && known.object.is_none() && ticket.is_none() {
            return Ok(Vec::new());
        }
        next.files.extend(sent);
        let plain = serde_json::to_vec(&next)
            .map_err(|error| crate::workspace::failed("cannot write", self.options.workspace.root())(error.into()))?;
        let object = self.send(&hold, &seal, &plain).await?.object;
        hold.go_on(Some((object.clone(), seal.recipients()))).await?;

        // From here on the store has it, and nobody needs what was there before.
        let kept: BTreeSet<&str> = next.files.values().map(|stored| stored.object.as_str()).collect();
        let before = known.state.files.values().map(|stored| &stored.object).chain(&known.object);
        for old in before.filter(|old| !kept.contains(old.as_str())) {
            hold.discard(Garbage::Object(old.clone()));
        }
        let life = hold.head().await.life;
        let files = next.files.iter().map(|(path, stored)| (path.clone(), stored.sha256.clone())).collect();
        let base = Base {
            place: self.place().to_owned(),
            life,
            state: Some(object.clone()),
            files,
            at: self.options.clock.now(),
        };
        base.write(self.options.workspace.root())?;
        let output = if output_due { Some(Instant::now()) } else { known.output };
        *known = Known { state: next, object: Some(object), recipients: seal.recipients(), covered: upto, output };
        drop((known, copy));
        for garbage in hold.ripe() {
            self.throw_away(&garbage).await;
        }
        Ok(moved)
    }

    /// None where the file went meanwhile.
    async fn send_file(
        &self,
        hold: &Hold,
        seal: &Seal,
        copy: &Copy,
        path: String,
    ) -> Result<Option<(String, Stored)>, SharedError> {
        let Some(content) = copy.read(&path)? else { return Ok(None) };
        Ok(Some((path, self.send(hold, seal, &content).await?)))
    }

    /// Encrypts and writes content under a name that nothing else has.
    async fn send(&self, hold: &Hold, seal: &Seal, content: &[u8]) -> Result<Stored, SharedError> {
        let sealed = seal.close(content)?;
        // The turn is in the name: whoever tidies up knows what cannot be of a later one.
        let object = format!("{:012}-{}", hold.turn(), &copy::hash(&sealed)[..32]);
        self.store.write(&format!("{OBJECTS}/{object}"), sealed).await?;
        Ok(Stored { object, sha256: copy::hash(content) })
    }

    /// Removes objects of this turn and earlier ones that no state names: of processes that were killed.
    pub(super) async fn sweep(&self, hold: &Hold) {
        let known = self.known.lock().await;
        let named: BTreeSet<&str> =
            known.state.files.values().map(|stored| stored.object.as_str()).chain(known.object.as_deref()).collect();
        let Ok(found) = self.store.list(OBJECTS).await else { return };
        let of_a_turn_gone = |name: &String| {
            let turn = name.split_once('-').and_then(|(turn, _)| turn.parse::<u64>().ok());
            turn.is_some_and(|turn| turn <= hold.turn())
        };
        let orphans: Vec<String> =
            found.into_iter().filter(|name| !named.contains(name.as_str()) && of_a_turn_gone(name)).collect();
        stream::iter(orphans)
            .for_each_concurrent(AT_ONCE, |name| async move { self.throw_away(&Garbage::Object(name)).await })
            .await;
    }
}

/// What grows with every line, and is not needed to go on.
fn is_output(path: &str) -> bool {
    path.ends_with("/output.log")
}
