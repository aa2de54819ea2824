//! What a setting's value must be beyond its type: files beside the environment file, versions, names, product settings.

use rcgen::{KeyPair, PublicKeyData};
use serde_json::Value;
use x509_parser::{extensions::GeneralName, pem::parse_x509_pem, prelude::X509Certificate};

use super::{super::suggest, Context, package_file};
use crate::{
    catalog::{SettingCheck, version},
    diagnostic::Diagnostic,
};

/// Characters besides letters and digits that a URL takes as they are.
const URL_PUNCTUATION: &str = "-._~";
/// Key of settings for every node.
const ALL: &str = "all";

/// Every fault of a value of the right type.
pub(super) fn faults(context: &Context<'_>, path: &str, value: &Value, check: SettingCheck) -> Vec<Diagnostic> {
    let text = value.as_str().unwrap_or_default();
    match check {
        SettingCheck::NodeGroups => groups(context, path, value),
        SettingCheck::ProductSettings => product_settings(context, path, value),
        SettingCheck::Required if text.is_empty() => vec![context.error(path, format!("`{path}` is empty"))],
        _ if text.is_empty() => Vec::new(),
        SettingCheck::Required => Vec::new(),
        SettingCheck::Version => product_version(context, path, text).into_iter().collect(),
        SettingCheck::File => match (context.read)(text) {
            Ok(_) => Vec::new(),
            Err(reason) => vec![unreadable(context, path, text, &reason)],
        },
        SettingCheck::PackageFile => package_file::fault(context, path, text).into_iter().collect(),
        SettingCheck::UrlPasswordFile => url_password(context, path, text).into_iter().collect(),
        SettingCheck::Certificate => certificate(context, path, text),
    }
}

pub(super) fn unreadable(context: &Context<'_>, path: &str, file: &str, reason: &str) -> Diagnostic {
    let reason = reason.split(" (os error").next().unwrap_or_default().to_lowercase();
    context
        .error(path, format!("`{path}`: cannot read `{file}`: {reason}"))
        .hint("paths count from the environment file's folder")
}

fn groups(context: &Context<'_>, path: &str, value: &Value) -> Vec<Diagnostic> {
    let known: Vec<&str> = context.environment.nodes.keys().map(String::as_str).collect();
    let names = value.as_object().into_iter().flat_map(|map| map.keys());
    let unknown = names.filter(|name| !known.contains(&name.as_str()));
    let fault = |name: &String| {
        let path = format!("{path}.{name}");
        context.key_error(&path, format!("`{path}`: there is no node group `{name}`")).hint(suggest::hint(
            name,
            "node groups",
            known.clone(),
        ))
    };
    unknown.map(fault).collect()
}

fn product_settings(context: &Context<'_>, path: &str, value: &Value) -> Vec<Diagnostic> {
    let Some(facts) = context.facts() else { return Vec::new() };
    let (Some(product), Some(settings)) = (&facts.product, &facts.product_settings) else { return Vec::new() };
    let mut found = Vec::new();
    let names: Vec<&str> = [ALL]
        .into_iter()
        .chain(facts.roles.keys().map(String::as_str))
        .chain(context.environment.nodes.keys().map(String::as_str))
        .collect();
    let version = product.version.split_once('.').and_then(|(role, name)| {
        let own = context.environment.settings.get(role).and_then(|settings| settings.get(name));
        own.or_else(|| Some(&facts.roles.get(role)?.settings.get(name)?.default))?.as_str()
    });
    for (name, text) in value.as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        // Machines of an inventory have names of their own.
        let node = context.environment.inventory.is_some()
            || context.environment.nodes.keys().any(|group| {
                let node = name.strip_prefix(&format!("{}-{group}-", context.environment.name));
                node.is_some_and(|ordinal| ordinal.parse::<u32>().is_ok())
            });
        if !names.contains(&name.as_str()) && !node {
            let fault = context.key_error(&path, format!("`{path}`: `{name}` is no role, node group or node"));
            found.push(fault.hint(suggest::hint(name, "roles and groups", names.clone())));
            continue;
        }
        let Some(text) = text.as_str() else {
            found.push(context.error(&path, format!("`{path}` must be text: lines of the product's configuration")));
            continue;
        };
        for complaint in settings.complaints(text, version.unwrap_or_default()) {
            let message = format!("`{path}`, line {}: {}", complaint.line, complaint.message);
            let fault = context.error(&path, message);
            found.push(match complaint.hint {
                Some(hint) => fault.hint(hint),
                None => fault,
            });
        }
    }
    found
}

