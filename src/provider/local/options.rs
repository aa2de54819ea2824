//! What the caller decides about containers on this machine.

use std::path::PathBuf;

use ipnet::Ipv4Net;

/// What a local environment is made with.
#[derive(Debug, Clone)]
pub struct LocalOptions {
    /// Environment name.
    pub environment: String,
    /// The environment's own folder: keys and the addresses that nodes have been given lie below it.
    pub workspace: PathBuf,
    /// Network of the nodes. None: derived from the environment's name, inside 10.128.0.0/10.
    pub subnet: Option<Ipv4Net>,
    /// Packages baked into the node image, their services off.
    pub packages: Vec<String>,
    /// Debian suite of the node image.
    pub suite: String,
    /// Debian suites that packages may come from which `suite` does not have.
    pub fallback_suites: Vec<String>,
    /// Package mirror. None: this machine's own where it is a Debian of that suite, else the public one.
    pub mirror: Option<String>,
    /// Memory limit of each node in MB. None: no limit.
    pub memory_limit_mb: Option<u32>,
    /// Port of this machine's loopback address that leads to a node.
    pub publish: Option<Publish>,
    /// The nodes have no way out of their network; this machine reaches them.
    pub isolated: bool,
}

/// A port of this machine's loopback address that leads to a port of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publish {
    /// Node name.
    pub node: String,
    /// Port on 127.0.0.1 here.
    pub port: u16,
    /// Port on the node.
    pub target: u16,
}

impl LocalOptions {
    /// Options with every default: bookworm, packages it lacks from bullseye, this machine's mirror, no limits.
    #[must_use]
    pub fn new(environment: impl Into<String>, workspace: impl Into<PathBuf>) -> Self {
        Self {
            environment: environment.into(),
            workspace: workspace.into(),
            subnet: None,
            packages: Vec::new(),
            suite: "bookworm".to_owned(),
            fallback_suites: vec!["bullseye".to_owned()],
            mirror: None,
            memory_limit_mb: None,
            publish: None,
            isolated: false,
        }
    }
}
