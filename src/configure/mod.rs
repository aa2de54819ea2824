//! From a role to a program for one node, and from its output to results.

mod compiled;
mod context;
#[cfg(test)]
mod depot_tests;
pub mod diff;
mod facts;
pub mod inputs;
mod literals;
mod names;
pub mod program;
#[cfg(test)]
mod program_tests;
pub mod record;
pub mod render;
pub mod resource;
pub mod results;
pub mod run;
pub mod status;
mod template;
mod upload;

pub use inputs::{Inputs, RenderError, SecretSource};
pub use program::{Mode, compile, compile_check};
pub use record::{Author, RecordLine};
pub use render::{Fetched, Renderer, Script};
pub use resource::{Item, ItemResult, Moment, Outcome, Stage, Task, Want};
pub use run::{ConfigureError, StageReport, check_node, run_stage};
pub use status::{NodeQuestions, NodeStatus, node_status, status_program};
