//! Remembers the addresses that an environment's nodes have, so that they keep them.

use std::{
    collections::BTreeMap,
    net::Ipv4Addr,
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
};

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use super::{address, engine::permanent};
use crate::provider::ProviderError;

/// Network and addresses of an environment, kept in a file of its workspace.
///
/// The file only saves asking the engine: what lives there wins whenever it was looked at.
#[derive(Debug)]
pub struct AddressBook {
    file: PathBuf,
    entries: Mutex<Entries>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Entries {
    network: Option<Ipv4Net>,
    nodes: BTreeMap<String, Ipv4Addr>,
}

impl AddressBook {
    /// The book in this file; empty where there is none, or none that can be read.
    pub fn open(file: PathBuf) -> Self {
        let entries = std::fs::read(&file).ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
        Self { file, entries: Mutex::new(entries) }
    }

    /// The environment's network: the one it has, else the one asked for, else the one derived from its name.
    pub fn network(&self, environment: &str, asked: Option<Ipv4Net>, nodes: usize) -> Ipv4Net {
        self.entries().network.or(asked).unwrap_or_else(|| address::derive(environment, nodes))
    }

    /// An address for each node. None where the network is too small.
    pub fn assign<'a>(
        &self,
        network: Ipv4Net,
        nodes: impl Iterator<Item = &'a str>,
    ) -> Option<BTreeMap<String, Ipv4Addr>> {
        address::assign(network, nodes, &self.entries().nodes)
    }

    /// A node's address; none where it is not there.
    pub fn address(&self, node: &str) -> Option<Ipv4Addr> {
        self.entries().nodes.get(node).copied()
    }

    /// Notes the network and the addresses of nodes that are there.
    pub fn note(&self, network: Option<Ipv4Net>, nodes: &[(String, Ipv4Addr)]) -> Result<(), ProviderError> {
        self.change(|entries| {
            entries.network = network.or(entries.network);
            entries.nodes.extend(nodes.iter().cloned());
        })
    }

    /// Forgets a node that was removed.
    pub fn forget(&self, node: &str) -> Result<(), ProviderError> {
        self.change(|entries| {
            entries.nodes.remove(node);
        })
    }

    /// Forgets everything: the network was removed.
    pub fn clear(&self) -> Result<(), ProviderError> {
        self.change(|entries| *entries = Entries::default())
    }

    fn change(&self, act: impl FnOnce(&mut Entries)) -> Result<(), ProviderError> {
        let mut entries = self.entries();
        let before = entries.clone();
        act(&mut entries);
        if *entries == before {
            return Ok(());
        }
        self.save(&entries)
            .map_err(|error| permanent(format!("note addresses in {}", self.file.display()), error.to_string(), None))
    }

    fn save(&self, entries: &Entries) -> std::io::Result<()> {
        if *entries == Entries::default() {
            return match std::fs::remove_file(&self.file) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            };
        }
        let folder = self.file.parent().expect("the book lies in the workspace");
        std::fs::create_dir_all(folder)?;
        let fresh = tempfile::NamedTempFile::new_in(folder)?;
        serde_json::to_writer_pretty(&fresh, entries)?;
        fresh.persist(&self.file)?;
        Ok(())
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_noted_is_found_again_and_wins_over_what_is_asked_for() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("addresses.json");
        let network: Ipv4Net = "10.180.1.0/24".parse().unwrap();
        let asked: Ipv4Net = "10.180.2.0/24".parse().unwrap();
        let book = AddressBook::open(file.clone());
        assert_eq!(book.network("demo", Some(asked), 3), asked);
        book.note(Some(network), &[("demo-a-2".to_owned(), Ipv4Addr::new(10, 180, 1, 10))]).unwrap();

        let book = AddressBook::open(file.clone());
        assert_eq!(book.network("demo", Some(asked), 3), network);
        let assigned = book.assign(network, ["demo-a-1", "demo-a-2"].into_iter()).unwrap();
        assert_eq!(assigned["demo-a-2"], Ipv4Addr::new(10, 180, 1, 10));
        assert_eq!(assigned["demo-a-1"], Ipv4Addr::new(10, 180, 1, 11));

        book.forget("demo-a-2").unwrap();
        assert_eq!(AddressBook::open(file.clone()).assign(network, ["x"].into_iter()).unwrap()["x"].octets()[3], 10);
        book.clear().unwrap();
        assert!(!file.exists());
    }
}
