//! The resource graph: what a provider should have, what it has, and the difference.
//!
//! Every provider describes what it makes as resources with plain attributes, so that comparing, ordering,
//! planning, consent, journal and cost live here once and not in each cloud's module.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Identifies a resource within one environment: `network`, `image`, `node/demo-app-1`.
pub type ResourceId = String;

/// A resource that the environment should have.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Resource {
    /// Name within the environment.
    pub id: ResourceId,
    /// What it is, in the provider's words: `network`, `container`, `instance`.
    pub kind: String,
    /// The node that it is, where it is one.
    pub node: Option<String>,
    /// What it should be like. Compared with what is there, attribute by attribute.
    pub attributes: BTreeMap<String, Value>,
    /// Resources that must exist before.
    pub needs: Vec<ResourceId>,
    /// Destroying it loses data.
    pub data_bearing: bool,
    /// Why the environment has it.
    pub reason: String,
    /// Shared by environments (a cached image): `destroy` leaves it alone.
    pub shared: bool,
}

/// A resource that is there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Live {
    /// Name within the environment, read from its tags.
    pub id: ResourceId,
    /// What it is.
    pub kind: String,
    /// The node that it is.
    pub node: Option<String>,
    /// What it is like, as far as the provider can tell. An attribute that is not here is not compared.
    pub attributes: BTreeMap<String, Value>,
    /// Whether it works.
    pub condition: Condition,
    /// The provider's own identifier, for messages.
    pub handle: String,
    /// Destroying it loses data (read from its tags).
    pub data_bearing: bool,
    /// Live resources that must outlive it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<ResourceId>,
}

/// Whether a live resource works.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state", content = "detail")]
pub enum Condition {
    /// Running, or simply there.
    Good,
    /// There, but stopped: starting it is enough.
    Stopped,
    /// There, but of no use; the text says why.
    Broken(String),
}

/// What has to be done to one resource.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "action")]
pub enum Change {
    /// Make it.
    Create {
        /// What to make.
        resource: Resource,
    },
    /// Start it.
    Start {
        /// What to start.
        resource: Resource,
    },
    /// Change these attributes where it stands.
    Update {
        /// What it should be.
        resource: Resource,
        /// Attribute, found, wanted.
        fields: Vec<FieldChange>,
        /// It is stopped and started for it.
        #[serde(default)]
        restart: bool,
    },
    /// Delete it and make it anew: only ever planned when the user asked for it by name.
    Replace {
        /// What to make.
        resource: Resource,
        /// Attributes that cannot be changed where it stands.
        fields: Vec<FieldChange>,
    },
    /// Remove it.
    Delete {
        /// What to remove.
        live: Live,
    },
}

/// One attribute that differs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FieldChange {
    /// Attribute.
    pub name: String,
    /// What is there.
    pub found: Value,
    /// What should be.
    pub wanted: Value,
}

/// How an attribute that differs can be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutability {
    /// Where it stands, without an interruption.
    InPlace,
    /// Where it stands, with a stop and a start.
    WithRestart,
    /// Not at all: the resource must be made anew.
    Replace,
}

impl Change {
    /// The resource that it is about.
    #[must_use]
    pub fn id(&self) -> &str {
        match self {
            Self::Create { resource }
            | Self::Start { resource }
            | Self::Update { resource, .. }
            | Self::Replace { resource, .. } => &resource.id,
            Self::Delete { live } => &live.id,
        }
    }
}
