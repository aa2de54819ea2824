//! What refarch knows without being told: roles and stacks, reference architectures. Embedded in the binary.

mod consistency;
pub mod drills;
pub mod embedded;
pub mod product_settings;
pub mod reference;
pub mod role;
pub mod roles;
pub mod stack;
pub mod version;

pub use drills::{DrillSpec, Drills, Machine, Target, WatchSpec, Which};
pub use product_settings::{Complaint, ProductSettings};
pub use role::{
    Check, CommandSpec, CountRule, DirectorySpec, FetchSpec, FileSpec, LeaveSpec, LinkSpec, Phase, PortSpec, ProbeSpec,
    Protocol, Reach, RequirementSpec, Role, Rolling, SecretSpec, ServiceSpec, SettingCheck, SettingSpec, SshKeyKind,
    StatusSpec, UpgradeSpec,
};
pub use roles::{CHECKS, Catalog, CatalogError, StackCatalog};
pub use stack::{PathCheck, Probe, Product, StackSpec, SummaryLine};
