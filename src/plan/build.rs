//! Compare: what should be, what is there, and so what to do. Pure.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use super::{
    leave::{self, Leaving},
    model::{Action, ItemChange, Plan, Risk, Step, StepId, Unreachable, Verb},
    moving,
};
use crate::{
    catalog::Role,
    configure::{ItemResult, Outcome, Stage, Want, diff},
    observe::NodeState,
    provider::{Change, Resource, ResourceId},
    topology::Topology,
};

/// All that a plan is made from.
pub struct Input<'a> {
    /// What should be.
    pub topology: &'a Topology,
    /// The stack's roles.
    pub roles: &'a BTreeMap<String, Role>,
    /// Changes to the provider's resources, in an order that respects their needs.
    pub changes: &'a [Change],
    /// What the provider would not do, and why.
    pub notes: &'a [String],
    /// Node -> its stages in run order.
    pub stages: &'a BTreeMap<String, Vec<Stage>>,
    /// Node -> what was found.
    pub nodes: &'a BTreeMap<String, NodeState>,
    /// Whether a machine's address is known only once it is there.
    pub late_addresses: bool,
    /// Nodes that go for good, and what those that stay do then.
    pub leaving: &'a Leaving,
}

/// What has to be done, step by step.
#[must_use]
pub fn apply(input: &Input<'_>) -> Plan {
    let mut steps = Vec::new();
    let mut unreachable = Vec::new();
    let mut removals = Vec::new();
    // Node -> the step after which it can be configured.
    let mut arrivals: BTreeMap<&str, StepId> = BTreeMap::new();
    let planned: BTreeSet<&str> = input.changes.iter().map(Change::id).collect();

    for change in input.changes {
        let step = infrastructure(change, &planned, input.leaving);
        if matches!(change, Change::Delete { .. }) {
            removals.push(step);
            continue;
        }
        let (node, id) = (step.node.clone(), step.id.clone());
        let reason = format!("{} first", step.title);
        steps.push(step);
        let runs_after = matches!(change, Change::Create { .. } | Change::Start { .. } | Change::Replace { .. })
            || matches!(change, Change::Update { restart: true, .. });
        if let Some(node) = node.and_then(|node| input.topology.node(&node)).filter(|_| runs_after) {
            let wait = await_node(&node.name, reason, vec![id]);
            arrivals.insert(&node.name, wait.id.clone());
            steps.push(wait);
        }
    }

    let nodes: BTreeSet<ResourceId> = input.topology.nodes.iter().map(|node| format!("node/{}", node.name)).collect();
    let located = input.late_addresses.then(|| locate(&mut steps, &nodes)).flatten();

    let created: HashSet<&str> = input.changes.iter().filter_map(makes_anew).collect();
    let mut fresh = Fresh::default();
    let first_stage = steps.len();
    for node in &input.topology.nodes {
        let Some(stages) = input.stages.get(&node.name) else { continue };
        let state = input.nodes.get(&node.name).unwrap_or(&NodeState::Absent);
        let mut before = arrivals.get(node.name.as_str()).cloned();
        let arriving = before.is_some();
        let created = created.contains(node.name.as_str());
        if before.is_none()
            && let NodeState::Unreachable { reason } = state
        {
            unreachable.push(Unreachable { node: node.name.clone(), error: reason.clone() });
            let wait = await_node(&node.name, "it does not answer".to_owned(), Vec::new());
            before = Some(wait.id.clone());
            steps.push(wait);
        }
        // A node that is there learns the addresses of those to come.
        let mut first = located.clone().filter(|_| !arriving);
        for stage in stages.iter().filter(|stage| may_run(stage, input.roles)) {
            let work = stage_work(stage, state, created, before.is_some(), &mut fresh);
            let Some((reason, risk, changes)) = work else { continue };
            let id = StepId::from(format!("configure/{}/{}", node.name, stage.role));
            steps.push(Step {
                id: id.clone(),
                node: Some(node.name.clone()),
                title: format!("configure {}", stage.role),
                reason,
                needs: before.take().into_iter().chain(first.take()).collect(),
                risk,
                action: Action::Configure { role: stage.role.clone() },
                changes,
            });
            before = Some(id);
        }
    }
    order_roles(&mut steps[first_stage..], input.roles);
    roll(&mut steps[first_stage..], input);
    restart_in_turn(&mut steps, input);

    remove_in_order(&mut removals, input.changes);
    // A node leaves when nobody is configured to use it any more.
    let mut before: Vec<StepId> = steps[first_stage..].iter().map(|step| step.id.clone()).collect();
    // A thing goes when what used it was changed to use another.
    let changed = |step: &&Step| matches!(step.action, Action::Infrastructure(Change::Update { .. }));
    before.extend(steps[..first_stage].iter().filter(changed).map(|step| step.id.clone()));
    leave::removals(&mut steps, removals, &before, input);
    leave::replacements(&mut steps, input);
    leave::drains(&mut steps, input);
    let mut downtime = input.leaving.moves.clone();
    downtime.extend(moving::downtime(&steps, input));
    Plan {
        environment: input.topology.environment.clone(),
        verb: Verb::Apply,
        to: None,
        steps,
        notes: input.notes.to_vec(),
        unreachable,
        infrastructure_only: false,
        source: None,
        downtime,
        money: None,
    }
}

