//! What people and programs see.

mod checks;
pub mod diagnostic;
mod plan;

pub use checks::{checks, findings};
pub use plan::{PlanStyle, plan_text, summary};
