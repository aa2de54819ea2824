use futures_util::future::BoxFuture;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::{
    event::StepLog,
    provider::{Finding, Host, ProviderError},
    topology::Topology,
};

/// A provider of which only the mutability counts: attributes that start with `fixed` cannot change.
struct Paper;

impl Provider for Paper {
    fn name(&self) -> &'static str {
        "paper"
    }
    fn desired(&self, _: &Topology) -> Result<Vec<Resource>, ProviderError> {
        Ok(Vec::new())
    }
    fn mutability(&self, _: &str, attribute: &str) -> Mutability {
        if attribute.starts_with("fixed") { Mutability::Replace } else { Mutability::InPlace }
    }
    fn preflight<'a>(&'a self, _: &'a Topology) -> BoxFuture<'a, Vec<Finding>> {
        Box::pin(async { Vec::new() })
    }
    fn observe<'a>(&'a self) -> BoxFuture<'a, Result<Vec<Live>, ProviderError>> {
        Box::pin(async { Ok(Vec::new()) })
    }
    fn create<'a>(&'a self, _: &'a Resource, _: &'a StepLog) -> BoxFuture<'a, Result<(), ProviderError>> {
        Box::pin(async { Ok(()) })
    }
    fn start<'a>(&'a self, _: &'a Resource, _: &'a StepLog) -> BoxFuture<'a, Result<(), ProviderError>> {
        Box::pin(async { Ok(()) })
    }
    fn update<'a>(
        &'a self,
        _: &'a Resource,
        _: &'a [FieldChange],
        _: &'a StepLog,
    ) -> BoxFuture<'a, Result<(), ProviderError>> {
        Box::pin(async { Ok(()) })
    }
    fn delete<'a>(&'a self, _: &'a Live, _: &'a StepLog) -> BoxFuture<'a, Result<(), ProviderError>> {
        Box::pin(async { Ok(()) })
    }
    fn hosts<'a>(&'a self, _: &'a Topology) -> BoxFuture<'a, Result<Vec<Host>, ProviderError>> {
        Box::pin(async { Ok(Vec::new()) })
    }
}

fn resource(id: &str, needs: &[&str], attributes: &[(&str, i64)]) -> Resource {
    Resource {
        id: id.to_owned(),
        kind: "thing".to_owned(),
        node: id.strip_prefix("node/").map(str::to_owned),
        attributes: attributes.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect(),
        needs: needs.iter().map(|need| (*need).to_owned()).collect(),
        data_bearing: false,
        reason: String::new(),
        shared: id == "image",
    }
}

fn live(id: &str, condition: Condition, attributes: &[(&str, i64)]) -> Live {
    let like = resource(id, &[], attributes);
    Live {
        id: like.id,
        kind: like.kind,
        node: like.node,
        attributes: like.attributes,
        condition,
        handle: id.to_owned(),
        data_bearing: false,
        needs: Vec::new(),
    }
}

fn words(changes: &[Change]) -> Vec<String> {
    changes
        .iter()
        .map(|change| match change {
            Change::Create { resource } => format!("create {}", resource.id),
            Change::Start { resource } => format!("start {}", resource.id),
            Change::Update { resource, .. } => format!("update {}", resource.id),
            Change::Replace { resource, .. } => format!("replace {}", resource.id),
            Change::Delete { live } => format!("delete {}", live.id),
        })
        .collect()
}

#[test]
fn what_others_need_comes_first_and_removals_last_in_reverse() {
    let desired = [
        resource("node/a", &["network", "image"], &[]),
        resource("network", &[], &[]),
        resource("image", &[], &[]),
        resource("node/b", &["network"], &[]),
    ];
    let there = [live("old-network", Condition::Good, &[]), live("node/old", Condition::Good, &[])];
    let difference = diff(&desired, &there, &Paper, &[]);
    assert_eq!(
        words(&difference.changes),
        ["create network", "create image", "create node/a", "create node/b", "delete node/old", "delete old-network"]
    );
}

#[test]
fn a_stopped_node_is_started_and_then_updated() {
    let desired = [resource("node/a", &[], &[("memory", 2), ("unseen", 1)])];
    let there = [live("node/a", Condition::Stopped, &[("memory", 1)])];
    let difference = diff(&desired, &there, &Paper, &[]);
    assert_eq!(words(&difference.changes), ["start node/a", "update node/a"]);
    let Change::Update { fields, .. } = &difference.changes[1] else { panic!("no update") };
    assert_eq!(fields, &[FieldChange { name: "memory".into(), found: json!(1), wanted: json!(2) }]);
}

#[test]
fn an_attribute_that_cannot_change_is_deferred_until_the_node_is_named() {
    let desired = [resource("node/a", &[], &[("fixed_image", 2), ("memory", 2)])];
    let there = [live("node/a", Condition::Good, &[("fixed_image", 1), ("memory", 1)])];
    let difference = diff(&desired, &there, &Paper, &[]);
    assert_eq!(words(&difference.changes), ["update node/a"]);
    assert_eq!(difference.deferred.len(), 1);
    assert_eq!(difference.deferred[0].name(), "a");
    assert_eq!(difference.deferred[0].fields[0].name, "fixed_image");

    let difference = diff(&desired, &there, &Paper, &["a".to_owned()]);
    assert_eq!(words(&difference.changes), ["replace node/a"]);
    assert!(difference.deferred.is_empty());
}

