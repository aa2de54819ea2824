//! Reads what is there: the provider's resources by tag, and every node's state by one program in check mode.
//! Changes nothing.

pub mod nodes;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

pub use nodes::{Look, look};

use crate::configure::ItemResult;

/// What was found on a node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum NodeState {
    /// There is no such machine, or it does not run.
    Absent,
    /// It does not answer.
    Unreachable {
        /// Why.
        reason: String,
    },
    /// It answered.
    Seen {
        /// Role -> results in check mode.
        stages: BTreeMap<String, Vec<ItemResult>>,
        /// Roles that this node leads at the moment.
        leads: BTreeSet<String>,
    },
}
