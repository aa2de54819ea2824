//! `when` expressions over an environment's facts, as roles use them for ports.

use std::collections::{BTreeMap, BTreeSet};

use minijinja::{Environment, context, value::Serde};

use super::model::Topology;

/// What a port's `when` may ask: `has(role)`, `settings.x`, `all_settings.role.x`, `by_role.role`
/// (names of nodes; only roles that some node carries).
pub struct Facts<'a> {
    engine: Environment<'static>,
    topology: &'a Topology,
    by_role: BTreeMap<String, Vec<&'a str>>,
}

impl<'a> Facts<'a> {
    /// Facts of a topology whose nodes and settings are known.
    #[must_use]
    pub fn new(topology: &'a Topology) -> Self {
        let present: BTreeSet<String> = topology.nodes.iter().flat_map(|node| node.roles.iter().cloned()).collect();
        let mut engine = Environment::new();
        engine.set_undefined_behavior(minijinja::UndefinedBehavior::Strict);
        engine.add_function("has", move |role: &str| present.contains(role));
        let mut by_role: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for node in &topology.nodes {
            for role in &node.roles {
                by_role.entry(role.clone()).or_default().push(&node.name);
            }
        }
        Self { engine, topology, by_role }
    }

    /// Whether the expression holds for a role; no expression always does.
    ///
    /// # Errors
    /// What is wrong with the expression.
    pub fn holds(&self, role: &str, when: Option<&str>) -> Result<bool, String> {
        let Some(when) = when else { return Ok(true) };
        let expression = self.engine.compile_expression(when).map_err(|error| error.to_string())?;
        let value = expression
            .eval(context! {
                settings => Serde(self.topology.settings.get(role)),
                all_settings => Serde(&self.topology.settings),
                by_role => Serde(&self.by_role),
            })
            .map_err(|error| error.to_string())?;
        Ok(value.is_true())
    }
}
