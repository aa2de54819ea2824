//! Drills on a running environment: look, break, wait, mend, prove.

mod audit;
mod conduct;
mod place;
mod turn;
mod watch;

use conduct::Conduct;

use super::{Error, Reach, Session, listen::listen, vault::Vault};
use crate::{
    catalog::{DrillSpec, Drills},
    drill::{Drilled, OpenFault, OpenFaults, Recorder},
    engine::StopSignal,
    event::Events,
    exit,
    journal::Run,
    plan::{Action, Plan, Risk, Step, StepId, Verb},
};

/// What to do, and who wants to hear of it.
pub struct DrillRequest<'a> {
    /// The drills, in order.
    pub drills: &'a [&'a DrillSpec],
    /// The journal, begun.
    pub run: &'a mut Run,
    /// Where events go.
    pub events: &'a Events,
    /// Says when to stop.
    pub stop: StopSignal,
}

impl Session {
    /// The stack's drills: all of them, or those named.
    ///
    /// # Errors
    /// When the stack has none, or none of a name.
    pub fn drills(&self, only: &[String]) -> Result<Vec<&DrillSpec>, Error> {
        let drills = &self.drill_book()?.drills;
        if let Some(unknown) = only.iter().find(|name| !drills.iter().any(|drill| drill.name == **name)) {
            let names: Vec<&str> = drills.iter().map(|drill| drill.name.as_str()).collect();
            let hint = format!("there are {}", names.join(", "));
            return Err(Error::refused(exit::USAGE, format!("no drill is called `{unknown}`"), Some(&hint)));
        }
        Ok(drills.iter().filter(|drill| only.is_empty() || only.contains(&drill.name)).collect())
    }

    fn drill_book(&self) -> Result<&Drills, Error> {
        self.catalog
            .drills
            .as_ref()
            .ok_or_else(|| Error::refused(exit::USAGE, format!("stack `{}` has no drills", self.topology.stack), None))
    }

    /// Refuses environments that people may rely on, unless they are named.
    ///
    /// # Errors
    /// When the environment is not for tests and was not named.
    pub fn may_drill(&self, named: Option<&str>) -> Result<(), Error> {
        let (name, purpose) = (&self.topology.environment, &self.topology.purpose);
        // Written down by somebody: an environment of which nobody said what it is for may well be relied on.
        let marked = self.loaded.provenance.winner("purpose").is_some();
        if marked && purpose == "test" || named == Some(name) {
            return Ok(());
        }
        let says = if marked { format!("has `purpose: {purpose}`") } else { "does not say `purpose: test`".to_owned() };
        Err(Error::refused(
            exit::FAILED,
            format!("{name} {says}: a drill breaks things that its users rely on"),
            Some(&format!("if that is wanted, add `--disturb {name}`")),
        ))
    }

    /// The plan that stands in the journal of a run of drills.
    #[must_use]
    pub fn drill_plan(&self, drills: &[&DrillSpec]) -> Plan {
        let mut before: Option<StepId> = None;
        let step = |drill: &&DrillSpec| {
            let id = StepId::from(format!("drill/{}", drill.name));
            Step {
                needs: before.replace(id.clone()).into_iter().collect(),
                id,
                node: None,
                title: drill.name.clone(),
                reason: drill.fault.clone(),
                risk: Risk::Disruption,
                action: Action::Drill { name: drill.name.clone() },
                changes: Vec::new(),
            }
        };
        Plan {
            environment: self.topology.environment.clone(),
            verb: Verb::Drill,
            steps: drills.iter().map(step).collect(),
            to: None,
            notes: Vec::new(),
            unreachable: Vec::new(),
            infrastructure_only: false,
            source: None,
            downtime: Vec::new(),
            money: None,
        }
    }

    /// Mends what earlier drills broke and nobody mended: their process ended before. Returns what was mended.
    ///
    /// # Errors
    /// When something cannot be mended; it stays written down.
    pub async fn mend(&self, reach: &Reach) -> Result<Vec<OpenFault>, Error> {
        let faults = OpenFaults::of(&self.workspace);
        let open = faults.list()?;
        for fault in &open {
            if let Some(host) = reach.hosts.get(&fault.node) {
                fault
                    .mend(host, &reach.remote, self.provider.as_ref())
                    .await
                    .map_err(|trouble| unmended(fault, &trouble))?;
            }
            faults.close(&fault.id)?;
        }
        Ok(open)
    }

