//! Azure's refusals in words for the one who has to do something about them.

use super::azure_mgmt::AzureError;
use crate::provider::{ErrorClass, ProviderError};

/// A failed call.
pub(super) fn failed(doing: &str, error: &AzureError) -> ProviderError {
    ProviderError {
        doing: doing.to_owned(),
        message: error.to_string(),
        hint: hint(error),
        class: if error.is_passing() { ErrorClass::Transient } else { ErrorClass::Permanent },
    }
}

fn hint(error: &AzureError) -> Option<String> {
    let namespace = || error.message.split('\'').nth(1).unwrap_or("Microsoft.Compute").to_owned();
    let text = match error.code.as_str() {
        "NoToken" => {
            "log in with `az login`, or set AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET (or \
             AZURE_FEDERATED_TOKEN_FILE); docs/azure.md says in which order they are tried"
                .to_owned()
        }
        "NoAnswer" => "look at the network's way to Azure; `apply` again goes on where this one stopped".to_owned(),
        "InvalidAuthenticationTokenTenant" | "InvalidAuthenticationToken" => {
            "the login is for another directory than the subscription's: `az login --tenant ...`".to_owned()
        }
        "SubscriptionNotFound" => {
            "check `azure.subscription` and AZURE_SUBSCRIPTION_ID, and whether this login may see it: `az account list`"
                .to_owned()
        }
        "AuthorizationFailed" | "LinkedAuthorizationFailed" => {
            "ask the subscription's owner for the role Contributor on the resource group (and Role Based Access Control \
             Administrator where `cloud.buckets` are used), and name the request above"
                .to_owned()
        }
        "RequestDisallowedByPolicy" => {
            "a policy of the subscription denies it: ask who keeps the policies what is allowed, and name the request \
             above; tags that a policy wants go under `cloud.tags`"
                .to_owned()
        }
        "MissingSubscriptionRegistration" => {
            format!("register it once: `az provider register --namespace {} --wait`", namespace())
        }
        "ScopeLocked" => "somebody locked it in Azure: remove the lock if it may go, then run this again".to_owned(),
        "OperationNotAllowed" | "QuotaExceeded" if error.message.contains("uota") => {
            "ask for more of this quota in the portal (Subscriptions, Usage + quotas), or use another size or region"
                .to_owned()
        }
        "MarketplacePurchaseEligibilityFailed" => {
            "accept the image's terms once: `az vm image terms accept --urn ...`, or use another image".to_owned()
        }
        _ if error.is_out_of_room() => {
            "name sizes that may stand in under `cloud.equivalents`, or wait: `apply` again goes on where this one stopped"
                .to_owned()
        }
        _ => return None,
    };
    Some(text)
}
