//! Machines on Google Cloud. What is common to all clouds is in [`super::cloud`]; here are Google's own calls.

mod balanced;
mod balancer;
mod buckets;
mod clients;
mod cloud;
mod compute;
mod fault;
mod firewall;
mod identity;
mod labels;
mod machines;
mod members;
mod names;
mod network;
mod observe;
mod operations;
mod options;
mod placement;
mod preflight;
mod rest;
mod shape;

pub use cloud::Gcp;
pub use options::GcpOptions;

use super::cloud::{CloudOptions, CloudProvider};

/// The provider of an environment. Asks nobody yet.
#[must_use]
pub fn provider(options: CloudOptions, own: GcpOptions) -> CloudProvider<Gcp> {
    CloudProvider::new(Gcp::new(options.clone(), own), options)
}