fn product_version(context: &Context<'_>, path: &str, text: &str) -> Option<Diagnostic> {
    if text == "newest" {
        return None;
    }
    let majors = &context.facts()?.product.as_ref()?.majors;
    let known: Vec<String> = majors.keys().map(u32::to_string).collect();
    let Some([major, minor, _]) = version::parts(text) else {
        let fault = context.error(path, format!("`{path}`: `{text}` is no version"));
        return Some(fault.hint("write it as 18.11.3, as a line such as 18.11, or newest"));
    };
    let Some(last) = majors.get(&major) else {
        let fault = context.error(path, format!("`{path}`: refarch does not know the configuration of version {text}"));
        return Some(fault.hint(format!("it knows {}", known.join(" and "))));
    };
    let last = last.filter(|last| minor > *last)?;
    let fault = context.error(path, format!("`{path}`: there is no version {major}.{minor}"));
    Some(fault.hint(format!("the last of {major} is {major}.{last}")))
}

fn url_password(context: &Context<'_>, path: &str, file: &str) -> Option<Diagnostic> {
    let password = match (context.read)(file) {
        Ok(text) => text.trim_end().to_owned(),
        Err(reason) => return Some(unreadable(context, path, file, &reason)),
    };
    if password.is_empty() {
        return Some(context.error(path, format!("`{path}`: `{file}` is empty")));
    }
    // The character itself may be told; where it stands may not be guessed from more than that.
    let bad = password.chars().find(|one| !one.is_ascii_alphanumeric() && !URL_PUNCTUATION.contains(*one))?;
    let fault = context.error(
        path,
        format!("`{path}`: the password in `{file}` has the character {bad:?}, which its URL cannot carry"),
    );
    Some(fault.hint("use letters, digits and - . _ ~ only"))
}

fn certificate(context: &Context<'_>, path: &str, file: &str) -> Vec<Diagnostic> {
    let text = match (context.read)(file) {
        Ok(text) => text,
        Err(reason) => return vec![unreadable(context, path, file, &reason)],
    };
    let Ok((_, pem)) = parse_x509_pem(text.as_bytes()) else {
        return vec![context.error(path, format!("`{path}`: `{file}` holds no certificate in PEM"))];
    };
    let Ok(parsed) = pem.parse_x509() else {
        return vec![context.error(path, format!("`{path}`: the certificate in `{file}` cannot be read"))];
    };
    let mut found = Vec::new();
    let url = context
        .environment
        .external_url
        .clone()
        .unwrap_or_else(|| format!("https://{}.test", context.environment.name));
    let domain =
        url.split_once("://").map_or(url.as_str(), |(_, rest)| rest).split(['/', ':']).next().unwrap_or_default();
    let names = names(&parsed);
    if !names.iter().any(|name| covers(name, domain)) {
        let fault = context.error(path, format!("`{path}`: the certificate in `{file}` is not for {domain}"));
        let hint = if names.is_empty() {
            "it names no host at all".to_owned()
        } else {
            format!("it is for {}", names.join(", "))
        };
        found.push(fault.hint(hint));
    }
    if !parsed.validity().is_valid() {
        let until = parsed.validity().not_after;
        found.push(context.error(path, format!("`{path}`: the certificate in `{file}` is good only until {until}")));
    }
    found.extend(key_fault(context, path, file, &parsed));
    found
}

fn key_fault(context: &Context<'_>, path: &str, file: &str, certificate: &X509Certificate<'_>) -> Option<Diagnostic> {
    let (above, _) = path.rsplit_once('.')?;
    let key_path = format!("{above}.key_file");
    let settings = context.environment.settings.get(above.strip_prefix("settings.")?)?;
    let Some(key_file) = settings.get("key_file").and_then(Value::as_str).filter(|file| !file.is_empty()) else {
        let fault = context.error(path, format!("`{path}` names a certificate, and `{key_path}` no key"));
        return Some(fault.hint("give both"));
    };
    // A key that cannot be read is told where it is written.
    let text = (context.read)(key_file).ok()?;
    let Ok(key) = KeyPair::from_pem(&text) else {
        let fault =
            context.error(&key_path, format!("`{key_path}`: `{key_file}` holds no private key that can be used"));
        return Some(fault.hint("a key in PEM (PKCS#8) without a passphrase: openssl pkcs8 -topk8 -nocrypt -in KEY"));
    };
    (key.subject_public_key_info() != certificate.public_key().raw).then(|| {
        context.error(
            &key_path,
            format!("`{key_path}`: the key in `{key_file}` is not the one of the certificate in `{file}`"),
        )
    })
}

fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let alternative = certificate.subject_alternative_name().ok().flatten();
    let names = alternative.iter().flat_map(|found| &found.value.general_names);
    names
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some((*name).to_owned()),
            _ => None,
        })
        .collect()
}

fn covers(name: &str, domain: &str) -> bool {
    let wildcard =
        name.strip_prefix("*.").is_some_and(|rest| domain.split_once('.').is_some_and(|(_, below)| below == rest));
    wildcard || name.eq_ignore_ascii_case(domain)
}
