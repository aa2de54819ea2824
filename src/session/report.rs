//! Gathering what stands on the page about a run.

use jiff::Timestamp;

use super::{Error, NodeStatus, Session};
use crate::{
    draw,
    drill::Drilled,
    exit,
    journal::RunSummary,
    report::{Health, NodeHealth, Page, bars, page, versions},
};

impl Session {
    /// The page about a run, as HTML.
    ///
    /// # Errors
    /// When the run's files cannot be read. Nodes that cannot be asked are shown as such.
    pub async fn report(&self, run: &RunSummary, offline: bool) -> Result<String, Error> {
        let runs = self.runs();
        let (plan, journal) = runs.load(&run.id)?;
        let steps = bars(&journal);
        let drilled: Option<Drilled> = match runs.kept(&run.id, "drills.json")? {
            Some(text) => Some(serde_json::from_slice(&text).map_err(|error| {
                Error::refused(exit::FAILED, format!("the results of run {} cannot be read: {error}", run.id), None)
            })?),
            None => None,
        };
        // A page about the past needs no node: one that cannot be asked is no reason to have none.
        let status = if offline { None } else { self.ask_all().await.ok() };
        let facts = status.iter().flatten().filter_map(|node| node.own.as_ref()).flat_map(|own| &own.facts);
        let versions =
            versions(facts.filter(|fact| fact.name == "version").map(|fact| (fact.role.as_str(), fact.value.as_str())));
        let cost = self.prices().and_then(|prices| self.estimate(&prices).ok().flatten());
        let picture = draw::svg(&draw::Picture::of(&self.topology));
        Ok(page(&Page {
            topology: &self.topology,
            run,
            plan: &plan,
            steps,
            health: status.map(|nodes| nodes.iter().map(health).collect()),
            versions,
            cost,
            drilled: drilled.as_ref(),
            picture,
            made: Timestamp::now(),
        }))
    }

    async fn ask_all(&self) -> Result<Vec<NodeStatus>, Error> {
        let reach = self.reach().await?;
        self.status(&reach).await
    }
}

fn health(node: &NodeStatus) -> NodeHealth {
    let leads = node.own.as_ref().map(|own| own.leads.join(", ")).filter(|leads| !leads.is_empty());
    let (health, detail) = match (node.machine.as_str(), node.is_healthy()) {
        ("absent", _) => (Health::Absent, String::new()),
        (_, true) => (Health::Good, leads.map_or_else(String::new, |leads| format!("leads {leads}"))),
        (machine, false) => {
            let services = node.own.iter().flat_map(|own| &own.services).filter(|service| service.state != "active");
            let bad: Vec<&str> = services.map(|service| service.unit.as_str()).collect();
            let why = node.trouble.clone().unwrap_or_else(|| {
                if bad.is_empty() { machine.to_owned() } else { format!("{} not active", bad.join(", ")) }
            });
            (Health::Bad, why)
        }
    };
    NodeHealth { node: node.node.clone(), health, detail }
}
