//! Everything that goes into the node image, and the hash that names it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    path::Path,
};

use sha2::{Digest, Sha256};

use crate::{
    distribution::{Machine, PUBLIC_MIRROR, PUBLIC_SECURITY},
    provider::local::{LocalOptions, container::append},
};

/// What the image is made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipe {
    /// Debian suite.
    pub suite: String,
    /// Mirror of the suite.
    pub mirror: String,
    /// Files below `/refarch-build` in the container that builds it.
    files: BTreeMap<String, Vec<u8>>,
}

impl Recipe {
    /// The recipe for these options, with what this machine adds: mirrors, proxies, certificate authorities.
    pub fn new(options: &LocalOptions) -> Self {
        Self::on(options, &Machine::look(Path::new("/")))
    }

    fn on(options: &LocalOptions, machine: &Machine) -> Self {
        let suite = options.suite.as_str();
        let own = |suite: &str| machine.sources.get(suite).cloned();
        let mirror = options.mirror.clone().or_else(|| own(suite)).unwrap_or_else(|| PUBLIC_MIRROR.to_owned());
        let mut sources = format!("deb {mirror} {suite} main\n");
        for (part, public) in [("updates", mirror.as_str()), ("security", PUBLIC_SECURITY)] {
            let name = format!("{suite}-{part}");
            // Where a mirror was named it is asked for everything it has for certain, and for nothing else.
            let from = own(&name).or_else(|| options.mirror.is_none().then(|| public.to_owned()));
            if let Some(from) = from {
                let _ = writeln!(sources, "deb {from} {name} main");
            }
        }
        let others = options.fallback_suites.iter().filter(|other| *other != suite);
        let fallback: String = others.map(|other| format!("deb {mirror} {other} main\n")).collect();
        let packages: BTreeSet<&str> = options.packages.iter().map(String::as_str).collect();

        let text = |text: &str| text.as_bytes().to_vec();
        let mut files = BTreeMap::from([
            ("install.sh".to_owned(), text(include_str!("install.sh"))),
            ("entry.sh".to_owned(), text(include_str!("entry.sh"))),
            ("masks".to_owned(), text(include_str!("masks"))),
            ("base".to_owned(), text(include_str!("base"))),
            ("packages".to_owned(), packages.iter().flat_map(|name| [name, "\n"]).collect::<String>().into_bytes()),
            ("sources".to_owned(), text(&sources)),
            ("fallback".to_owned(), text(&fallback)),
        ]);
        files.extend(machine.proxies.iter().map(|(name, content)| (format!("apt/{name}"), content.clone())));
        files.extend(machine.authorities.iter().map(|(name, content)| (format!("ca/{name}"), content.clone())));
        if sources.contains("https://") {
            files.extend(machine.bundle.iter().map(|content| ("ca-bundle".to_owned(), content.clone())));
        }
        Self { suite: suite.to_owned(), mirror, files }
    }

    /// Twelve hexadecimal digits that change whenever anything that goes in does.
    pub fn hash(&self) -> String {
        let mut digest = Sha256::new();
        let mut part = |bytes: &[u8]| {
            digest.update((bytes.len() as u64).to_be_bytes());
            digest.update(bytes);
        };
        part(std::env::consts::ARCH.as_bytes());
        part(self.suite.as_bytes());
        for (name, content) in &self.files {
            part(name.as_bytes());
            part(content);
        }
        short(&digest.finalize())
    }

    /// Names the bare Debian below: it depends on suite and mirror only.
    pub fn base_hash(&self) -> String {
        short(&Sha256::digest(format!("{}\n{}\n{}", std::env::consts::ARCH, self.suite, self.mirror)))
    }

    /// The apt settings with this machine's proxies.
    pub fn proxies(&self) -> impl Iterator<Item = &[u8]> {
        self.files.iter().filter(|(name, _)| name.starts_with("apt/")).map(|(_, content)| content.as_slice())
    }

    /// The files as an archive to be unpacked at `/`.
    pub fn archive(&self) -> std::io::Result<Vec<u8>> {
        let mut archive = tar::Builder::new(Vec::new());
        for (name, content) in &self.files {
            append(&mut archive, &format!("refarch-build/{name}"), 0o644, content)?;
        }
        archive.into_inner()
    }
}

fn short(digest: &[u8]) -> String {
    digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
#[path = "recipe_tests.rs"]
mod tests;
