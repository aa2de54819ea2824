//! A package of the product beside the environment file: whether it is one, and the one that is wanted.

use serde_json::Value;

use super::{Context, contents};
use crate::diagnostic::Diagnostic;

/// Bytes from the start of a file by which it is told.
pub(in super::super) const HEAD: u64 = 96;

/// How a Debian package begins: an `ar` archive whose first member says so.
const DEB: &[u8] = b"!<arch>\ndebian-binary";
/// How an RPM package begins. Its name stands 10 bytes after the start, in 66 bytes.
const RPM: [u8; 4] = [0xed, 0xab, 0xee, 0xdb];

/// What is wrong with the file; nothing where the setting `source` beside it does not make it one.
pub(super) fn fault(context: &Context<'_>, path: &str, file: &str) -> Option<Diagnostic> {
    let role = path.strip_prefix("settings.")?.split('.').next()?;
    let facts = context.facts()?;
    let setting = |name: &str| -> Option<&str> {
        let own = context.environment.settings.get(role).and_then(|settings| settings.get(name));
        own.or_else(|| Some(&facts.roles.get(role)?.settings.get(name)?.default)).and_then(Value::as_str)
    };
    if setting("source") != Some("file") {
        return None;
    }
    let head = match (context.head)(file) {
        Ok(head) => head,
        Err(reason) => return Some(contents::unreadable(context, path, file, &reason)),
    };
    let ending = file.rsplit_once('.').map_or("", |(_, ending)| ending);
    let kind = if head.starts_with(DEB) {
        "deb"
    } else if head.starts_with(&RPM) {
        "rpm"
    } else {
        let fault = context.error(path, format!("`{path}`: `{file}` is no package"));
        return Some(fault.hint("a .deb for Debian and Ubuntu nodes, an .rpm for RHEL and Amazon Linux"));
    };
    if ending != kind {
        let fault =
            context.error(path, format!("`{path}`: `{file}` is an .{kind} package and its name ends otherwise"));
        return Some(fault.hint(format!("let its name end with .{kind}")));
    }
    let (name, version) = named(file, kind, &head)?;
    let wanted = format!("{}-{}", facts.product.as_ref()?.package.as_ref()?, setting("edition")?);
    if name != wanted {
        return Some(context.error(path, format!("`{path}`: `{file}` is a package of {name}, not of {wanted}")));
    }
    let wanted = setting("version")?;
    let fits = version == wanted || ['.', '-', '+'].iter().any(|end| version.starts_with(&format!("{wanted}{end}")));
    // `newest` is refused where the configuration is written: it says nothing about this file.
    (!fits && wanted != "newest").then(|| {
        let fault = context.error(path, format!("`{path}`: `{file}` is version {version}, not {wanted}"));
        fault.hint(format!("settings.{role}.version says {wanted}"))
    })
}

/// Name and version as the package says them before anything is unpacked: an RPM inside, a .deb in its file's name as the
/// vendor writes it. None where neither can be told; the node looks again before it installs.
fn named(file: &str, kind: &str, head: &[u8]) -> Option<(String, String)> {
    if kind == "rpm" {
        // NAME-VERSION-RELEASE; the product's releases begin with the edition: 18.11.3-ee.0.el9.
        let text = head.get(10..76)?.split(|byte| *byte == 0).next()?;
        let text = std::str::from_utf8(text).ok()?;
        let (rest, release) = text.rsplit_once('-')?;
        let (name, version) = rest.rsplit_once('-')?;
        return Some((name.to_owned(), format!("{version}-{release}")));
    }
    let stem = file.rsplit('/').next()?.strip_suffix(".deb")?;
    let mut parts = stem.split('_');
    let (name, version) = (parts.next()?, parts.next()?);
    version.starts_with(|first: char| first.is_ascii_digit()).then(|| (name.to_owned(), version.to_owned()))
}
