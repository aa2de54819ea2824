//! What a stage wants of a node, ready to be compiled to a program.

use std::{path::PathBuf, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::bundle::Depot;

/// When in an upgrade, a backup or a restore a role's own text runs on a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Moment {
    /// Before anything changes on the node.
    Leave,
    /// After the node was configured.
    Settle,
    /// After every node was.
    Finish,
    /// A backup is made.
    Backup,
    /// It is asked what backups there are.
    List,
    /// The newest backup is restored beside the live data, read, and removed.
    Verify,
    /// A backup is restored beside the live data.
    Prepare,
    /// What writes to the live data ends.
    Halt,
    /// What was restored takes the live data's place.
    Swap,
    /// Nodes take part again.
    Return,
    /// Before anything changes, on a node that shall go for good: may it?
    Possible,
    /// Before anything changes: can what such a node keeps be moved?
    Drainable,
    /// What a node keeps that goes for good is moved to those that stay.
    Drain,
    /// The last on a node before it goes for good.
    Part,
    /// On the nodes that stay, when it is gone.
    Forget,
    /// Before the last backup of an environment that moves: no more work is taken.
    Quiet,
    /// It is asked whether that is still so.
    Still,
    /// Never: the text says where backups go.
    Place,
}

impl Moment {
    /// As steps and records name it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Leave => "leave",
            Self::Settle => "settle",
            Self::Finish => "finish",
            Self::Backup => "backup",
            Self::List => "list",
            Self::Verify => "verify",
            Self::Prepare => "prepare",
            Self::Halt => "halt",
            Self::Swap => "swap",
            Self::Return => "return",
            Self::Possible => "possible",
            Self::Drainable => "drainable",
            Self::Drain => "drain",
            Self::Part => "part",
            Self::Forget => "forget",
            Self::Quiet => "quiet",
            Self::Still => "still",
            Self::Place => "place",
        }
    }
}

/// What a role does on a node besides configuring it: at one moment of an upgrade, a backup or a restore, or when a node
/// goes for good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// Role.
    pub role: String,
    /// When.
    pub moment: Moment,
    /// Shell text.
    pub run: String,
    /// Seconds it may take.
    pub deadline: u32,
    /// Node that it runs on, where that is another one.
    pub on: Option<String>,
}

/// One role's work on one node: everything rendered, nothing left to decide.
#[derive(Debug, Clone)]
pub struct Stage {
    /// Node.
    pub node: String,
    /// Role.
    pub role: String,
    /// What to assert, in order.
    pub resources: Vec<Item>,
}

/// A resource with its identity inside the stage.
#[derive(Debug, Clone)]
pub struct Item {
    /// Identity, stable between runs: `file /etc/hosts`, `service patroni`, `packages`.
    pub id: String,
    /// What is wanted.
    pub want: Want,
}

impl Item {
    /// Whether a node may ask the controller for more while it makes this.
    pub(super) fn is_sent(&self) -> bool {
        matches!(self.want, Want::Upload { .. } | Want::Packages { depot: Some(_), .. })
    }
}

/// What is wanted of one thing on a node.
#[derive(Debug, Clone)]
pub enum Want {
    /// What must hold before anything changes.
    Requirement {
        /// Shell text; prints what is wrong where it fails.
        run: String,
    },
    /// Packages installed.
    Packages {
        /// Names.
        names: Vec<String>,
        /// The bundle that they come from, and nothing else is asked; none: the node's own sources.
        depot: Option<Arc<Depot>>,
    },
    /// A directory.
    Directory {
        /// Path.
        path: String,
        /// Octal mode without leading zero padding beyond four digits: `0755`.
        mode: String,
        /// Owner.
        owner: String,
        /// Group.
        group: String,
    },
    /// A file with exactly this content.
    File {
        /// Path.
        path: String,
        /// Content. Nodes on which it is the same share it.
        content: Arc<[u8]>,
        /// Mode.
        mode: String,
        /// Owner.
        owner: String,
        /// Group.
        group: String,
        /// Never show the content.
        secret: bool,
        /// Only where there is none.
        initial: bool,
    },
    /// A symbolic link.
    Link {
        /// Path.
        path: String,
        /// Target.
        target: String,
    },
    /// Nothing at this path.
    Absent {
        /// Path.
        path: String,
    },
    /// A large file of the user's, where the node needs it.
    Upload {
        /// Path on the node.
        path: String,
        /// File on this machine.
        source: PathBuf,
        /// Its size in bytes.
        size: u64,
        /// Its SHA-256 in hexadecimal.
        sha256: String,
        /// Guard: success means that the node does not need it.
        unless: String,
    },
    /// A guarded command.
    Command {
        /// What it achieves.
        name: String,
        /// Shell text.
        run: String,
        /// Guard: success means done already.
        unless: String,
        /// Success means that something serves which the command interrupts.
        interrupts: Option<String>,
        /// Seconds.
        deadline: u32,
    },
    /// A service enabled and running with its present configuration.
    Service {
        /// Unit.
        name: String,
        /// Paths whose change restarts it.
        restart_on: Vec<String>,
        /// Paths whose change reloads it.
        reload_on: Vec<String>,
        /// Check of the configuration before either.
        validate: Option<String>,
        /// SHA-256 over the contents that the service should be running with: compared with what was recorded
        /// when refarch started it last, so that an interrupted run is noticed.
        stamp: String,
    },
    /// A probe that must hold.
    Ready {
        /// What is true when it holds.
        name: String,
        /// Shell text.
        run: String,
        /// Seconds until giving up.
        deadline: u32,
        /// What to look at.
        hint: Option<String>,
    },
}

/// What the node said about one resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemResult {
    /// Identity inside the stage.
    pub id: String,
    /// Outcome.
    pub outcome: Outcome,
    /// What differs or was done, a few words: `content`, `mode 0644 -> 0600`, `started`.
    pub detail: String,
    /// Check mode, a file that is not secret and differs: what is there now. Absent where there is no file.
    pub present: Option<String>,
}

impl ItemResult {
    /// Whether it says that the node lacks what a role requires before anything changes.
    #[must_use]
    pub fn is_unmet_requirement(&self) -> bool {
        self.outcome == Outcome::Failed && self.id.starts_with(REQUIREMENT)
    }
}

/// How the identity of a requirement begins.
pub(super) const REQUIREMENT: &str = "requirement ";

/// Outcome for one resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// As wanted already.
    Ok,
    /// Changed now (apply), or would be changed (check).
    Changed,
    /// Could not be made as wanted.
    Failed,
    /// Not tried, because something before it failed.
    Skipped,
}