    /// Whether anything is left to mend.
    ///
    /// # Errors
    /// When the workspace cannot be read.
    pub fn has_open_faults(&self) -> Result<bool, Error> {
        Ok(!OpenFaults::of(&self.workspace).list()?.is_empty())
    }

    /// Makes drills, one after the other, while users work.
    ///
    /// # Errors
    /// When they cannot be begun: the environment is not healthy, or its users cannot work. What a drill finds out is a
    /// result.
    pub async fn drill(&self, reach: &Reach, request: DrillRequest<'_>) -> Result<Drilled, Error> {
        let addresses = self.addresses(&reach.hosts);
        let store = self.stored_secrets()?;
        let vault = Vault(&store);
        let renderer = self.renderer(&addresses, &vault, true)?;
        let workload = &self.drill_book()?.workload;
        let role = workload.on.iter().find(|role| self.topology.has_role(role));
        let node = role.and_then(|role| self.topology.with_role(role).next());
        let host = node
            .and_then(|node| reach.hosts.get(&node.name))
            .ok_or_else(|| Error::refused(exit::FAILED, "there is no node on which users could be played", None))?;
        let script = renderer.script(&host.node, &workload.script)?.text;
        let recorder = Recorder::default();
        let conduct = Conduct { session: self, reach, renderer: &renderer, recorder: &recorder, host, script: &script };
        let work = format!("{script}\nwork\n");
        let hear = |line: &str| recorder.line(line);
        let outcome = tokio::select! {
            outcome = conduct.all(request) => outcome,
            () = listen(reach, host, work.as_bytes(), &hear, || recorder.interrupted()) =>
                unreachable!("it listens until it is dropped"),
        };
        // The users are gone now; what they made goes as well.
        let cleaned = conduct.ask("clean", &recorder.ever_acked()).await;
        let mut drilled = outcome?;
        if let Err(why) = cleaned {
            drilled.left.push(format!("what users had made was not removed: {why}"));
        }
        Ok(drilled)
    }

    /// What does not hold; empty where everything does.
    async fn health(&self, reach: &Reach) -> Result<Vec<String>, Error> {
        // The nodes' own word comes at once; the whole paths are worth asking only when it is good.
        let bad = self.unhealthy(reach).await?;
        if !bad.is_empty() {
            return Ok(bad);
        }
        let (quiet, _) = Events::channel();
        let checks = self.verify(reach, &quiet).await?;
        let bad = checks.iter().filter(|check| !check.ok);
        Ok(bad.map(|check| format!("{} on {}: {}", check.name, check.node, check.found)).collect())
    }

    /// Nodes that are not as they should be.
    async fn unhealthy(&self, reach: &Reach) -> Result<Vec<String>, Error> {
        let nodes = self.status(reach).await?;
        let bad = nodes.into_iter().filter(|node| !node.is_healthy());
        Ok(bad
            .map(|node| {
                let why = node.trouble.unwrap_or_else(|| {
                    let own = node.own.unwrap_or_default();
                    let services = own.services.iter().filter(|service| service.state != "active");
                    let probes = own.probes.iter().filter(|probe| !probe.holds);
                    let all: Vec<&str> = services
                        .map(|service| service.unit.as_str())
                        .chain(probes.map(|probe| probe.name.as_str()))
                        .collect();
                    if all.is_empty() { node.machine } else { all.join(", ") }
                });
                format!("{}: {why}", node.node)
            })
            .collect())
    }
}

fn unmended(fault: &OpenFault, trouble: &crate::drill::Trouble) -> Error {
    Error::refused(
        exit::FAILED,
        format!("what drill {} broke on {} is not mended: {trouble}", fault.drill, fault.node),
        Some("`refarch drill --undo` tries again; `refarch apply` mends what differs from the environment file"),
    )
}
