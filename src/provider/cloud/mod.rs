//! What all clouds have in common: names and tags, who may reach whom, what an environment consists of, launching and
//! waiting in batches, quotas, the record of what was pinned. A cloud answers the calls of [`Cloud`]; [`CloudProvider`]
//! makes a provider of it.

pub mod balance;
pub mod blueprint;
mod calls;
pub mod charges;
mod first_start;
pub mod launch;
mod machines;
pub mod options;
mod provider;
pub mod quota;
pub mod reach;
pub mod record;
pub mod tags;
pub mod waits;

pub use calls::{Answer, Book, Cloud, Found, Launch, LaunchError, MACHINE, Machine, MachineState, Making};
pub use machines::which;
pub use options::CloudOptions;
pub use provider::CloudProvider;

use super::{ErrorClass, Mutability, ProviderError};
use blueprint::kind;

/// How an attribute of the blueprint's can be changed. A cloud may know better ([`Cloud::mutability`]).
#[must_use]
pub fn mutability(kind: &str, attribute: &str) -> Mutability {
    match (kind, attribute) {
        (_, "tags")
        | (kind::RULES, "rules")
        | (kind::KEY, "public")
        | (kind::BUCKET | kind::IDENTITY | kind::BALANCER | kind::MEMBERS | kind::ROUTES, _) => Mutability::InPlace,
        (kind::INSTANCE | kind::BASTION, "machine_type") => Mutability::WithRestart,
        (kind::INSTANCE | kind::BASTION, attribute) => match attribute {
            "disk_gb" | "disk_type" | "disk_iops" | "disk_throughput" | "data_gb" | "data_type" | "data_iops"
            | "data_throughput" | "firewalls" | "address" | "protected" | "identity" => Mutability::InPlace,
            _ => Mutability::Replace,
        },
        _ => Mutability::Replace,
    }
}

/// A failure that the same call will have again.
#[must_use]
pub fn permanent(doing: impl Into<String>, message: impl Into<String>, hint: Option<&str>) -> ProviderError {
    let hint = hint.map(str::to_owned);
    ProviderError { doing: doing.into(), message: message.into(), hint, class: ErrorClass::Permanent }
}
