//! Upgrading the product while it serves.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use serde::Serialize;
use tokio::time::Instant;

use super::{
    Error, Reach, Session,
    listen::listen,
    open::Addresses,
    survey::refuse_unmet,
    vault::{Fill, Vault},
};
use crate::{
    catalog::Product,
    configure::Task,
    event::Events,
    exit,
    observe::{self, Look, NodeState},
    plan::{self, Plan, UpgradeInput},
    provider::{self, Host},
    verify::CheckResult,
};

/// What users would have noticed while something ran.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Probed {
    /// Requests made.
    pub requests: u64,
    /// Those that failed, in the order of time.
    pub failed: Vec<FailedRequest>,
    /// Longest time between two good answers, in milliseconds.
    pub longest_gap_ms: u64,
    /// Times that the connection to the node which asks broke: nobody asked meanwhile.
    pub interrupted: u32,
}

/// A request that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FailedRequest {
    /// Milliseconds since the first request.
    pub at_ms: u64,
    /// What was asked, and what came of it.
    pub what: String,
}

/// The stack's probe of one environment.
pub struct Watch {
    host: Host,
    script: Vec<u8>,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    began: Option<Instant>,
    good: Option<Instant>,
    probed: Probed,
}

impl Seen {
    /// One line of the probe: `ok` or `failed`, milliseconds, what was asked.
    fn line(&mut self, line: &str, now: Instant) {
        let mut words = line.splitn(3, ' ');
        let (Some(word @ ("ok" | "failed")), Some(_), what) = (words.next(), words.next(), words.next()) else {
            return;
        };
        let began = *self.began.get_or_insert(now);
        self.probed.requests += 1;
        if word == "ok" {
            let gap = self.good.map_or(Duration::ZERO, |good| now - good);
            self.probed.longest_gap_ms = self.probed.longest_gap_ms.max(millis(gap));
            self.good = Some(now);
        } else {
            let what = what.unwrap_or_default().to_owned();
            self.probed.failed.push(FailedRequest { at_ms: millis(now - began), what });
        }
    }
}

impl Watch {
    /// Asks until the future is dropped.
    pub async fn run(&self, reach: &Reach) {
        let sink = |line: &str| self.seen().line(line, Instant::now());
        listen(reach, &self.host, &self.script, &sink, || self.seen().probed.interrupted += 1).await;
    }

