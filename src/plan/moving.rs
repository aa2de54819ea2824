//! Where data would have to change its place, and what does not serve meanwhile. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    build::Input,
    model::{Action, Downtime, DowntimeKind, Risk, Step},
};
use crate::{catalog::Role, provider::Change, topology::Topology};

/// Data that the environment file wants on other nodes than those that have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// Role.
    pub role: String,
    /// Nodes that have it.
    pub from: Vec<String>,
    /// Nodes that shall have it, all of them without it; empty where the environment shall have no such role.
    pub to: Vec<String>,
}

impl Moved {
    /// Why it cannot be done where the environment stands.
    #[must_use]
    pub fn reason(&self) -> String {
        let Self { role, from, to } = self;
        format!("the data of {role} is on {}, and {} would begin without it", from.join(", "), to.join(", "))
    }

    /// What becomes of a role that is not there any more: who does its work from now on, in the stack's words.
    #[must_use]
    pub fn downtime(&self, topology: &Topology) -> Downtime {
        let mut heirs: BTreeSet<&str> = BTreeSet::new();
        for target in topology.services.values() {
            let provider = target.split('.').next().unwrap_or_default();
            let akin = |name: &str, other: &str| name.strip_prefix(other).is_some_and(|rest| rest.starts_with('-'));
            if akin(provider, &self.role) || akin(&self.role, provider) {
                heirs.insert(provider);
            }
        }
        let heirs: Vec<&str> = heirs.into_iter().collect();
        let why = match heirs.as_slice() {
            [] => "all its nodes go, and what they keep goes with them".to_owned(),
            [heir] => format!("its work goes to {heir}, which begins empty"),
            heirs => format!("its work goes to {}, which begin empty", heirs.join(" and ")),
        };
        Downtime { role: self.role.clone(), kind: DowntimeKind::Moves, nodes: self.from.clone(), why }
    }
}

/// The data that no node keeps which has it now. `before`: node that is there -> its roles.
#[must_use]
pub fn moved(
    before: &BTreeMap<String, BTreeSet<String>>,
    topology: &Topology,
    roles: &BTreeMap<String, Role>,
) -> Vec<Moved> {
    let mut all = Vec::new();
    for (name, _) in roles.iter().filter(|(_, role)| role.data_bearing) {
        let had = before.iter().filter(|(_, roles)| roles.contains(name)).map(|(node, _)| node.clone());
        let from: Vec<String> = had.collect();
        let to: Vec<String> = topology.with_role(name).map(|node| node.name.clone()).collect();
        if !from.is_empty() && !to.iter().any(|node| from.contains(node)) {
            all.push(Moved { role: name.clone(), from, to });
        }
    }
    all
}

/// What steps do to roles that serve now.
pub(super) fn downtime(steps: &[Step], input: &Input<'_>) -> Vec<Downtime> {
    let made: BTreeSet<&str> = input
        .changes
        .iter()
        .filter_map(|change| match change {
            Change::Create { resource } | Change::Start { resource } => resource.node.as_deref(),
            _ => None,
        })
        .collect();
    let mut all = Vec::new();
    // Roles that do not say how many nodes may be away have nobody who waits for them.
    let served = |role: &Role| !role.services.is_empty() || !role.commands.is_empty();
    for (name, role) in input.roles.iter().filter(|(_, role)| role.rolling.max_unavailable > 0 && served(role)) {
        let serving: Vec<&str> = input
            .topology
            .with_role(name)
            .map(|node| node.name.as_str())
            .filter(|node| !made.contains(node) && input.nodes.contains_key(*node))
            .collect();
        let away: Vec<String> = serving
            .iter()
            .filter(|node| steps.iter().any(|step| interrupts(step, node, name)))
            .map(|node| (*node).to_owned())
            .collect();
        if away.is_empty() {
            continue;
        }
        let width = role.rolling.max_unavailable as usize;
        let together = away.len() <= width;
        let (kind, why) = match (serving.len(), together) {
            (1, _) => (DowntimeKind::Down, "its only node restarts it".to_owned()),
            (all, true) if away.len() == all => (DowntimeKind::Down, "all its nodes restart it together".to_owned()),
            _ => (DowntimeKind::InTurn, format!("{width} at a time")),
        };
        all.push(Downtime { role: name.clone(), kind, nodes: away, why });
    }
    all.sort_by(|a, b| (a.kind, &a.role).cmp(&(b.kind, &b.role)));
    all
}

/// Whether a step takes the role away from its users on a node.
fn interrupts(step: &Step, node: &str, role: &str) -> bool {
    if step.node.as_deref() != Some(node) || step.risk < Risk::Restart {
        return false;
    }
    match &step.action {
        Action::Configure { role: own } => own == role,
        Action::Infrastructure(Change::Update { restart, .. }) => *restart,
        Action::Infrastructure(Change::Replace { .. }) => true,
        _ => false,
    }
}
