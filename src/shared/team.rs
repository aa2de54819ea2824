//! A working copy and the place that it is a copy of.

use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions},
    os::unix::fs::OpenOptionsExt as _,
    path::PathBuf,
    sync::{
        Arc, Mutex as Slot, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use tokio::sync::{Mutex, watch};
use zeroize::Zeroizing;

use super::{
    Entry, SharedError, SharedLease, Store,
    chain::Chain,
    copy::{ASIDE, Base, Copy, is_safe},
    entry::{State, Stored},
    hold::{self, Asking, EXPIRES_AFTER, Garbage, Hold, Marks},
    merge::{Merge, is_learned, merge},
    push::Known,
};
use crate::{
    clock::Clock,
    lock::{self, Lease, LockRequest},
    operator::Operator,
    secrets::{IdentitySource, Recipients, Seal},
    workspace::{Workspace, failed, make_private_folder},
};

/// Objects that are read or written at a time.
pub(super) const AT_ONCE: usize = 16;
/// Times that a state is read which changes meanwhile.
const TRIES: usize = 6;

/// What a shared workspace is opened with.
pub struct SharedOptions {
    /// Working copy.
    pub workspace: Workspace,
    /// Name of the environment.
    pub environment: String,
    /// What tells the environment from another one of its name.
    pub origin: BTreeMap<String, String>,
    /// Opens and encrypts the state.
    pub identity: IdentitySource,
    /// Who may open it; none: those who can already.
    pub recipients: Option<Recipients>,
    /// The time of day.
    pub clock: Arc<dyn Clock>,
}

/// A shared workspace.
pub struct Shared {
    pub(super) store: Arc<Store>,
    pub(super) chain: Chain,
    pub(super) options: SharedOptions,
    pub(super) copy: Mutex<Copy>,
    pub(super) known: Mutex<Known>,
    pub(super) tickets: AtomicU64,
    seal: Slot<Option<Arc<Seal>>>,
    hold: Slot<Option<Arc<Hold>>>,
    head: Slot<Option<Entry>>,
    notes: Slot<Vec<String>>,
}

/// The lock of all machines was taken.
pub struct Taken {
    /// Becomes true when somebody takes it away, or it cannot be kept.
    pub lost: watch::Receiver<bool>,
    /// The state was encrypted for others than the environment file names now.
    pub has_other_readers: bool,
}

/// How much the newest state is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// The state is not asked for: the lock alone is.
    Unneeded,
    /// Nothing is done without it.
    Needed,
    /// Where nobody can be asked, this machine's copy will do.
    Wanted,
}

impl Shared {
    /// A shared workspace in this store. Asks nobody yet.
    #[must_use]
    pub fn new(store: Store, options: SharedOptions) -> Self {
        let store = Arc::new(store);
        Self {
            chain: Chain::new(Arc::clone(&store)),
            copy: Mutex::new(Copy::new(options.workspace.root())),
            known: Mutex::default(),
            tickets: AtomicU64::new(0),
            seal: Slot::default(),
            hold: Slot::default(),
            head: Slot::default(),
            notes: Slot::default(),
            store,
            options,
        }
    }

    /// The place, as people call it.
    #[must_use]
    pub fn place(&self) -> &str {
        self.store.place()
    }

    /// What people should know of what was done, since this was asked last.
    pub fn take_notes(&self) -> Vec<String> {
        std::mem::take(&mut *slot(&self.notes))
    }

    /// Who had the lock when the store was looked at last, while that looks alive by this machine's clock: for people only.
    #[must_use]
    pub fn seen_at_work(&self) -> Option<SharedLease> {
        let head = slot(&self.head);
        let head = head.as_ref()?;
        let old = self.options.clock.now().duration_since(head.at).unsigned_abs() > EXPIRES_AFTER;
        head.lease.clone().filter(|lease| !old && !lease.is_gone())
    }

