//! Which names may travel into a program for a node.
//!
//! Everything is quoted as well. These rules keep out what no tool on the node can be asked about line by line.

use super::{compiled::Place, inputs::RenderError};

/// A rule: what the name is called in messages, and whether it is good.
pub(super) type Rule = fn(&str) -> Result<(), &'static str>;

/// Applies a rule to some names.
pub(super) fn check<'a>(
    names: impl IntoIterator<Item = &'a String>,
    rule: Rule,
    place: &Place,
) -> Result<(), RenderError> {
    for name in names {
        rule(name).map_err(|kind| RenderError::Value {
            file: place.file.clone(),
            line: place.line,
            message: format!("`{name}` cannot be used as {kind}"),
        })?;
    }
    Ok(())
}

/// An absolute path below a top-level folder.
pub(super) fn path(name: &str) -> Result<(), &'static str> {
    let parts: Vec<&str> = name.split('/').collect();
    let good = parts.len() > 2
        && parts[0].is_empty()
        && parts[1..].iter().all(|part| !part.is_empty() && *part != "." && *part != "..")
        && of(name, "/._-@:+,%=~");
    good.then_some(()).ok_or("a path (absolute, below a folder, without spaces)")
}

/// Target of a link.
pub(super) fn target(name: &str) -> Result<(), &'static str> {
    of(name, "/._-@:+,%=~").then_some(()).ok_or("the target of a link")
}

/// User or group.
pub(super) fn user(name: &str) -> Result<(), &'static str> {
    of(name, "_.-").then_some(()).ok_or("a user or group")
}

/// systemd unit.
pub(super) fn unit(name: &str) -> Result<(), &'static str> {
    (of(name, "_.-@:\\") && !name.starts_with('-')).then_some(()).ok_or("the name of a unit")
}

/// Package: its name in Debian, and after a slash that of RPM distributions where it differs. Either may be empty.
pub(super) fn package(name: &str) -> Result<(), &'static str> {
    let parts: Vec<&str> = name.split('/').collect();
    let one = |part: &&str| part.is_empty() || (of(part, "._+-:=~") && !part.starts_with('-'));
    let good = parts.len() <= 2 && parts.iter().all(one) && parts.iter().any(|part| !part.is_empty());
    good.then_some(()).ok_or("the name of a package")
}

fn of(name: &str, others: &str) -> bool {
    !name.is_empty() && name.chars().all(|character| character.is_ascii_alphanumeric() || others.contains(character))
}
