//! Gathers packages with all that they need. apt does it, in a scratch folder that it takes for an empty machine of the
//! wanted release: what it would install there is what any machine of that release can be given.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    process::Stdio,
};

use sha2::{Digest, Sha256};
use tokio::process::Command;

use super::{
    manifest::{Package, Repository, hex},
    write::Writer,
};
use crate::distribution::{Machine, Platform, Source, sources};

/// What to gather.
pub struct Gather<'a> {
    /// For which kind of machine.
    pub platform: &'a Platform,
    /// Mirror to use alone; none: this machine's, else the public one.
    pub mirror: Option<&'a str>,
    /// What this machine knows of mirrors and proxies.
    pub machine: &'a Machine,
    /// Packages that are installed on one machine together, for each kind of node.
    pub sets: &'a BTreeSet<Vec<String>>,
    /// Role -> packages of the user's that it uploads; what they need is gathered as well.
    pub uploads: &'a BTreeMap<String, Vec<PathBuf>>,
    /// Hears what is being done.
    pub told: &'a (dyn Fn(String) + Send + Sync),
}

/// Why packages cannot be gathered.
#[derive(Debug, thiserror::Error)]
#[error("packages for {platform}: {message}")]
pub struct GatherError {
    /// For which kind of machine.
    pub platform: Platform,
    /// What happened.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
}

/// A folder that apt takes for a machine.
struct Scratch<'a> {
    root: PathBuf,
    ask: &'a Gather<'a>,
}

/// Gathers packages into the bundle. `folder` is an empty scratch folder with room for them.
///
/// # Errors
/// When apt is missing or refuses, a package is nowhere, or the bundle cannot be written.
pub async fn gather(ask: &Gather<'_>, folder: &Path, bundle: &mut Writer) -> Result<Repository, GatherError> {
    let scratch = Scratch { root: folder.to_owned(), ask };
    let sources = scratch.prepare()?;
    (ask.told)(format!("reading the package lists of {}", ask.platform));
    scratch.apt("apt-get", &["-q", "update"]).await?;
    let roots: BTreeSet<&str> = ask.sets.iter().flatten().map(String::as_str).collect();
    scratch.find(&roots).await?;
    for (number, set) in ask.sets.iter().enumerate() {
        (ask.told)(format!("packages for {}: {} of {} kinds of node", ask.platform, number + 1, ask.sets.len()));
        let words = ["-q", "-y", "--download-only", "install"].into_iter().chain(set.iter().map(String::as_str));
        scratch.apt("apt-get", &words.collect::<Vec<_>>()).await?;
    }
    let mut also = BTreeMap::new();
    for (role, files) in ask.uploads {
        (ask.told)(format!("what the packages of role {role} need"));
        also.insert(role.clone(), scratch.needs(files).await?);
    }
    let index = format!("deb/{}/Packages", ask.platform);
    let packages = scratch.pack(&index, bundle).await?;
    Ok(Repository {
        platform: ask.platform.clone(),
        sources: sources.iter().map(|source| source.line().trim().to_owned()).collect(),
        roots: roots.into_iter().map(str::to_owned).collect(),
        also,
        index,
        packages,
    })
}

