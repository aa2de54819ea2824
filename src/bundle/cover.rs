//! Whether a bundle has what an environment needs. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::Manifest;

/// What an environment needs.
#[derive(Debug, Clone, Default)]
pub struct Need {
    /// Role -> distribution packages of its nodes.
    pub packages: BTreeMap<String, Vec<String>>,
    /// The suite of the image that nodes start from, where refarch makes their image.
    pub image_suite: Option<String>,
    /// Kind of processor of that image, as dpkg calls it.
    pub architecture: String,
}

/// What the bundle lacks, in words; empty where it has everything.
#[must_use]
pub fn lacks(manifest: &Manifest, need: &Need) -> Vec<String> {
    let mut faults = Vec::new();
    if let Some(suite) = &need.image_suite {
        match &manifest.image {
            None => faults.push("it has no node image, and provider local starts nodes from one".to_owned()),
            Some(image) => {
                let found = &image.platform;
                if found.suite() != suite {
                    faults.push(format!("its node image is {found}, and the environment wants {suite}"));
                }
                if found.architecture != need.architecture {
                    faults.push(format!("its node image is {found}, and this machine is {}", need.architecture));
                }
                faults.extend(missing(need, &image.packages, "its node image"));
            }
        }
        return faults;
    }
    if manifest.repositories.is_empty() && need.packages.values().any(|names| !names.is_empty()) {
        faults.push("it has no packages, only what provider local needs".to_owned());
    }
    for repository in &manifest.repositories {
        let there: Vec<String> =
            repository.roots.iter().chain(repository.packages.iter().map(|package| &package.name)).cloned().collect();
        faults.extend(missing(need, &there, &format!("its packages for {}", repository.platform)));
    }
    faults
}

fn missing(need: &Need, there: &[String], place: &str) -> Vec<String> {
    let there: BTreeSet<&str> = there.iter().map(String::as_str).collect();
    let lacking = need.packages.iter().filter_map(|(role, names)| {
        let names: Vec<&str> = names.iter().map(String::as_str).filter(|name| !there.contains(name)).collect();
        (!names.is_empty()).then(|| format!("{place} lack {} of role {role}", names.join(", ")))
    });
    lacking.map(|text| text.replace("its node image lack ", "its node image lacks ")).collect()
}