/// A role that leaves its work to another node has nothing to do here.
pub(super) fn may_run(stage: &Stage, roles: &BTreeMap<String, Role>) -> bool {
    !stage.resources.is_empty() || !roles.get(&stage.role).is_some_and(Role::has_resources)
}

/// What of a stage differs on a node that was looked at.
pub(super) fn differing(stage: &Stage, state: &NodeState) -> Vec<ItemChange> {
    let NodeState::Seen { stages, .. } = state else { return Vec::new() };
    let results = stages.get(&stage.role).into_iter().flatten();
    let mut fresh = Fresh::default();
    results
        .filter(|result| result.outcome != Outcome::Ok)
        .map(|result| item_change(stage, result, &mut fresh))
        .collect()
}

/// The node that a change makes.
fn makes_anew(change: &Change) -> Option<&str> {
    match change {
        Change::Create { resource } | Change::Replace { resource, .. } => resource.node.as_deref(),
        _ => None,
    }
}

/// Texts of files that are not there yet, by path and content: the same file of many nodes is shown once.
#[derive(Default)]
struct Fresh<'a>(HashMap<(&'a str, *const u8), Option<Arc<str>>>);

impl<'a> Fresh<'a> {
    fn text(&mut self, path: &'a str, content: &'a Arc<[u8]>) -> Option<Arc<str>> {
        // The stages outlive this, so that one place in memory holds one content.
        let known = self.0.entry((path, content.as_ptr())).or_insert_with(|| text_diff(path, None, content));
        known.clone()
    }
}

/// One step that learns all addresses, after every machine was made and before any is waited for.
fn locate(steps: &mut Vec<Step>, nodes: &BTreeSet<ResourceId>) -> Option<StepId> {
    let makes = |step: &&Step| {
        let change = matches!(&step.action, Action::Infrastructure(Change::Create { .. } | Change::Replace { .. }));
        change && step.node.is_some()
    };
    let mut made: Vec<StepId> = steps.iter().filter(makes).map(|step| step.id.clone()).collect();
    // What stands on machines (a balancer of the cloud's) has an address as well that nodes may be told of.
    let upon = |step: &&Step| match &step.action {
        Action::Infrastructure(Change::Create { resource } | Change::Replace { resource, .. }) => {
            step.node.is_none() && resource.needs.iter().any(|need| nodes.contains(need))
        }
        _ => false,
    };
    made.extend(steps.iter().filter(upon).map(|step| step.id.clone()));
    if made.is_empty() {
        return None;
    }
    let id = StepId::from("locate".to_owned());
    // All machines first, then the step, then the waiting: the order in which it runs.
    let waits = |step: &Step| step.action == Action::AwaitNode && step.needs.iter().any(|need| made.contains(need));
    let (mut waiting, rest): (Vec<Step>, Vec<Step>) = std::mem::take(steps).into_iter().partition(waits);
    for step in &mut waiting {
        step.needs.push(id.clone());
    }
    *steps = rest;
    steps.push(Step {
        id: id.clone(),
        node: None,
        title: "learn the addresses".to_owned(),
        reason: "nodes are told of each other, and a cloud gives addresses to machines that it made".to_owned(),
        needs: made,
        risk: Risk::None,
        action: Action::Locate,
        changes: Vec::new(),
    });
    steps.extend(waiting);
    Some(id)
}

