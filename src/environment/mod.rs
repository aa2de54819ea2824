//! What the user wrote: parsed with places, layered, checked. Knows no defaults by size or cloud.

mod checks;
mod edit;
mod explain;
mod layers;
mod load;
pub mod model;
mod place;
mod provenance;
mod schema;
mod source;
mod structure;
mod suggest;
mod template;
mod tree;

pub use checks::{StackFacts, is_environment_name};
pub use edit::set_count;
pub use explain::{Explanation, Given, UnknownKey, explain};
pub use layers::RESERVED_VARIABLES;
pub use load::{LoadRequest, Loaded, compiled_providers, load, local_file};
pub use model::{
    Architecture, Aws, Azure, AzureCloud, Balancer, Cloud, CloudImage, CloudNetwork, DataDisk, Environment, Gcp,
    HostKeys, ImageFamily, Local, Nat, NetworkMode, NodeGroup, Placement, ProviderKind, Purpose, ReferenceArchitecture,
    ReferenceDisk, ReferenceGroup, SecretOrigin, Ssh, Stack, TargetRps, Via,
};
pub use place::{BucketService, PlaceFault, SharedPlace};
pub use provenance::{Layer, Origin, Provenance};
pub use schema::{reference_schema, schema};
pub(crate) use suggest::nearest;
pub use template::{InitAnswers, template};
