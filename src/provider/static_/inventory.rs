//! The inventory file: which machines there are, and how to reach them.

use std::{
    collections::BTreeSet,
    net::{IpAddr, ToSocketAddrs},
    path::{Path, PathBuf},
};

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_saphyr::Spanned;

use crate::diagnostic::{Diagnostic, Place};

/// Machines that exist already.
#[derive(Debug, Clone, PartialEq)]
pub struct Inventory {
    hosts: Vec<InventoryHost>,
}

/// One machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InventoryHost {
    /// Node name.
    pub name: String,
    /// What the controller connects to.
    pub address: String,
    /// Address that other nodes use.
    pub private: IpAddr,
    /// Node group.
    pub group: String,
    /// SSH user.
    pub user: String,
    /// SSH port.
    pub port: u16,
    /// Private key file; none leaves it to the user's agent and configuration.
    pub identity: Option<PathBuf>,
    /// Jump host.
    pub jump: Option<String>,
    /// The host's public key, where it is known beforehand.
    pub host_key: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    defaults: Access,
    hosts: Vec<Entry>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Access {
    user: Option<String>,
    port: Option<u16>,
    identity: Option<PathBuf>,
    jump: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: Spanned<String>,
    address: Spanned<String>,
    private_address: Option<IpAddr>,
    group: String,
    user: Option<String>,
    port: Option<u16>,
    identity: Option<PathBuf>,
    jump: Option<String>,
    host_key: Option<String>,
}

impl Inventory {
    /// Reads an inventory file.
    ///
    /// # Errors
    /// Every fault of it.
    pub fn load(path: &Path) -> Result<Self, Vec<Diagnostic>> {
        let source = path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map_err(|error| vec![Diagnostic::error("inventory", format!("cannot read {source}: {error}"))])?;
        let file: File = serde_saphyr::from_str(&text).map_err(|error| {
            let place = error.location().map(|at| Place {
                source: source.clone(),
                line: usize::try_from(at.line()).unwrap_or_default(),
                column: usize::try_from(at.column()).unwrap_or_default(),
                offset: 0,
                length: 0,
            });
            let message = error.to_string();
            vec![Diagnostic::error("inventory", message.lines().next().unwrap_or_default().to_owned()).at(place)]
        })?;
        let mut faults = Vec::new();
        let mut names = BTreeSet::new();
        let mut hosts = Vec::new();
        for entry in file.hosts {
            let place = |at: &Spanned<String>| {
                Some(Place {
                    source: source.clone(),
                    line: usize::try_from(at.referenced.line()).unwrap_or_default(),
                    column: usize::try_from(at.referenced.column()).unwrap_or_default(),
                    offset: 0,
                    length: 0,
                })
            };
            if !names.insert(entry.name.value.clone()) {
                faults.push(
                    Diagnostic::error("hosts", format!("two machines are called `{}`", entry.name.value))
                        .at(place(&entry.name)),
                );
            }
            let Some(private) = entry.private_address.or_else(|| resolve(&entry.address.value)) else {
                faults.push(
                    Diagnostic::error("hosts", format!("`{}` has no address", entry.address.value))
                        .at(place(&entry.address))
                        .hint("give `private_address`, the one that the other nodes use"),
                );
                continue;
            };
            hosts.push(InventoryHost {
                name: entry.name.value,
                address: entry.address.value,
                private,
                group: entry.group,
                user: entry.user.or_else(|| file.defaults.user.clone()).unwrap_or_else(|| "root".to_owned()),
                port: entry.port.or(file.defaults.port).unwrap_or(22),
                identity: entry.identity.or_else(|| file.defaults.identity.clone()).map(expand),
                jump: entry.jump.or_else(|| file.defaults.jump.clone()),
                host_key: entry.host_key,
            });
        }
        if faults.is_empty() { Ok(Self { hosts }) } else { Err(faults) }
    }

    /// Machines by node group, in the order of the file.
    #[must_use]
    pub fn groups(&self) -> IndexMap<String, Vec<InventoryHost>> {
        let mut groups: IndexMap<String, Vec<InventoryHost>> = IndexMap::new();
        for host in &self.hosts {
            groups.entry(host.group.clone()).or_default().push(host.clone());
        }
        groups
    }

    /// Every machine.
    #[must_use]
    pub fn hosts(&self) -> &[InventoryHost] {
        &self.hosts
    }
}

/// The address of a name, as this machine knows it.
fn resolve(name: &str) -> Option<IpAddr> {
    name.parse().ok().or_else(|| (name, 0).to_socket_addrs().ok()?.next().map(|found| found.ip()))
}

/// `~/` is the user's home.
fn expand(path: PathBuf) -> PathBuf {
    match (path.strip_prefix("~"), std::env::var_os("HOME")) {
        (Ok(rest), Some(home)) => Path::new(&home).join(rest),
        _ => path,
    }
}

#[cfg(test)]
mod tests {
    use super::Inventory;

    fn load(text: &str) -> Result<Inventory, Vec<String>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("inventory.yaml");
        std::fs::write(&path, text).unwrap();
        Inventory::load(&path).map_err(|faults| {
            faults
                .into_iter()
                .map(|fault| {
                    let place = fault.place.map_or(String::new(), |at| format!("{}:{}: ", at.line, at.column));
                    format!("{place}{}", fault.message)
                })
                .collect()
        })
    }

    #[test]
    fn defaults_reach_every_machine_that_does_not_say_otherwise() {
        let inventory = load(
            "defaults: { user: admin, port: 2222 }\nhosts:\n\
             - { name: a-1, address: 192.0.2.1, group: app }\n\
             - { name: a-2, address: 192.0.2.2, private_address: 10.0.0.2, group: app, user: root }\n",
        )
        .unwrap();
        let hosts = &inventory.groups()["app"];
        assert_eq!((hosts[0].user.as_str(), hosts[0].port), ("admin", 2222));
        assert_eq!((hosts[1].user.as_str(), hosts[1].private.to_string()), ("root", "10.0.0.2".to_owned()));
    }

    #[test]
    fn every_fault_is_told_with_its_place() {
        let faults = load(
            "hosts:\n- { name: a, address: 192.0.2.1, group: app }\n- { name: a, address: no.such.host.invalid, group: app }\n",
        )
        .unwrap_err();
        assert_eq!(faults, ["3:11: two machines are called `a`", "3:23: `no.such.host.invalid` has no address"]);
    }
}
