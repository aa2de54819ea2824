//! What nodes take out of a bundle.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
};

use super::{Part, Repository};
use crate::distribution::Platform;

/// The packages of a bundle, as nodes ask for them.
pub struct Depot {
    digest: String,
    shelves: BTreeMap<Platform, Shelf>,
    parts: HashMap<String, Part>,
}

/// What there is for one kind of machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shelf {
    /// SHA-256 of the index.
    pub sha256: String,
    /// Its bytes.
    pub size: u64,
    /// Role -> packages that its nodes need besides those that it names.
    pub also: BTreeMap<String, Vec<String>>,
}

impl Depot {
    pub(super) fn new(digest: &str, repositories: &[Repository], part: impl Fn(&str) -> Option<Part>) -> Self {
        let mut depot = Self { digest: digest.to_owned(), shelves: BTreeMap::new(), parts: HashMap::new() };
        for repository in repositories {
            let Some(index) = part(&repository.index) else { continue };
            let shelf = Shelf { sha256: index.sha256.clone(), size: index.size, also: repository.also.clone() };
            depot.shelves.insert(repository.platform.clone(), shelf);
            let packages = repository.packages.iter().filter_map(|package| part(&package.file));
            depot.parts.extend(packages.chain([index]).map(|part| (part.sha256.clone(), part)));
        }
        depot
    }

    /// Digest of the bundle.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// What there is, by kind of machine.
    #[must_use]
    pub fn shelves(&self) -> &BTreeMap<Platform, Shelf> {
        &self.shelves
    }

    /// A package or an index by its SHA-256.
    #[must_use]
    pub fn part(&self, sha256: &str) -> Option<&Part> {
        self.parts.get(sha256)
    }

    /// What nodes with this role need besides the packages that it names, on any kind of machine.
    #[must_use]
    pub fn also(&self, role: &str) -> Vec<String> {
        let all = self.shelves.values().filter_map(|shelf| shelf.also.get(role)).flatten();
        let mut all: Vec<String> = all.cloned().collect();
        all.sort();
        all.dedup();
        all
    }
}

impl fmt::Debug for Depot {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Depot").field(&self.digest).finish()
    }
}
