//! From what the user wrote to what will be: every node by name, and who talks to whom. Pure.

pub mod model;

pub use model::{Edge, Leg, Machine, Node, Topology};
