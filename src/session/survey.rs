//! Looking: what is there, and so what would be done.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Error, Reach, Session,
    open::Addresses,
    vault::{Fill, Vault},
};
use crate::{
    configure::{Item, ItemResult, Outcome, Stage},
    event::Events,
    journal::{AppliedLog, read_applied},
    observe::{self, Look, NodeState},
    plan::{self, Action, AppliedEntry, Drift, Leaving, Plan},
    provider::{
        self, Change, Condition, Host, Live, Resource,
        diff::{Deferred, Difference},
    },
    secrets::{RotationPhase, SecretStore},
};

/// What was found, and the plan that follows from it.
pub struct Survey {
    /// The provider's resources.
    pub live: Vec<Live>,
    /// Node -> its state.
    pub nodes: BTreeMap<String, NodeState>,
    /// What to do.
    pub plan: Plan,
    stages: BTreeMap<String, Vec<Stage>>,
}

impl Session {
    /// Looks at the provider and at every node that runs, and plans. Changes nothing.
    ///
    /// # Errors
    /// When the provider does not answer or a role is wrong for a node.
    pub async fn survey(&self, reach: &Reach, replace: &[String], events: &Events) -> Result<Survey, Error> {
        let live = self.provider.observe().await?;
        let desired = self.provider.desired(&self.topology)?;
        let difference = provider::diff::diff(&desired, &live, self.provider.as_ref(), replace);
        self.refuse_strangers(&difference).await?;
        let addresses = self.addresses(&reach.hosts);
        let store = self.secrets(&addresses, Fill::Placeholders)?;
        let stages = self.stages(&addresses, &store)?;

        let touched: BTreeSet<&str> = difference.changes.iter().filter_map(changed_node).collect();
        let running: BTreeMap<String, Host> = live
            .iter()
            .filter(|live| live.condition == Condition::Good)
            .filter_map(|live| live.node.as_ref())
            .filter(|node| !touched.contains(node.as_str()))
            .filter_map(|node| reach.hosts.get(node))
            .map(|host| (host.node.clone(), host.clone()))
            .collect();
        let nodes = if running.is_empty() {
            BTreeMap::new()
        } else {
            observe::look(&Look {
                remote: &reach.remote,
                hosts: &running,
                stages: &stages,
                roles: &self.catalog.roles,
                leaders: &self.leaders(&addresses, &store)?,
                events,
            })
            .await
        };
        refuse_unmet(&nodes)?;
        let (leaving, unasked) = self.leaving(reach, &difference, &live).await?;
        let mut plan = self.plan(&difference, &stages, &nodes, &leaving)?;
        plan.notes.extend(unasked);
        plan.notes.extend(self.bundle_note());
        if let Some((name, phase)) = store.rotating() {
            let (number, what) = phase.describe();
            plan.notes.push(format!(
                "secret {name} is being rotated ({number} of {}: {what}); `refarch secrets rotate {name}` goes on",
                RotationPhase::COUNT
            ));
        }
        plan.money = self.money(&live, &desired);
        Ok(Survey { live, nodes, plan, stages })
    }

    /// The part of the plan that mends what was changed behind refarch's back.
    ///
    /// # Errors
    /// When what was applied last cannot be read.
    pub fn drift(&self, survey: &Survey) -> Result<Drift, Error> {
        Ok(plan::drift(&survey.plan, &survey.stages, &survey.nodes, &read_applied(&self.workspace.applied())?))
    }

