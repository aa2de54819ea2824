//! Opening the store that an environment file names.

use std::sync::Arc;

use object_store::{ObjectStore, local::LocalFileSystem};

use super::{SharedError, Store};
use crate::environment::SharedPlace;

impl Store {
    /// The store of an environment in a place. Asks nobody yet.
    ///
    /// # Errors
    /// When a folder is not there, the build lacks the feature, or the service's variables are not enough.
    pub fn open(place: &SharedPlace, environment: &str) -> Result<Self, SharedError> {
        let name = place.to_string();
        match place {
            SharedPlace::Folder(folder) => {
                let unusable = |reason: String| SharedError::NoFolder { place: name.clone(), reason };
                if !folder.is_dir() {
                    return Err(unusable("there is no such folder".to_owned()));
                }
                // What was said to be written must be there after a power cut, as in a bucket.
                let objects = LocalFileSystem::new_with_prefix(folder)
                    .map_err(|error| unusable(error.to_string()))?
                    .with_fsync(true);
                Ok(Self::new(Arc::new(objects), "", environment, name))
            }
            SharedPlace::Bucket { service, bucket, prefix } => {
                Ok(Self::new(objects(*service, bucket, &name)?, prefix, environment, name))
            }
        }
    }
}

#[cfg(not(feature = "buckets"))]
fn objects(_: crate::environment::BucketService, _: &str, place: &str) -> Result<Arc<dyn ObjectStore>, SharedError> {
    Err(SharedError::NotBuilt { place: place.to_owned() })
}

/// A client with the credentials that the variables of the service give: `AWS_…`, `GOOGLE_…`, `AZURE_…`.
#[cfg(feature = "buckets")]
fn objects(
    service: crate::environment::BucketService,
    bucket: &str,
    place: &str,
) -> Result<Arc<dyn ObjectStore>, SharedError> {
    use std::time::Duration;

    use object_store::{
        ClientConfigKey, RetryConfig,
        aws::{AmazonS3Builder, AmazonS3ConfigKey},
        azure::{AzureConfigKey, MicrosoftAzureBuilder},
        gcp::{GoogleCloudStorageBuilder, GoogleConfigKey},
    };

    use crate::environment::BucketService;

    // A lease lives for 30 s: whoever cannot write for half of it should know.
    let retry = RetryConfig { max_retries: 4, retry_timeout: Duration::from_secs(15), ..RetryConfig::default() };
    // How long one call may take is told by the store, which knows what it carries.
    let (key, most) = (ClientConfigKey::Timeout, format!("{} seconds", super::store::LONGEST.as_secs()));
    let built = match service {
        BucketService::S3 => AmazonS3Builder::from_env()
            .with_bucket_name(bucket)
            .with_config(AmazonS3ConfigKey::Client(key), most)
            .with_retry(retry)
            .build()
            .map(|store| Arc::new(store) as Arc<dyn ObjectStore>),
        BucketService::Gcs => GoogleCloudStorageBuilder::from_env()
            .with_bucket_name(bucket)
            .with_config(GoogleConfigKey::Client(key), most)
            .with_retry(retry)
            .build()
            .map(|store| Arc::new(store) as Arc<dyn ObjectStore>),
        BucketService::Azure => MicrosoftAzureBuilder::from_env()
            .with_container_name(bucket)
            .with_config(AzureConfigKey::Client(key), most)
            .with_retry(retry)
            .build()
            .map(|store| Arc::new(store) as Arc<dyn ObjectStore>),
    };
    built.map_err(|error| SharedError::Settings { place: place.to_owned(), reason: error.to_string() })
}
