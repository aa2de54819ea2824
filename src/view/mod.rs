//! What people and programs see.

mod checks;
mod cost;
pub mod diagnostic;
mod drills;
mod plain;
mod plan;
mod run;
mod watch;

pub use checks::{checks, findings};
pub use cost::{cost, cost_notes, cost_rows, money_change};
pub use drills::drills;
pub use plain::{count, duration, line};
pub use plan::{PlanStyle, drift_text, plan_text, summary};
pub use run::{Style, json_line, show};
pub use watch::{Place, Screen};
