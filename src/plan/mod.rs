//! What has to be done, as a value: printed, saved, compared, and run without further decisions.

pub mod backup;
pub mod build;
pub mod drift;
pub mod file;
pub mod leave;
pub mod model;
pub mod moving;
pub mod upgrade;

pub use backup::{backup, last_backup, restore, restore_from, verify_backups};
pub use build::{Input, apply, destroy};
pub use drift::{Applied, AppliedEntry, Drift, drift};
pub use leave::Leaving;
pub use model::{
    Action, Counts, Downtime, DowntimeKind, ItemChange, Plan, PlanError, Risk, Source, Step, StepId, Unreachable, Verb,
};
pub use moving::{Moved, moved};
pub use upgrade::{UpgradeError, UpgradeInput, upgrade};

#[cfg(test)]
mod rolling_tests;
#[cfg(test)]
mod tests;