    /// What was seen until now.
    #[must_use]
    pub fn probed(&self) -> Probed {
        self.seen().probed.clone()
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Session {
    fn product(&self) -> Result<&Product, Error> {
        self.catalog.stack.product.as_ref().ok_or_else(|| {
            let message = format!("stack `{}` has no product with versions", self.topology.stack);
            Error::refused(exit::USAGE, message, Some("change what it installs in the environment file, and `apply`"))
        })
    }

    /// The product's version that the environment file wants.
    ///
    /// # Errors
    /// When the stack has no product with versions.
    pub fn version(&self) -> Result<String, Error> {
        let setting = &self.product()?.version;
        let (role, name) = setting.split_once('.').unwrap_or_default();
        let value = self.topology.settings.get(role).and_then(|settings| settings.get(name));
        Ok(value.and_then(serde_json::Value::as_str).unwrap_or_default().to_owned())
    }

    /// The same environment with another version of the product, which nodes may exchange theirs for.
    ///
    /// # Errors
    /// When the stack cannot configure that version, or the environment has settings that the version does not know.
    pub fn at_version(self, version: &str) -> Result<Self, Error> {
        let product = self.product()?;
        // Quoted: 19.10 is no number.
        let mut sets = vec![format!("settings.{}={}", product.version, serde_json::Value::from(version))];
        sets.extend(product.consent.iter().map(|setting| format!("settings.{setting}=true")));
        self.over(sets)
    }

    /// What an upgrade to this session's version would do. Changes nothing.
    ///
    /// # Errors
    /// When there is no way to the version, or nodes are missing, or do not answer.
    pub async fn survey_upgrade(&self, reach: &Reach, events: &Events) -> Result<Plan, Error> {
        let product = self.product()?;
        let to = self.version()?;
        let live = self.provider.observe().await?;
        let desired = self.provider.desired(&self.topology)?;
        let difference = provider::diff::diff(&desired, &live, self.provider.as_ref(), &[]);
        if !difference.changes.is_empty() {
            let message = "the machines are not as the environment file says";
            return Err(Error::refused(exit::FAILED, message, Some("`refarch apply` with the old version first")));
        }
        let (role, fact) = product.version.split_once('.').unwrap_or_default();
        let (mut installed, mut leads) = (BTreeMap::new(), BTreeMap::new());
        for status in self.status(reach).await? {
            let Some(own) = status.own else { continue };
            if let Some(found) = own.facts.into_iter().find(|found| found.role == role && found.name == fact) {
                installed.insert(status.node.clone(), found.value);
            }
            leads.insert(status.node, own.leads);
        }
        let addresses = self.addresses(&reach.hosts);
        let store = self.secrets(&addresses, Fill::Placeholders)?;
        let stages = self.stages(&addresses, &store)?;
        let mut nodes = observe::look(&Look {
            remote: &reach.remote,
            hosts: &reach.hosts,
            stages: &stages,
            roles: &self.catalog.roles,
            leaders: &BTreeMap::new(),
            events,
        })
        .await;
        // In an upgrade every node changes, so who leads is asked of all.
        for (node, state) in &mut nodes {
            if let NodeState::Seen { leads: found, .. } = state {
                found.extend(leads.remove(node).into_iter().flatten());
            }
        }
        let with_product = self.topology.nodes.iter().filter(|node| node.roles.iter().any(|own| own == role));
        let without: Vec<&str> =
            with_product.map(|node| node.name.as_str()).filter(|node| !installed.contains_key(*node)).collect();
        if !without.is_empty() {
            let message = format!("the product is not installed on {}", without.join(", "));
            return Err(Error::refused(exit::FAILED, message, Some("`refarch apply` with the old version first")));
        }
        refuse_unmet(&nodes)?;
        let mut plan = plan::upgrade(&UpgradeInput {
            topology: &self.topology,
            roles: &self.catalog.roles,
            stages: &stages,
            tasks: &self.tasks(&addresses)?,
            nodes: &nodes,
            installed: &installed,
            to: &to,
            stops: &product.stops,
        })
        .map_err(|error| {
            let hint = match &error {
                plan::UpgradeError::Stop { stop, .. } => Some(format!("`refarch upgrade --to {stop}` first")),
                _ => None,
            };
            Error::refused(exit::FAILED, error.to_string(), hint.as_deref())
        })?;
        plan.notes.extend(self.bundle_note());
        plan.validate()?;
        Ok(plan)
    }

    /// What must hold before an upgrade changes anything: the whole paths, and what the product asks for.
    ///
    /// # Errors
    /// When a check cannot be rendered. A check that does not hold is a result.
    pub async fn verify_before_upgrade(&self, reach: &Reach, events: &Events) -> Result<Vec<CheckResult>, Error> {
        let checks: Vec<_> = self.catalog.stack.checks.iter().chain(&self.product()?.upgrade_checks).cloned().collect();
        self.prove(reach, &checks, events).await
    }

    /// The stack's probe; none where it has none, or nothing runs that it could run on.
    ///
    /// # Errors
    /// When its script cannot be rendered.
    pub fn watch(&self, reach: &Reach) -> Result<Option<Watch>, Error> {
        let Some(probe) = self.catalog.stack.product.as_ref().and_then(|product| product.probe.as_ref()) else {
            return Ok(None);
        };
        let role = probe.on.iter().find(|role| self.topology.has_role(role));
        let node = role.and_then(|role| self.topology.with_role(role).next());
        let Some(host) = node.and_then(|node| reach.hosts.get(&node.name)) else { return Ok(None) };
        let addresses = self.addresses(&reach.hosts);
        let store = self.stored_secrets()?;
        let vault = Vault(&store);
        let script = self.renderer(&addresses, &vault, true)?.script(&host.node, &probe.script)?;
        Ok(Some(Watch { host: host.clone(), script: script.text.into_bytes(), seen: Mutex::default() }))
    }

    /// Every node's part in an upgrade, with stand-ins for all addresses.
    ///
    /// # Errors
    /// When a role is wrong for a node.
    pub fn preview_tasks(&self) -> Result<BTreeMap<String, Vec<Task>>, Error> {
        self.tasks(&self.addresses(&BTreeMap::new()))
    }

    /// Every node's part in an upgrade.
    pub(super) fn tasks(&self, addresses: &Addresses) -> Result<BTreeMap<String, Vec<Task>>, Error> {
        let store = self.secrets(addresses, Fill::OnlyPlaceholders)?;
        let vault = Vault(&store);
        let renderer = self.renderer(addresses, &vault, true)?;
        self.topology.nodes.iter().map(|node| Ok((node.name.clone(), renderer.tasks(&node.name)?))).collect()
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_counts_what_users_would_have_noticed() {
        let start = Instant::now();
        let mut seen = Seen::default();
        for (at, line) in [
            (0, "ok 12 page"),
            (200, "ok 10 page"),
            (400, "failed 3000 page: 503"),
            (1700, "ok 9 git"),
            (1800, "curl: (7) said something of its own"),
            (1900, "ok 9 page"),
        ] {
            seen.line(line, start + Duration::from_millis(at));
        }
        let failed = vec![FailedRequest { at_ms: 400, what: "page: 503".to_owned() }];
        assert_eq!(seen.probed, Probed { requests: 5, failed, longest_gap_ms: 1500, interrupted: 0 });
    }
}
