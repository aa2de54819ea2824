//! What stands in the log of a shared workspace.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{lock::Lease, operator};

/// The form of the log. A program that does not know it keeps its hands off.
pub(super) const FORMAT: u32 = 1;

/// One entry of the log. The newest says all: who has the lock, and which state is the present one. Nothing in it is
/// secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Form of the log.
    pub format: u32,
    /// Its place in the log, from 1, and its name.
    pub number: u64,
    /// Why it was written.
    pub kind: Kind,
    /// The life of this log; another one is another environment's.
    pub life: String,
    /// What tells the environment from another one of its name: provider, stack, account, region.
    pub origin: BTreeMap<String, String>,
    /// When it was written, by the writer's clock: for people.
    pub at: Timestamp,
    /// Tells this entry from all others, so that a writer knows its own.
    pub nonce: String,
    /// Who has the lock.
    pub lease: Option<SharedLease>,
    /// Object of the present state; none where nothing was kept yet.
    pub state: Option<String>,
    /// Public keys of all who can open the state.
    pub recipients: Vec<String>,
}

/// Why an entry was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Somebody took the lock.
    Take,
    /// Its holder is still there.
    Beat,
    /// Its holder changed the state.
    Push,
    /// Its holder gave it back.
    Release,
    /// Somebody took it away from its holder.
    Break,
}

impl Kind {
    /// Whether a holder that was asleep must still find it in its way: it ends another's turn.
    pub(super) fn is_fence(self) -> bool {
        matches!(self, Self::Take | Self::Break)
    }
}

/// Who has the lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SharedLease {
    /// As for the lock of one machine.
    #[serde(flatten)]
    pub lease: Lease,
    /// Number of the entry with which the lock was taken: names of objects begin with it.
    pub taken: u64,
    /// Where process ids mean the same: this boot of a machine, and a namespace. None where the system does not tell.
    pub seat: Option<String>,
}

impl SharedLease {
    /// Whether its process ran where this one runs, and is not there any more. Host names are not enough: containers and
    /// laptops share them.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.seat.is_some() && self.seat == operator::seat() && self.lease.holder.is_gone()
    }
}

/// The state: every file of the working copy that is shared. Encrypted as a whole.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct State {
    /// Path below the working copy -> where its content is.
    pub files: BTreeMap<String, Stored>,
}

/// Content of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stored {
    /// Name of the object.
    pub object: String,
    /// Hash of what is in it, when it is opened.
    pub sha256: String,
}
