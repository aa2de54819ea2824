//! What somebody who watches an environment sees: one look after the other, and what changed between them. Pure.

mod history;
mod model;

pub use history::{Change, History, Turn};
pub use model::{Health, Look, NodeLook, RunLook, Strip};