/// Machines of a group that are stopped and started go one after the other, as their roles roll: the next one stops
/// when the one before it serves again, the leader last.
fn restart_in_turn(steps: &mut [Step], input: &Input<'_>) {
    let mut groups: BTreeMap<&str, Vec<(bool, usize)>> = BTreeMap::new();
    for (index, step) in steps.iter().enumerate() {
        if !matches!(step.action, Action::Infrastructure(Change::Update { restart: true, .. })) {
            continue;
        }
        let Some(node) = step.node.as_deref().and_then(|node| input.topology.node(node)) else { continue };
        let leads = match input.nodes.get(&node.name) {
            Some(NodeState::Seen { leads, .. }) => !leads.is_empty(),
            _ => false,
        };
        groups.entry(&node.group).or_default().push((leads, index));
    }
    let mut waits = Vec::new();
    for members in groups.values_mut() {
        members.sort();
        let Some(node) = steps[members[0].1].node.as_deref().and_then(|node| input.topology.node(node)) else {
            continue;
        };
        let widths = node.roles.iter().filter_map(|role| input.roles.get(role));
        let width = widths.map(|role| role.rolling.max_unavailable as usize).filter(|width| *width > 0).min();
        let Some(width) = width else { continue };
        for (position, (_, index)) in members.iter().enumerate().skip(width) {
            let before = steps[members[position - width].1].node.clone();
            let last = steps.iter().rfind(|step| step.node == before).map(|step| step.id.clone());
            waits.extend(last.map(|last| (*index, last)));
        }
    }
    for (index, last) in waits {
        steps[index].needs.push(last);
    }
}

fn await_node(node: &str, reason: String, needs: Vec<StepId>) -> Step {
    Step {
        id: StepId::from(format!("await/{node}")),
        node: Some(node.to_owned()),
        title: "wait until it answers".to_owned(),
        reason,
        needs,
        risk: Risk::None,
        action: Action::AwaitNode,
        changes: Vec::new(),
    }
}

/// Removes everything, nodes first.
#[must_use]
pub fn destroy(environment: &str, changes: &[Change], notes: Vec<String>) -> Plan {
    let planned: BTreeSet<&str> = changes.iter().map(Change::id).collect();
    let all_go = Leaving::default();
    let mut steps: Vec<Step> = changes.iter().map(|change| infrastructure(change, &planned, &all_go)).collect();
    remove_in_order(&mut steps, changes);
    let nodes: Vec<StepId> = steps.iter().filter(|step| step.node.is_some()).map(|step| step.id.clone()).collect();
    for step in steps.iter_mut().filter(|step| step.node.is_none()) {
        let new: Vec<StepId> = nodes.iter().filter(|id| !step.needs.contains(id)).cloned().collect();
        step.needs.extend(new);
    }
    Plan {
        environment: environment.to_owned(),
        verb: Verb::Destroy,
        to: None,
        steps,
        notes,
        unreachable: Vec::new(),
        infrastructure_only: false,
        source: None,
        downtime: Vec::new(),
        money: None,
    }
}

/// What stands on something goes before it.
fn remove_in_order<'a>(steps: &mut [Step], changes: impl IntoIterator<Item = &'a Change>) {
    let mut above: BTreeMap<StepId, Vec<StepId>> = BTreeMap::new();
    for change in changes {
        let Change::Delete { live } = change else { continue };
        for below in &live.needs {
            let own = StepId::from(format!("resource/{}", live.id));
            above.entry(StepId::from(format!("resource/{below}"))).or_default().push(own);
        }
    }
    for step in steps {
        let own = above.get(&step.id).into_iter().flatten();
        let new: Vec<StepId> = own.filter(|id| !step.needs.contains(id)).cloned().collect();
        step.needs.extend(new);
    }
}

