//! One look at an environment, for those who watch it.

use std::time::Instant;

use jiff::Timestamp;

use super::{Error, NodeStatus, Reach, Session};
use crate::{
    drill::OpenFaults,
    journal::{RunState, RunSummary},
    timeline::{self, Outcome},
    topology::Topology,
    watch::{Health, Look, NodeLook, RunLook, Strip},
};

impl Session {
    /// Looks at every node, and at what is done to the environment.
    ///
    /// # Errors
    /// When the provider does not answer, or the workspace cannot be read.
    pub async fn look(&self, reach: &Reach) -> Result<Look, Error> {
        let began = Instant::now();
        let nodes = self.status(reach).await?;
        let lease = self.at_work()?;
        let active = lease.as_ref().and_then(|lease| lease.run.as_deref());
        let faults = OpenFaults::of(&self.workspace).list()?;
        let run = self.runs().list(active)?.into_iter().next();
        Ok(Look {
            at: Timestamp::now(),
            took_ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
            environment: self.topology.environment.clone(),
            kind: kind(&self.topology),
            nodes: nodes.iter().map(node).collect(),
            holder: lease.map(|lease| lease.to_string()),
            run: run.map(|run| self.run_look(run)).transpose()?,
            faults: faults.iter().map(|fault| format!("{} on {}", fault.drill, fault.node)).collect(),
        })
    }

    fn run_look(&self, run: RunSummary) -> Result<RunLook, Error> {
        let (plan, journal) = self.runs().load(&run.id)?;
        let timeline = timeline::build(run.id.as_str(), &plan, &journal);
        let is_running = run.state == RunState::Running;
        // The journal is silent while a step works.
        let silent = journal.last().filter(|_| is_running).map(|line| Timestamp::now().duration_since(line.at));
        let silent = silent.and_then(|time| u64::try_from(time.as_millis()).ok()).unwrap_or_default();
        let elapsed_ms = timeline.elapsed_ms + silent;
        let under_way = |outcome: &Outcome| is_running && matches!(outcome, Outcome::Unfinished);
        let now = timeline.bars.iter().filter(|bar| under_way(&bar.outcome));
        Ok(RunLook {
            id: run.id.to_string(),
            command: run.command,
            by: run.by,
            state: run.state.as_str().to_owned(),
            started: run.started,
            elapsed_ms,
            done: run.done,
            total: run.total,
            running: now.map(|bar| (bar.node.clone(), bar.title.clone())).collect(),
            strips: timeline
                .bars
                .iter()
                .map(|bar| Strip {
                    node: bar.node.clone(),
                    from_ms: bar.begin_ms,
                    to_ms: if under_way(&bar.outcome) { elapsed_ms } else { bar.end_ms },
                    failed: matches!(bar.outcome, Outcome::Failed { .. }),
                })
                .collect(),
        })
    }
}

fn kind(topology: &Topology) -> Vec<String> {
    let size = topology.architecture.clone().unwrap_or_else(|| "own size".to_owned());
    vec![size, topology.provider.clone(), topology.stack.clone()]
}

fn node(status: &NodeStatus) -> NodeLook {
    NodeLook {
        node: status.node.clone(),
        group: status.group.clone(),
        health: match &status.own {
            _ if status.is_healthy() => Health::Good,
            Some(_) => Health::Ill,
            None => Health::Gone,
        },
        says: status.health(),
        state: status.state().unwrap_or_default().to_owned(),
        details: status.details(),
    }
}
