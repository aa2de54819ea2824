//! Proving and describing a running environment.

use std::{collections::BTreeMap, time::Duration};

use futures_util::{StreamExt, stream};
use serde::{Deserialize, Serialize};

use super::{
    Error, Reach, Session,
    vault::{Fill, Vault},
};
use crate::{
    catalog::PathCheck,
    configure::{self, node_status},
    event::Events,
    provider::Condition,
    topology::Node,
    verify::{self, CheckResult, PathRun},
};

/// Nodes asked at the same time.
const AT_ONCE: usize = 64;

/// What `status` shows of one node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeStatus {
    /// Name.
    pub node: String,
    /// Its group.
    pub group: String,
    /// Address.
    pub address: Option<String>,
    /// Zone.
    pub zone: u32,
    /// What the provider says: `good`, `stopped`, `broken: …`, `absent`.
    pub machine: String,
    /// What the node says of itself; none where it did not answer.
    pub own: Option<configure::NodeStatus>,
    /// Why it did not answer.
    pub trouble: Option<String>,
}

impl NodeStatus {
    /// Whether everything on the node is as it should be.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.own.as_ref().is_some_and(configure::NodeStatus::is_healthy)
    }

    /// How it is, in words: `healthy`, or the first thing that is not as it should be.
    #[must_use]
    pub fn health(&self) -> String {
        let own = match (&self.own, &self.trouble) {
            (Some(own), _) => own,
            (None, Some(trouble)) => return trouble.clone(),
            (None, None) => return self.machine.clone(),
        };
        let service = own.services.iter().find(|service| service.state != "active");
        let probe = own.probes.iter().find(|probe| !probe.holds);
        service
            .map(|service| format!("{} is {}", service.unit, service.state))
            .or_else(|| probe.map(|probe| format!("not: {}", probe.name)))
            .unwrap_or_else(|| "healthy".to_owned())
    }

    /// What it is at the moment, of the states that its role can have: `leader`, `replica`.
    #[must_use]
    pub fn state(&self) -> Option<&str> {
        let facts = &self.own.as_ref()?.facts;
        facts.iter().rev().find(|fact| fact.name == "state").map(|fact| fact.value.as_str())
    }

    /// The other facts of the role that it is there for: the one whose stage runs last.
    #[must_use]
    pub fn details(&self) -> String {
        let facts = self.own.as_ref().map(|own| &own.facts[..]).unwrap_or_default();
        let role = facts.last().map_or("", |fact| fact.role.as_str());
        let told = facts.iter().filter(|fact| fact.name != "state" && !fact.value.is_empty() && fact.role == role);
        told.map(|fact| format!("{} {}", fact.name, fact.value)).collect::<Vec<_>>().join(", ")
    }
}

impl Session {
    /// Asks every node how it is, all at once.
    ///
    /// # Errors
    /// When the provider does not answer or a role is wrong for a node.
    pub async fn status(&self, reach: &Reach) -> Result<Vec<NodeStatus>, Error> {
        let live = self.provider.observe().await?;
        let addresses = self.addresses(&reach.hosts);
        let store = self.secrets(&addresses, Fill::Placeholders)?;
        let vault = Vault(&store);
        let renderer = self.renderer(&addresses, &vault, true)?;
        let mut questions = BTreeMap::new();
        for node in &self.topology.nodes {
            questions.insert(node.name.as_str(), renderer.questions(&node.name)?);
        }
        let ask = |node: &Node| {
            let condition =
                live.iter().find(|live| live.node.as_ref() == Some(&node.name)).map(|live| live.condition.clone());
            let machine = match &condition {
                None => "absent".to_owned(),
                Some(Condition::Good) => "good".to_owned(),
                Some(Condition::Stopped) => "stopped".to_owned(),
                Some(Condition::Broken(why)) => format!("broken: {why}"),
            };
            NodeStatus {
                node: node.name.clone(),
                group: node.group.clone(),
                address: reach.hosts.get(&node.name).map(|host| host.private.to_string()),
                zone: node.zone,
                machine,
                own: None,
                trouble: None,
            }
        };
        let all: Vec<NodeStatus> = stream::iter(self.topology.nodes.iter().map(ask))
            .map(|mut status| {
                let questions = &questions;
                async move {
                    if let (true, Some(host)) = (status.machine == "good", reach.hosts.get(&status.node)) {
                        match node_status(&reach.remote, host, &questions[status.node.as_str()]).await {
                            Ok(own) => status.own = Some(own),
                            Err(error) => status.trouble = Some(error.to_string()),
                        }
                    }
                    status
                }
            })
            .buffered(AT_ONCE)
            .collect()
            .await;
        Ok(all)
    }

    /// Proves the whole paths.
    ///
    /// # Errors
    /// When a check cannot be rendered. A check that does not hold is a result.
    pub async fn verify(&self, reach: &Reach, events: &Events) -> Result<Vec<CheckResult>, Error> {
        self.prove(reach, &self.catalog.stack.checks, events).await
    }

    /// Runs checks of the stack.
    pub(super) async fn prove(
        &self,
        reach: &Reach,
        checks: &[PathCheck],
        events: &Events,
    ) -> Result<Vec<CheckResult>, Error> {
        let addresses = self.addresses(&reach.hosts);
        let store = self.stored_secrets()?;
        let vault = Vault(&store);
        let renderer = self.renderer(&addresses, &vault, true)?;
        let mut runs = Vec::new();
        for check in checks {
            if !renderer.holds(check.when.as_deref())? {
                continue;
            }
            let role = check.on.iter().find(|role| self.topology.has_role(role));
            let nodes: Vec<&Node> = role.map(|role| self.topology.with_role(role).collect()).unwrap_or_default();
            let many = if check.every { nodes.len() } else { 1 };
            for node in nodes.into_iter().take(many) {
                runs.push(PathRun {
                    name: check.name.clone(),
                    proves: check.proves.clone(),
                    node: node.name.clone(),
                    script: renderer.check_script(&node.name, check)?.text.into_bytes(),
                    samples: check.samples,
                    interval: Duration::from_millis(check.interval_ms),
                    deadline: Duration::from_secs(u64::from(check.deadline)),
                    hint: check.hint.clone(),
                });
            }
        }
        Ok(verify::paths::run(&reach.remote, &reach.hosts, &runs, events).await)
    }

    /// The stack's own lines of the summary: name, value.
    ///
    /// # Errors
    /// When a line cannot be rendered.
    pub fn summary(&self, reach: &Reach) -> Result<Vec<(String, String)>, Error> {
        let addresses = self.addresses(&reach.hosts);
        let store = self.secrets(&addresses, Fill::OnlyPlaceholders)?;
        let vault = Vault(&store);
        let renderer = self.renderer(&addresses, &vault, true)?;
        let lines = &self.catalog.stack.summary_lines;
        lines.iter().map(|line| Ok((line.name.clone(), renderer.text(&line.value)?))).collect()
    }
}
