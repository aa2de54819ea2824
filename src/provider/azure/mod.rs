//! Machines on Microsoft Azure: the calls of [`crate::provider::cloud::Cloud`], in Azure's words.

mod access;
#[cfg(test)]
#[allow(dead_code)] // the tests of the whole binary use the rest
#[path = "../../../tests/support/azure_fake.rs"]
mod azure_fake;
pub mod azure_mgmt;
mod balanced;
mod balancer;
mod change;
mod cloud;
mod error;
mod firewall;
mod image;
mod list;
mod machine;
mod machines;
mod names;
mod network;
mod options;
mod preflight;
mod prices;
mod registration;
mod shape;
#[cfg(test)]
mod tests;
mod tunnel;

pub use options::AzureOptions;

use azure_mgmt::{Client, Login, Patience, Place};

use super::{
    ProviderError,
    cloud::{CloudOptions, CloudProvider, permanent},
};

/// Azure's calls.
pub struct Azure {
    pub(super) client: Client,
    pub(super) options: CloudOptions,
    pub(super) azure: AzureOptions,
    /// Resource group that the environment's tags told.
    group: std::sync::OnceLock<String>,
    sizes: tokio::sync::OnceCell<Vec<azure_mgmt::compute::Size>>,
}

/// A provider for one environment. Asks nobody yet.
///
/// # Errors
/// When no subscription is named, or the place is none.
pub fn provider(options: CloudOptions, azure: AzureOptions) -> Result<CloudProvider<Azure>, ProviderError> {
    let doing = "look at Azure";
    let named = azure.subscription.clone().or_else(|| std::env::var("AZURE_SUBSCRIPTION_ID").ok());
    // Offline work needs none: what asks Azure says so.
    let subscription = named.filter(|subscription| !subscription.is_empty()).unwrap_or_default();
    let place = Place::named(&azure.cloud).map_err(|error| permanent(doing, error.to_string(), None))?;
    let client = Client::new(place, Login::from_environment(), &subscription).with_patience(Patience::default());
    let (group, sizes) = (std::sync::OnceLock::new(), tokio::sync::OnceCell::new());
    let cloud = Azure { client, options: options.clone(), azure, group, sizes };
    Ok(CloudProvider::new(cloud, options))
}
