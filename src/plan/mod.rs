//! What has to be done, as a value: printed, saved, compared, and run without further decisions.

pub mod build;
pub mod file;
pub mod leave;
pub mod model;
pub mod upgrade;

pub use build::{Input, apply, destroy};
pub use leave::Leaving;
pub use model::{Action, Counts, ItemChange, Plan, PlanError, Risk, Step, StepId, Unreachable, Verb};
pub use upgrade::{UpgradeError, UpgradeInput, upgrade};

#[cfg(test)]
mod tests;
