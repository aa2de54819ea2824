//! An environment's workspace in a place that a team reaches: the state, and one lock for all machines.
//!
//! The folder `.refarch/<name>` stays the working copy of a machine. `docs/teams.md` tells the layout and the lock.

mod chain;
mod copy;
mod entry;
mod error;
mod hold;
mod merge;
mod place;
mod push;
mod store;
mod team;
#[cfg(test)]
mod tests;

pub use copy::is_joined;
pub use entry::{Entry, SharedLease};
pub use error::SharedError;
pub use store::Store;
pub use team::{Freshness, Shared, SharedOptions, Taken, known_here};
