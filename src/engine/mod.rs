//! Runs the steps of a plan: as many at a time as may run, each after what it needs, never twice. Knows no step's
//! meaning.

mod estimate;
mod execute;
mod report;
mod schedule;
mod stop;

pub use crate::provider::ErrorClass;
pub use execute::{Backoff, Execute, Options, StepError, StepOutcome, execute};
pub use report::{Blocked, FailedStep, Report};
pub use stop::{StopHandle, StopSignal};
