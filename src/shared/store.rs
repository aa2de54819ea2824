//! The objects of one environment. Only what every kind of store has is used: read, list, remove, write, and write
//! only where nothing is.

use std::{sync::Arc, time::Duration};

use futures_util::TryStreamExt as _;
use object_store::{ObjectStore, ObjectStoreExt as _, PutMode, PutOptions, path::Path};

use super::SharedError;

/// How long one call may take that has little to carry.
const PATIENCE: Duration = Duration::from_secs(20);
/// Bytes that any line carries in a second.
const SLOWEST: usize = 50_000;
/// How long an object of unknown length may take.
pub(super) const LONGEST: Duration = Duration::from_secs(300);

/// Objects below one name.
#[derive(Debug, Clone)]
pub struct Store {
    objects: Arc<dyn ObjectStore>,
    root: Path,
    place: String,
    #[cfg(test)]
    pub(super) weather: Option<Arc<super::tests::Weather>>,
}

impl Store {
    /// Objects whose names begin with `root` and the environment's name; `place` is what people call it.
    #[must_use]
    pub fn new(objects: Arc<dyn ObjectStore>, root: &str, environment: &str, place: String) -> Self {
        let root = Path::from_iter(root.split('/').chain([environment]).filter(|part| !part.is_empty()));
        Self {
            objects,
            root,
            place,
            #[cfg(test)]
            weather: None,
        }
    }

    /// What people call it.
    #[must_use]
    pub fn place(&self) -> &str {
        &self.place
    }

    /// An object; none where it is not there.
    ///
    /// # Errors
    /// When the store does not answer or refuses.
    pub async fn read(&self, name: &str) -> Result<Option<Vec<u8>>, SharedError> {
        self.read_within(name, PATIENCE).await
    }

    /// The same for an object that may be large.
    ///
    /// # Errors
    /// When the store does not answer or refuses.
    pub async fn read_large(&self, name: &str) -> Result<Option<Vec<u8>>, SharedError> {
        self.read_within(name, LONGEST).await
    }

    async fn read_within(&self, name: &str, patience: Duration) -> Result<Option<Vec<u8>>, SharedError> {
        let read = async { self.objects.get(&self.path(name)).await?.bytes().await };
        match self.within(patience, read).await {
            Ok(bytes) => Ok(Some(bytes.to_vec())),
            Err(Trouble::Store(object_store::Error::NotFound { source, .. })) if !names_bucket(&source.to_string()) => {
                Ok(None)
            }
            Err(trouble) => Err(self.failed("read", name, trouble)),
        }
    }

    /// Writes an object, whatever was there.
    ///
    /// # Errors
    /// When the store does not answer or refuses.
    pub async fn write(&self, name: &str, content: Vec<u8>) -> Result<(), SharedError> {
        let path = self.path(name);
        let patience = PATIENCE + Duration::from_secs((content.len() / SLOWEST) as u64);
        let write = self.objects.put(&path, content.into());
        self.within(patience.min(LONGEST), write).await.map_err(|trouble| self.failed("write", name, trouble))?;
        Ok(())
    }

