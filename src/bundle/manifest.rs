//! What a bundle says about itself.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::distribution::Platform;

/// Raised whenever an older refarch would misread a bundle.
pub const FORMAT: u64 = 1;

/// Name of the member that holds the manifest: the last one.
pub const MANIFEST: &str = "manifest.json";

/// Everything that a bundle holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`FORMAT`].
    pub format: u64,
    /// Version of the refarch that made it.
    pub refarch: String,
    /// The environment that it was made for. Any other that needs nothing else can be made from it too.
    pub made_for: MadeFor,
    /// The image that nodes of provider `local` start from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<Image>,
    /// Packages, a repository for each kind of machine.
    #[serde(default)]
    pub repositories: Vec<Repository>,
    /// Files from beside the environment file: path from there, and the member that holds it.
    #[serde(default)]
    pub own: BTreeMap<String, String>,
    /// Every member but the manifest, in order.
    pub files: Vec<File>,
}

/// What a bundle was made for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MadeFor {
    /// Environment.
    pub environment: String,
    /// Stack.
    pub stack: String,
    /// Provider.
    pub provider: String,
    /// Reference architecture, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub architecture: Option<String>,
}

/// A node image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// Hash of what it was made from; names it.
    pub recipe: String,
    /// What it is.
    pub platform: Platform,
    /// Packages that were asked for when it was made; what they need is in it as well.
    pub packages: Vec<String>,
    /// Member that holds it, as the container engine saves images.
    pub file: String,
}

/// Packages for one kind of machine: everything that was asked for with all that it needs, down to an empty machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repository {
    /// Kind of machine.
    pub platform: Platform,
    /// Where they came from, and the keys that had signed it: lines as in `sources.list`.
    pub sources: Vec<String>,
    /// Packages that were asked for.
    pub roots: Vec<String>,
    /// Role -> what a file of the user's that it uploads needs besides.
    #[serde(default)]
    pub also: BTreeMap<String, Vec<String>>,
    /// Member that holds the index (`Packages`).
    pub index: String,
    /// Packages by name.
    pub packages: Vec<Package>,
}

/// A package.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Package {
    /// Name.
    pub name: String,
    /// Version.
    pub version: String,
    /// Architecture: the machine's, or `all`.
    pub architecture: String,
    /// Member that holds it.
    pub file: String,
}

/// A member of the archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    /// Name in the archive.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// SHA-256 in hexadecimal.
    pub sha256: String,
}

/// SHA-256 in hexadecimal.
pub(super) fn hex(digest: impl AsRef<[u8]>) -> String {
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The digest that stands for a bundle with this manifest.
pub(super) fn digest(text: &[u8]) -> String {
    hex(Sha256::digest(text))
}
