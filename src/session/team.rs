//! Environments that a team shares: bringing the newest state here, the lock of all machines, and nothing done that the
//! others could not know of.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use sha2::{Digest as _, Sha256};
use tokio::sync::watch;

use super::{Error, Request, Session, open};
use crate::{
    clock::{Clock as _, SystemClock},
    engine::{ErrorClass, Execute, StepError, StepOutcome},
    environment::{Environment, Loaded, ProviderKind, SharedPlace},
    event::StepLog,
    exit,
    journal::RunId,
    lock::{self, Lease, Lock, LockRequest},
    operator::Operator,
    plan::Step,
    secrets::{IdentitySource, Recipients},
    shared::{self, Freshness, Shared, SharedError, SharedLease, SharedOptions, Store},
    workspace::Workspace,
};

/// How long giving the lock back may keep a process that ends for another reason.
const LAST_WORDS: Duration = Duration::from_secs(15);

impl Session {
    /// Opens an environment with the newest state that its team knows.
    ///
    /// # Errors
    /// As [`Session::open`]; when the shared workspace cannot be used.
    pub async fn enter(request: &Request, freshness: Freshness) -> Result<Self, Error> {
        let loaded = open::load(request)?;
        let workspace = request.working_copy(&loaded.environment.name);
        let Some(place) = place(request, &loaded)? else {
            if let Some(place) = shared::is_joined(&workspace) {
                let copy = workspace.root().display().to_string();
                return Err(SharedError::NotNamed { copy, place }.into());
            }
            return Self::open(request);
        };
        let environment = &loaded.environment;
        let recipients = environment.recipients.as_deref().map(Recipients::new).transpose()?;
        let joined = join(&place, environment.name.clone(), workspace.clone(), origin(environment), recipients);
        let shared = match joined {
            Ok(shared) => shared,
            Err(Error::Shared(error)) if freshness == Freshness::Wanted && error.is_unreachable() => {
                let note = shared::known_here(&workspace, &error).ok_or(error)?;
                let mut session = Self::open(request)?;
                session.note = Some(note);
                return Ok(session);
            }
            Err(error) => return Err(error),
        };
        shared.pull(freshness).await?;
        // Only now: what the provider remembers lies in the working copy.
        let mut session = Self::open(request)?;
        session.shared = Some(Arc::new(shared));
        Ok(session)
    }

    /// What people should know of the shared workspace.
    #[must_use]
    pub fn take_notes(&self) -> Vec<String> {
        let of_shared = self.shared.as_ref().map(|shared| shared.take_notes()).unwrap_or_default();
        self.note.clone().into_iter().chain(of_shared).collect()
    }

    /// Takes the environment's lock: this machine's, and where it is shared that of all machines.
    ///
    /// # Errors
    /// When somebody else holds it for longer than `wait`; when the shared workspace cannot be used.
    pub async fn lock(
        &self,
        command: &str,
        run: Option<&RunId>,
        wait: Option<Duration>,
        waiting: impl Fn(&Lease) + Sync,
    ) -> Result<Held, Error> {
        let begun = tokio::time::Instant::now();
        self.workspace.create()?;
        let operator = Operator::current();
        let request = |wait| LockRequest {
            operator: operator.clone(),
            command: command.to_owned(),
            run: run.map(ToString::to_string),
            wait,
        };
        let local = Lock::acquire(&self.workspace.lock(), request(wait), Arc::new(SystemClock), &waiting).await?;
        let mut held = Held { lost: vec![local.lost()], local: Some(local), shared: None };
        let mut has_other_readers = self.loaded.environment.recipients.is_some();
        if let Some(shared) = &self.shared {
            let left = wait.map(|wait| wait.saturating_sub(begun.elapsed()));
            let taken = shared.take(request(left), &waiting).await?;
            held.lost.push(taken.lost);
            held.shared = Some(Arc::clone(shared));
            has_other_readers = taken.has_other_readers;
        }
        if has_other_readers {
            self.stored_secrets()?.write_again()?;
        }
        Ok(held)
    }

    /// Who has the lock; with it whether they are known to be gone.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn holder(&self) -> Result<Option<(Lease, bool)>, Error> {
        if let Some(shared) = &self.shared {
            return Ok(shared.holder().await?.map(from_afar));
        }
        Ok(lock::status(&self.workspace.lock())?.map(nearby))
    }

    /// Takes the lock away from whoever has it; a holder that still runs notices and stops.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn break_lock(&self) -> Result<Option<(Lease, bool)>, Error> {
        let near = lock::break_lock(&self.workspace.lock())?;
        if let Some(shared) = &self.shared {
            return Ok(shared.break_lock().await?.map(from_afar));
        }
        Ok(near.map(nearby))
    }

    /// Who works on the environment now, as far as known without asking the team's store once more. A lease whose holder
    /// is gone is nobody's.
    ///
    /// # Errors
    /// When the lease cannot be read.
    pub fn at_work(&self) -> Result<Option<Lease>, Error> {
        let near = lock::status(&self.workspace.lock())?.filter(|lease| !lease.is_expired(SystemClock.now()));
        let far = || Some(self.shared.as_ref()?.seen_at_work()?.lease);
        Ok(near.or_else(far))
    }

    /// The run that they work on.
    ///
    /// # Errors
    /// As [`Session::at_work`].
    pub fn active_run(&self) -> Result<Option<String>, Error> {
        Ok(self.at_work()?.and_then(|lease| lease.run))
    }

    /// Waits until the team can know of everything that was written down.
    ///
    /// # Errors
    /// When the lock is not ours any more, or the store does not answer: then it must not be done.
    pub(super) async fn settle(&self) -> Result<(), Error> {
        match &self.shared {
            Some(shared) => Ok(shared.settle().await?),
            None => Ok(()),
        }
    }

    /// Who can open the secrets that are written from now on.
    pub(super) fn recipients(&self) -> Result<Recipients, Error> {
        if let Some(shared) = &self.shared
            && let Some(recipients) = shared.recipients()?
        {
            return Ok(recipients);
        }
        Ok(Recipients::new(self.loaded.environment.recipients.as_deref().unwrap_or_default())?)
    }
}

