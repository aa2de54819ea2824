//! What a key is for, what it is set to, and by whom.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Loaded, StackFacts,
    schema::{self, Rule},
    structure::{plain, word},
    suggest,
};

/// Everything there is to say about a key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    /// Key path.
    pub key: String,
    /// What it is for.
    pub description: String,
    /// Type, with its range.
    pub kind: String,
    /// The values allowed, each with what it means; empty: any of the type.
    pub allowed: Vec<(String, String)>,
    /// The value that counts; none where nobody gives one.
    pub value: Option<Value>,
    /// The value where nobody gives one, where it is a fixed one.
    pub default: Option<Value>,
    /// Who gives it: the one that counts first, then what it overrides.
    pub given: Vec<Given>,
    /// Keys below it, each with what it is for or is set to.
    pub below: Vec<(String, String)>,
    /// Why the reference architecture has it.
    pub because: Option<String>,
}

/// One source that gives a key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Given {
    /// What it says.
    pub value: Value,
    /// `environment.yaml:3:7`, `environment variable X`, `--set x=y`, `reference architecture 3k`.
    pub from: String,
}

/// No such key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no key `{key}`")]
pub struct UnknownKey {
    /// What was asked for.
    pub key: String,
    /// What may have been meant.
    pub hint: String,
}

/// Explains a key: of a loaded environment with its value, else what any environment file may say.
///
/// # Errors
/// When no environment file can have such a key.
pub fn explain(key: &str, loaded: Option<&Loaded>, facts: Option<&StackFacts>) -> Result<Explanation, UnknownKey> {
    let parts: Vec<&str> = key.split('.').collect();
    let unknown = |hint: String| UnknownKey { key: key.to_owned(), hint };
    let rule = Rule::find(key).ok_or_else(|| unknown(unknown_hint(&parts)))?;
    let tree = loaded.and_then(|loaded| serde_json::to_value(&loaded.environment).ok()).unwrap_or_default();
    let value = parts.iter().try_fold(&tree, |value, part| value.get(part)).filter(|value| !value.is_null()).cloned();
    let provenance = loaded.map(|loaded| &loaded.provenance);
    let winner = |key: &str| provenance.and_then(|provenance| provenance.winner(key));
    let given = provenance
        .map_or(&[][..], |provenance| provenance.origins(key))
        .iter()
        .rev()
        .map(|origin| Given { value: origin.value.clone(), from: origin.label() });
    let mut explanation = Explanation {
        key: key.to_owned(),
        description: rule.description().to_owned(),
        kind: kind(rule),
        allowed: rule.choices().iter().map(|(name, about)| ((*name).to_owned(), (*about).to_owned())).collect(),
        value: value.filter(|_| winner(key).is_some()),
        default: rule.default().cloned(),
        given: given.collect(),
        below: below(rule, key, loaded),
        because: None,
    };
    if let ["nodes", group] = parts[..] {
        let group = loaded.and_then(|loaded| loaded.reference.as_ref()?.nodes.get(group));
        explanation.because = group.map(|group| group.because.clone());
    }
    if let ("settings", Some(role), Some(facts)) = (parts[0], parts.get(1), facts) {
        let Some(spec) = facts.roles.get(*role) else {
            return Err(unknown(suggest::hint(role, "roles", facts.roles.keys().map(String::as_str))));
        };
        match parts.get(2) {
            None => {
                explanation.description = format!("Settings of role {role}: {}", spec.summary);
                let about = |name: &str, default: &Value, summary: &str| {
                    let value = winner(&format!("{key}.{name}")).map_or(default, |origin| &origin.value);
                    (format!("{key}.{name}"), format!("{}  {summary}", show(value)))
                };
                let settings = spec.settings.iter();
                explanation.below = settings.map(|(name, one)| about(name, &one.default, &one.summary)).collect();
            }
            Some(name) => {
                let Some(setting) = spec.settings.get(*name) else {
                    let names: Vec<&str> = spec.settings.keys().map(String::as_str).collect();
                    return Err(unknown(suggest::hint(name, "its settings", names)));
                };
                explanation.description.clone_from(&setting.summary);
                explanation.default = Some(setting.default.clone());
                explanation.kind = setting_kind(&setting.default, setting.min, setting.max);
                explanation.allowed = setting.one_of.iter().map(|value| (plain(value), String::new())).collect();
            }
        }
    }
    Ok(explanation)
}

