//! Where a team keeps the state of an environment: a folder that all have, or a bucket.

use std::path::PathBuf;

/// A place that several people and machines reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SharedPlace {
    /// A folder that every machine has mounted.
    Folder(PathBuf),
    /// Part of a bucket.
    Bucket {
        /// Whose it is.
        service: BucketService,
        /// Its name.
        bucket: String,
        /// What the names of all objects begin with; may be empty.
        prefix: String,
    },
}

/// An object storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BucketService {
    /// Amazon S3, and what speaks like it.
    S3,
    /// Google Cloud Storage.
    Gcs,
    /// Azure Blob Storage; the bucket is a container.
    Azure,
}

/// Why a text names no shared place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlaceFault {
    /// What is the matter. Never repeats what could be a password.
    pub message: String,
    /// What to write.
    pub hint: &'static str,
}

const FORMS: &str = "write `s3://BUCKET/PREFIX`, `gs://BUCKET/PREFIX`, `az://CONTAINER/PREFIX`, or the absolute path of a \
                     folder that everybody has mounted";

impl SharedPlace {
    /// Reads a place.
    ///
    /// # Errors
    /// When the text is none.
    pub fn parse(text: &str) -> Result<Self, PlaceFault> {
        let fault = |message: String, hint| Err(PlaceFault { message, hint });
        if let Some(folder) = text.strip_prefix("file://").or_else(|| text.starts_with('/').then_some(text)) {
            if !folder.starts_with('/') {
                return fault("the shared folder is no absolute path".to_owned(), "write `/mnt/team/refarch`");
            }
            return Ok(Self::Folder(folder.into()));
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            return fault(format!("`{text}` is no place that a team can share"), FORMS);
        };
        let service = match scheme {
            "s3" => BucketService::S3,
            "gs" => BucketService::Gcs,
            "az" => BucketService::Azure,
            _ => return fault(format!("`{scheme}://` is no storage that refarch knows"), FORMS),
        };
        if rest.contains(['@', '?', '#']) {
            return fault(
                "the address of a workspace has more than a bucket and a prefix".to_owned(),
                "credentials, accounts and regions come from the environment's variables, never from the address: \
                 docs/teams.md",
            );
        }
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let plain = |text: &str, more: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c));
        if bucket.len() < 3 || !plain(bucket, "-._") {
            return fault(format!("`{bucket}` is no name of a bucket"), FORMS);
        }
        let prefix = prefix.trim_end_matches('/');
        let part = |part: &str| !part.is_empty() && part != "." && part != ".." && plain(part, "-._=");
        if !prefix.is_empty() && !prefix.split('/').all(part) {
            let message = format!("`{prefix}` is no prefix");
            return fault(message, "letters, digits and `-._=`, in parts that `/` separates");
        }
        Ok(Self::Bucket { service, bucket: bucket.to_owned(), prefix: prefix.to_owned() })
    }
}

impl BucketService {
    /// What its addresses begin with.
    #[must_use]
    pub fn scheme(self) -> &'static str {
        match self {
            Self::S3 => "s3",
            Self::Gcs => "gs",
            Self::Azure => "az",
        }
    }
}

impl std::fmt::Display for SharedPlace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Folder(folder) => write!(f, "{}", folder.display()),
            Self::Bucket { service, bucket, prefix } if prefix.is_empty() => {
                write!(f, "{}://{bucket}", service.scheme())
            }
            Self::Bucket { service, bucket, prefix } => write!(f, "{}://{bucket}/{prefix}", service.scheme()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_and_written_alike() {
        for text in ["s3://team-state/refarch", "gs://team.state", "az://state/a/b=c", "/mnt/team"] {
            assert_eq!(SharedPlace::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(SharedPlace::parse("file:///mnt/team").unwrap(), SharedPlace::Folder("/mnt/team".into()));
        assert_eq!(SharedPlace::parse("s3://team-state/a/").unwrap().to_string(), "s3://team-state/a");
    }

    #[test]
    fn what_is_no_place_is_refused_and_a_password_is_not_repeated() {
        for text in ["team", "./team", "file://team", "ftp://host/x", "s3://", "s3://ab", "s3://a b c", "s3://abc/../x"]
        {
            assert!(SharedPlace::parse(text).is_err(), "{text}");
        }
        for text in ["s3://key:hunter22@bucket/x", "az://state/x?sig=hunter22", "gs://bucket/x#hunter22"] {
            let fault = SharedPlace::parse(text).unwrap_err();
            assert!(!fault.message.contains("hunter22") && fault.hint.contains("variables"), "{fault:?}");
        }
    }
}
