//! Labels on everything that refarch makes with the container engine.

use std::collections::HashMap;

/// Environment name; on everything that belongs to one.
pub const ENVIRONMENT: &str = "refarch.environment";
/// Node name.
pub const NODE: &str = "refarch.node";
/// Resource id within the environment.
pub const RESOURCE: &str = "refarch.resource";
/// Node group.
pub const GROUP: &str = "refarch.group";
/// `true` where destroying it loses data.
pub const DATA_BEARING: &str = "refarch.data_bearing";
/// When it was made, RFC 3339.
pub const CREATED: &str = "refarch.created";
/// Hash of the recipe of the image that a node was made from, or that an image is.
pub const RECIPE: &str = "refarch.recipe";
/// `node`, `base` or `build`; on images and on the container that builds one.
pub const IMAGE: &str = "refarch.image";

/// Labels of an environment's resource.
pub fn of(environment: &str, resource: &str, data_bearing: bool) -> HashMap<String, String> {
    HashMap::from([
        (ENVIRONMENT.to_owned(), environment.to_owned()),
        (RESOURCE.to_owned(), resource.to_owned()),
        (DATA_BEARING.to_owned(), data_bearing.to_string()),
        (CREATED.to_owned(), jiff::Timestamp::now().round(jiff::Unit::Second).unwrap_or_default().to_string()),
    ])
}

/// The filter that finds what carries a label with a value.
pub fn filter(label: &str, value: &str) -> HashMap<String, Vec<String>> {
    HashMap::from([("label".to_owned(), vec![format!("{label}={value}")])])
}
