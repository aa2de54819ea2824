//! What the user wrote, after layering: the environment file's types, and so its schema.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// An environment: one file, layered over a reference architecture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Environment {
    /// Name of the environment. Starts every node's name and tags everything that belongs to it.
    /// Lower-case letters, digits and hyphens, starting with a letter, at most 20 characters.
    pub name: String,
    /// Reference architecture that the nodes come from.
    #[serde(default)]
    pub architecture: Option<Architecture>,
    /// Where machines come from.
    pub provider: ProviderKind,
    /// Roles to use: `sandbox` or `gitlab`.
    #[serde(default)]
    pub stack: Stack,
    /// Where users go. Default: `https://<name>.test`.
    #[serde(default)]
    pub external_url: Option<String>,
    /// What the environment is for.
    #[serde(default)]
    pub purpose: Purpose,
    /// Who answers for it; becomes a tag.
    #[serde(default)]
    pub owner: Option<String>,
    /// Node groups: counts, machines, roles.
    #[serde(default)]
    pub nodes: IndexMap<String, NodeGroup>,
    /// Settings of roles: `settings.<role>.<name>`. `refarch explain settings.<role>` lists them.
    #[serde(default)]
    pub settings: IndexMap<String, IndexMap<String, Value>>,
    /// How nodes are reached.
    #[serde(default)]
    pub ssh: Ssh,
    /// Containers on this machine (`provider: local`).
    #[serde(default)]
    pub local: Local,
    /// Machines that exist already (`provider: static`): the inventory file, relative to this one.
    #[serde(default)]
    pub inventory: Option<String>,
}

/// A reference architecture: the largest number of users it is meant for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum Architecture {
    /// Up to 1,000 users: one node.
    #[serde(rename = "1k")]
    K1,
    /// Up to 2,000 users: single services on nodes of their own.
    #[serde(rename = "2k")]
    K2,
    /// Up to 3,000 users: the smallest highly available one.
    #[serde(rename = "3k")]
    K3,
    /// Up to 5,000 users.
    #[serde(rename = "5k")]
    K5,
    /// Up to 10,000 users: Redis split into cache and persistent.
    #[serde(rename = "10k")]
    K10,
    /// Up to 25,000 users.
    #[serde(rename = "25k")]
    K25,
    /// Up to 50,000 users.
    #[serde(rename = "50k")]
    K50,
}

/// Where machines come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ProviderKind {
    /// Containers on this machine.
    Local,
    /// Machines that exist already.
    Static,
    /// Amazon Web Services.
    Aws,
    /// Google Cloud.
    Gcp,
    /// Microsoft Azure.
    Azure,
}

/// A set of roles.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Stack {
    /// Real servers from the distribution's packages and a small sample application.
    #[default]
    Sandbox,
    /// The product's Linux package.
    Gitlab,
}

/// What an environment is for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Purpose {
    /// To be tested, also by faults.
    #[default]
    Test,
    /// To be shown.
    Demo,
    /// To be lived with.
    Production,
}

/// Nodes that are alike.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NodeGroup {
    /// How many. 0 leaves the group out.
    pub count: Option<u32>,
    /// Roles that each of them carries. Default: the role of the group's own name.
    pub roles: Option<Vec<String>>,
    /// Machine type in the provider's words, instead of the architecture's.
    pub machine_type: Option<String>,
    /// Virtual CPUs.
    pub vcpu: Option<u32>,
    /// Memory in GB.
    pub memory_gb: Option<f64>,
    /// System disk in GB.
    pub disk_gb: Option<u32>,
    /// Disk type in the provider's words.
    pub disk_type: Option<String>,
    /// Provisioned disk operations per second.
    pub disk_iops: Option<u32>,
}

/// How nodes are reached.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Ssh {
    /// User to log in as. Default: what the provider's machines have; `root` for local nodes.
    pub user: Option<String>,
    /// Port. Default 22.
    pub port: Option<u16>,
    /// Private key file. Default: the environment's own key; for static machines your agent and `~/.ssh/config`.
    pub identity: Option<String>,
    /// Jump host, as `ssh -J` takes it: `user@bastion.example.com:22`.
    pub jump: Option<String>,
    /// Seconds until a connection attempt is given up. Default 10.
    pub connect_timeout: Option<u32>,
}

/// Containers on this machine.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Local {
    /// Network of the nodes, IPv4, at most /24 wide enough for all. Default: derived from the environment's name,
    /// inside 10.128.0.0/10.
    pub subnet: Option<String>,
    /// Port of this machine's loopback address that leads to the external balancer's 443. Default: none;
    /// the nodes' addresses are reachable from this machine as they are.
    pub publish: Option<u16>,
    /// Debian suite of the node image. Default `bookworm`.
    pub suite: Option<String>,
    /// Package mirror for the node image. Default: this machine's own.
    pub mirror: Option<String>,
    /// Memory limit of each node in MB. Default: none.
    pub memory_limit_mb: Option<u32>,
}

/// One of `environments/reference/<size>.yaml`: the nodes of a reference architecture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReferenceArchitecture {
    /// Its name.
    pub architecture: Architecture,
    /// Users it is meant for.
    pub users_up_to: u32,
    /// Requests per second it is sized for.
    pub target_rps: TargetRps,
    /// Node groups.
    pub nodes: IndexMap<String, ReferenceGroup>,
    /// Where the figures come from.
    pub source: String,
}

/// Requests per second.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TargetRps {
    /// API.
    pub api: f64,
    /// Web.
    pub web: f64,
    /// git pull.
    pub git_pull: f64,
    /// git push.
    pub git_push: f64,
}

/// Nodes of a reference architecture that are alike.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReferenceGroup {
    /// How many.
    pub count: u32,
    /// Roles of each; none means the role of the group's name.
    #[serde(default)]
    pub roles: Option<Vec<String>>,
    /// Virtual CPUs.
    pub vcpu: u32,
    /// Memory in GB.
    pub memory_gb: f64,
    /// Machine type per cloud: `aws`, `gcp`, `azure`.
    pub machine_types: IndexMap<String, String>,
    /// Disk per cloud.
    pub disks: IndexMap<String, ReferenceDisk>,
    /// Why the architecture has it, one sentence.
    pub because: String,
}

/// A system disk in one cloud's words.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReferenceDisk {
    /// Type.
    #[serde(rename = "type")]
    pub kind: String,
    /// GB.
    pub size_gb: u32,
    /// Provisioned operations per second.
    #[serde(default)]
    pub iops: Option<u32>,
}
