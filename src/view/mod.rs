//! What people and programs see.

mod checks;
pub mod diagnostic;
mod plain;
mod plan;
mod run;

pub use checks::{checks, findings};
pub use plain::{count, duration, line};
pub use plan::{PlanStyle, drift_text, plan_text, summary};
pub use run::{Style, json_line, show};
