//! Everything that goes into the node image, and the hash that names it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

use crate::provider::local::{LocalOptions, container::append};

const PUBLIC_MIRROR: &str = "http://deb.debian.org/debian";
const PUBLIC_SECURITY: &str = "http://deb.debian.org/debian-security";

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

/// What this machine adds to a recipe.
#[derive(Debug, Default)]
struct Machine {
    /// Suite -> mirror, from its own apt sources.
    sources: BTreeMap<String, String>,
    proxies: BTreeMap<String, Vec<u8>>,
    authorities: BTreeMap<String, Vec<u8>>,
    bundle: Option<Vec<u8>>,
}

impl Machine {
    fn look(root: &Path) -> Self {
        let mut machine = Self {
            authorities: files(&root.join("usr/local/share/ca-certificates"), "crt"),
            bundle: std::fs::read(root.join("etc/ssl/certs/ca-certificates.crt")).ok(),
            ..Self::default()
        };
        let release = std::fs::read_to_string(root.join("etc/os-release")).unwrap_or_default();
        if release.lines().any(|line| line == "ID=debian") {
            let apt = root.join("etc/apt");
            let one_line = files(&apt.join("sources.list.d"), "list").into_values();
            for list in std::fs::read(apt.join("sources.list")).into_iter().chain(one_line) {
                machine.read_list(&String::from_utf8_lossy(&list));
            }
            for stanzas in files(&apt.join("sources.list.d"), "sources").into_values() {
                machine.read_stanzas(&String::from_utf8_lossy(&stanzas));
            }
        }
        let settings = files(&root.join("etc/apt/apt.conf.d"), "").into_iter();
        let main = std::fs::read(root.join("etc/apt/apt.conf")).ok().map(|content| ("apt.conf".to_owned(), content));
        let with_proxy = |content: &[u8]| String::from_utf8_lossy(content).to_lowercase().contains("::proxy");
        machine.proxies = settings.chain(main).filter(|(_, content)| with_proxy(content)).collect();
        machine
    }

    /// `deb [options] URI SUITE COMPONENT…`
    fn read_list(&mut self, text: &str) {
        for line in text.lines() {
            let Some(rest) = line.trim().strip_prefix("deb ") else { continue };
            let rest = rest.trim_start();
            let rest = if rest.starts_with('[') { rest.split_once(']').map_or("", |(_, rest)| rest) } else { rest };
            let words: Vec<&str> = rest.split_whitespace().collect();
            if let [uri, suite, components @ ..] = words.as_slice() {
                self.add(uri, suite, components);
            }
        }
    }

    /// The deb822 form: `URIs:`, `Suites:`, `Components:`.
    fn read_stanzas(&mut self, text: &str) {
        for stanza in text.split("\n\n") {
            let words = |name: &str| -> Vec<&str> {
                let value = stanza.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
                value.map(|value| value.split_whitespace().collect()).unwrap_or_default()
            };
            if words("Enabled").first() == Some(&"no") || !words("Types").contains(&"deb") {
                continue;
            }
            for suite in words("Suites") {
                words("URIs").first().into_iter().for_each(|uri| self.add(uri, suite, &words("Components")));
            }
        }
    }

    fn add(&mut self, uri: &str, suite: &str, components: &[&str]) {
        // Only Debian's own archive has `main` in a suite of that name; third parties are not the image's matter.
        let debian = uri.trim_end_matches('/').rsplit('/').next().is_some_and(|last| last.starts_with("debian"));
        if debian && components.contains(&"main") && (uri.starts_with("http://") || uri.starts_with("https://")) {
            self.sources.entry(suite.to_owned()).or_insert_with(|| uri.trim_end_matches('/').to_owned());
        }
    }
}

/// The readable files of a folder with this ending (all for the empty one), by name.
fn files(folder: &Path, ending: &str) -> BTreeMap<String, Vec<u8>> {
    let paths = std::fs::read_dir(folder).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
    let matching = |path: &PathBuf| ending.is_empty() || path.extension().is_some_and(|found| found == ending);
    paths
        .filter(matching)
        .filter_map(|path| Some((path.file_name()?.to_str()?.to_owned(), std::fs::read(&path).ok()?)))
        .collect()
}

fn short(digest: &[u8]) -> String {
    digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
#[path = "recipe_tests.rs"]
mod tests;
