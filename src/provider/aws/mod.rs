//! Machines on Amazon Web Services: the calls that [`crate::provider::cloud`] makes a provider of.

mod balancer;
mod bucket;
mod client;
mod cloud;
mod error;
mod firewall;
mod identity;
mod key;
mod list;
mod look;
mod machine;
mod network;
mod place;
mod prices;
mod tag;

pub use cloud::Aws;

use crate::provider::cloud::{CloudOptions, CloudProvider};

/// What only Amazon Web Services has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AwsOptions {
    /// Profile of the user's AWS configuration.
    pub profile: Option<String>,
    /// The only account that may be used.
    pub account: Option<String>,
    /// KMS key of disks and buckets.
    pub kms_key: Option<String>,
    /// Path of role and instance profile.
    pub iam_path: String,
    /// ARN of the policy that bounds the role.
    pub permissions_boundary: Option<String>,
    /// Instance profile that exists.
    pub instance_profile: Option<String>,
}

/// A provider for one environment. Asks nobody yet.
#[must_use]
pub fn provider(options: CloudOptions, aws: AwsOptions) -> CloudProvider<Aws> {
    CloudProvider::new(Aws::new(options.clone(), aws), options)
}
