//! What refarch knows without being told: roles and stacks, reference architectures. Embedded in the binary.

<<<<<<< HEAD
pub mod reference;
=======
mod consistency;
pub mod embedded;
>>>>>>> 85fd27c
pub mod role;
pub mod roles;
pub mod stack;

pub use role::{
    Check, CommandSpec, CountRule, DirectorySpec, FileSpec, LinkSpec, Phase, PortSpec, ProbeSpec, Protocol, Reach,
    Role, Rolling, SecretSpec, ServiceSpec, SettingSpec, StatusSpec,
};
pub use roles::{Catalog, CatalogError, StackCatalog};
pub use stack::{PathCheck, StackSpec, SummaryLine};
