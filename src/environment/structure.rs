//! Holds a tree against the schema: keys, types, values allowed, ranges. Every fault, not the first.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{
    schema::{self, Rule},
    suggest,
    tree::{Branch, Entry, Span, Tree},
};
use crate::diagnostic::Diagnostic;

/// What came of holding a tree against the schema.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// What is wrong.
    pub faults: Vec<Diagnostic>,
    /// Key paths that were dropped because they are wrong: nothing more is said about them.
    pub dropped: BTreeSet<String>,
}

/// Checks a tree and returns what is good of it.
pub(crate) fn check(tree: &Tree, source: &str, outcome: &mut Outcome) -> Tree {
    let mut walk = Walk { source, outcome };
    walk.value(tree, Rule::root(), "", tree.span).unwrap_or_else(|| Tree::scalar(Value::Null))
}

struct Walk<'a> {
    source: &'a str,
    outcome: &'a mut Outcome,
}

impl Walk<'_> {
    fn fault(&mut self, path: &str, span: Span, message: String, hint: Option<String>) -> Option<Tree> {
        let mut fault = Diagnostic::error(path, message).at(Some(span.place(self.source)));
        fault.hint = hint;
        self.outcome.faults.push(fault);
        self.outcome.dropped.insert(path.to_owned());
        None
    }

    /// The good part of a value; none where nothing of it can be used.
    fn value(&mut self, tree: &Tree, rule: Rule, path: &str, key: Span) -> Option<Tree> {
        if tree.is_null() {
            // `app:` with nothing below it is a group that says nothing yet.
            let group = path.strip_prefix("nodes.").is_some_and(|name| !name.contains('.'));
            return Some(if group { Tree { branch: Branch::Map(Vec::new()), ..*tree } } else { tree.clone() });
        }
        // A block map or list has no extent of its own: its key is what to point at.
        let span = if tree.span.length == 0 { key } else { tree.span };
        let wanted = match rule.kind() {
            Some("object") => match &tree.branch {
                Branch::Map(entries) => return Some(self.map(tree, entries, rule, path)),
                _ => "a map of keys",
            },
            Some("array") => match &tree.branch {
                Branch::List(items) => return Some(self.list(tree, items, rule, path, key)),
                _ => "a list",
            },
            Some(kind) => match &tree.branch {
                Branch::Scalar(value) => return self.scalar(tree, value, rule, kind, path, span),
                _ => word(kind),
            },
            None => {
                self.repeated(tree, path);
                return Some(tree.clone());
            }
        };
        let what = describe(tree);
        let choices = rule.choices();
        let hint = match (&tree.branch, rule.kind()) {
            _ if !choices.is_empty() => {
                Some(format!("allowed: {}", suggest::list(choices.iter().map(|(choice, _)| *choice))))
            }
            (Branch::Scalar(value), Some("array")) => Some(format!("write `[{}]`", plain(value))),
            (Branch::Scalar(_), Some("object")) if path.starts_with("nodes.") => {
                path.rsplit('.').next().map(|name| format!("write `{name}: {{ count: … }}`"))
            }
            _ => None,
        };
        self.fault(path, span, format!("{} must be {wanted}, not {what}", named(path)), hint)
    }

    fn map(&mut self, tree: &Tree, entries: &[Entry], rule: Rule, path: &str) -> Tree {
        let mut good: Vec<Entry> = Vec::new();
        for entry in entries {
            let own = join(path, &entry.key);
            if self.is_repeated(entry, entries, &own) {
                continue;
            }
            let Some(below) = rule.child(&entry.key) else {
                self.unknown(entry, rule, path, &own);
                continue;
            };
            if let Some(value) = self.value(&entry.value, below, &own, entry.span) {
                good.push(Entry { value, ..entry.clone() });
            }
        }
        Tree { branch: Branch::Map(good), ..tree.clone() }
    }

    fn is_repeated(&mut self, entry: &Entry, entries: &[Entry], path: &str) -> bool {
        let first = entries.iter().find(|other| other.key == entry.key).filter(|first| first.span != entry.span);
        if let Some(first) = first {
            let hint = format!("the first is on line {}; keep one of them", first.span.line);
            let dropped = self.outcome.dropped.contains(path);
            self.fault(path, entry.span, format!("key `{}` is written twice", entry.key), Some(hint));
            if !dropped {
                // The first one counts, so the path as such is there.
                self.outcome.dropped.remove(path);
            }
        }
        first.is_some()
    }

    fn repeated(&mut self, tree: &Tree, path: &str) {
        for entry in tree.entries() {
            self.is_repeated(entry, tree.entries(), &join(path, &entry.key));
            self.repeated(&entry.value, &join(path, &entry.key));
        }
    }

    fn unknown(&mut self, entry: &Entry, rule: Rule, path: &str, own: &str) {
        let keys = rule.keys();
        let elsewhere = schema::paths_ending_with(&entry.key);
        let hint = if let Some(near) = suggest::nearest(&entry.key, keys.iter().copied()) {
            // It stands for that key: nobody shall say that the key is missing.
            self.outcome.dropped.insert(join(path, near));
            format!("did you mean `{near}`?")
        } else if let Some(right) = elsewhere.first() {
            format!("its place is `{right}`")
        } else if path.is_empty() && crate::catalog::reference::is_group(&entry.key) {
            format!("node groups belong under `nodes`: `nodes.{}`", entry.key)
        } else {
            format!("keys allowed here: {}", suggest::list(keys))
        };
        let inside = if path.is_empty() { String::new() } else { format!(" in `{path}`") };
        self.fault(own, entry.span, format!("unknown key `{}`{inside}", entry.key), Some(hint));
    }

    fn list(&mut self, tree: &Tree, items: &[Tree], rule: Rule, path: &str, key: Span) -> Tree {
        let Some(below) = rule.items() else { return tree.clone() };
        let good = items.iter().filter_map(|item| {
            if item.is_null() {
                let message = format!("an item of {} is empty", named(path));
                return self.fault(path, if item.span.length == 0 { key } else { item.span }, message, None);
            }
            self.value(item, below, path, key)
        });
        Tree { branch: Branch::List(good.collect()), ..tree.clone() }
    }

    fn scalar(&mut self, tree: &Tree, value: &Value, rule: Rule, kind: &str, path: &str, span: Span) -> Option<Tree> {
        let choices = rule.choices();
        if !choices.is_empty() {
            let text = plain(value);
            if value.is_string() && choices.iter().any(|(choice, _)| *choice == text) {
                return Some(tree.clone());
            }
            let names = choices.iter().map(|(choice, _)| *choice);
            let allowed = suggest::list(names.clone());
            let hint = match suggest::nearest(&text, names) {
                Some(near) => format!("did you mean `{near}`? allowed: {allowed}"),
                None => format!("allowed: {allowed}"),
            };
            return self.fault(path, span, format!("{} cannot be `{text}`", named(path)), Some(hint));
        }
        let fits = match kind {
            "string" => value.is_string(),
            "integer" => value.is_i64() || value.is_u64(),
            "number" => value.is_number(),
            "boolean" => value.is_boolean(),
            _ => true,
        };
        if !fits {
            let hint = match (kind, value) {
                ("string", _) => Some(format!("put it in quotes: \"{}\"", plain(value))),
                ("integer" | "number", Value::String(text)) if text.trim().parse::<f64>().is_ok() => {
                    Some(format!("write it without quotes: {}", text.trim()))
                }
                _ => None,
            };
            let message = format!("{} must be {}, not {}", named(path), word(kind), describe(tree));
            return self.fault(path, span, message, hint);
        }
        if let Some(number) = value.as_f64() {
            let (low, high) = (rule.minimum(), rule.maximum());
            if low.is_some_and(|low| number < low) || high.is_some_and(|high| number > high) {
                let range = match (low, high) {
                    (Some(low), Some(high)) => format!("between {low} and {high}"),
                    (Some(low), None) => format!("at least {low}"),
                    (None, Some(high)) => format!("at most {high}"),
                    (None, None) => String::new(),
                };
                let message = format!("{} is {value}, but must be {range}", named(path));
                return self.fault(path, span, message, None);
            }
        }
        Some(tree.clone())
    }
}

/// A key path below another.
pub(crate) fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// A scalar as the user may have written it.
pub(crate) fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// What a type is called.
pub(crate) fn word(kind: &str) -> &'static str {
    match kind {
        "string" => "text",
        "integer" => "a whole number",
        "number" => "a number",
        "boolean" => "`true` or `false`",
        "array" => "a list",
        _ => "a map of keys",
    }
}

fn named(path: &str) -> String {
    if path.is_empty() { "an environment file".to_owned() } else { format!("`{path}`") }
}

fn describe(tree: &Tree) -> String {
    match &tree.branch {
        Branch::List(_) => "a list".to_owned(),
        Branch::Map(_) => "a map".to_owned(),
        Branch::Scalar(value) => describe_scalar(value),
    }
}

/// A scalar with its type, for messages.
pub(crate) fn describe_scalar(value: &Value) -> String {
    match value {
        Value::String(text) => format!("the text `{text}`"),
        Value::Number(number) => format!("the number {number}"),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "a map".to_owned(),
        other => format!("`{other}`"),
    }
}
