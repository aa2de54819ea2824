//! Looking: what is there, and so what would be done.

use std::collections::{BTreeMap, BTreeSet};

use super::{Error, Reach, Session, vault::Fill};
use crate::{
    event::Events,
    observe::{self, Look, NodeState},
    plan::{self, Plan},
    provider::{self, Change, Condition, Host, Live},
};

/// What was found, and the plan that follows from it.
pub struct Survey {
    /// The provider's resources.
    pub live: Vec<Live>,
    /// Node -> its state.
    pub nodes: BTreeMap<String, NodeState>,
    /// What to do.
    pub plan: Plan,
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
                events,
            })
            .await
        };
        let notes: Vec<String> = difference.deferred.iter().map(deferred).collect();
        let plan = plan::apply(&plan::Input {
            topology: &self.topology,
            roles: &self.catalog.roles,
            changes: &difference.changes,
            notes: &notes,
            stages: &stages,
            nodes: &nodes,
        });
        plan.validate()?;
        Ok(Survey { live, nodes, plan })
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
        Ok((plan, live))
    }
}

/// The node that a change makes, starts, stops or removes: there is nothing to look at on it now.
fn changed_node(change: &Change) -> Option<&str> {
    match change {
        Change::Create { resource }
        | Change::Start { resource }
        | Change::Update { resource, .. }
        | Change::Replace { resource, .. } => resource.node.as_deref(),
        Change::Delete { live } => live.node.as_deref(),
    }
}

fn deferred(deferred: &provider::diff::Deferred) -> String {
    match &deferred.broken {
        Some(why) => format!("{} is of no use as it is ({why}); `--replace {0}` makes it anew", deferred.name()),
        None => {
            let fields: Vec<&str> = deferred.fields.iter().map(|field| field.name.as_str()).collect();
            format!(
                "{} differs in {}, which cannot be changed where it stands; `--replace {0}` makes it anew",
                deferred.name(),
                fields.join(", ")
            )
        }
    }
}