fn unknown_hint(parts: &[&str]) -> String {
    let last = parts.last().copied().unwrap_or_default();
    if let Some(path) = schema::paths_ending_with(last).first() {
        return format!("did you mean `{path}`?");
    }
    let above = parts[..parts.len() - 1].join(".");
    let rule = if above.is_empty() { Some(Rule::root()) } else { Rule::find(&above) };
    match rule {
        Some(rule) => suggest::hint(last, "keys", rule.keys()),
        None => suggest::hint(parts[0], "keys", Rule::root().keys()),
    }
}

fn below(rule: Rule, key: &str, loaded: Option<&Loaded>) -> Vec<(String, String)> {
    if let ("nodes", Some(loaded)) = (key, loaded) {
        let groups = loaded.environment.nodes.iter();
        let count = |count: Option<u32>| count.map_or(String::new(), |count| format!("count {count}"));
        return groups.map(|(name, group)| (format!("nodes.{name}"), count(group.count))).collect();
    }
    let about = |name: &str| rule.child(name).map_or("", Rule::description);
    rule.keys().into_iter().map(|name| (format!("{key}.{name}"), about(name).to_owned())).collect()
}

fn kind(rule: Rule) -> String {
    if !rule.choices().is_empty() {
        return "one of the values below".to_owned();
    }
    let name = rule.kind().map_or("any value", word);
    match (rule.minimum(), rule.maximum()) {
        (Some(low), Some(high)) => format!("{name}, {low} to {high}"),
        (Some(low), None) => format!("{name}, at least {low}"),
        (None, Some(high)) => format!("{name}, at most {high}"),
        (None, None) => name.to_owned(),
    }
}

fn setting_kind(default: &Value, min: Option<i64>, max: Option<i64>) -> String {
    let name = match default {
        Value::Bool(_) => "`true` or `false`",
        Value::Number(number) if number.is_f64() => "a number",
        Value::Number(_) => "a whole number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        _ => "any value",
    };
    match (min, max) {
        (Some(low), Some(high)) => format!("{name}, {low} to {high}"),
        (Some(low), None) => format!("{name}, at least {low}"),
        (None, Some(high)) => format!("{name}, at most {high}"),
        (None, None) => name.to_owned(),
    }
}

/// A value in one short line.
fn show(value: &Value) -> String {
    let text = match value {
        Value::Null => "(back to the default)".to_owned(),
        Value::Object(map) => format!("{{ {} }}", map.keys().cloned().collect::<Vec<_>>().join(", ")),
        Value::Array(items) => format!("[{}]", items.iter().map(plain).collect::<Vec<_>>().join(", ")),
        other => plain(other),
    };
    if text.chars().count() > 60 { text.chars().take(59).chain(['…']).collect() } else { text }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = match (&self.value, &self.default) {
            (Some(value), _) => show(value),
            (None, Some(default)) => format!("{} (default)", show(default)),
            (None, None) => "not set".to_owned(),
        };
        writeln!(f, "{} = {value}", self.key)?;
        for line in
            [Some(&self.description), self.because.as_ref()].into_iter().flatten().filter(|line| !line.is_empty())
        {
            writeln!(f, "  {line}")?;
        }
        let width = self.given.iter().map(|given| show(&given.value).chars().count()).max().unwrap_or(0);
        for (index, given) in self.given.iter().enumerate() {
            let word = if index == 0 { "from" } else { "overrides" };
            writeln!(f, "  {word:<10} {:<width$}  {}", show(&given.value), given.from)?;
        }
        if let (false, Some(default)) = (self.given.is_empty(), &self.default) {
            writeln!(f, "  {:<10} {}", "default", show(default))?;
        }
        writeln!(f, "  {:<10} {}", "type", self.kind)?;
        let width = self.allowed.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
        for (name, about) in &self.allowed {
            writeln!(f, "  {:<10} {}", "", format!("{name:<width$}  {about}").trim_end())?;
        }
        let width = self.below.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
        for (index, (name, about)) in self.below.iter().enumerate() {
            let word = if index == 0 { "keys" } else { "" };
            writeln!(f, "  {}", format!("{word:<10} {name:<width$}  {about}").trim_end())?;
        }
        Ok(())
    }
}
