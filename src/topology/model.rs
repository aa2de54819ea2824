//! What an environment resolves to: every node, and who talks to whom.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Name;
use crate::catalog::{Check, Protocol};

/// A resolved environment. A value: printed, compared, saved, and the only input of everything after it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Topology {
    /// Environment name.
    pub environment: String,
    /// Stack of roles.
    pub stack: String,
    /// Provider name.
    pub provider: String,
    /// Reference architecture it came from.
    pub architecture: Option<String>,
    /// Where users go.
    pub external_url: String,
    /// Host part of `external_url`.
    pub domain: String,
    /// What the environment is for, in the user's words: `test`, `demo`, `production`.
    pub purpose: String,
    /// Every node, in the order of its groups' names in the file, then by ordinal.
    pub nodes: Vec<Node>,
    /// Balancers of the cloud that stand in place of nodes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub balancers: Vec<CloudBalancer>,
    /// Who reaches whom.
    pub edges: Vec<Edge>,
    /// Which port stands behind each of the stack's service names: `role.port`.
    pub services: BTreeMap<String, String>,
    /// Role -> its settings, defaults included.
    pub settings: BTreeMap<String, BTreeMap<String, serde_json::Value>>,
    /// Roles that the architecture has and this environment does not, with the reason.
    pub omitted: BTreeMap<String, String>,
}

/// A balancer of the cloud that does what nodes of a role would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CloudBalancer {
    /// `<environment>-<role>`: its name in [`Edge::from`] and [`Edge::to`].
    pub name: String,
    /// Role whose place it takes.
    pub role: String,
    /// Whether it can listen on another port than the servers behind it.
    pub translates: bool,
}

/// A machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// `<environment>-<group>-<ordinal>`, or the inventory's own name.
    pub name: String,
    /// Node group in the environment file.
    pub group: String,
    /// 1, 2, … within the group.
    pub ordinal: u32,
    /// Roles in the order in which their stages run, base first.
    pub roles: Vec<String>,
    /// Zone number, from 1; providers map it to their own zones.
    pub zone: u32,
    /// What it is made of.
    pub machine: Machine,
    /// Destroying it loses data.
    pub data_bearing: bool,
    /// Reads and writes the environment's buckets, where it has any.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub object_storage: bool,
    /// Why it exists.
    pub reason: String,
}

/// The size of a machine.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// Virtual CPUs.
    pub vcpu: u32,
    /// Memory in GB, as the reference architectures give it (3.6 and 7.5 occur).
    pub memory_gb: f64,
    /// The provider's machine type; none where the provider has none (local, static).
    pub machine_type: Option<String>,
    /// System disk in GB.
    pub disk_gb: u32,
    /// Disk type in the provider's words.
    pub disk_type: Option<String>,
    /// Provisioned operations per second, where asked for.
    pub disk_iops: Option<u32>,
}

/// One way that traffic takes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Edge {
    /// Node or balancer of the cloud that connects, or `users`.
    pub from: Name,
    /// Node or balancer of the cloud that is connected to.
    pub to: Name,
    /// TCP port there.
    pub port: u16,
    /// What is spoken.
    pub protocol: Protocol,
    /// `role.port` that is meant in the end.
    pub service: Name,
    /// On the way from a client to a balancer, or from a balancer to a server; none: direct.
    pub leg: Leg,
    /// How the balancer asks whether the server is good.
    pub check: Option<Check>,
    /// UDP too.
    pub udp: bool,
}

/// Part of a way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Leg {
    /// No balancer in between.
    Direct,
    /// From the client to a balancer.
    Front,
    /// From a balancer to a server.
    Back,
}

impl Topology {
    /// The node of this name.
    #[must_use]
    pub fn node(&self, name: &str) -> Option<&Node> {
        self.nodes.iter().find(|node| node.name == name)
    }

    /// Nodes that carry a role, by name.
    pub fn with_role<'a>(&'a self, role: &'a str) -> impl Iterator<Item = &'a Node> + 'a {
        self.nodes.iter().filter(move |node| node.has(role))
    }

    /// The cloud's balancer that stands in place of nodes of a role.
    #[must_use]
    pub fn balancer(&self, role: &str) -> Option<&CloudBalancer> {
        self.balancers.iter().find(|balancer| balancer.role == role)
    }

    /// Whether any node carries the role.
    #[must_use]
    pub fn has_role(&self, role: &str) -> bool {
        self.nodes.iter().any(|node| node.has(role))
    }
}

impl Node {
    /// Whether the node carries the role.
    #[must_use]
    pub fn has(&self, role: &str) -> bool {
        self.roles.iter().any(|own| own == role)
    }
}
