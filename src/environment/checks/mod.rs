//! What must hold between the values of an environment. Pure: no file is read, no name resolved.

mod cloud;
mod contents;
mod names;
mod network;
mod nodes;
mod package_file;
mod places;
mod secrets;
mod settings;
mod team;

pub use names::is_environment_name;
pub(super) use package_file::HEAD;

use std::collections::{BTreeMap, BTreeSet};

use super::{Environment, NodeGroup, ProviderKind, ReferenceArchitecture, provenance::Provenance};
use crate::{
    catalog::{Product, ProductSettings, Role, StackCatalog, StackSpec},
    diagnostic::Diagnostic,
};

/// What the checks need to know about a stack.
#[derive(Debug, Clone, Default)]
pub struct StackFacts {
    /// Its roles by name.
    pub roles: BTreeMap<String, Role>,
    /// The role that every node carries.
    pub base: Option<String>,
    /// Roles of the reference architectures that it leaves out, each with the reason.
    pub omits: BTreeMap<String, String>,
    /// Role -> setting that names something of the user's own in its place.
    pub stand_ins: BTreeMap<String, String>,
    /// The product that it configures.
    pub product: Option<Product>,
    /// What the product's versions know.
    pub product_settings: Option<ProductSettings>,
}

impl StackFacts {
    /// From what the catalogue has.
    #[must_use]
    pub fn new(catalog: &StackCatalog) -> Self {
        let StackSpec { base, omits, stand_ins, product, .. } = &catalog.stack;
        Self {
            roles: catalog.roles.clone(),
            base: Some(base.clone()),
            omits: omits.clone(),
            stand_ins: stand_ins.clone(),
            product: product.clone(),
            product_settings: catalog.product_settings(),
        }
    }
}

/// An environment with all that is known about it.
pub(crate) struct Context<'a> {
    pub environment: &'a Environment,
    pub reference: Option<&'a ReferenceArchitecture>,
    pub stack: Result<&'a StackFacts, &'a str>,
    pub providers: &'a [ProviderKind],
    /// Whether a file, relative to the environment file, is there.
    pub exists: &'a dyn Fn(&str) -> bool,
    /// Text of such a file, or why it cannot be read.
    pub read: &'a dyn Fn(&str) -> Result<String, String>,
    /// The first bytes of such a file, or why it cannot be read.
    pub head: &'a dyn Fn(&str) -> Result<Vec<u8>, String>,
    pub provenance: &'a Provenance,
    /// Key paths whose value is a stand-in or was dropped: something is said about them already.
    pub unknown: &'a BTreeSet<String>,
}

impl Context<'_> {
    /// Whether nothing can be concluded from a key.
    fn is_unknown(&self, path: &str) -> bool {
        let mut path = path;
        loop {
            if self.unknown.contains(path) {
                return true;
            }
            match path.rsplit_once('.') {
                Some((above, _)) => path = above,
                None => return false,
            }
        }
    }

    /// Whether a key of a group, or one below it, was dropped.
    fn is_partly_unknown(&self, path: &str) -> bool {
        let below = format!("{path}.");
        self.is_unknown(path) || self.unknown.iter().any(|unknown| unknown.starts_with(&below))
    }

    /// Whether the user gave a key, rather than the reference architecture.
    fn is_written(&self, path: &str) -> bool {
        self.provenance.winner(path).is_some_and(|origin| origin.place.is_some())
    }

    /// An error where a value is written.
    fn error(&self, path: &str, message: impl Into<String>) -> Diagnostic {
        Diagnostic::error(path, message).at(Some(self.provenance.place(path)))
    }

    /// An error where a key is written.
    fn key_error(&self, path: &str, message: impl Into<String>) -> Diagnostic {
        Diagnostic::error(path, message).at(Some(self.provenance.key_place(path)))
    }

    /// A warning where a key is written.
    fn key_warning(&self, path: &str, message: impl Into<String>) -> Diagnostic {
        Diagnostic::warning(path, message).at(Some(self.provenance.key_place(path)))
    }

    /// The stack's facts, where it is there.
    fn facts(&self) -> Option<&StackFacts> {
        self.stack.ok()
    }

    /// Roles that a group's nodes carry by the file, in its order: those named, or the one of the group's own name.
    fn roles_of<'b>(&self, name: &'b str, group: &'b NodeGroup) -> Vec<&'b str> {
        match &group.roles {
            Some(roles) => roles.iter().map(String::as_str).collect(),
            None => vec![name],
        }
    }

    /// How many nodes carry a role, by the file's own words or because another role brings it along.
    fn nodes_with(&self, role: &str) -> u32 {
        let groups = self.environment.nodes.iter();
        let carrying = groups.filter(|(name, group)| {
            self.roles_of(name, group).iter().any(|own| *own == role || self.brings(own, role, 0))
        });
        carrying.map(|(_, group)| group.count.unwrap_or(0)).sum()
    }

    fn brings(&self, role: &str, other: &str, depth: usize) -> bool {
        let Some(role) = self.facts().and_then(|facts| facts.roles.get(role)) else { return false };
        depth < 16 && role.with.iter().any(|with| with == other || self.brings(with, other, depth + 1))
    }

    /// Whether the stack leaves a role of the reference architectures out.
    fn omits(&self, role: &str) -> bool {
        self.facts().is_some_and(|facts| facts.omits.contains_key(role))
    }

    /// Whether the user names something of their own in place of a role's nodes.
    fn has_stand_in(&self, role: &str) -> bool {
        let setting = self.facts().and_then(|facts| facts.stand_ins.get(role)?.split_once('.'));
        let value = setting.and_then(|(role, name)| self.environment.settings.get(role)?.get(name));
        value.is_some_and(|value| match value {
            serde_json::Value::Object(map) => !map.is_empty(),
            serde_json::Value::Array(list) => !list.is_empty(),
            value => value.as_str().is_some_and(|text| !text.is_empty()),
        })
    }

    /// Nodes in all, without those whose every role the stack leaves out.
    fn total(&self) -> u32 {
        let made = |name: &str, group: &NodeGroup| self.roles_of(name, group).iter().any(|role| !self.omits(role));
        let groups = self.environment.nodes.iter().filter(|(name, group)| made(name, group));
        groups.map(|(_, group)| group.count.unwrap_or(0)).sum()
    }
}

/// Every fault between values.
pub(crate) fn check(context: &Context<'_>) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    places::check(context, &mut found);
    names::check(context, &mut found);
    nodes::check(context, &mut found);
    settings::check(context, &mut found);
    secrets::check(context, &mut found);
    network::check(context, &mut found);
    cloud::check(context, &mut found);
    team::check(context, &mut found);
    found
}