    /// Who has the lock now.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn holder(&self) -> Result<Option<SharedLease>, SharedError> {
        Ok(self.chain.head().await?.and_then(|head| head.lease))
    }

    /// Takes the lock away from whoever has it.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn break_lock(&self) -> Result<Option<SharedLease>, SharedError> {
        hold::break_lock(&self.chain, self.options.clock.as_ref()).await
    }

    /// Brings the working copy to the store's newest state. Leaves it alone while another process of this machine works
    /// on it: it is newer than the store then.
    ///
    /// # Errors
    /// When the store does not answer, or what is here and there does not belong together.
    pub async fn pull(&self, freshness: Freshness) -> Result<(), SharedError> {
        if freshness == Freshness::Unneeded {
            return Ok(());
        }
        match self.pull_now().await {
            Err(error) if freshness == Freshness::Wanted && error.is_unreachable() => {
                let Some(note) = known_here(&self.options.workspace, &error) else { return Err(error) };
                self.note(note);
                Ok(())
            }
            outcome => outcome,
        }
    }

    async fn pull_now(&self) -> Result<(), SharedError> {
        let root = self.options.workspace.root().to_owned();
        let head = self.chain.head().await?;
        *slot(&self.head) = head.clone();
        let Some(head) = head else { return self.nothing_there() };
        self.fits(&head)?;
        if head.state.is_none() && !root.exists() {
            return Ok(());
        }
        self.options.workspace.create()?;
        let _guard = self.guard().await?;
        if self.is_busy_here()? {
            return Ok(());
        }
        let mut head = head;
        for _ in 0..TRIES {
            match self.bring(&head).await {
                // Its holder went on while this was read, and removed what it did not need any more.
                Err(SharedError::Damaged { .. }) if self.chain.head().await?.is_some_and(|now| now != head) => {
                    head = self.chain.head().await?.unwrap_or(head);
                }
                outcome => return outcome,
            }
        }
        Err(SharedError::Unreachable {
            place: self.place().to_owned(),
            doing: "read the state".to_owned(),
            reason: "it changes faster than it can be read".to_owned(),
        })
    }

    /// The store has nothing of this environment.
    fn nothing_there(&self) -> Result<(), SharedError> {
        let root = self.options.workspace.root();
        if let Some(base) = Base::read(root)? {
            let (place, copy) = (self.place(), root.display().to_string());
            let reason = match base.place == place {
                true => format!("is a copy of {place}, which has nothing of `{}` now", self.options.environment),
                false => format!("is a copy of {}, and not of {place}", base.place),
            };
            let hint = format!(
                "was it emptied, or is the address wrong? To move what is here to {place} all the same, remove \
                 {copy}/shared.json"
            );
            return Err(SharedError::OtherCopy { copy, reason, hint });
        }
        Ok(())
    }

    /// Whether the log is this environment's, and the working copy one of it.
    pub(super) fn fits(&self, head: &Entry) -> Result<(), SharedError> {
        let place = self.place().to_owned();
        let differs = |(key, own): (&String, &String)| {
            let there = head.origin.get(key).filter(|there| *there != own)?;
            Some(format!("{key} {there} there, {own} here"))
        };
        let differences: Vec<String> = self.options.origin.iter().filter_map(differs).collect();
        if !differences.is_empty() {
            let (environment, differences) = (self.options.environment.clone(), differences.join("; "));
            return Err(SharedError::OtherEnvironment { place, environment, differences });
        }
        let root = self.options.workspace.root();
        let copy = root.display().to_string();
        let hint = format!("put it aside and take the team's: mv {copy} {copy}.aside");
        let reason = match Base::read(root)? {
            Some(base) if base.place != place => format!("is a copy of {}, and not of {place}", base.place),
            Some(base) if base.life != head.life => {
                format!("is of an earlier life of {place}, which was emptied and begun anew since")
            }
            None if head.state.is_some() && Copy::new(root).scan()?.keys().any(|path| !is_learned(path)) => {
                format!("holds an environment of this machine, and {place} has one of the same name already")
            }
            _ => return Ok(()),
        };
        Err(SharedError::OtherCopy { copy, reason, hint })
    }

    /// Makes the working copy what the entry says.
    async fn bring(&self, head: &Entry) -> Result<(), SharedError> {
        let root = self.options.workspace.root();
        let base = Base::read(root)?;
        let is_new = base.is_none();
        let mut copy = self.copy.lock().await;
        let state = self.state(head).await?;
        let there: BTreeMap<String, String> =
            state.files.iter().map(|(path, stored)| (path.clone(), stored.sha256.clone())).collect();
        let here = copy.scan()?;
        let merge = merge(&base.map(|base| base.files).unwrap_or_default(), &here, &there);
        if !merge.diverged.is_empty() {
            let paths = merge.diverged.iter().cloned().collect::<Vec<_>>().join(", ");
            let (place, copy) = (self.place().to_owned(), root.display().to_string());
            return Err(SharedError::Diverged { place, copy, paths });
        }
        // All of it is read before anything is written: half a state is none.
        let wanted: Vec<(String, Stored)> =
            merge.take.iter().map(|path| (path.clone(), state.files[path].clone())).collect();
        let seal = self.seal(&head.recipients, false)?;
        let fetch = stream::iter(wanted).map(|(path, stored)| self.fetch(&seal, path, stored));
        let fetch = fetch.buffer_unordered(AT_ONCE);
        let read: Vec<_> = fetch.try_collect().await?;
        let (place, life, at) = (self.place().to_owned(), head.life.clone(), self.options.clock.now());
        if is_new {
            // Killed in the middle, it must be known whose files these are.
            let (place, life) = (place.clone(), life.clone());
            Base { place, life, state: None, files: BTreeMap::new(), at }.write(root)?;
        }
        self.put_aside(&copy, &merge)?;
        for (path, content) in read {
            copy.write(&path, &content)?;
        }
        for path in &merge.remove {
            copy.remove(path)?;
        }
        Base { place, life, state: head.state.clone(), files: there, at }.write(root)?;
        *self.known.lock().await = Known::of(state, head);
        Ok(())
    }

    fn put_aside(&self, copy: &Copy, merge: &Merge) -> Result<(), SharedError> {
        if merge.aside.is_empty() {
            return Ok(());
        }
        let now = self.options.clock.now().strftime("%Y%m%d-%H%M%S").to_string();
        for path in &merge.aside {
            if let Some(content) = copy.read(path)? {
                copy.write(&format!("{ASIDE}/{now}/{path}"), &content)?;
            }
        }
        let folder = self.options.workspace.root().join(ASIDE).join(now);
        self.note(format!(
            "{} of this machine's copy never reached {}, and others went on since: kept in {}, the team's are used",
            merge.aside.iter().cloned().collect::<Vec<_>>().join(", "),
            self.place(),
            folder.display()
        ));
        Ok(())
    }

    /// The state that an entry names.
    async fn state(&self, head: &Entry) -> Result<State, SharedError> {
        let Some(object) = &head.state else { return Ok(State::default()) };
        let seal = self.seal(&head.recipients, false)?;
        let sealed = self.object(object).await?;
        let plain = seal.open(object, &sealed).map_err(|error| match self.options.identity.known_key() {
            Ok(Some(own)) if head.recipients.contains(&own) => self.damaged(object, &error),
            _ => self.not_for_you(&head.recipients),
        })?;
        let state: State = serde_json::from_slice(&plain).map_err(|error| self.damaged(object, &error))?;
        match state.files.keys().find(|path| !is_safe(path)) {
            Some(path) => Err(self.damaged(object, &format!("`{path}` is no file of a workspace"))),
            None => Ok(state),
        }
    }

    async fn fetch(
        &self,
        seal: &Seal,
        path: String,
        stored: Stored,
    ) -> Result<(String, Zeroizing<Vec<u8>>), SharedError> {
        let sealed = self.object(&stored.object).await?;
        let plain = seal.open(&stored.object, &sealed)?;
        match super::copy::hash(&plain) == stored.sha256 {
            true => Ok((path, plain)),
            false => Err(self.damaged(&stored.object, &format!("it is not the content of {path}"))),
        }
    }

    async fn object(&self, name: &str) -> Result<Vec<u8>, SharedError> {
        let path = format!("{}/{name}", super::push::OBJECTS);
        self.store.read_large(&path).await?.ok_or_else(|| self.damaged(name, &"it is not there"))
    }

    /// What encrypts and opens: for the recipients of the environment file, else for those who can open the state already.
    pub(super) fn seal(&self, recipients: &[String], may_make: bool) -> Result<Arc<Seal>, SharedError> {
        let wanted = match &self.options.recipients {
            Some(recipients) => recipients.clone(),
            None => Recipients::new(recipients)?,
        };
        let mut seal = slot(&self.seal);
        if let Some(seal) = seal.as_ref().filter(|seal| seal.recipients() == wanted.keys()) {
            return Ok(Arc::clone(seal));
        }
        let made = Seal::new(&self.options.identity, &wanted, may_make).map_err(|error| match recipients {
            [] => error.into(),
            recipients if self.options.recipients.is_none() => self.not_for_you(recipients),
            _ => error.into(),
        })?;
        Ok(Arc::clone(seal.insert(Arc::new(made))))
    }

    /// Who can open what is written from now on; none where that is not known yet.
    ///
    /// # Errors
    /// Never, for keys that were read once.
    pub fn recipients(&self) -> Result<Option<Recipients>, SharedError> {
        let seal = slot(&self.seal).clone();
        Ok(seal.map(|seal| Recipients::new(&seal.recipients())).transpose()?)
    }

    /// Whether the state is written for others than those who may read it from now on.
    async fn is_for_others(&self) -> Result<bool, SharedError> {
        let known = self.known.lock().await.recipients.clone();
        Ok(!known.is_empty() && self.seal(&known, true)?.recipients() != known)
    }

    fn not_for_you(&self, recipients: &[String]) -> SharedError {
        let own = match self.options.identity.known_key() {
            Ok(Some(key)) => format!("your identity is {key}"),
            Ok(None) => "you have no identity yet".to_owned(),
            Err(error) => format!("yours cannot be read: {error}"),
        };
        SharedError::NotForYou { place: self.place().to_owned(), recipients: recipients.join(", "), own }
    }

    fn damaged(&self, what: &str, reason: &impl std::fmt::Display) -> SharedError {
        let (place, what) = (self.place().to_owned(), what.to_owned());
        SharedError::Damaged { place, what, reason: reason.to_string() }
    }

    /// Takes the lock of all machines, and brings the working copy to the newest state. Needs the lock of this machine.
    /// What is here and not there yet is sent at once.
    ///
    /// # Errors
    /// [`lock::LockError::Held`] when somebody else has it; when the store does not answer or does not fit.
    pub async fn take(&self, request: LockRequest, waiting: &(dyn Fn(&Lease) + Sync)) -> Result<Taken, SharedError> {
        let first = self.chain.head().await?;
        if first.is_none() {
            self.nothing_there()?;
        }
        let recipients = first.map(|head| head.recipients).unwrap_or_default();
        let marks = Marks {
            origin: self.options.origin.clone(),
            recipients: self.seal(&recipients, recipients.is_empty())?.recipients(),
        };
        let fits = |head: &Entry| self.fits(head);
        let asking =
            Asking { chain: &self.chain, clock: self.options.clock.clone(), request, marks, fits: &fits, waiting };
        let hold = asking.take().await?;
        *slot(&self.hold) = Some(Arc::clone(&hold));
        let lost = hold.lost();
        match self.begin(&hold).await {
            Ok(has_other_readers) => Ok(Taken { lost, has_other_readers }),
            Err(error) => {
                // Whatever it was, nobody else should wait for it.
                let _ = self.give_back(&hold).await;
                Err(error)
            }
        }
    }

    async fn begin(&self, hold: &Hold) -> Result<bool, SharedError> {
        let head = hold.head().await;
        let had_base = Base::read(self.options.workspace.root())?.is_some();
        {
            let _guard = self.guard().await?;
            self.bring(&head).await?;
        }
        *slot(&self.head) = Some(head);
        let has_other_readers = self.is_for_others().await?;
        let sent = self.push(true).await?.into_iter().filter(|path| !is_learned(path)).count();
        if sent > 0 && !has_other_readers {
            let files = if sent == 1 { "1 file".to_owned() } else { format!("{sent} files") };
            let (place, root) = (self.place(), self.options.workspace.root().display());
            self.note(match had_base {
                true => format!("sent {files} of {root} to {place} that had not reached it"),
                false => format!("moved {files} of {root} to {place}: from now on this folder is a copy of it"),
            });
        }
        Ok(has_other_readers)
    }

    /// Whether this process has the lock of all machines.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.held().is_some()
    }

    pub(super) fn held(&self) -> Option<Arc<Hold>> {
        slot(&self.hold).clone()
    }

    /// Sends what changed, and gives the lock back. Nothing where it is not held.
    ///
    /// # Errors
    /// When something could not be sent: it stays in the working copy, and goes with the next command here.
    pub async fn release(&self) -> Result<(), SharedError> {
        let Some(hold) = self.held() else { return Ok(()) };
        if hold.is_lost() {
            *slot(&self.hold) = None;
            hold.stop();
            self.note(format!(
                "the lock was taken away or could not be kept: what was done after that is known in {} only",
                self.options.workspace.root().display()
            ));
            return Ok(());
        }
        let sent = self.push(true).await;
        if sent.is_ok() {
            self.sweep(&hold).await;
        }
        let given = self.give_back(&hold).await;
        match (sent, given) {
            (Err(SharedError::Lost { .. }), _) => Ok(()),
            (Err(error), _) | (Ok(_), Err(error)) => Err(error),
            (Ok(_), Ok(())) => Ok(()),
        }
    }

    async fn give_back(&self, hold: &Hold) -> Result<(), SharedError> {
        *slot(&self.hold) = None;
        hold.release(async |garbage| self.throw_away(&garbage).await).await
    }

    /// As if the process was killed.
    #[cfg(test)]
    pub(super) fn abandon(&self) {
        if let Some(hold) = slot(&self.hold).take() {
            hold.stop();
        }
    }

    pub(super) async fn throw_away(&self, garbage: &Garbage) {
        // What stays costs a little room, and the next tidying finds it.
        let _ = match garbage {
            Garbage::Entry(number) => self.chain.remove(*number).await,
            Garbage::Object(name) => self.store.remove(&format!("{}/{name}", super::push::OBJECTS)).await,
        };
    }

    pub(super) fn note(&self, text: String) {
        slot(&self.notes).push(text);
    }

    /// Whether another process of this machine works on the working copy.
    fn is_busy_here(&self) -> Result<bool, SharedError> {
        let lease = lock::status(&self.options.workspace.lock())?;
        let own = Operator::current();
        Ok(lease.is_some_and(|lease| lease.holder != own && !lease.is_expired(self.options.clock.now())))
    }

    /// One process of this machine at a time brings the working copy to another state.
    async fn guard(&self) -> Result<File, SharedError> {
        let root = self.options.workspace.root().to_owned();
        make_private_folder(&root)?;
        let path: PathBuf = root.join("shared.guard");
        let open = {
            let path = path.clone();
            move || {
                let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path)?;
                file.lock()?;
                Ok::<File, std::io::Error>(file)
            }
        };
        let opened = tokio::task::spawn_blocking(open).await.map_err(std::io::Error::other).and_then(|file| file);
        Ok(opened.map_err(failed("cannot lock", &path))?)
    }

    pub(super) fn ticket(&self) -> u64 {
        self.tickets.fetch_add(1, Ordering::SeqCst) + 1
    }
}

pub(super) fn slot<T>(slot: &Slot<T>) -> std::sync::MutexGuard<'_, T> {
    slot.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What to say where only this machine's copy can be looked at; none where there is none.
#[must_use]
pub fn known_here(workspace: &Workspace, error: &SharedError) -> Option<String> {
    let base = Base::read(workspace.root()).ok().flatten()?;
    Some(format!("{error}; this is what this machine knew at {}", base.at.strftime("%Y-%m-%d %H:%M UTC")))
}
