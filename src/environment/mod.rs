//! What the user wrote: parsed with places, layered, checked. Knows no defaults by size or cloud.

pub mod model;

pub use model::{
    Architecture, Environment, Local, NodeGroup, ProviderKind, Purpose, ReferenceArchitecture, ReferenceGroup, Ssh,
    Stack,
};
