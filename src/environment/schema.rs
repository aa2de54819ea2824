//! The JSON Schema of the environment file, and questions to it.

use std::sync::LazyLock;

use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::{Value, json};

use super::{Environment, ReferenceArchitecture};

static ENVIRONMENT: LazyLock<Value> = LazyLock::new(schema);

/// The JSON Schema of an environment file (draft 2020-12).
#[must_use]
pub fn schema() -> Value {
    generate::<Environment>("refarch environment", "environment")
}

/// The JSON Schema of a reference architecture's file.
#[must_use]
pub fn reference_schema() -> Value {
    generate::<ReferenceArchitecture>("refarch reference architecture", "reference")
}

fn generate<T: JsonSchema>(title: &str, id: &str) -> Value {
    let body = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<T>().to_value();
    let mut schema = json!({ "$schema": body["$schema"], "$id": format!("urn:refarch:schema:{id}"), "title": title });
    if let (Some(schema), Value::Object(body)) = (schema.as_object_mut(), body) {
        for (key, value) in body {
            schema.entry(key).or_insert(value);
        }
        schema.insert("title".to_owned(), json!(title));
    }
    tidy(&mut schema);
    schema
}

/// Drops what tells an editor nothing: defaults of null and of whole maps, number formats.
fn tidy(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            map.retain(|key, value| !(key == "default" && (value.is_null() || value.is_object())));
            map.retain(|key, value| !(key == "format" && value.is_string()));
            if let Some(Value::String(text)) = map.get_mut("description") {
                *text = text.replace('\n', " ");
            }
            map.values_mut().for_each(tidy);
        }
        Value::Array(items) => items.iter_mut().for_each(tidy),
        _ => {}
    }
}

/// What the schema says about one key.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rule {
    node: &'static Value,
    described: &'static Value,
}

impl Rule {
    /// The environment file as a whole.
    pub fn root() -> Self {
        Self::new(&ENVIRONMENT)
    }

    /// What is said about a key path, if such a key can be.
    pub fn find(path: &str) -> Option<Self> {
        path.split('.').try_fold(Self::root(), |rule, key| rule.child(key))
    }

    fn new(described: &'static Value) -> Self {
        let mut node = described;
        loop {
            let next = if let Some(name) = node["$ref"].as_str() {
                ENVIRONMENT.pointer(name.trim_start_matches('#')).unwrap_or(&Value::Null)
            } else if let Some(options) = node["anyOf"].as_array() {
                options.iter().find(|option| option["type"] != "null").unwrap_or(&Value::Null)
            } else {
                return Self { node, described };
            };
            node = next;
        }
    }

    /// What is said about a key of this map.
    pub fn child(self, key: &str) -> Option<Self> {
        if let Some(property) = self.node["properties"].get(key) {
            return Some(Self::new(property));
        }
        match self.node.get("additionalProperties") {
            Some(rule @ Value::Object(_)) => Some(Self::new(rule)),
            Some(Value::Bool(true)) => Some(Self::new(&Value::Null)),
            _ => None,
        }
    }

    /// Whether the keys of this map are names that the user gives.
    pub fn has_free_keys(self) -> bool {
        self.node.get("additionalProperties").is_some_and(|rule| *rule != Value::Bool(false))
    }

    /// Keys of this map.
    pub fn keys(self) -> Vec<&'static str> {
        self.node["properties"].as_object().map(|map| map.keys().map(String::as_str).collect()).unwrap_or_default()
    }

    /// What items of this list must be.
    pub fn items(self) -> Option<Self> {
        self.node.get("items").map(Self::new)
    }

    /// Keys without which the file says too little.
    pub fn required(self) -> Vec<&'static str> {
        self.node["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
    }

    /// JSON type: `object`, `array`, `string`, `integer`, `number`, `boolean`; none means any.
    pub fn kind(self) -> Option<&'static str> {
        match &self.node["type"] {
            Value::String(kind) => Some(kind),
            Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).find(|kind| *kind != "null"),
            _ if self.node.get("oneOf").is_some() => Some("string"),
            _ => None,
        }
    }

    /// The values allowed, each with what it means; empty: no fixed ones.
    pub fn choices(self) -> Vec<(&'static str, &'static str)> {
        let options = self.node["oneOf"].as_array().into_iter().flatten();
        options
            .filter_map(|option| Some((option["const"].as_str()?, option["description"].as_str().unwrap_or(""))))
            .collect()
    }

    /// Smallest number.
    pub fn minimum(self) -> Option<f64> {
        self.node["minimum"].as_f64()
    }

    /// Largest number.
    pub fn maximum(self) -> Option<f64> {
        self.node["maximum"].as_f64()
    }

    /// What the key is for.
    pub fn description(self) -> &'static str {
        self.described["description"].as_str().or(self.node["description"].as_str()).unwrap_or("")
    }

    /// The value where nobody gives one, where it is a fixed one.
    pub fn default(self) -> Option<&'static Value> {
        self.described.get("default")
    }
}

/// Every key path of the schema that ends with this key, for hints: `subnet` -> `local.subnet`.
pub(crate) fn paths_ending_with(key: &str) -> Vec<String> {
    let mut found = Vec::new();
    for top in Rule::root().keys() {
        let Some(rule) = Rule::root().child(top) else { continue };
        if rule.keys().contains(&key) {
            found.push(format!("{top}.{key}"));
        }
        if top == "nodes" && rule.child("group").is_some_and(|group| group.keys().contains(&key)) {
            found.push(format!("{top}.<group>.{key}"));
        }
    }
    if Rule::root().keys().contains(&key) {
        found.push(key.to_owned());
    }
    found
}
