//! Where the packages of a release come from.

use super::{Machine, Platform};

/// Debian's archive.
pub const PUBLIC_MIRROR: &str = "http://deb.debian.org/debian";
/// Debian's security updates.
pub const PUBLIC_SECURITY: &str = "http://deb.debian.org/debian-security";
const UBUNTU: &str = "http://archive.ubuntu.com/ubuntu";
const UBUNTU_PORTS: &str = "http://ports.ubuntu.com/ubuntu-ports";
const DEBIAN_KEYS: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";
const UBUNTU_KEYS: &str = "/usr/share/keyrings/ubuntu-archive-keyring.gpg";

/// One source of packages, as apt has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Where.
    pub uri: String,
    /// Suite: `bookworm`, `bookworm-security`.
    pub suite: String,
    /// `main`, or more.
    pub components: &'static str,
    /// Keys that must have signed it.
    pub keyring: &'static str,
}

impl Source {
    /// The line of `sources.list`.
    #[must_use]
    pub fn line(&self) -> String {
        let Self { uri, suite, components, keyring } = self;
        format!("deb [signed-by={keyring}] {uri} {suite} {components}\n")
    }
}

/// The sources of a release: this machine's mirror where it has one for a suite, else the public one; or the mirror named,
/// which is asked for what it has for certain and for nothing else. Second: suites for packages that the release lacks.
#[must_use]
pub fn sources(platform: &Platform, mirror: Option<&str>, machine: &Machine) -> (Vec<Source>, Vec<Source>) {
    let suite = platform.suite();
    if platform.distribution == "ubuntu" {
        let public = if platform.architecture == "amd64" { UBUNTU } else { UBUNTU_PORTS };
        let suites = match mirror {
            Some(_) => vec![suite.to_owned()],
            None => vec![suite.to_owned(), format!("{suite}-updates"), format!("{suite}-security")],
        };
        let source = |suite: String| Source {
            uri: mirror.unwrap_or(public).to_owned(),
            suite,
            components: "main universe",
            keyring: UBUNTU_KEYS,
        };
        return (suites.into_iter().map(source).collect(), Vec::new());
    }
    let own = |suite: &str| machine.sources.get(suite).cloned();
    let main = mirror.map(str::to_owned).or_else(|| own(suite)).unwrap_or_else(|| PUBLIC_MIRROR.to_owned());
    let source =
        |uri: String, suite: &str| Source { uri, suite: suite.to_owned(), components: "main", keyring: DEBIAN_KEYS };
    let mut all = vec![source(main.clone(), suite)];
    if mirror.is_none() {
        for (part, public) in [("updates", main.as_str()), ("security", PUBLIC_SECURITY)] {
            let name = format!("{suite}-{part}");
            all.push(source(own(&name).unwrap_or_else(|| public.to_owned()), &name));
        }
    }
    // Consul is in no release after this one.
    let fallback = (suite != "bullseye").then(|| source(main, "bullseye"));
    (all, fallback.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(platform: &str, mirror: Option<&str>, machine: &Machine) -> Vec<String> {
        let (main, fallback) = sources(&platform.parse().unwrap(), mirror, machine);
        main.iter().chain(&fallback).map(|source| format!("{} {}", source.uri, source.suite)).collect()
    }

    #[test]
    fn this_machines_mirror_comes_before_the_public_one() {
        let mut machine = Machine::default();
        machine.sources.insert("bookworm".to_owned(), "http://near.example/debian".to_owned());
        assert_eq!(
            lines("debian-12-amd64", None, &machine),
            [
                "http://near.example/debian bookworm",
                "http://near.example/debian bookworm-updates",
                "http://deb.debian.org/debian-security bookworm-security",
                "http://near.example/debian bullseye",
            ]
        );
        assert_eq!(
            lines("debian-13-arm64", Some("https://m.example/debian"), &machine),
            ["https://m.example/debian trixie", "https://m.example/debian bullseye"]
        );
        assert_eq!(
            lines("ubuntu-22.04-arm64", None, &machine)[1],
            "http://ports.ubuntu.com/ubuntu-ports jammy-updates"
        );
    }
}
