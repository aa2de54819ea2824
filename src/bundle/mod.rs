//! Everything that an environment needs from elsewhere, in one file: packages, the node image, files of the user's.
//!
//! A bundle is a plain tar archive. Its last member is `manifest.json`, which names all others with size and SHA-256, so
//! that a bundle that was cut short has none. The SHA-256 of the manifest stands for the whole bundle.

mod cover;
mod depot;
mod error;
mod gather;
mod manifest;
mod open;
#[cfg(test)]
mod tests;
mod write;

pub use cover::{Need, lacks};
pub use depot::{Depot, Shelf};
pub use error::BundleError;
pub use gather::{Gather, GatherError, gather};
pub use manifest::{FORMAT, File, Image, MANIFEST, MadeFor, Manifest, Package, Repository};
pub use open::{Bundle, Part};
pub use write::Writer;
