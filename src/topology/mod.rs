//! From what the user wrote to what will be: every node by name, and who talks to whom. Pure.

pub mod expression;
pub mod model;
mod name;
pub mod resolve;
#[cfg(test)]
mod sample;
pub mod select;
pub mod wiring;

/// How a balancer asks whether a server is good: part of [`Edge`].
pub use crate::catalog::Check;
pub use model::{CloudBalancer, Edge, Leg, Machine, Node, Topology};
pub use name::Name;
pub use resolve::{Input, ResolveError, resolve};
pub use select::{Selector, SelectorError};