fn infrastructure(change: &Change, planned: &BTreeSet<&str>, leaving: &Leaving) -> Step {
    let kept = |node: &Option<String>| node.as_ref().is_some_and(|node| leaving.keeps_data.contains(node));
    let needs_of = |resource: &Resource| -> Vec<StepId> {
        resource
            .needs
            .iter()
            .filter(|need| planned.contains(need.as_str()))
            .map(|need| StepId::from(format!("resource/{need}")))
            .collect()
    };
    let id = StepId::from(format!("resource/{}", change.id()));
    let fields = |fields: &[crate::provider::FieldChange]| {
        fields
            .iter()
            .map(|field| ItemChange {
                item: field.name.clone(),
                detail: format!("{} -> {}", plain(&field.found), plain(&field.wanted)),
                diff: None,
                secret: false,
            })
            .collect()
    };
    let (verb, kind, node, reason, needs, risk, changes) = match change {
        Change::Create { resource } => (
            "create",
            &resource.kind,
            &resource.node,
            resource.reason.clone(),
            needs_of(resource),
            Risk::None,
            Vec::new(),
        ),
        Change::Start { resource } => (
            "start",
            &resource.kind,
            &resource.node,
            "it is there, but does not run".to_owned(),
            needs_of(resource),
            Risk::None,
            Vec::new(),
        ),
        Change::Update { resource, fields: differing, restart } => (
            "change",
            &resource.kind,
            &resource.node,
            "it differs from the environment file".to_owned(),
            needs_of(resource),
            if *restart { Risk::Restart } else { Risk::None },
            fields(differing),
        ),
        Change::Replace { resource, fields: differing } => (
            "replace",
            &resource.kind,
            &resource.node,
            "its replacement was asked for by name".to_owned(),
            needs_of(resource),
            if resource.data_bearing && !kept(&resource.node) { Risk::DataLoss } else { Risk::Disruption },
            fields(differing),
        ),
        Change::Delete { live } => (
            "remove",
            &live.kind,
            &live.node,
            "the environment file does not have it any more".to_owned(),
            Vec::new(),
            if live.data_bearing && !kept(&live.node) { Risk::DataLoss } else { Risk::Disruption },
            Vec::new(),
        ),
    };
    // Of several that are alike, which one; a node's name stands beside it anyway.
    let which = match (node, change.id().split_once('/')) {
        (None, Some((_, which))) => format!(" {which}"),
        _ => String::new(),
    };
    Step {
        id,
        node: node.clone(),
        title: format!("{verb} {kind}{which}"),
        reason,
        needs,
        risk,
        action: Action::Infrastructure(change.clone()),
        changes,
    }
}

fn plain(value: &serde_json::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Whether a stage has to run, and what it will do.
fn stage_work<'a>(
    stage: &'a Stage,
    state: &NodeState,
    created: bool,
    arriving: bool,
    fresh: &mut Fresh<'a>,
) -> Option<(String, Risk, Vec<ItemChange>)> {
    if created {
        let all = stage
            .resources
            .iter()
            .map(|item| ItemChange {
                item: item.id.clone(),
                detail: "new".to_owned(),
                diff: match &item.want {
                    Want::File { path, content, secret: false, .. } => fresh.text(path, content),
                    _ => None,
                },
                secret: matches!(item.want, Want::File { secret: true, .. }),
            })
            .collect();
        return Some(("the node is new".to_owned(), Risk::None, all));
    }
    if arriving && interrupts_later(stage, state) {
        return Some(("a stage before it changes what it works with".to_owned(), Risk::Restart, Vec::new()));
    }
    // A service that does not run has nobody to be kept from: only one that does is restarted a few nodes at a time.
    let restarts = |result: &&ItemResult| {
        (result.id.starts_with("service ") || result.id.starts_with("command ")) && result.detail.contains("restart")
    };
    if arriving {
        let known = match state {
            NodeState::Seen { stages, .. } => stages.get(&stage.role),
            _ => None,
        };
        // What differs by now restarts it in any case.
        let restart =
            known.into_iter().flatten().filter(|result| result.outcome != Outcome::Ok).any(|result| restarts(&result));
        let risk = if restart { Risk::Restart } else { Risk::None };
        return Some((
            "nothing is known about the node yet: all of it is looked at again".to_owned(),
            risk,
            Vec::new(),
        ));
    }
    let NodeState::Seen { stages, .. } = state else { return None };
    let results = stages.get(&stage.role)?;
    let differing: Vec<&ItemResult> = results.iter().filter(|result| result.outcome != Outcome::Ok).collect();
    if differing.is_empty() {
        return None;
    }
    let changes: Vec<ItemChange> = differing.iter().map(|result| item_change(stage, result, fresh)).collect();
    let risk = if differing.iter().any(restarts) { Risk::Restart } else { Risk::None };
    let reason = match differing.as_slice() {
        [one] => format!("{}: {}", one.id, one.detail),
        many => format!("{} of {} things differ", many.len(), results.len()),
    };
    Some((reason, risk, changes))
}

