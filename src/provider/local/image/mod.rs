//! The image that nodes are made from: built once per recipe, kept by the engine.

mod base;
mod build;
mod carry;
mod recipe;

pub use base::bootstrap_possible;
pub use build::{ensure, exists, tag};
pub use carry::{GIVE_AGAIN, carry, must_be, pin, pinned, take};
pub use recipe::Recipe;
