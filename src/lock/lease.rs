//! The lease file: who works on the environment.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt,
    path::Path,
    time::Duration,
};

use jiff::{Timestamp, tz::TimeZone};
use serde::{Deserialize, Serialize};

use crate::{
    operator::Operator,
    workspace::{WorkspaceError, failed, write_private},
};

/// Time after the last heartbeat at which a lease is nobody's.
pub(super) const EXPIRES_AFTER: Duration = Duration::from_secs(30);

/// Who works on an environment, for what, and since when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// Who.
    pub holder: Operator,
    /// For what, in words: `apply demo`.
    pub command: String,
    /// Run that it belongs to, where there is one.
    pub run: Option<String>,
    /// Since when.
    pub since: Timestamp,
    /// When the holder last said that it is still there.
    pub heartbeat: Timestamp,
    /// Tells this lease from every other one.
    pub token: String,
}

/// Why the lock cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Somebody works on the environment.
    #[error("the environment is locked by {0}")]
    Held(Box<Lease>),
    /// The lease cannot be read.
    #[error("{path} is not a lease: {reason}")]
    Unreadable {
        /// Lease file.
        path: String,
        /// Why.
        reason: String,
    },
    /// A file could not be used.
    #[error(transparent)]
    File(#[from] WorkspaceError),
}

impl LockError {
    /// What to do next.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Held(_) => Some(
                "wait until it is done; `refarch lock status` shows whether it still runs, `refarch lock break` takes \
                 the lock away from a process that does not",
            ),
            Self::Unreadable { .. } => Some("if nobody works on the environment, `refarch lock break` removes it"),
            Self::File(_) => None,
        }
    }
}

impl Lease {
    /// Whether its holder is gone: no heartbeat for 30 s, or, on this machine, no such process any more.
    #[must_use]
    pub fn is_expired(&self, now: Timestamp) -> bool {
        now.duration_since(self.heartbeat).unsigned_abs() > EXPIRES_AFTER && now > self.heartbeat
            || self.holder.is_gone()
    }
}

impl std::fmt::Display for Lease {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let since = self.since.to_zoned_datetime(TimeZone::UTC);
        write!(f, "{} (process {})", self.holder, self.holder.pid)?;
        write!(f, " since {} UTC for `{}`", since.strftime("%Y-%m-%d %H:%M:%S"), self.command)?;
        match &self.run {
            Some(run) => write!(f, ", run {run}"),
            None => Ok(()),
        }
    }
}

/// The lease on an environment, expired ones included; none where nobody holds one.
///
/// # Errors
/// When the file is there and cannot be read.
pub fn status(path: &Path) -> Result<Option<Lease>, LockError> {
    match fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|error| LockError::Unreadable { path: path.display().to_string(), reason: error.to_string() }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed("cannot read", path)(error).into()),
    }
}

/// Takes the lock away from whoever holds it, and returns the lease where it could be read. A holder that still
/// runs notices with its next heartbeat and stops.
///
/// # Errors
/// When the file cannot be removed.
pub fn break_lock(path: &Path) -> Result<Option<Lease>, LockError> {
    if !path.exists() {
        return Ok(None);
    }
    exclusively(path, || {
        let broken = status(path).ok().flatten();
        remove(path)?;
        Ok(broken)
    })
}

/// Runs `change` while no other process can look at the lease or change it. Short: others wait meanwhile.
pub(super) fn exclusively<T>(path: &Path, change: impl FnOnce() -> Result<T, LockError>) -> Result<T, LockError> {
    // Not the lease itself: it is replaced as a whole, and a lock on the old file would guard nothing.
    let guard_path = path.with_extension("guard");
    let open = || {
        let guard = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&guard_path)?;
        guard.lock()?;
        Ok::<File, io::Error>(guard)
    };
    let guard = open().map_err(failed("cannot lock", &guard_path))?;
    let result = change();
    // Closing the file unlocks it, also where this process dies.
    drop(guard);
    result
}

pub(super) fn write(path: &Path, lease: &Lease) -> Result<(), LockError> {
    let bytes = serde_json::to_vec_pretty(lease).map_err(|error| failed("cannot write", path)(error.into()))?;
    Ok(write_private(path, &bytes)?)
}

pub(super) fn remove(path: &Path) -> Result<(), LockError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("cannot remove", path)(error).into()),
        _ => Ok(()),
    }
}
