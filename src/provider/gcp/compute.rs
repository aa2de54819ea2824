//! What every call to Compute Engine needs: clients, project, region; and how its resources are named in references.

use google_cloud_compute_v1::model::Operation;
use google_cloud_gax::error::Error;

use super::{Gcp, clients::Clients, fault::Fault, labels};
use crate::provider::{
    ProviderError,
    cloud::{permanent, tags::Tags},
};

/// Where calls go.
#[derive(Clone, Copy)]
pub(super) struct At<'a> {
    pub gcp: &'a Gcp,
    pub clients: &'a Clients,
    pub project: &'a str,
    pub region: &'a str,
}

/// Begins a mutation and waits until its operation has ended well. The request id lets it be sent again.
macro_rules! act {
    ($at:expr, $doing:expr, $builder:expr) => {{
        use google_cloud_gax::options::RequestOptionsBuilder as _;
        let call = $builder
            .set_project($at.project)
            .set_request_id($crate::provider::gcp::compute::request_id())
            .with_idempotency(true);
        $at.finish($doing, call.send().await).await
    }};
}

/// Removes something: what is gone is success, what is still in use is tried again for a while.
macro_rules! remove {
    ($at:expr, $doing:expr, $builder:expr) => {{
        let end = tokio::time::Instant::now() + $crate::provider::gcp::compute::IN_USE;
        loop {
            match $crate::provider::gcp::compute::act!($at, $doing, $builder) {
                Ok(()) => break Ok(()),
                Err(fault) if fault.missing() => break Ok(()),
                Err(fault) if fault.in_use() && tokio::time::Instant::now() < end => {
                    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
                }
                Err(fault) => break Err(fault.told($doing)),
            }
        }
    }};
}

pub(super) use {act, remove};

/// How long something that is going away may still hold another thing.
pub(super) const IN_USE: std::time::Duration = std::time::Duration::from_secs(20);

impl At<'_> {
    /// Waits for what a mutation began.
    pub(super) async fn finish(&self, doing: &str, answer: Result<Operation, Error>) -> Result<(), Fault> {
        self.gcp.operations.finish(self.clients, self.project, doing, answer).await
    }

    /// Environment.
    pub(super) fn environment(&self) -> &str {
        &self.gcp.options.environment
    }

    /// A handle as a reference in a body.
    pub(super) fn link(&self, handle: &str) -> String {
        match handle.starts_with("projects/") {
            true => handle.to_owned(),
            false => format!("projects/{}/{handle}", self.project),
        }
    }

    /// Refuses what is there and carries no tags of this environment.
    pub(super) fn ours(&self, doing: &str, tags: Option<&Tags>, handle: &str) -> Result<(), ProviderError> {
        if tags.is_some_and(|tags| labels::owned(tags, self.environment())) {
            return Ok(());
        }
        let message = format!("{handle} is there already and is not this environment's");
        Err(permanent(doing, message, Some("remove or rename it, or give the environment another name")))
    }
}

/// The part of a link after the project: `zones/z/disks/d`.
pub(super) fn handle(link: &str) -> String {
    let path = link.split_once("/projects/").map_or(link, |(_, path)| path);
    let path = path.strip_prefix("projects/").unwrap_or(path);
    match path.split_once('/') {
        Some((project, rest)) if !matches!(project, "zones" | "regions" | "global") => rest.to_owned(),
        _ => path.to_owned(),
    }
}

/// The last part of a link or handle.
pub(super) fn last(link: &str) -> &str {
    link.rsplit('/').next().unwrap_or(link)
}

/// Scope and name of a handle: `zones/z/disks/d` -> (`z`, `d`); a global one has no scope.
pub(super) fn parts(handle: &str) -> (&str, &str) {
    let all: Vec<&str> = handle.split('/').collect();
    match all[..] {
        ["zones" | "regions", scope, _, name] => (scope, name),
        _ => ("", last(handle)),
    }
}

/// A new request id.
pub(super) fn request_id() -> String {
    uuid(rand::random())
}

/// A UUID of these bytes.
pub(super) fn uuid(mut bytes: [u8; 16]) -> String {
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_become_handles() {
        let link = "https://www.googleapis.com/compute/v1/projects/p/zones/europe-west4-a/disks/d";
        assert_eq!(handle(link), "zones/europe-west4-a/disks/d");
        assert_eq!(handle("projects/p/global/networks/n"), "global/networks/n");
        assert_eq!(handle("regions/r/subnetworks/s"), "regions/r/subnetworks/s");
        assert_eq!(parts("regions/r/subnetworks/s"), ("r", "s"));
        assert_eq!(parts("global/networks/n"), ("", "n"));
    }

    #[test]
    fn request_ids_are_uuids() {
        assert_eq!(uuid([0xff; 16]), "ffffffff-ffff-4fff-bfff-ffffffffffff");
        assert_ne!(request_id(), request_id());
    }
}
