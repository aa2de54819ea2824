//! The state of nodes.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use futures_util::{StreamExt, stream};

use super::NodeState;
use crate::{
    catalog::Role,
    configure::{ItemResult, Outcome, Stage, check_node},
    event::{Event, Events, StepLog},
    provider::Host,
    remote::{Program, Remote},
};

/// Nodes looked at at the same time.
const AT_ONCE: usize = 64;
/// How long a node may take to say which role it leads.
const LEADER_DEADLINE: Duration = Duration::from_secs(10);

/// What to look at.
pub struct Look<'a> {
    /// A way to the nodes.
    pub remote: &'a dyn Remote,
    /// Nodes that run, and how to reach them.
    pub hosts: &'a BTreeMap<String, Host>,
    /// Node -> its stages in run order.
    pub stages: &'a BTreeMap<String, Vec<Stage>>,
    /// Roles by name.
    pub roles: &'a BTreeMap<String, Role>,
    /// Node -> role and the shell text that succeeds on its leader.
    pub leaders: &'a BTreeMap<String, Vec<(String, String)>>,
    /// Where progress goes.
    pub events: &'a Events,
}

/// Looks at every node that has stages: one round trip each, all at once.
pub async fn look(look: &Look<'_>) -> BTreeMap<String, NodeState> {
    let total = look.stages.len();
    let done = AtomicUsize::new(0);
    let progress = StepLog::new(look.events.clone(), "observe", None);
    stream::iter(look.stages)
        .map(|(node, stages)| {
            let (done, progress) = (&done, &progress);
            async move {
                let state = match look.hosts.get(node) {
                    None => NodeState::Absent,
                    Some(host) => look_at(look, host, stages).await,
                };
                let count = done.fetch_add(1, Ordering::Relaxed) + 1;
                progress.progress(count as u64, total as u64, format!("looked at {node}"));
                (node.clone(), state)
            }
        })
        .buffer_unordered(AT_ONCE)
        .collect()
        .await
}

async fn look_at(look: &Look<'_>, host: &Host, stages: &[Stage]) -> NodeState {
    let stages: Vec<&Stage> = stages.iter().collect();
    match check_node(look.remote, host, &stages).await {
        Err(error) => {
            look.events.send(Event::Note { text: format!("{error}") });
            NodeState::Unreachable { reason: error.to_string() }
        }
        Ok(reports) => {
            let stages: BTreeMap<String, Vec<ItemResult>> =
                reports.into_iter().map(|report| (report.role, report.results)).collect();
            let mut leads = BTreeSet::new();
            // Who leads matters only where something is about to change; an earlier stage may restart a later one's service.
            let differs = stages.values().flatten().any(|result| result.outcome != Outcome::Ok);
            for (role, question) in look.leaders.get(&host.node).into_iter().flatten().filter(|_| differs) {
                let last = look.roles.get(role).is_some_and(|role| role.rolling.leader_last);
                if last && leads_role(look.remote, host, question).await {
                    leads.insert(role.clone());
                }
            }
            NodeState::Seen { stages, leads }
        }
    }
}

/// Whether the node leads the role right now. A node that cannot tell does not lead.
async fn leads_role(remote: &dyn Remote, host: &Host, question: &str) -> bool {
    let program = Program {
        command: "sh -s".to_owned(),
        stdin: format!("{question}\n").into_bytes(),
        root: true,
        deadline: LEADER_DEADLINE,
    };
    remote.run(host, program, &|_| {}).await.is_ok_and(|output| output.code == Some(0))
}
