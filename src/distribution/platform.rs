//! A release of a distribution on a kind of processor: what decides which packages a machine can take.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Releases whose packages are known by suite: distribution, version, suite.
const RELEASES: [(&str, &str, &str); 6] = [
    ("debian", "11", "bullseye"),
    ("debian", "12", "bookworm"),
    ("debian", "13", "trixie"),
    ("ubuntu", "20.04", "focal"),
    ("ubuntu", "22.04", "jammy"),
    ("ubuntu", "24.04", "noble"),
];
const ARCHITECTURES: [&str; 2] = ["amd64", "arm64"];

/// A release on a kind of processor, written `debian-12-amd64`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Platform {
    /// As `/etc/os-release` calls it: `debian`, `ubuntu`.
    pub distribution: String,
    /// `12`, `24.04`.
    pub version: String,
    /// As dpkg calls it: `amd64`, `arm64`.
    pub architecture: String,
}

/// A text that names no platform.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no release that packages can be gathered for")]
pub struct PlatformError {
    /// The text.
    pub text: String,
}

impl PlatformError {
    /// What to do.
    #[must_use]
    pub fn hint(&self) -> String {
        let known: Vec<String> =
            RELEASES.iter().map(|(distribution, version, _)| format!("{distribution}-{version}")).collect();
        format!(
            "{} are, for {}: `debian-12`, or `debian-12-arm64` for another processor than this machine's; RPM \
             distributions are not yet",
            known.join(", "),
            ARCHITECTURES.join(" and ")
        )
    }
}

impl Platform {
    /// The release of a suite, on this machine's kind of processor.
    #[must_use]
    pub fn of_suite(suite: &str) -> Option<Self> {
        let (distribution, version, _) = RELEASES.iter().find(|(.., name)| *name == suite)?;
        Some(Self {
            distribution: (*distribution).to_owned(),
            version: (*version).to_owned(),
            architecture: this_architecture().to_owned(),
        })
    }

    /// This machine's kind of processor, as dpkg calls it.
    #[must_use]
    pub fn here() -> &'static str {
        this_architecture()
    }

    /// Name of its suite.
    #[must_use]
    pub fn suite(&self) -> &'static str {
        let mut known = RELEASES.iter();
        let own =
            known.find(|(distribution, version, _)| *distribution == self.distribution && *version == self.version);
        own.map_or("", |(.., suite)| suite)
    }
}

/// This machine's kind of processor as dpkg calls it.
fn this_architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

impl FromStr for Platform {
    type Err = PlatformError;

    /// `debian-12-amd64`, or `debian-12` for this machine's kind of processor.
    fn from_str(text: &str) -> Result<Self, PlatformError> {
        let bad = || PlatformError { text: text.to_owned() };
        let mut parts = text.split('-');
        let (distribution, version) = (parts.next().ok_or_else(bad)?, parts.next().ok_or_else(bad)?);
        let architecture = parts.next().unwrap_or(this_architecture());
        let known = RELEASES.iter().any(|(name, number, _)| *name == distribution && *number == version);
        if !known || !ARCHITECTURES.contains(&architecture) || parts.next().is_some() {
            return Err(bad());
        }
        let [distribution, version, architecture] = [distribution, version, architecture].map(str::to_owned);
        Ok(Self { distribution, version, architecture })
    }
}

impl TryFrom<String> for Platform {
    type Error = PlatformError;

    fn try_from(text: String) -> Result<Self, PlatformError> {
        text.parse()
    }
}

impl From<Platform> for String {
    fn from(platform: Platform) -> Self {
        platform.to_string()
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}-{}-{}", self.distribution, self.version, self.architecture)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_platform_is_written_as_it_is_read() {
        let platform: Platform = "ubuntu-24.04-arm64".parse().unwrap();
        assert_eq!((platform.suite(), platform.to_string().as_str()), ("noble", "ubuntu-24.04-arm64"));
        let here: Platform = "debian-12".parse().unwrap();
        assert_eq!(here.architecture, this_architecture());
        assert_eq!(Platform::of_suite("bookworm"), Some(here));
    }

    #[test]
    fn what_packages_cannot_be_gathered_for_is_refused() {
        for text in ["", "debian", "debian-9", "rhel-9", "debian-12-amd64-x", "debian-12-mips", "/etc", "bookworm"] {
            let error = text.parse::<Platform>().unwrap_err();
            assert!(error.hint().contains("debian-12"), "{text}");
        }
    }
}
