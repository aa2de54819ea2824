//! What a run did, step by step on a line of time: from its plan and its journal. Pure.

mod build;
mod critical;
mod model;

pub use build::build;
pub use model::{Bar, Because, Bound, Kind, Limit, Link, Outcome, Pause, Timeline};