impl Scratch<'_> {
    /// The folders and settings of a machine on which nothing is installed.
    fn prepare(&self) -> Result<Vec<Source>, GatherError> {
        let (main, fallback) = sources(self.ask.platform, self.ask.mirror, self.ask.machine);
        let keyring = main.first().map_or("", |source| source.keyring);
        if !Path::new(keyring).exists() {
            let hint = format!(
                "install {}: packages are taken only where the distribution signed them",
                if keyring.contains("ubuntu") { "ubuntu-keyring" } else { "debian-archive-keyring" }
            );
            return Err(self.failed(format!("{keyring} is missing here"), Some(hint)));
        }
        let write = || -> std::io::Result<()> {
            for folder in ["etc/apt.conf.d", "etc/preferences.d", "lists/partial", "archives/partial", "log"] {
                std::fs::create_dir_all(self.root.join(folder))?;
            }
            for (name, content) in &self.ask.machine.proxies {
                std::fs::write(self.root.join("etc/apt.conf.d").join(name), content)?;
            }
            let list: String = main.iter().chain(&fallback).map(Source::line).collect();
            std::fs::write(self.root.join("etc/sources.list"), list)?;
            std::fs::write(self.root.join("etc/preferences"), pins(&fallback, &[]))?;
            std::fs::write(self.root.join("status"), "")?;
            std::fs::write(self.root.join("apt.conf"), self.settings())
        };
        write().map_err(|error| self.failed(format!("{}: {error}", self.root.display()), None))?;
        Ok(main.into_iter().chain(fallback).collect())
    }

    fn settings(&self) -> String {
        let root = self.root.display();
        let architecture = &self.ask.platform.architecture;
        format!(
            "Dir::State \"{root}\";\nDir::State::lists \"{root}/lists\";\nDir::State::status \"{root}/status\";\n\
             Dir::State::extended_states \"{root}/extended_states\";\nDir::Cache \"{root}\";\n\
             Dir::Cache::archives \"{root}/archives\";\nDir::Log \"{root}/log\";\nDir::Etc \"{root}/etc\";\n\
             Dir::Etc::sourcelist \"{root}/etc/sources.list\";\nDir::Etc::sourceparts \"/dev/null\";\n\
             Dir::Etc::preferences \"{root}/etc/preferences\";\nDir::Etc::preferencesparts \"{root}/etc/preferences.d\";\n\
             Dir::Etc::main \"/dev/null\";\nDir::Etc::parts \"{root}/etc/apt.conf.d\";\n\
             APT::Architecture \"{architecture}\";\nAPT::Architectures {{ \"{architecture}\"; }};\n\
             APT::Install-Recommends \"false\";\nAPT::Sandbox::User \"root\";\nAcquire::Languages \"none\";\n\
             Acquire::Retries \"3\";\nDebug::NoLocking \"true\";\n"
        )
    }

    /// Every package must be somewhere; what the release does not have comes from the suites besides, and nothing else does.
    async fn find(&self, roots: &BTreeSet<&str>) -> Result<(), GatherError> {
        let (_, fallback) = sources(self.ask.platform, self.ask.mirror, self.ask.machine);
        let missing = self.missing(roots).await?;
        if missing.is_empty() {
            return Ok(());
        }
        std::fs::write(self.root.join("etc/preferences"), pins(&fallback, &missing))
            .map_err(|error| self.failed(error.to_string(), None))?;
        let nowhere = self.missing(&missing.iter().map(String::as_str).collect()).await?;
        if nowhere.is_empty() {
            return Ok(());
        }
        let hint = "is it called otherwise in this release? `--mirror` names another source".to_owned();
        Err(self.failed(format!("there is no {}", nowhere.join(", ")), Some(hint)))
    }

    async fn missing(&self, names: &BTreeSet<&str>) -> Result<Vec<String>, GatherError> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let bare = names.iter().map(|name| name.split('=').next().unwrap_or(name));
        let words: Vec<&str> = ["policy"].into_iter().chain(bare).collect();
        let found = candidates(&self.apt("apt-cache", &words).await?);
        let lacking = names.iter().filter(|name| !found.contains(name.split('=').next().unwrap_or(name)));
        Ok(lacking.map(|name| (*name).to_owned()).collect())
    }

    /// What packages of the user's need besides themselves.
    async fn needs(&self, files: &[PathBuf]) -> Result<Vec<String>, GatherError> {
        let mut own = BTreeSet::new();
        for file in files {
            own.insert(self.control(file).await?.field("Package").to_owned());
        }
        // apt takes what has no slash for the name of a package.
        let whole = |file: &PathBuf| std::path::absolute(file).unwrap_or_else(|_| file.clone()).display().to_string();
        let paths: Vec<String> = files.iter().map(whole).collect();
        let with = |verbs: &[&str]| -> Vec<String> {
            verbs.iter().map(|word| (*word).to_owned()).chain(paths.iter().cloned()).collect()
        };
        let words = with(&["-q", "-y", "--simulate", "install"]);
        let said = self.apt("apt-get", &words.iter().map(String::as_str).collect::<Vec<_>>()).await?;
        let words = with(&["-q", "-y", "--download-only", "install"]);
        self.apt("apt-get", &words.iter().map(String::as_str).collect::<Vec<_>>()).await?;
        let names = said.lines().filter_map(|line| line.strip_prefix("Inst ")?.split_whitespace().next());
        Ok(names
            .map(|name| name.split(':').next().unwrap_or(name).to_owned())
            .filter(|name| !own.contains(name))
            .collect())
    }

    /// Puts what apt fetched into the bundle, with an index of it.
    async fn pack(&self, index: &str, bundle: &mut Writer) -> Result<Vec<Package>, GatherError> {
        let broken = |error: std::io::Error| self.failed(error.to_string(), None);
        let entries = std::fs::read_dir(self.root.join("archives")).map_err(broken)?;
        let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        files.retain(|file| file.extension().is_some_and(|ending| ending == "deb"));
        files.sort();
        let (mut packages, mut text) = (Vec::new(), String::new());
        for file in files {
            let control = self.control(&file).await?;
            let name = file.file_name().unwrap_or_default().to_string_lossy().replace("%3a", "~");
            let member = format!("deb/{}/{name}", self.ask.platform);
            let sha256 = measure(&file).map_err(broken)?;
            let size = std::fs::metadata(&file).map_err(broken)?.len();
            // Nodes ask for a package by its hash, and keep it under that.
            text.push_str(&format!("{}Filename: ./{sha256}.deb\nSize: {size}\nSHA256: {sha256}\n\n", control.0));
            bundle.file(&member, &file).map_err(|error| self.failed(error.to_string(), None))?;
            packages.push(Package {
                name: control.field("Package").to_owned(),
                version: control.field("Version").to_owned(),
                architecture: control.field("Architecture").to_owned(),
                file: member,
            });
        }
        bundle.text(index, text.as_bytes()).map_err(|error| self.failed(error.to_string(), None))?;
        packages.sort();
        Ok(packages)
    }

    async fn control(&self, file: &Path) -> Result<Control, GatherError> {
        let path = file.display().to_string();
        Ok(Control(self.run("dpkg-deb", &["-f", &path]).await?))
    }

    async fn apt(&self, program: &str, words: &[&str]) -> Result<String, GatherError> {
        self.run(program, words).await
    }

    async fn run(&self, program: &str, words: &[&str]) -> Result<String, GatherError> {
        let output = Command::new(program)
            .args(words)
            .env("APT_CONFIG", self.root.join("apt.conf"))
            .env("LC_ALL", "C")
            .env("DEBIAN_FRONTEND", "noninteractive")
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .map_err(|error| {
                let hint = "packages are gathered with apt and dpkg: make the bundle on a Debian or Ubuntu, or in a \
                            container of one";
                self.failed(format!("{program} cannot be run: {error}"), Some(hint.to_owned()))
            })?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let said = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
        let complaint = complaint(&String::from_utf8_lossy(&said), program);
        let unreached =
            ["Failed to fetch", "Could not", "Temporary failure"].iter().any(|word| complaint.contains(word));
        let hint = "is the mirror reachable, and has it what its own lists name? `--mirror URL` names another";
        Err(self.failed(complaint, unreached.then(|| hint.to_owned())))
    }

    fn failed(&self, message: String, hint: Option<String>) -> GatherError {
        GatherError { platform: self.ask.platform.clone(), message, hint }
    }
}

