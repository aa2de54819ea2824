//! What one template sees: the environment's facts and those of its node and role, looked up only when asked for.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use minijinja::{Error, ErrorKind, Value, value::Object};

use super::{facts::Facts, inputs::SecretSource};
use crate::catalog::SecretSpec;

/// The root of a template's names.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) facts: Arc<Facts>,
    /// Node and role; none for a text about the whole environment.
    pub(super) node: Option<u32>,
    pub(super) role: Option<String>,
    pub(super) secrets: Option<Value>,
    /// Raised when a template reads a file of the user's: it may hold a secret.
    pub(super) taken: Option<Arc<AtomicBool>>,
    /// Raised when a template reads what may differ from node to node: without it, its text is the same on all.
    pub(super) own: Option<Arc<AtomicBool>>,
}

impl Object for Context {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        let facts = &self.facts;
        if let (Some(own), "secrets" | "node" | "listeners" | "allowed" | "service" | "own_file") = (&self.own, key) {
            own.store(true, Ordering::Relaxed);
        }
        match key {
            "environment" => Some(facts.environment.clone()),
            "nodes" => Some(facts.nodes.clone()),
            "by_role" => Some(facts.by_role.clone()),
            "all_settings" => Some(facts.all_settings.clone()),
            "has" => Some(facts.has.clone()),
            "port" => Some(facts.port.clone()),
            "ca_certificate" => facts.ca_certificate.as_deref().map(Value::from),
            "settings" => Some(facts.settings(self.role.as_deref()?)),
            "secrets" => self.secrets.clone(),
            "node" => Some(facts.node(self.node?)),
            "listeners" => Some(facts.listeners(self.node?)),
            "allowed" => Some(facts.allowed(self.node?)),
            "service" => {
                let (facts, node) = (Arc::clone(facts), self.node?);
                Some(Value::from_function(move |name: &str| facts.service(node, name)))
            }
            "own_file" => {
                let (facts, taken) = (Arc::clone(facts), self.taken.clone());
                Some(Value::from_function(move |path: &str| {
                    if let Some(taken) = &taken {
                        taken.store(true, Ordering::Relaxed);
                    }
                    let Some(folder) = &facts.folder else { return Ok(format!("placeholder-{path}")) };
                    std::fs::read_to_string(folder.join(path)).map_err(|error| {
                        Error::new(ErrorKind::InvalidOperation, format!("cannot read `{path}`: {error}"))
                    })
                }))
            }
            _ => None,
        }
    }
}

/// The secrets that a role declares; remembers whether a template took one.
pub(super) struct Secrets {
    values: BTreeMap<String, SecretValue>,
    taken: Arc<AtomicBool>,
}

enum SecretValue {
    Text(String),
    Pair(Value),
    Missing,
}

impl Secrets {
    /// Fetches what is declared.
    pub(super) fn fetch<'a>(
        source: &dyn SecretSource,
        node: &str,
        declared: impl Iterator<Item = (&'a String, &'a SecretSpec)>,
    ) -> Self {
        let taken = Arc::new(AtomicBool::new(false));
        let values = declared
            .map(|(name, spec)| {
                let value = match spec {
                    SecretSpec::Authority { .. } | SecretSpec::Certificate { .. } => {
                        source.pair(name, node).map(|(certificate, key)| {
                            SecretValue::Pair(Value::from_object(Pair { certificate, key, taken: Arc::clone(&taken) }))
                        })
                    }
                    _ => source.text(name).map(SecretValue::Text),
                };
                (name.clone(), value.unwrap_or(SecretValue::Missing))
            })
            .collect();
        Self { values, taken }
    }

    /// The flag that reading a secret raises.
    pub(super) fn taken(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.taken)
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secrets")
    }
}

impl Object for Secrets {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let name = key.as_str()?;
        Some(match self.values.get(name) {
            Some(SecretValue::Text(text)) => {
                self.taken.store(true, Ordering::Relaxed);
                Value::from(text.as_str())
            }
            Some(SecretValue::Pair(pair)) => pair.clone(),
            Some(SecretValue::Missing) => invalid(format!("secret `{name}` has no value yet")),
            None => invalid(format!("this role declares no secret `{name}`")),
        })
    }

    fn render(self: &Arc<Self>, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[secrets]")
    }
}

fn invalid(message: String) -> Value {
    Value::from(Error::new(ErrorKind::InvalidOperation, message))
}

/// A certificate with its key. Only the key is secret.
struct Pair {
    certificate: String,
    key: String,
    taken: Arc<AtomicBool>,
}

impl fmt::Debug for Pair {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Pair")
    }
}

impl Object for Pair {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match key.as_str()? {
            "certificate" => Some(Value::from(self.certificate.as_str())),
            "key" => {
                self.taken.store(true, Ordering::Relaxed);
                Some(Value::from(self.key.as_str()))
            }
            _ => None,
        }
    }

    fn render(self: &Arc<Self>, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[secret]")
    }
}
