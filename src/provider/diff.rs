//! Compares what should be with what is there. Pure, and the same for every provider.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Change, Condition, FieldChange, Live, Mutability, Provider, Resource};

/// What has to be done, and what was seen but is left alone.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    /// Changes in an order in which they can be done one by one: what others need comes first, removals last and
    /// in the reverse order of `live`.
    pub changes: Vec<Change>,
    /// Differences that nobody asked to mend.
    pub deferred: Vec<Deferred>,
}

/// A difference that only a replacement would mend, on a resource whose replacement was not asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Deferred {
    /// Resource.
    pub resource: String,
    /// The node that it is, where it is one.
    pub node: Option<String>,
    /// Why it is of no use as it stands; none where it works.
    pub broken: Option<String>,
    /// Attributes that differ; empty where it is broken.
    pub fields: Vec<FieldChange>,
}

impl Deferred {
    /// The name that asks for the replacement: the node's, else the resource's.
    #[must_use]
    pub fn name(&self) -> &str {
        self.node.as_deref().unwrap_or(&self.resource)
    }
}

/// Compares. `live` comes as [`Provider::observe`] gave it; `replace` names nodes or resources to be made anew.
///
/// Nothing is replaced that `replace` does not name, something shared is made only for a resource that needs it, and
/// a resource that is there but no longer wanted is removed.
#[must_use]
pub fn diff(desired: &[Resource], live: &[Live], provider: &dyn Provider, replace: &[String]) -> Difference {
    let found: BTreeMap<&str, &Live> = live.iter().map(|live| (live.id.as_str(), live)).collect();
    let mut difference = Difference::default();
    for resource in in_order(desired) {
        match found.get(resource.id.as_str()) {
            None => difference.changes.push(Change::Create { resource: resource.clone() }),
            Some(live) => compare(resource, live, provider, replace, &mut difference),
        }
    }
    leave_out_what_nobody_needs(&mut difference.changes);
    let wanted: BTreeSet<&str> = desired.iter().map(|resource| resource.id.as_str()).collect();
    let unwanted = live.iter().rev().filter(|live| !wanted.contains(live.id.as_str()));
    difference.changes.extend(unwanted.map(|live| Change::Delete { live: live.clone() }));
    difference
}

/// Something shared, such as a machine image, is made for those that are made from it, and not on stock.
fn leave_out_what_nobody_needs(changes: &mut Vec<Change>) {
    let needed: BTreeSet<String> = changes
        .iter()
        .filter_map(|change| match change {
            Change::Create { resource } | Change::Replace { resource, .. } => Some(resource.needs.clone()),
            _ => None,
        })
        .flatten()
        .collect();
    changes.retain(|change| match change {
        Change::Create { resource } => !resource.shared || needed.contains(&resource.id),
        _ => true,
    });
}

/// What `destroy` removes: everything that is there and not shared with other environments, in the reverse order of
/// `live`.
#[must_use]
pub fn removal(desired: &[Resource], live: &[Live]) -> Vec<Change> {
    let shared: BTreeSet<&str> =
        desired.iter().filter(|resource| resource.shared).map(|resource| resource.id.as_str()).collect();
    let own = live.iter().rev().filter(|live| !shared.contains(live.id.as_str()));
    own.map(|live| Change::Delete { live: live.clone() }).collect()
}

fn compare(resource: &Resource, live: &Live, provider: &dyn Provider, replace: &[String], difference: &mut Difference) {
    let fields = differing(resource, live);
    let named = replace.iter().any(|name| *name == resource.id || Some(name) == resource.node.as_ref());
    if named {
        difference.changes.push(Change::Replace { resource: resource.clone(), fields });
        return;
    }
    let defer =
        |broken, fields| Deferred { resource: resource.id.clone(), node: resource.node.clone(), broken, fields };
    match &live.condition {
        Condition::Good => {}
        Condition::Stopped => difference.changes.push(Change::Start { resource: resource.clone() }),
        Condition::Broken(why) => {
            difference.deferred.push(defer(Some(why.clone()), Vec::new()));
            return;
        }
    }
    let how = |field: &FieldChange| provider.mends(&resource.kind, field);
    let (fixed, changeable): (Vec<_>, Vec<_>) = fields.into_iter().partition(|field| how(field) == Mutability::Replace);
    if !changeable.is_empty() {
        let restart = changeable.iter().any(|field| how(field) == Mutability::WithRestart);
        difference.changes.push(Change::Update { resource: resource.clone(), fields: changeable, restart });
    }
    if !fixed.is_empty() {
        difference.deferred.push(defer(None, fixed));
    }
}

/// Attributes that the provider can see and that are not as wanted.
fn differing(resource: &Resource, live: &Live) -> Vec<FieldChange> {
    let seen = resource.attributes.iter().filter_map(|(name, wanted)| Some((name, wanted, live.attributes.get(name)?)));
    seen.filter(|(_, wanted, found)| wanted != found)
        .map(|(name, wanted, found)| FieldChange { name: name.clone(), found: found.clone(), wanted: wanted.clone() })
        .collect()
}

/// The resources so that each comes after those it needs, otherwise in the order given.
fn in_order(desired: &[Resource]) -> Vec<&Resource> {
    let known: BTreeSet<&str> = desired.iter().map(|resource| resource.id.as_str()).collect();
    let mut placed: BTreeSet<&str> = BTreeSet::new();
    let mut waiting: Vec<&Resource> = desired.iter().collect();
    let mut order = Vec::with_capacity(desired.len());
    while !waiting.is_empty() {
        let (ready, rest): (Vec<_>, Vec<_>) = waiting.into_iter().partition(|resource| {
            resource.needs.iter().all(|need| placed.contains(need.as_str()) || !known.contains(need.as_str()))
        });
        // A circle is a provider's mistake; giving all of it is better than giving none.
        let (ready, rest) = if ready.is_empty() { (rest, Vec::new()) } else { (ready, rest) };
        placed.extend(ready.iter().map(|resource| resource.id.as_str()));
        order.extend(ready);
        waiting = rest;
    }
    order
}

#[cfg(test)]
#[path = "diff_tests.rs"]
mod tests;
