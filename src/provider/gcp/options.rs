//! What only Google Cloud has, and where its services are found.

use std::path::PathBuf;

/// What only Google Cloud has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GcpOptions {
    /// Project; none: what the user's configuration says.
    pub project: Option<String>,
    /// Cloud KMS key that encrypts disks and buckets: `projects/p/locations/l/keyRings/r/cryptoKeys/k`.
    pub kms_key: Option<String>,
    /// Service account that exists, instead of one made for this environment.
    pub service_account: Option<String>,
    /// Members of a group that share a zone stand on hardware of their own.
    pub spread: bool,
}

/// Environment variables that name the project, first wins: the libraries', then gcloud's.
const PROJECT: [&str; 3] = ["GOOGLE_CLOUD_PROJECT", "GCLOUD_PROJECT", "CLOUDSDK_CORE_PROJECT"];
/// Environment variables that name the region.
const REGION: [&str; 2] = ["GOOGLE_CLOUD_REGION", "CLOUDSDK_COMPUTE_REGION"];

impl GcpOptions {
    /// The project: the file's, the environment's, or that of the key file in use.
    #[must_use]
    pub(super) fn project(&self) -> Option<String> {
        self.project.clone().or_else(|| first(&PROJECT)).or_else(project_of_key_file)
    }
}

/// The region that the user's environment names.
pub(super) fn region() -> Option<String> {
    first(&REGION)
}

fn first(names: &[&str]) -> Option<String> {
    names.iter().filter_map(|name| std::env::var(name).ok()).find(|value| !value.is_empty())
}

fn project_of_key_file() -> Option<String> {
    let path: PathBuf = std::env::var_os("GOOGLE_APPLICATION_CREDENTIALS")?.into();
    let file: serde_json::Value = serde_json::from_slice(&std::fs::read(path).ok()?).ok()?;
    ["project_id", "quota_project_id"].iter().find_map(|key| Some(file.get(key)?.as_str()?.to_owned()))
}

/// Where a service is found: its own address, or the one that gcloud's variable of the same purpose names (private
/// service endpoints, doubles in tests). Without a slash at the end.
pub(super) fn endpoint(service: &str) -> String {
    let variable = format!("CLOUDSDK_API_ENDPOINT_OVERRIDES_{}", service.to_uppercase());
    match std::env::var(variable) {
        Ok(address) if !address.is_empty() => {
            let address = address.trim_end_matches('/');
            let root = address.strip_suffix("/compute/v1").or_else(|| address.strip_suffix("/storage/v1"));
            root.unwrap_or(address).to_owned()
        }
        _ => format!("https://{service}.googleapis.com"),
    }
}
