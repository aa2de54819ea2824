//! Distributions of Linux: which there are, where their packages come from, what this machine adds to that.

mod machine;
mod platform;
mod sources;

pub use machine::Machine;
pub use platform::{Platform, PlatformError};
pub use sources::{PUBLIC_MIRROR, PUBLIC_SECURITY, Source, sources};
