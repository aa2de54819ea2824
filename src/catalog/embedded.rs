//! The data files that travel inside the binary.

use std::borrow::Cow;

use rust_embed::RustEmbed;

/// `roles/`: every stack with its roles.
#[derive(RustEmbed)]
#[folder = "roles/"]
#[allow_missing = true]
struct Roles;

/// `environments/reference/`: the reference architectures.
#[derive(RustEmbed)]
#[folder = "environments/reference/"]
#[allow_missing = true]
struct Reference;

/// `environments/prices/`: price tables.
#[derive(RustEmbed)]
#[folder = "environments/prices/"]
#[allow_missing = true]
struct Prices;

/// Names of the stacks that are built in, sorted.
#[must_use]
pub fn stacks() -> Vec<String> {
    let mut names: Vec<String> =
        Roles::iter().filter_map(|path| path.strip_suffix("/stack.yaml").map(str::to_owned)).collect();
    names.sort();
    names
}

/// Files of a built-in stack: path below the stack's folder, content.
pub(super) fn stack_files(stack: &str) -> Vec<(String, Cow<'static, [u8]>)> {
    let prefix = format!("{stack}/");
    Roles::iter()
        .filter_map(|path| {
            let inside = path.strip_prefix(&prefix)?.to_owned();
            Some((inside, Roles::get(&path)?.data))
        })
        .collect()
}

/// Sizes of the reference architectures that are built in, sorted by name.
#[must_use]
pub fn reference_sizes() -> Vec<String> {
    let mut names: Vec<String> =
        Reference::iter().filter_map(|path| path.strip_suffix(".yaml").map(str::to_owned)).collect();
    names.sort();
    names
}

/// Text of a built-in reference architecture: `3k`.
#[must_use]
pub fn reference(size: &str) -> Option<String> {
    let file = Reference::get(&format!("{size}.yaml"))?;
    String::from_utf8(file.data.into_owned()).ok()
}

/// Text of the built-in price table of a cloud: `aws`.
#[must_use]
pub fn prices(provider: &str) -> Option<String> {
    let file = Prices::get(&format!("{provider}.json"))?;
    String::from_utf8(file.data.into_owned()).ok()
}
