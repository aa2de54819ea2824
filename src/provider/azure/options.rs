//! What only Azure has, in plain values.

/// What an environment file says about Azure besides what all clouds have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AzureOptions {
    /// Subscription; none: `AZURE_SUBSCRIPTION_ID`.
    pub subscription: Option<String>,
    /// Directory that the subscription must belong to; none: whichever it does.
    pub tenant: Option<String>,
    /// `public`, `government` or `china`.
    pub cloud: String,
    /// A resource group that exists; none: one of the environment's own, removed with it.
    pub resource_group: Option<String>,
    /// Nobody says which resource group it is (`reap` has no file): where the environment's own is not there, its tags tell.
    pub any_group: bool,
    /// Disk encryption set that the disks' keys come from; none: Azure's own keys.
    pub disk_encryption_set: Option<String>,
    /// Signed boot and a virtual TPM, where the image can.
    pub trusted_launch: bool,
    /// Availability sets instead of zones, for regions that have none.
    pub availability_sets: bool,
    /// All machines close together, in one proximity placement group.
    pub proximity: bool,
    /// The subscription's resource providers are registered where they are not.
    pub register_providers: bool,
}

impl Default for AzureOptions {
    fn default() -> Self {
        Self {
            subscription: None,
            tenant: None,
            cloud: "public".to_owned(),
            resource_group: None,
            any_group: false,
            disk_encryption_set: None,
            trusted_launch: true,
            availability_sets: false,
            proximity: false,
            register_providers: false,
        }
    }
}