/// The control file of a package.
struct Control(String);

impl Control {
    fn field(&self, name: &str) -> &str {
        let line = self.0.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        line.unwrap_or_default().trim()
    }
}

/// Nothing comes from the suites besides but what was asked for and is nowhere else.
fn pins(fallback: &[Source], wanted: &[String]) -> String {
    let pin = |source: &Source| {
        let suite = &source.suite;
        let mut text = format!("Package: *\nPin: release n={suite}\nPin-Priority: -1\n\n");
        if !wanted.is_empty() {
            let names = wanted.join(" ");
            text.push_str(&format!("Package: {names}\nPin: release n={suite}\nPin-Priority: 500\n\n"));
        }
        text
    };
    fallback.iter().map(pin).collect()
}

/// Packages that apt would install, by what `apt-cache policy` says.
fn candidates(policy: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut name = "";
    for line in policy.lines() {
        if let Some(candidate) = line.strip_prefix("  Candidate: ") {
            if candidate != "(none)" {
                found.insert(name.to_owned());
            }
        } else if let Some(package) = line.strip_suffix(':')
            && !line.starts_with(' ')
        {
            name = package.split(':').next().unwrap_or(package);
        }
    }
    found
}

/// What apt complains about.
fn complaint(said: &str, program: &str) -> String {
    let lines = said.lines().filter(|line| {
        ["E: ", "W: ", "Err:", "dpkg-deb: error"].iter().any(|start| line.starts_with(start))
            || line.contains(" Depends: ")
    });
    let lines: Vec<&str> = lines.map(str::trim).take(8).collect();
    if lines.is_empty() { format!("{program} failed without a word") } else { lines.join("; ") }
}

fn measure(path: &Path) -> std::io::Result<String> {
    let mut hash = Sha256::new();
    std::io::copy(&mut std::fs::File::open(path)?, &mut hash)?;
    Ok(hex(hash.finalize()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_candidate_is_missing() {
        let policy = "jq:\n  Installed: (none)\n  Candidate: 1.6-2.1\n  Version table:\n     1.6-2.1 500\n        500 http://x/debian bookworm/main\nconsul:\n  Installed: (none)\n  Candidate: (none)\n  Version table:\n     1.8.7 -1\n";
        assert_eq!(candidates(policy), BTreeSet::from(["jq".to_owned()]));
    }

    #[test]
    fn what_apt_says_is_told() {
        let said = "Reading package lists...\nE: Unable to locate package nonsense\n";
        assert_eq!(complaint(said, "apt-get"), "E: Unable to locate package nonsense");
        assert_eq!(complaint("", "apt-get"), "apt-get failed without a word");
    }

    #[test]
    fn a_control_file_is_read_by_its_first_fields() {
        let control = Control("Package: jq\nVersion: 1:2\nDescription: x\n Version: no\n".to_owned());
        assert_eq!((control.field("Version"), control.field("Source")), ("1:2", ""));
    }
}
