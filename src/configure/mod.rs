//! From a role to a program for one node, and from its output to results.

pub mod resource;

pub use resource::{Item, ItemResult, Outcome, Stage, Want};
