//! Names within Google's rules: 63 letters at most, lower case, always the same.

use sha2::{Digest, Sha256};

use crate::provider::cloud::tags;

/// Longest name that Compute Engine takes.
pub(super) const LONGEST: usize = 63;
/// Longest id of a service account.
const ACCOUNT: usize = 30;

/// Name of a resource of an environment.
pub(super) fn of(environment: &str, resource: &str) -> String {
    shorten(&tags::name(environment, resource), LONGEST)
}

/// Network tag of a firewall: `everyone`, `bastion`, or a node group's name.
pub(super) fn tag(environment: &str, firewall: &str) -> String {
    shorten(&format!("{environment}-{firewall}"), LONGEST)
}

/// Id of the service account of a node group: six letters at least.
pub(super) fn account(environment: &str, group: &str) -> String {
    let name = format!("{environment}-{group}");
    shorten(&if name.len() < 6 { format!("{name}-nodes") } else { name }, ACCOUNT)
}

/// Name of a bucket. Buckets of all customers share one space of names, projects too: so the project is part of it.
pub(super) fn bucket(project: &str, environment: &str, bucket: &str) -> String {
    shorten(&format!("{environment}-{bucket}-{project}").replace([':', '.'], "-"), LONGEST)
}

/// The text, or its start and a digest of all of it where it is too long.
pub(super) fn shorten(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let digest = digest(text);
    format!("{}-{digest}", text[..most - digest.len() - 1].trim_end_matches('-'))
}

/// Eight hexadecimal digits that stand for a text.
pub(super) fn digest(text: &str) -> String {
    Sha256::digest(text).iter().take(4).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_within_the_rules_and_apart() {
        assert_eq!(of("demo", "node/demo-app-1"), "demo-app-1");
        assert_eq!(of("demo", "subnet"), "demo-subnet");
        let long = |ordinal: u32| account(&format!("a-rather-long-environment-name-{ordinal}"), "app");
        assert!(long(1).len() <= 30 && long(2).len() <= 30 && long(1) != long(2), "{} {}", long(1), long(2));
        assert_eq!(long(1), long(1));
        assert_eq!((account("demo", "app").as_str(), account("a", "b").as_str()), ("demo-app", "a-b-nodes"));
        assert_eq!(bucket("example.com:proj", "demo", "lfs"), "demo-lfs-example-com-proj");
    }
}
