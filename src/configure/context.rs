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
    pub(super) secrets: Option<SecretNames>,
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
        if let (Some(own), "secrets" | "accepted" | "node" | "listeners" | "allowed" | "service" | "own_file") =
            (&self.own, key)
        {
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
            "secrets" => self.secrets.as_ref().map(|secrets| secrets.in_use.clone()),
            "accepted" => self.secrets.as_ref().map(|secrets| secrets.accepted.clone()),
            "slot" => self.secrets.as_ref().map(|secrets| secrets.slot.clone()),
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

/// What templates read a role's secrets by.
#[derive(Debug, Clone)]
pub(super) struct SecretNames {
    in_use: Value,
    accepted: Value,
    slot: Value,
    /// The flag that reading a secret raises.
    pub(super) taken: Arc<AtomicBool>,
}

impl SecretNames {
    /// Fetches what is declared.
    pub(super) fn fetch<'a>(
        source: &dyn SecretSource,
        node: &str,
        declared: impl Iterator<Item = (&'a String, &'a SecretSpec)>,
    ) -> Self {
        let taken = Arc::new(AtomicBool::new(false));
        let (mut in_use, mut accepted, mut slots) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        for (name, spec) in declared {
            let value = match spec {
                SecretSpec::Authority { .. } | SecretSpec::Certificate { .. } => {
                    source.pair(name, node).map(|(certificate, key)| {
                        SecretValue::Pair(Value::from_object(Pair { certificate, key, taken: Arc::clone(&taken) }))
                    })
                }
                _ => source.text(name).map(SecretValue::Text),
            };
            in_use.insert(name.clone(), value.unwrap_or(SecretValue::Missing));
            let good = source.accepted(name).into_iter().map(|(slot, value)| {
                Value::from(BTreeMap::from([("slot", Value::from(slot)), ("value", Value::from(value))]))
            });
            accepted.insert(name.clone(), SecretValue::Texts(good.collect()));
            slots.insert(name.clone(), source.slot(name));
        }
        let slot = Value::from_function(move |name: &str| match slots.get(name) {
            Some(slot) => Ok(*slot),
            None => Err(Error::new(ErrorKind::InvalidOperation, format!("this role declares no secret `{name}`"))),
        });
        let object = |values| Value::from_object(Secrets { values, taken: Arc::clone(&taken) });
        Self { in_use: object(in_use), accepted: object(accepted), slot, taken: Arc::clone(&taken) }
    }
}

/// The secrets that a role declares; remembers whether a template took one.
struct Secrets {
    values: BTreeMap<String, SecretValue>,
    taken: Arc<AtomicBool>,
}

enum SecretValue {
    Text(String),
    Texts(Vec<Value>),
    Pair(Value),
    Missing,
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
            Some(SecretValue::Texts(texts)) => {
                self.taken.store(true, Ordering::Relaxed);
                Value::from(texts.clone())
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
