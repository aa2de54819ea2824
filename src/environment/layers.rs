//! The layers of an environment, lowest first, and their merge by figment.

use std::{collections::BTreeMap, path::Path};

use figment::{
    Figment, Metadata, Profile, Provider,
    value::{Dict, Empty, Map, Tag, Value as Merged},
};
use serde_json::Value;

use super::{
    Architecture, ReferenceArchitecture,
    provenance::Layer as Kind,
    schema::Rule,
    structure,
    tree::{Branch, Entry, Span, Tree},
};
use crate::diagnostic::{Diagnostic, Place};

/// Starts the name of a variable that sets a key.
const PREFIX: &str = "REFARCH_";

/// Variables with that start which mean something else.
pub const RESERVED_VARIABLES: [&str; 8] = [
    "REFARCH_ENVIRONMENT",
    "REFARCH_IDENTITY",
    "REFARCH_WORKSPACE",
    "REFARCH_ROLES",
    "REFARCH_OUTPUT",
    "REFARCH_LOG",
    "REFARCH_JOBS",
    "REFARCH_AZURE_ENDPOINT",
];

/// One source of keys.
#[derive(Debug, Clone)]
pub(crate) struct Layer {
    /// What it is.
    pub kind: Kind,
    /// Its text, which the places of `tree` point into.
    pub text: String,
    /// What it says.
    pub tree: Tree,
}

impl Layer {
    /// The node groups of a reference architecture: counts and roles only; machines are the resolver's business.
    pub fn reference(reference: &ReferenceArchitecture) -> Self {
        let groups = reference.nodes.iter().map(|(name, group)| {
            let mut keys = vec![entry("count", Tree::scalar(group.count.into()))];
            if let Some(roles) = &group.roles {
                let roles = roles.iter().map(|role| Tree::scalar(role.as_str().into())).collect();
                keys.push(entry("roles", Tree { span: Span::default(), branch: Branch::List(roles) }));
            }
            entry(name, map(keys))
        });
        let tree = map(vec![entry("nodes", map(groups.collect()))]);
        Self { kind: Kind::Reference(reference.architecture), text: String::new(), tree }
    }

    /// A file's text.
    pub fn file(path: &Path, local: bool, text: String) -> Result<Self, (Box<Diagnostic>, String)> {
        let name = path.display().to_string();
        match Tree::parse(&text, &name) {
            Ok(tree) => Ok(Self { kind: if local { Kind::LocalFile(name) } else { Kind::File(name) }, text, tree }),
            Err(fault) => Err((fault, text)),
        }
    }

    /// The variables that set keys, by name. An empty variable is none.
    pub fn variables(variables: &BTreeMap<String, String>) -> Vec<Result<Self, (Box<Diagnostic>, String)>> {
        let ours = variables.iter().filter(|(name, value)| {
            let reserved = RESERVED_VARIABLES.contains(&name.as_str()) || name.starts_with("REFARCH_TEST_");
            name.starts_with(PREFIX) && !reserved && !value.is_empty()
        });
        ours.map(|(name, value)| Self::variable(name, value)).collect()
    }

    fn variable(name: &str, value: &str) -> Result<Self, (Box<Diagnostic>, String)> {
        let mut keys = Vec::new();
        let mut rule = Some(Rule::root());
        let mut offset = PREFIX.len();
        for part in name[PREFIX.len()..].split("__") {
            let mut key = part.to_lowercase();
            // Names of groups and roles have hyphens, which variables cannot have.
            if keys.len() == 1 && rule.is_some_and(Rule::has_free_keys) {
                key = key.replace('_', "-");
            }
            rule = rule.and_then(|rule| rule.child(&key));
            keys.push((key, Span { line: 0, column: 0, offset, length: part.len() }));
            offset += part.len() + 2;
        }
        let text = format!("{name}={value}");
        Self::assignment(Kind::Variable(name.to_owned()), text, &keys, name.len() + 1)
    }

    /// A `--set key=value`.
    pub fn set(argument: &str) -> Result<Self, (Box<Diagnostic>, String)> {
        let text = format!("--set {argument}");
        let start = "--set ".len();
        let kind = Kind::Set(argument.to_owned());
        let Some((path, _)) = argument.split_once('=') else {
            let fault = Diagnostic::error(argument, format!("`--set {argument}` gives no value"))
                .at(Some(Place { source: kind.to_string(), line: 0, column: 0, offset: start, length: argument.len() }))
                .hint(format!("write `--set {argument}=VALUE`; an empty value goes back to the default"));
            return Err((Box::new(fault), text));
        };
        let mut keys = Vec::new();
        let mut offset = start;
        for key in path.split('.') {
            keys.push((key.trim().to_owned(), Span { line: 0, column: 0, offset, length: key.len() }));
            offset += key.len() + 1;
        }
        Self::assignment(kind, text, &keys, start + path.len() + 1)
    }