/// Whether a stage has a command that was done before on a node that serves, and that a stage before it may make
/// necessary again: what it interrupts is then interrupted.
fn interrupts_later(stage: &Stage, state: &NodeState) -> bool {
    let NodeState::Seen { stages, .. } = state else { return false };
    let commands = stage.resources.iter().filter(|item| matches!(item.want, Want::Command { interrupts: Some(_), .. }));
    let results = || stages.get(&stage.role).into_iter().flatten();
    commands
        .filter_map(|item| results().find(|result| result.id == item.id))
        .any(|result| result.outcome == Outcome::Ok || result.detail.contains("restart"))
}

fn item_change<'a>(stage: &'a Stage, result: &ItemResult, fresh: &mut Fresh<'a>) -> ItemChange {
    let want = stage.resources.iter().find(|item| item.id == result.id).map(|item| &item.want);
    let (diff, secret) = match want {
        Some(Want::File { path, content, secret: false, .. }) => {
            let diff = match &result.present {
                None => fresh.text(path, content),
                present => text_diff(path, present.as_deref(), content),
            };
            (diff, false)
        }
        Some(Want::File { secret: true, .. }) => (None, true),
        _ => (None, false),
    };
    ItemChange { item: result.id.clone(), detail: result.detail.clone(), diff, secret }
}

/// How a file's text differs; none where it does not, or is no text.
fn text_diff(path: &str, present: Option<&str>, wanted: &[u8]) -> Option<Arc<str>> {
    let wanted = std::str::from_utf8(wanted).ok()?;
    (present != Some(wanted)).then(|| diff::unified(path, present, wanted).into())
}

/// A role's stages wait for the stages of the roles that it names in `after`, on every node.
fn order_roles(steps: &mut [Step], roles: &BTreeMap<String, Role>) {
    let mut of_role: BTreeMap<String, Vec<StepId>> = BTreeMap::new();
    for step in steps.iter() {
        if let Action::Configure { role } = &step.action {
            of_role.entry(role.clone()).or_default().push(step.id.clone());
        }
    }
    for step in steps.iter_mut() {
        let Action::Configure { role } = &step.action else { continue };
        for earlier in roles.get(role).into_iter().flat_map(|spec| &spec.after) {
            let ids = of_role.get(earlier).into_iter().flatten();
            let known: HashSet<&StepId> = step.needs.iter().collect();
            let new: Vec<StepId> = ids.filter(|id| !known.contains(id)).cloned().collect();
            step.needs.extend(new);
        }
    }
}

/// Nodes that serve already are changed a few at a time, the leader last.
fn roll(steps: &mut [Step], input: &Input<'_>) {
    for (name, role) in input.roles {
        let width = role.rolling.max_unavailable as usize;
        if width == 0 {
            continue;
        }
        let leads = |node: &str| match input.nodes.get(node) {
            Some(NodeState::Seen { leads, .. }) => leads.contains(name),
            _ => false,
        };
        let mut serving: Vec<(bool, usize)> = steps
            .iter()
            .enumerate()
            .filter(|(_, step)| {
                step.risk >= Risk::Restart && matches!(&step.action, Action::Configure { role } if role == name)
            })
            .map(|(index, step)| (role.rolling.leader_last && step.node.as_deref().is_some_and(leads), index))
            .collect();
        serving.sort();
        let ids: Vec<StepId> = serving.iter().map(|(_, index)| steps[*index].id.clone()).collect();
        for (position, (_, index)) in serving.iter().enumerate().skip(width) {
            let before = ids[position - width].clone();
            if !steps[*index].needs.contains(&before) {
                steps[*index].needs.push(before);
            }
        }
        // Nobody goes while somebody who should serve is not back, as a controller that was killed may leave it.
        let away: Vec<StepId> = steps.iter().filter(|step| is_away(step, name)).map(|step| step.id.clone()).collect();
        for (_, index) in serving {
            steps[index].needs.extend(away.iter().cloned());
        }
    }
}

/// Whether a step of this role is for a node that was there before and does not serve now. A step of a node that has
/// something else to do first names no changes, and is none of these.
fn is_away(step: &Step, name: &str) -> bool {
    let role = matches!(&step.action, Action::Configure { role } if role == name);
    let down = |change: &ItemChange| {
        change.item.starts_with("service ") && change.detail.starts_with("start (")
            || change.item.starts_with("ready ") && change.detail != "new"
    };
    role && step.risk < Risk::Restart && step.changes.iter().any(down)
}