#[test]
fn a_broken_resource_is_deferred_with_the_reason() {
    let desired = [resource("node/a", &[], &[])];
    let there = [live("node/a", Condition::Broken("init is dead".into()), &[])];
    let difference = diff(&desired, &there, &Paper, &[]);
    assert!(difference.changes.is_empty());
    assert_eq!(difference.deferred[0].broken.as_deref(), Some("init is dead"));
}

#[test]
fn what_is_shared_stays_when_everything_else_goes() {
    let desired = [resource("image", &[], &[]), resource("network", &[], &[])];
    let there = ["image", "network", "node/a"].map(|id| live(id, Condition::Good, &[]));
    assert_eq!(words(&removal(&desired, &there)), ["delete node/a", "delete network"]);
}

#[test]
fn what_is_shared_is_made_only_for_one_that_needs_it() {
    let desired = [resource("image", &[], &[]), resource("node/a", &["image"], &[])];
    assert_eq!(words(&diff(&desired, &[], &Paper, &[]).changes), ["create image", "create node/a"]);

    let there = [live("node/a", Condition::Good, &[])];
    assert!(diff(&desired, &there, &Paper, &[]).changes.is_empty());
    assert_eq!(words(&diff(&desired, &there, &Paper, &["a".to_owned()]).changes), ["create image", "replace node/a"]);
}

#[test]
fn a_circle_of_needs_loses_nothing() {
    let desired = [resource("a", &["b"], &[]), resource("b", &["a"], &[]), resource("c", &[], &[])];
    assert_eq!(words(&diff(&desired, &[], &Paper, &[]).changes).len(), 3);
}

/// What a live resource may be like, from three bits.
fn condition(bits: u8) -> Condition {
    match bits % 3 {
        0 => Condition::Good,
        1 => Condition::Stopped,
        _ => Condition::Broken("gone".to_owned()),
    }
}

proptest! {
    /// Whatever is there and wanted: every need comes before what needs it, nothing is replaced that was not named,
    /// each wanted resource that is missing is created once, each unwanted one deleted once.
    #[test]
    fn any_difference_can_be_worked_off_in_order(
        wanted in prop::collection::vec((prop::collection::vec(0usize..12, 0..4), 0i64..3, 0i64..3), 0..12),
        there in prop::collection::btree_map(0usize..16, (0u8..3, 0i64..3, 0i64..3), 0..16),
        named in prop::collection::btree_set(0usize..16, 0..3),
    ) {
        let id = |index: usize| format!("node/{index}");
        // Needs point both ways in the list, but never in a circle: an even index needs only smaller even ones, an
        // odd one any even one.
        let desired: Vec<Resource> = wanted.iter().enumerate().map(|(index, (needs, memory, fixed))| {
            let needs: Vec<String> = needs.iter().filter(|need| {
                **need < wanted.len() && **need % 2 == 0 && (index % 2 == 1 || **need < index)
            }).map(|need| id(*need)).collect();
            let needs: Vec<&str> = needs.iter().map(String::as_str).collect();
            resource(&id(index), &needs, &[("memory", *memory), ("fixed", *fixed)])
        }).collect();
        let live: Vec<Live> = there.iter().map(|(index, (bits, memory, fixed))| {
            live(&id(*index), condition(*bits), &[("memory", *memory), ("fixed", *fixed)])
        }).collect();
        let names: Vec<String> = named.iter().map(ToString::to_string).collect();
        let difference = diff(&desired, &live, &Paper, &names);

        let mut done = BTreeSet::new();
        let touched: BTreeSet<&str> = difference.changes.iter().filter_map(|change| match change {
            Change::Create { resource } | Change::Start { resource } | Change::Update { resource, .. }
            | Change::Replace { resource, .. } => Some(resource.id.as_str()),
            Change::Delete { .. } => None,
        }).collect();
        for change in &difference.changes {
            match change {
                Change::Create { resource } | Change::Replace { resource, .. } | Change::Start { resource }
                | Change::Update { resource, .. } => {
                    for need in &resource.needs {
                        prop_assert!(!touched.contains(need.as_str()) || done.contains(need.as_str()));
                    }
                    done.insert(resource.id.as_str());
                }
                Change::Delete { .. } => {}
            }
            if let Change::Replace { resource, .. } = change {
                prop_assert!(names.contains(resource.node.as_ref().unwrap()));
            }
        }
        let created = difference.changes.iter().filter(|change| matches!(change, Change::Create { .. })).count();
        prop_assert_eq!(created, desired.iter().filter(|want| !live.iter().any(|has| has.id == want.id)).count());
        let deleted = difference.changes.iter().filter(|change| matches!(change, Change::Delete { .. })).count();
        prop_assert_eq!(deleted, live.iter().filter(|has| !desired.iter().any(|want| want.id == has.id)).count());
    }

    /// A second look after everything was done finds nothing to do.
    #[test]
    fn nothing_is_left_to_do_where_all_is_as_wanted(values in prop::collection::vec((0i64..3, 0i64..3), 0..8)) {
        let attributes = |index: usize| [("memory", values[index].0), ("fixed", values[index].1)];
        let id = |index: usize| format!("node/{index}");
        let desired: Vec<Resource> =
            (0..values.len()).map(|index| resource(&id(index), &[], &attributes(index))).collect();
        let there: Vec<Live> =
            (0..values.len()).map(|index| live(&id(index), Condition::Good, &attributes(index))).collect();
        prop_assert_eq!(diff(&desired, &there, &Paper, &[]), Difference::default());
    }
}
