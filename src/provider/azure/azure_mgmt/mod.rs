//! A thin client of Azure's resource manager on the official `azure_core` and `azure_identity`.
//!
//! Every service of the resource manager is alike: a resource's id, an api-version, a JSON body, one protocol for what
//! takes long. So this is small, and a home that Microsoft's own `azure_resourcemanager_*` crates can move into once they
//! exist; `docs/dependencies.md` says why `azure_mgmt_compute` is not used.

mod client;
pub mod compute;
mod credential;
mod error;
pub mod network;
mod operation;
mod place;
pub mod resources;
pub mod storage;
#[cfg(test)]
mod tests;

pub use client::{Client, Condition, Patience};
pub use credential::Login;
pub use error::AzureError;
pub use operation::provisioning_state;
pub use place::{ENDPOINT_VARIABLE, Place};
