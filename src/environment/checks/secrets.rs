//! `secrets.<name>` against what the roles declare.

use super::{super::suggest, Context};
use crate::{catalog::SecretSpec, diagnostic::Diagnostic};

pub(super) fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let Some(facts) = context.facts() else { return };
    for (name, origin) in &context.environment.secrets {
        let path = format!("secrets.{name}");
        let declared = facts.roles.values().find_map(|role| role.secrets.get(name));
        match declared {
            None => {
                let fault = context.key_error(&path, format!("no role has a secret `{name}`"));
                let texts = facts.roles.values().flat_map(|role| &role.secrets).filter(|(_, spec)| is_text(spec));
                let mut names: Vec<&str> = texts.map(|(name, _)| name.as_str()).collect();
                names.sort_unstable();
                names.dedup();
                found.push(fault.hint(suggest::hint(name, "secrets", names)));
            }
            Some(spec) if !is_text(spec) => {
                let fault = context.key_error(&path, format!("`{name}` is a key that refarch makes itself"));
                found.push(fault.hint("passwords, and keys in base64 or hexadecimal, may come from elsewhere"));
            }
            Some(_) => {}
        }
        let command = origin.command.as_deref();
        if context.is_partly_unknown(&path) {
            continue;
        }
        if origin.env.is_some() == command.is_some() {
            let fault = context.key_error(&path, format!("`{path}` needs one of `env` and `command`"));
            found.push(fault.hint("`env: VARIABLE`, or `command: [program, argument]`"));
        }
        if command.is_some_and(|words| words.first().is_none_or(String::is_empty)) {
            found.push(context.error(&format!("{path}.command"), format!("`{path}.command` names no program")));
        }
        let good = |name: &str| {
            name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
                && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        };
        if let Some(name) = origin.env.as_deref().filter(|name| !good(name)) {
            found
                .push(context.error(&format!("{path}.env"), format!("`{name}` is no name of an environment variable")));
        }
    }
}

fn is_text(spec: &SecretSpec) -> bool {
    matches!(spec, SecretSpec::Password { .. } | SecretSpec::Base64 { .. } | SecretSpec::Hex { .. })
}