    /// Writes an object where none is; false where one is. After an error it may be there all the same.
    ///
    /// # Errors
    /// When the store does not answer or refuses.
    pub async fn create(&self, name: &str, content: Vec<u8>) -> Result<bool, SharedError> {
        let path = self.path(name);
        let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        #[cfg(test)]
        let options = match &self.weather {
            Some(weather) if weather.knows_no_conditions => PutOptions::default(),
            _ => options,
        };
        match self.within(PATIENCE, self.objects.put_opts(&path, content.into(), options)).await {
            Ok(_) => Ok(true),
            Err(Trouble::Store(
                object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. },
            )) => Ok(false),
            Err(trouble) => Err(self.failed("write", name, trouble)),
        }
    }

    /// Names of the objects in a folder.
    ///
    /// # Errors
    /// When the store does not answer or refuses.
    pub async fn list(&self, folder: &str) -> Result<Vec<String>, SharedError> {
        let path = self.path(folder);
        let list = self.objects.list(Some(&path)).try_collect::<Vec<_>>();
        match self.within(PATIENCE, list).await {
            Ok(found) => {
                let name = |meta: &object_store::ObjectMeta| meta.location.filename().map(str::to_owned);
                Ok(found.iter().filter_map(name).collect())
            }
            // A folder of a file system is there only when something is in it.
            Err(Trouble::Store(object_store::Error::NotFound { source, .. })) if !names_bucket(&source.to_string()) => {
                Ok(Vec::new())
            }
            Err(trouble) => Err(self.failed("list", folder, trouble)),
        }
    }

    /// Removes an object; one that is gone is no error.
    ///
    /// # Errors
    /// When the store does not answer or refuses.
    pub async fn remove(&self, name: &str) -> Result<(), SharedError> {
        match self.within(PATIENCE, self.objects.delete(&self.path(name))).await {
            Ok(()) | Err(Trouble::Store(object_store::Error::NotFound { .. })) => Ok(()),
            Err(trouble) => Err(self.failed("remove", name, trouble)),
        }
    }

    fn path(&self, name: &str) -> Path {
        name.split('/').fold(self.root.clone(), |path, part| path.join(part))
    }

    async fn within<T>(
        &self,
        patience: Duration,
        call: impl Future<Output = object_store::Result<T>>,
    ) -> Result<T, Trouble> {
        #[cfg(test)]
        let call = async {
            if let Some(weather) = &self.weather
                && !weather.passes().await
            {
                return Err(object_store::Error::NotSupported { source: "lost on its way".into() });
            }
            let outcome = call.await;
            match &self.weather {
                Some(weather) if !weather.passes().await => {
                    Err(object_store::Error::NotSupported { source: "the answer was lost".into() })
                }
                _ => outcome,
            }
        };
        #[cfg(test)]
        self.sleeps().await;
        let outcome = tokio::time::timeout(patience, call).await;
        #[cfg(test)]
        self.sleeps().await;
        match outcome {
            Ok(outcome) => outcome.map_err(Trouble::Store),
            Err(_) => Err(Trouble::Time(patience)),
        }
    }

    #[cfg(test)]
    async fn sleeps(&self) {
        if let Some(weather) = &self.weather {
            weather.sleeps().await;
        }
    }

    fn failed(&self, verb: &str, name: &str, trouble: Trouble) -> SharedError {
        let place = self.place.clone();
        let doing = format!("{verb} {name}");
        let error = match trouble {
            Trouble::Time(patience) => {
                let reason = format!("no answer within {} s", patience.as_secs());
                return SharedError::Unreachable { place, doing, reason };
            }
            Trouble::Store(error) => error,
        };
        let reason = clean(&error);
        match error {
            object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. } => {
                SharedError::Denied { place, doing, reason }
            }
            object_store::Error::NotFound { .. } => SharedError::Missing { place, reason },
            _ if names_bucket(&reason) => SharedError::Missing { place, reason },
            _ if reason.contains("Permission denied") => SharedError::Denied { place, doing, reason },
            _ => SharedError::Unreachable { place, doing, reason },
        }
    }
}

enum Trouble {
    Time(Duration),
    Store(object_store::Error),
}

/// Whether "not found" is said of the bucket and not of an object.
fn names_bucket(text: &str) -> bool {
    ["NoSuchBucket", "ContainerNotFound", "bucket does not exist"].iter().any(|word| text.contains(word))
}

/// What the service says where it says something; else the error's own words and those of its causes, without what stands
/// behind a `?` of an address: signatures do.
fn clean(error: &object_store::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    let between = |open: &str, close: &str| Some(text.split_once(open)?.1.split_once(close)?.0);
    if let Some(code) = between("<Code>", "</Code>") {
        return format!("{code}: {}", between("<Message>", "</Message>").unwrap_or_default());
    }
    let mut clean = String::new();
    let mut rest = text.as_str();
    while let Some((before, after)) = rest.split_once('?') {
        clean.push_str(before);
        let end = after.find(|c: char| c.is_whitespace() || c == ')' || c == '"').unwrap_or(after.len());
        rest = &after[end..];
    }
    clean + rest
}

#[cfg(test)]
mod tests {
    use object_store::memory::InMemory;

    use super::*;

    #[tokio::test]
    async fn only_one_creates_an_object() {
        let store = Store::new(Arc::new(InMemory::new()), "team/x", "demo", "memory".to_owned());
        assert_eq!(store.read("log/1").await.unwrap(), None);
        assert_eq!(store.list("log").await.unwrap(), Vec::<String>::new());
        assert!(store.create("log/1", b"a".to_vec()).await.unwrap());
        assert!(!store.create("log/1", b"b".to_vec()).await.unwrap());
        assert_eq!(store.read("log/1").await.unwrap().unwrap(), b"a");
        assert_eq!(store.list("log").await.unwrap(), ["1"]);
        store.remove("log/1").await.unwrap();
        store.remove("log/1").await.unwrap();
        assert_eq!(store.list("log").await.unwrap(), Vec::<String>::new());
    }

    #[test]
    fn what_signs_an_address_is_not_repeated() {
        let source = "error for url (https://x.blob.core.windows.net/c/o?sv=1&sig=hunter22) after 3 tries".into();
        let text = clean(&object_store::Error::Generic { store: "azure", source });
        assert!(!text.contains("hunter22") && text.contains("after 3 tries"), "{text}");
    }
}
