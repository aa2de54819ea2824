//! `settings.<role>.<name>` against what the roles declare.

use serde_json::Value;

use super::{
    super::{
        structure::{describe_scalar, plain, word},
        suggest,
    },
    Context, contents,
};
use crate::{
    catalog::{SettingCheck, SettingSpec},
    diagnostic::Diagnostic,
};

pub(super) fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let Some(facts) = context.facts() else { return };
    for (role, settings) in &context.environment.settings {
        let path = format!("settings.{role}");
        let Some(spec) = facts.roles.get(role) else {
            if let Some(reason) = facts.omits.get(role) {
                let stack = context.environment.stack;
                found.push(context.key_warning(&path, format!("stack `{stack}` has no role `{role}`: {reason}")));
                continue;
            }
            let fault = context.key_error(&path, format!("settings for unknown role `{role}`"));
            let with = facts.roles.iter().filter(|(_, role)| !role.settings.is_empty());
            let names: Vec<&str> = with.map(|(name, _)| name.as_str()).collect();
            found.push(fault.hint(suggest::hint(role, "roles with settings", names)));
            continue;
        };
        if context.nodes_with(role) == 0 && facts.base.as_ref() != Some(role) && !context.is_partly_unknown("nodes") {
            let message = format!("settings for role `{role}`, which no node has");
            found.push(context.key_warning(&path, message).hint("they change nothing"));
        }
        for (name, given) in settings {
            let path = format!("{path}.{name}");
            match spec.settings.get(name) {
                Some(setting) => value(context, &path, given, setting, found),
                None => {
                    let fault = context.key_error(&path, format!("role `{role}` has no setting `{name}`"));
                    let names: Vec<&str> = spec.settings.keys().map(String::as_str).collect();
                    found.push(match names.is_empty() {
                        true => fault.hint(format!("role `{role}` has no settings at all")),
                        false => fault.hint(suggest::hint(name, "its settings", names)),
                    });
                }
            }
        }
    }
}

/// Type, limits, fields and content of one value.
fn value(context: &Context<'_>, path: &str, given: &Value, setting: &SettingSpec, found: &mut Vec<Diagnostic>) {
    if let Some(fault) = value_fault(context, path, given, setting) {
        found.push(fault);
        return;
    }
    if let Some(check) = setting.check {
        found.extend(contents::faults(context, path, given, check));
    }
    let Some(given) = given.as_object().filter(|given| !setting.fields.is_empty() && !given.is_empty()) else { return };
    for (name, given) in given {
        let path = format!("{path}.{name}");
        match setting.fields.get(name) {
            Some(field) => value(context, &path, given, field, found),
            None => {
                let names: Vec<&str> = setting.fields.keys().map(String::as_str).collect();
                let fault = context.key_error(&path, format!("`{path}`: there is no `{name}` in it"));
                found.push(fault.hint(suggest::hint(name, "its keys", names)));
            }
        }
    }
    let required = setting.fields.iter().filter(|(_, field)| field.check == Some(SettingCheck::Required));
    for (name, field) in required.filter(|(name, _)| !given.contains_key(*name)) {
        let fault = context.key_error(path, format!("`{path}` needs `{name}`"));
        found.push(fault.hint(field.summary.trim_end_matches('.').to_lowercase()));
    }
}

fn value_fault(context: &Context<'_>, path: &str, value: &Value, setting: &SettingSpec) -> Option<Diagnostic> {
    if !setting.one_of.is_empty() {
        let names: Vec<String> = setting.one_of.iter().map(plain).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let fault = || context.error(path, format!("`{path}` cannot be `{}`", plain(value)));
        return (!setting.one_of.contains(value)).then(|| fault().hint(suggest::hint(&plain(value), "allowed", names)));
    }
    let kind = kind(&setting.default);
    let fits = match kind {
        Some("integer") => value.is_i64() || value.is_u64(),
        Some("number") => value.is_number(),
        Some("string") => value.is_string(),
        Some("boolean") => value.is_boolean(),
        Some("array") => value.is_array(),
        Some("object") => value.is_object(),
        _ => true,
    };
    if !fits {
        let wanted = kind.map_or("something else", word);
        let fault = context.error(path, format!("`{path}` must be {wanted}, not {}", describe_scalar(value)));
        let hint = match (kind, value) {
            (Some("string"), value) if !value.is_array() && !value.is_object() => {
                format!("put it in quotes: \"{}\"", plain(value))
            }
            _ => about(setting),
        };
        return Some(fault.hint(hint));
    }
    let number = value.as_f64()?;
    // Limits are small numbers: nothing is lost.
    #[allow(clippy::cast_precision_loss)]
    let (low, high) = (setting.min.map(|low| low as f64), setting.max.map(|high| high as f64));
    let bad = low.is_some_and(|low| number < low) || high.is_some_and(|high| number > high);
    let range = match (setting.min, setting.max) {
        (Some(low), Some(high)) => format!("between {low} and {high}"),
        (Some(low), None) => format!("at least {low}"),
        (None, Some(high)) => format!("at most {high}"),
        (None, None) => return None,
    };
    let fault = || context.error(path, format!("`{path}` is {value}, but must be {range}"));
    bad.then(|| fault().hint(about(setting)))
}

fn about(setting: &SettingSpec) -> String {
    format!("{}. Default: {}", setting.summary.trim_end_matches('.'), setting.default)
}

/// The type of a setting is that of its default.
fn kind(default: &Value) -> Option<&'static str> {
    match default {
        Value::Null => None,
        Value::Bool(_) => Some("boolean"),
        Value::Number(number) if number.is_f64() => Some("number"),
        Value::Number(_) => Some("integer"),
        Value::String(_) => Some("string"),
        Value::Array(_) => Some("array"),
        Value::Object(_) => Some("object"),
    }
}
