//! Nodes as containers on this machine that behave like small Debian machines.
//!
//! The engine is reached through its API. Everything made carries labels, so that it is found again without any state
//! of refarch's own; only the keys of the nodes lie in the environment's workspace.

mod address;
mod address_book;
mod container;
mod engine;
mod image;

mod labels;
mod network;
mod observe;
mod options;
mod preflight;
mod provider;

pub use options::{LocalOptions, Publish};
pub use provider::{LocalProvider, leftovers};
