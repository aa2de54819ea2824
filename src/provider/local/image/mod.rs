//! The image that nodes are made from: built once per recipe, kept by the engine.

mod base;
mod build;
mod recipe;

pub use base::bootstrap_possible;
pub use build::{ensure, exists, tag};
pub use recipe::Recipe;
