//! Clients of the services in use: made once, when first needed, with one patience for all.

use google_cloud_auth::credentials::{self, Credentials};
use google_cloud_compute_v1::client::{
    Addresses, Disks, Firewalls, ForwardingRules, GlobalOperations, Images, InstanceGroups, Instances, MachineTypes,
    Networks, Projects, RegionBackendServices, RegionHealthChecks, Regions, ResourcePolicies, Routers, Subnetworks,
};
use google_cloud_gax::{
    error::Error, exponential_backoff::ExponentialBackoffBuilder, retry_policy::RetryPolicy, retry_result::RetryResult,
    retry_state::RetryState,
};
use google_cloud_iam_admin_v1::client::Iam;
use std::time::Duration;

use super::{fault::Fault, options::endpoint, rest::Rest};
use crate::provider::{ProviderError, cloud::permanent};

/// What a token must be good for.
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
/// How often a call is made before its failure is told.
pub(super) const ATTEMPTS: u32 = 7;
/// A call that takes longer is given up and made again.
const ATTEMPT: Duration = Duration::from_secs(60);

/// Clients.
#[derive(Debug)]
pub(super) struct Clients {
    pub addresses: Addresses,
    pub disks: Disks,
    pub firewalls: Firewalls,
    pub forwarding_rules: ForwardingRules,
    pub operations: GlobalOperations,
    pub images: Images,
    pub groups: InstanceGroups,
    pub instances: Instances,
    pub machine_types: MachineTypes,
    pub networks: Networks,
    pub policies: ResourcePolicies,
    pub projects: Projects,
    pub backends: RegionBackendServices,
    pub checks: RegionHealthChecks,
    pub regions: Regions,
    pub routers: Routers,
    pub subnets: Subnetworks,
    pub iam: Iam,
    pub rest: Rest,
}

/// Makes a call again where it may succeed then. Mutations carry a request id, so that none is done twice.
#[derive(Debug)]
struct Patience;

impl RetryPolicy for Patience {
    fn on_error(&self, state: &RetryState, error: Error) -> RetryResult {
        let before = error.is_transient_and_before_rpc();
        let again = (before || state.idempotent && passes(&error)) && state.attempt_count < ATTEMPTS;
        if again { RetryResult::Continue(error) } else { RetryResult::Permanent(error) }
    }
}

fn passes(error: &Error) -> bool {
    if error.is_authentication() || error.is_binding() || error.is_serialization() || error.is_deserialization() {
        return false;
    }
    let reason = error.status().map(|status| format!("{:?}", status.details)).unwrap_or_default();
    match error.http_status_code() {
        None | Some(429 | 500 | 502..=504) => true,
        Some(400 | 403) => reason.contains("resourceNotReady") || reason.contains("ateLimitExceeded"),
        Some(_) => false,
    }
}

impl Clients {
    pub(super) async fn new() -> Result<Self, ProviderError> {
        let credentials = credentials::Builder::default().with_scopes([SCOPE]).build().map_err(|error| {
            permanent(
                "find Google credentials",
                super::fault::chain(&error),
                Some(
                    "log in with `gcloud auth application-default login`, or name a key file in \
                     GOOGLE_APPLICATION_CREDENTIALS",
                ),
            )
        })?;
        Self::with(credentials).await
    }

    async fn with(credentials: Credentials) -> Result<Self, ProviderError> {
        macro_rules! client {
            ($kind:ident, $service:literal) => {
                $kind::builder()
                    .with_endpoint(endpoint($service))
                    .with_credentials(credentials.clone())
                    .with_retry_policy(Patience)
                    .with_backoff_policy(
                        ExponentialBackoffBuilder::new()
                            .with_initial_delay(Duration::from_millis(250))
                            .with_maximum_delay(Duration::from_secs(10))
                            .clamp(),
                    )
                    .with_attempt_timeout(ATTEMPT)
                    .build()
                    .await
                    .map_err(|error| permanent("set up the Google client", super::fault::chain(&error), None))?
            };
        }
        Ok(Self {
            addresses: client!(Addresses, "compute"),
            disks: client!(Disks, "compute"),
            firewalls: client!(Firewalls, "compute"),
            forwarding_rules: client!(ForwardingRules, "compute"),
            operations: client!(GlobalOperations, "compute"),
            images: client!(Images, "compute"),
            groups: client!(InstanceGroups, "compute"),
            instances: client!(Instances, "compute"),
            machine_types: client!(MachineTypes, "compute"),
            networks: client!(Networks, "compute"),
            policies: client!(ResourcePolicies, "compute"),
            projects: client!(Projects, "compute"),
            backends: client!(RegionBackendServices, "compute"),
            checks: client!(RegionHealthChecks, "compute"),
            regions: client!(Regions, "compute"),
            routers: client!(Routers, "compute"),
            subnets: client!(Subnetworks, "compute"),
            iam: client!(Iam, "iam"),
            rest: Rest::new(credentials)?,
        })
    }
}

/// The answer, or none where there is no such thing.
pub(super) fn found<T>(answer: Result<T, Error>) -> Result<Option<T>, Fault> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(error) => match Fault::from(error) {
            fault if fault.missing() => Ok(None),
            fault => Err(fault),
        },
    }
}
