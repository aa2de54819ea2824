//! Proving that an environment works: whole paths, several times in a row. Mends nothing.

pub mod paths;

pub use paths::{CheckResult, PathRun};
