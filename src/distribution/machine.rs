//! What this machine adds where packages are fetched: mirrors, proxies, certificate authorities.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// What this machine knows of Debian's packages.
#[derive(Debug, Default)]
pub struct Machine {
    /// Suite -> mirror, from its own apt sources.
    pub sources: BTreeMap<String, String>,
    /// apt settings that name a proxy, by file name.
    pub proxies: BTreeMap<String, Vec<u8>>,
    /// Certificate authorities that somebody added, by file name.
    pub authorities: BTreeMap<String, Vec<u8>>,
    /// All certificate authorities that it trusts, in PEM.
    pub bundle: Option<Vec<u8>>,
}

impl Machine {
    /// Looks below `root`, which is `/` outside of tests.
    #[must_use]
    pub fn look(root: &Path) -> Self {
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
