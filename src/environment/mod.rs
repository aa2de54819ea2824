//! What the user wrote: parsed with places, layered, checked. Knows no defaults by size or cloud.

mod model;
mod schema;
mod source;
mod structure;
mod suggest;
mod tree;

pub use model::{
    Architecture, Environment, Local, NodeGroup, ProviderKind, Purpose, ReferenceArchitecture, ReferenceDisk,
    ReferenceGroup, Ssh, Stack, TargetRps,
};
pub use schema::{reference_schema, schema};