    /// Keeps what was found to be as wanted, so that a later change of it is known to be somebody else's. Needs the lock.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn note_settled(&self, survey: &Survey) -> Result<(), Error> {
        let log = AppliedLog::open(&self.workspace.applied())?;
        let changing: BTreeSet<&str> = survey
            .plan
            .steps
            .iter()
            .filter_map(|step| match &step.action {
                Action::Infrastructure(change) => Some(change.id()),
                _ => None,
            })
            .collect();
        for resource in self.provider.desired(&self.topology)? {
            if survey.live.iter().any(|live| live.id == resource.id) && !changing.contains(resource.id.as_str()) {
                log.note(&AppliedEntry::resource(&resource))?;
            }
        }
        for (node, state) in &survey.nodes {
            let NodeState::Seen { stages: seen, .. } = state else { continue };
            for stage in survey.stages.get(node).into_iter().flatten() {
                let good = seen.get(&stage.role).into_iter().flatten().filter(|result| result.outcome == Outcome::Ok);
                let settled: BTreeSet<&str> = good.map(|result| result.id.as_str()).collect();
                if !settled.is_empty() {
                    log.note(&AppliedEntry::stage(stage, &settled))?;
                }
            }
        }
        Ok(())
    }

    /// Looks at the provider alone, and plans its part alone: machines, and what they stand on.
    ///
    /// # Errors
    /// When the provider does not answer.
    pub async fn survey_infrastructure(&self, replace: &[String]) -> Result<Survey, Error> {
        let live = self.provider.observe().await?;
        let desired = self.provider.desired(&self.topology)?;
        let difference = provider::diff::diff(&desired, &live, self.provider.as_ref(), replace);
        self.refuse_strangers(&difference).await?;
        let nodes = BTreeMap::new();
        let plan = self.plan(&difference, &BTreeMap::new(), &nodes, &Leaving::default())?.infrastructure_only();
        plan.validate()?;
        let plan = Plan { money: self.money(&live, &desired), ..plan };
        Ok(Survey { live, nodes, plan, stages: BTreeMap::new() })
    }

    /// Nothing is made under a name that somebody else's things have.
    async fn refuse_strangers(&self, difference: &Difference) -> Result<(), Error> {
        let missing: Vec<Resource> = difference
            .changes
            .iter()
            .filter_map(|change| match change {
                Change::Create { resource } => Some(resource.clone()),
                _ => None,
            })
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        let strangers = self.provider.strangers(&missing).await?;
        let Some(first) = strangers.first() else { return Ok(()) };
        let named: Vec<String> = strangers
            .iter()
            .map(|stranger| format!("{} ({}) for {}", stranger.what, stranger.handle, stranger.resource))
            .collect();
        let hint = format!(
            "rename the environment, remove them, or take over what is yours: `refarch adopt {} {}={}`",
            self.file().display(),
            first.resource,
            first.handle
        );
        let message = format!("not refarch's, and under its names: {}", named.join(", "));
        Err(Error::refused(crate::exit::FAILED, message, Some(&hint)))
    }

    /// Node -> role and the question that its leader answers with success.
    pub(super) fn leaders(
        &self,
        addresses: &Addresses,
        store: &SecretStore,
    ) -> Result<BTreeMap<String, Vec<(String, String)>>, Error> {
        let vault = Vault(store);
        let renderer = self.renderer(addresses, &vault, true)?;
        let nodes = self.topology.nodes.iter();
        nodes.map(|node| Ok((node.name.clone(), renderer.questions(&node.name)?.leaders))).collect()
    }

    /// The plan for a place where nothing is yet: asks neither the provider nor a node, and knows no address or secret.
    ///
    /// # Errors
    /// When a role is wrong for a node.
    pub async fn plan_from_nothing(&self) -> Result<Plan, Error> {
        // Machines that are not refarch's own are listed by the inventory, and never created.
        let live = if self.provider.owns_machines() { Vec::new() } else { self.provider.observe().await? };
        let desired = self.provider.desired(&self.topology)?;
        let difference = provider::diff::diff(&desired, &live, self.provider.as_ref(), &[]);
        let stages = self.preview()?;
        // Machines that are there already are taken for bare ones; others are made, and their work follows from that.
        let nodes = if self.provider.owns_machines() { BTreeMap::new() } else { stages.iter().map(bare).collect() };
        let plan = self.plan(&difference, &stages, &nodes, &Leaving::default())?;
        Ok(Plan { money: self.money(&live, &desired), ..plan })
    }

    fn plan(
        &self,
        difference: &Difference,
        stages: &BTreeMap<String, Vec<Stage>>,
        nodes: &BTreeMap<String, NodeState>,
        leaving: &Leaving,
    ) -> Result<Plan, Error> {
        let plan = plan::apply(&plan::Input {
            topology: &self.topology,
            roles: &self.catalog.roles,
            changes: &difference.changes,
            notes: &notes(&difference.deferred),
            stages,
            nodes,
            late_addresses: self.provider.addresses_come_late(),
            leaving,
        });
        plan.validate()?;
        Ok(plan)
    }

    /// What `destroy` would remove.
    ///
    /// # Errors
    /// When the provider does not answer.
    pub async fn removal(&self) -> Result<(Plan, Vec<Live>), Error> {
        let live = self.provider.observe().await?;
        let desired = self.provider.desired(&self.topology)?;
        let changes = provider::diff::removal(&desired, &live);
        let plan = plan::destroy(&self.topology.environment, &changes, Vec::new());
        plan.validate()?;
        let plan = Plan { money: self.money(&live, &[]), ..plan };
        Ok((plan, live))
    }
}

