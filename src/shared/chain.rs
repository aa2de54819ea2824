//! The log: numbered entries, each created only where none is. That is all that the lock and the state stand on, and every
//! kind of store has it.

use std::{sync::Arc, time::Duration};

use super::{Entry, SharedError, Store, entry::FORMAT};

pub(super) const FOLDER: &str = "log";
/// Times that an entry is tried for which the store says "taken" while nothing is there.
const TRIES: u32 = 6;
const AGAIN: Duration = Duration::from_millis(200);

/// The log of one environment.
#[derive(Debug, Clone)]
pub(super) struct Chain {
    store: Arc<Store>,
}

/// What came of adding an entry.
#[derive(Debug)]
pub(super) enum Added {
    /// It is in the log.
    Ours,
    /// Somebody else's stands in its place, or the log is further on: this is the newest that was seen.
    Taken(Box<Entry>),
}

impl Chain {
    pub fn new(store: Arc<Store>) -> Self {
        Self { store }
    }

    /// What people call the store.
    pub fn place(&self) -> &str {
        self.store.place()
    }

    /// The newest entry; none where the log is not begun.
    pub async fn head(&self) -> Result<Option<Entry>, SharedError> {
        for _ in 0..TRIES {
            let Some(number) = self.numbers().await?.last().copied() else { return Ok(None) };
            if let Some(entry) = self.entry(number).await? {
                return Ok(Some(entry));
            }
            // It is removed only after a newer one is there.
            tokio::time::sleep(AGAIN).await;
        }
        Err(SharedError::Unreachable {
            place: self.store.place().to_owned(),
            doing: format!("read {FOLDER}"),
            reason: "it lists entries that it does not have: a mounted folder may show old listings".to_owned(),
        })
    }

    /// Numbers of all entries that are kept, in order.
    pub async fn numbers(&self) -> Result<Vec<u64>, SharedError> {
        let names = self.store.list(FOLDER).await?;
        let mut numbers: Vec<u64> = names.iter().filter_map(|name| name.strip_suffix(".json")?.parse().ok()).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// Adds an entry, which has the number after the newest that its writer knows.
    pub async fn add(&self, entry: &Entry) -> Result<Added, SharedError> {
        let content = serde_json::to_vec(entry).map_err(|error| self.damaged(entry.number, &error))?;
        for _ in 0..TRIES {
            if self.store.create(&name(entry.number), content.clone()).await? {
                return Ok(Added::Ours);
            }
            match self.entry(entry.number).await? {
                // The answer to an attempt before this one was lost.
                Some(found) if found.nonce == entry.nonce => return Ok(Added::Ours),
                Some(found) => return Ok(Added::Taken(Box::new(found))),
                // Two came at the very same time and neither was let in, or the log is long past this number.
                None => {
                    if let Some(head) = self.head().await?
                        && head.number >= entry.number
                    {
                        return Ok(Added::Taken(Box::new(head)));
                    }
                    tokio::time::sleep(AGAIN).await;
                }
            }
        }
        Err(SharedError::Unreachable {
            place: self.store.place().to_owned(),
            doing: format!("write {}", name(entry.number)),
            reason: "it says that the entry is there, and does not show it".to_owned(),
        })
    }

    /// Refuses a store that does not know "only where nothing is": it would let two have the lock.
    pub async fn prove(&self, entry: &Entry) -> Result<(), SharedError> {
        let content = serde_json::to_vec(entry).map_err(|error| self.damaged(entry.number, &error))?;
        if self.store.create(&name(entry.number), content).await? {
            self.remove(entry.number).await?;
            return Err(SharedError::NoConditions { place: self.store.place().to_owned() });
        }
        Ok(())
    }

    /// Removes an entry that a newer one made useless.
    pub async fn remove(&self, number: u64) -> Result<(), SharedError> {
        self.store.remove(&name(number)).await
    }

    #[cfg(test)]
    pub fn cut_off(&self) {
        self.store.weather.as_ref().expect("a store with weather").cut_off();
    }

    async fn entry(&self, number: u64) -> Result<Option<Entry>, SharedError> {
        let Some(content) = self.store.read(&name(number)).await? else { return Ok(None) };
        // The form first: a newer one may have nothing else in common.
        let value: serde_json::Value =
            serde_json::from_slice(&content).map_err(|error| self.damaged(number, &error))?;
        if value["format"] != FORMAT {
            let found =
                format!("it has form {}, and this refarch knows form {FORMAT}: use a newer one", value["format"]);
            return Err(self.damaged(number, &found));
        }
        serde_json::from_value(value).map(Some).map_err(|error| self.damaged(number, &error))
    }

    fn damaged(&self, number: u64, reason: &impl std::fmt::Display) -> SharedError {
        SharedError::Damaged { place: self.store.place().to_owned(), what: name(number), reason: reason.to_string() }
    }
}

fn name(number: u64) -> String {
    format!("{FOLDER}/{number:012}.json")
}