    /// A tree of one leaf, whose value starts at an offset of the text.
    fn assignment(
        kind: Kind,
        text: String,
        keys: &[(String, Span)],
        start: usize,
    ) -> Result<Self, (Box<Diagnostic>, String)> {
        let written = &text[start..];
        let span = Span { line: 0, column: 0, offset: start, length: written.len() };
        if let Some((key, at)) = keys.iter().find(|(key, _)| key.is_empty()) {
            let fault = Diagnostic::error(key, "an empty key").at(Some(at.place(&kind.to_string())));
            let fault = fault.hint("dots, or double underscores in variables, stand between two keys");
            return Err((Box::new(fault), text));
        }
        let rule = keys.iter().try_fold(Rule::root(), |rule, (key, _)| rule.child(key));
        let mut tree = match parse_value(written, rule) {
            Ok(value) => Tree { span, branch: value },
            Err(message) => {
                let path = keys.iter().map(|(key, _)| key.as_str()).collect::<Vec<_>>().join(".");
                let fault = Diagnostic::error(path, message).at(Some(span.place(&kind.to_string())));
                return Err((Box::new(fault), text));
            }
        };
        for (key, at) in keys.iter().rev() {
            let entry = Entry { key: key.clone(), span: *at, value: tree };
            tree = Tree { span: *at, branch: Branch::Map(vec![entry]) };
        }
        Ok(Self { kind, text, tree })
    }
}

/// A value from a command line or a variable: a YAML scalar, or a list or map in one line. Where the key takes text,
/// the text is taken as it is: nobody quotes twice in a shell.
fn parse_value(written: &str, rule: Option<Rule>) -> Result<Branch, String> {
    let written = written.trim();
    let literal = || Branch::Scalar(Value::String(written.to_owned()));
    match Tree::parse(written, "") {
        _ if written.is_empty() => Ok(Branch::Scalar(Value::Null)),
        Ok(tree) => match (&tree.branch, rule.and_then(Rule::kind)) {
            (Branch::Scalar(Value::String(_) | Value::Null), _) => Ok(tree.branch),
            (_, Some("string")) => Ok(literal()),
            (Branch::Map(_), _) if !written.starts_with('{') => Ok(literal()),
            _ => Ok(without_places(tree).branch),
        },
        Err(fault) if written.starts_with(['[', '{', '"', '\'']) => Err(fault.message),
        Err(_) => Ok(literal()),
    }
}

/// Places inside a value on the command line are those of the value as a whole.
fn without_places(tree: Tree) -> Tree {
    let branch = match tree.branch {
        Branch::Scalar(value) => Branch::Scalar(value),
        Branch::List(items) => Branch::List(items.into_iter().map(without_places).collect()),
        Branch::Map(entries) => Branch::Map(
            entries
                .into_iter()
                .map(|entry| Entry { span: Span::default(), value: without_places(entry.value), ..entry })
                .collect(),
        ),
    };
    Tree { span: Span::default(), branch }
}

fn entry(key: &str, value: Tree) -> Entry {
    Entry { key: key.to_owned(), span: Span::default(), value }
}

fn map(entries: Vec<Entry>) -> Tree {
    Tree { span: Span::default(), branch: Branch::Map(entries) }
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.kind.to_string())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        let dict = match to_figment(&self.tree.value()) {
            Merged::Dict(_, dict) => dict,
            _ => Dict::new(),
        };
        Ok(Map::from([(Profile::Default, dict)]))
    }
}

fn to_figment(value: &Value) -> Merged {
    match value {
        Value::Null => Merged::Empty(Tag::Default, Empty::None),
        Value::Bool(value) => (*value).into(),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => number.into(),
            (None, Some(number)) => number.into(),
            _ => number.as_f64().unwrap_or_default().into(),
        },
        Value::String(text) => text.as_str().into(),
        Value::Array(items) => Merged::Array(Tag::Default, items.iter().map(to_figment).collect()),
        Value::Object(map) => {
            Merged::Dict(Tag::Default, map.iter().map(|(key, value)| (key.clone(), to_figment(value))).collect())
        }
    }
}

/// All layers as one value, the last one winning key by key; lists are replaced as a whole. A key whose last word is
/// null is as if nobody had given it.
#[expect(clippy::result_large_err, reason = "figment's own error; it ends here")]
pub(crate) fn merge(layers: &[Layer]) -> Result<Value, figment::Error> {
    let merged = layers.iter().fold(Figment::new(), |figment, layer| figment.merge(layer.clone()));
    let mut value: Value = merged.extract()?;
    drop_nulls(&mut value);
    let mut order = Vec::new();
    for layer in layers {
        collect_order(&layer.tree, "", &mut order);
    }
    Ok(reorder(value, "", &order))
}

fn drop_nulls(value: &mut Value) {
    if let Value::Object(map) = value {
        map.retain(|_, value| !value.is_null());
        map.values_mut().for_each(drop_nulls);
    }
}

/// Key paths in the order in which they were first written: figment sorts them, but the order of groups is the user's.
fn collect_order(tree: &Tree, path: &str, order: &mut Vec<String>) {
    for entry in tree.entries() {
        let own = structure::join(path, &entry.key);
        collect_order(&entry.value, &own, order);
        if !order.contains(&own) {
            order.push(own);
        }
    }
}

fn reorder(value: Value, path: &str, order: &[String]) -> Value {
    let Value::Object(map) = value else { return value };
    let mut entries: Vec<_> = map.into_iter().map(|(key, value)| (structure::join(path, &key), key, value)).collect();
    entries.sort_by_key(|(own, _, _)| order.iter().position(|known| known == own));
    entries.into_iter().map(|(own, key, value)| (key, reorder(value, &own, order))).collect()
}

/// The reference architecture that the layers ask for.
pub(crate) fn architecture(layers: &[Layer]) -> Option<Architecture> {
    let merged = merge(layers).ok()?;
    serde_json::from_value(merged.get("architecture")?.clone()).ok()
}