/// Refuses nodes that do not offer what a role requires. Those that say the same are told of in one line.
pub(super) fn refuse_unmet(nodes: &BTreeMap<String, NodeState>) -> Result<(), Error> {
    let mut said: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (node, state) in nodes {
        let NodeState::Seen { stages, .. } = state else { continue };
        for result in stages.values().flatten().filter(|result| result.is_unmet_requirement()) {
            said.entry(result.detail.trim()).or_default().push(node);
        }
    }
    if said.is_empty() {
        return Ok(());
    }
    let lines: Vec<String> = said.into_iter().map(|(what, nodes)| format!("{}: {what}", nodes.join(", "))).collect();
    Err(Error::refused(crate::exit::FAILED, lines.join("; "), Some("nothing was changed anywhere")))
}

/// A machine on which nothing is as it should be.
fn bare((node, stages): (&String, &Vec<Stage>)) -> (String, NodeState) {
    let result = |item: &Item| ItemResult {
        id: item.id.clone(),
        outcome: Outcome::Changed,
        detail: "new".to_owned(),
        present: None,
    };
    let results = |stage: &Stage| (stage.role.clone(), stage.resources.iter().map(result).collect());
    let stages = stages.iter().map(results).collect();
    (node.clone(), NodeState::Seen { stages, leads: BTreeSet::new() })
}

/// The node that a change makes, starts or removes: there is nothing to look at on it now.
fn changed_node(change: &Change) -> Option<&str> {
    match change {
        Change::Create { resource } | Change::Start { resource } | Change::Replace { resource, .. } => {
            resource.node.as_deref()
        }
        // It runs until then, and may lead.
        Change::Update { .. } => None,
        Change::Delete { live } => live.node.as_deref(),
    }
}

/// One note for all that differ in the same way.
fn notes(deferred: &[Deferred]) -> Vec<String> {
    let mut alike: Vec<(String, Vec<&str>)> = Vec::new();
    for deferred in deferred {
        let what = match &deferred.broken {
            Some(why) => format!("of no use as it is ({why})"),
            None => {
                let fields: Vec<&str> = deferred.fields.iter().map(|field| field.name.as_str()).collect();
                format!("not as described in {}, which cannot be changed where it stands", fields.join(", "))
            }
        };
        match alike.iter_mut().find(|(other, _)| *other == what) {
            Some((_, names)) => names.push(deferred.name()),
            None => alike.push((what, vec![deferred.name()])),
        }
    }
    let note = |(what, names): (String, Vec<&str>)| match names[..] {
        [name] => format!("{name} is {what}; `--replace {name}` makes it anew"),
        [first, .., last] => {
            format!("{} nodes ({first} to {last}) are {what}; `--replace NODE` makes one anew", names.len())
        }
        [] => what,
    };
    alike.into_iter().map(note).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::notes;
    use crate::provider::{FieldChange, diff::Deferred};

    #[test]
    fn many_nodes_that_differ_alike_are_one_note() {
        let image = |node: &str| Deferred {
            resource: format!("node/{node}"),
            node: Some(node.to_owned()),
            broken: None,
            fields: vec![FieldChange { name: "image".to_owned(), found: json!("a"), wanted: json!("b") }],
        };
        let broken = Deferred { broken: Some("it is paused".to_owned()), fields: Vec::new(), ..image("demo-app-2") };
        assert_eq!(
            notes(&[image("demo-app-1"), broken, image("demo-app-3"), image("demo-redis-1")]),
            [
                "3 nodes (demo-app-1 to demo-redis-1) are not as described in image, which cannot be changed where it \
                 stands; `--replace NODE` makes one anew",
                "demo-app-2 is of no use as it is (it is paused); `--replace demo-app-2` makes it anew",
            ]
        );
    }
}
