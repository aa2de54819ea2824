//! Names and tags: how everything of an environment is found again, and told apart from what is others'.

use std::collections::BTreeMap;

use super::options::CloudOptions;
use crate::provider::Resource;

/// Keys and values on one resource. Keys are such that every cloud takes them.
pub type Tags = BTreeMap<String, String>;

/// Environment that the resource belongs to. What does not carry it is not refarch's.
pub const ENVIRONMENT: &str = "refarch-environment";
/// [`Resource::id`].
pub const RESOURCE: &str = "refarch-resource";
/// Node that it is or serves.
pub const NODE: &str = "refarch-node";
/// Node group.
pub const GROUP: &str = "refarch-group";
/// Roles that the node carries.
pub const ROLES: &str = "refarch-roles";
/// `true` where destroying it loses data.
pub const DATA: &str = "refarch-data";
/// Who answers for it.
pub const OWNER: &str = "refarch-owner";
/// Test, demo or production.
pub const PURPOSE: &str = "refarch-purpose";
/// The file's `ttl`.
pub const TTL: &str = "refarch-ttl";
/// When `reap` may destroy it: seconds since 1970.
pub const EXPIRES: &str = "refarch-expires";
/// Run that made it.
pub const RUN: &str = "refarch-run";
/// Zone number that the node stands for, wherever it really is.
pub const ZONE: &str = "refarch-zone";
/// Ordinals of the nodes that one call made, in the order of its answer: tells which machine is which node even where
/// the controller died before it could name them one by one.
pub const LAUNCH: &str = "refarch-launch";
/// Machine type that the file asks for, on a machine that stands in for it because there was no capacity.
pub const INSTEAD_OF: &str = "refarch-instead-of";
/// The node's public host key, as its console showed it.
pub const HOST_KEY: &str = "refarch-host-key";
/// What people read in the cloud's own pages.
pub const NAME: &str = "Name";

/// The name of a resource: a node's own, else the environment's with what it is. Deterministic, so that making it
/// twice is noticed.
#[must_use]
pub fn name(environment: &str, resource: &str) -> String {
    match resource.strip_prefix("node/") {
        Some(node) => node.to_owned(),
        None => format!("{environment}-{}", resource.replace('/', "-")),
    }
}

/// The tags that a resource must have and keep. What changes from run to run is in [`passing`].
#[must_use]
pub fn lasting(options: &CloudOptions, resource: &Resource) -> Tags {
    let mut tags: Tags = options.tags.clone();
    let mut set = |key: &str, value: &str| {
        tags.insert(key.to_owned(), value.to_owned());
    };
    set(NAME, &name(&options.environment, &resource.id));
    set(ENVIRONMENT, &options.environment);
    set(RESOURCE, &resource.id);
    set(PURPOSE, &options.purpose);
    set(DATA, if resource.data_bearing { "true" } else { "false" });
    if let Some(owner) = &options.owner {
        set(OWNER, owner);
    }
    if let Some(ttl) = &options.ttl {
        set(TTL, &ttl.text);
    }
    if let Some(node) = &resource.node {
        set(NODE, node);
    }
    for (attribute, key) in [("group", GROUP), ("roles", ROLES), ("zone", ZONE)] {
        match resource.attributes.get(attribute) {
            Some(serde_json::Value::String(value)) => set(key, value),
            Some(serde_json::Value::Number(value)) => set(key, &value.to_string()),
            _ => {}
        }
    }
    tags
}

/// The tags of the moment: when it expires, and which run made it.
#[must_use]
pub fn passing(expires: Option<jiff::Timestamp>, run: Option<&str>) -> Tags {
    let mut tags = Tags::new();
    if let Some(expires) = expires {
        tags.insert(EXPIRES.to_owned(), expires.as_second().to_string());
    }
    if let Some(run) = run {
        tags.insert(RUN.to_owned(), run.to_owned());
    }
    tags
}

/// When something with these tags expires; none: never, or the tag is unreadable.
#[must_use]
pub fn expires(tags: &Tags) -> Option<jiff::Timestamp> {
    jiff::Timestamp::from_second(tags.get(EXPIRES)?.parse().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_called_by_its_name_and_all_else_after_the_environment() {
        assert_eq!(name("demo", "node/demo-app-1"), "demo-app-1");
        assert_eq!(name("demo", "subnet/public-1"), "demo-subnet-public-1");
    }

    #[test]
    fn an_expiry_is_read_back_to_the_second() {
        let end: jiff::Timestamp = "2026-11-25T18:00:00Z".parse().unwrap();
        let tags = passing(Some(end), Some("r1"));
        assert_eq!((expires(&tags), tags[RUN].as_str()), (Some(end), "r1"));
        assert_eq!(expires(&Tags::from([(EXPIRES.to_owned(), "soon".to_owned())])), None);
    }
}