fn nearby(lease: Lease) -> (Lease, bool) {
    let gone = lease.is_expired(SystemClock.now());
    (lease, gone)
}

fn from_afar(lease: SharedLease) -> (Lease, bool) {
    let gone = lease.is_gone();
    (lease.lease, gone)
}

/// The place that is named: by the variable, else by the environment file.
fn place(request: &Request, loaded: &Loaded) -> Result<Option<SharedPlace>, Error> {
    let Some(text) = request.shared_place().or(loaded.environment.workspace.as_deref()) else { return Ok(None) };
    SharedPlace::parse(text)
        .map(Some)
        .map_err(|fault| Error::refused(exit::USAGE, format!("REFARCH_WORKSPACE: {}", fault.message), Some(fault.hint)))
}

/// A shared workspace with the user's own identity.
pub(super) fn join(
    place: &SharedPlace,
    environment: String,
    workspace: Workspace,
    origin: BTreeMap<String, String>,
    recipients: Option<Recipients>,
) -> Result<Shared, Error> {
    let store = Store::open(place, &environment)?;
    let (identity, clock) = (IdentitySource::from_env()?, Arc::new(SystemClock));
    Ok(Shared::new(store, SharedOptions { workspace, environment, origin, identity, recipients, clock }))
}

/// What tells an environment from another one of its name.
fn origin(environment: &Environment) -> BTreeMap<String, String> {
    let (aws, azure, gcp) = (&environment.aws, &environment.azure, &environment.gcp);
    let of_cloud = |kind, value: &Option<String>| value.clone().filter(|_| environment.provider == kind);
    let facts = [
        ("provider", Some(environment.provider.name().to_owned())),
        ("stack", Some(environment.stack.name().to_owned())),
        ("region", environment.cloud.region.clone()),
        ("account", of_cloud(ProviderKind::Aws, &aws.account)),
        ("subscription", of_cloud(ProviderKind::Azure, &azure.subscription)),
        ("project", of_cloud(ProviderKind::Gcp, &gcp.project)),
        // Containers live on one machine.
        ("machine", (environment.provider == ProviderKind::Local).then(machine).flatten()),
    ];
    facts.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect()
}

/// This machine, without telling its id.
fn machine() -> Option<String> {
    let id = std::fs::read_to_string("/etc/machine-id").ok().filter(|id| !id.trim().is_empty())?;
    let hash = Sha256::digest(format!("refarch {}", id.trim()));
    Some(hash.iter().take(6).map(|byte| format!("{byte:02x}")).collect())
}

impl Request {
    /// The shared place, where the variable for the workspace names one and no folder.
    pub(super) fn shared_place(&self) -> Option<&str> {
        self.workspace.as_deref()?.to_str().filter(|text| text.contains("://"))
    }

    /// The folder of this machine for an environment.
    pub(super) fn working_copy(&self, environment: &str) -> Workspace {
        let base = self.workspace.clone().filter(|_| self.shared_place().is_none());
        Workspace::for_environment(&self.file, environment, base)
    }
}

/// The lock, held. Dropping it gives it back.
pub struct Held {
    local: Option<Lock>,
    shared: Option<Arc<Shared>>,
    lost: Vec<watch::Receiver<bool>>,
}

impl Held {
    /// Each becomes true when somebody took the lock away, or it could not be kept: then the work must stop.
    #[must_use]
    pub fn lost(&self) -> Vec<watch::Receiver<bool>> {
        self.lost.clone()
    }

    /// Sends what changed to where it is shared, and gives the lock back. Returns what people should know of that.
    ///
    /// # Errors
    /// When the lock cannot be given back, or something could not be sent: it stays here and goes with the next command.
    pub async fn release(mut self) -> Result<Vec<String>, Error> {
        let sent = match self.shared.take() {
            Some(shared) => shared.release().await.map(|()| shared.take_notes()),
            None => Ok(Vec::new()),
        };
        if let Some(local) = self.local.take() {
            local.release()?;
        }
        Ok(sent?)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let Some(shared) = self.shared.take() else { return };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        if runtime.runtime_flavor() != tokio::runtime::RuntimeFlavor::MultiThread {
            return;
        }
        // Others would have to watch a lease that nobody keeps.
        tokio::task::block_in_place(|| {
            let _ = runtime.block_on(tokio::time::timeout(LAST_WORDS, shared.release()));
        });
    }
}

/// Does steps only when the team can know of them, and the lock is still held.
pub(super) struct Known<'a> {
    pub session: &'a Session,
    pub work: &'a dyn Execute,
}

impl Execute for Known<'_> {
    fn run<'a>(&'a self, step: &'a Step, log: &'a StepLog) -> BoxFuture<'a, Result<StepOutcome, StepError>> {
        Box::pin(async move {
            if let Err(error) = self.session.settle().await {
                let lost = matches!(error, Error::Shared(SharedError::Lost { .. }));
                return Err(StepError {
                    message: format!("nothing was done: {error}"),
                    hint: error.hint(),
                    class: if lost { ErrorClass::Permanent } else { ErrorClass::Transient },
                    tail: Vec::new(),
                });
            }
            self.work.run(step, log).await
        })
    }
}
