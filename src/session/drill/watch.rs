//! Asking every server that may lead to take a write, all the while.

use std::time::Duration;

use futures_util::future::join_all;

use super::conduct::Conduct;
use crate::{catalog::DrillSpec, drill::Leaders, engine::StopSignal, session::listen::listen};

/// For the watch to see who leads before anything is broken.
const SIGHT: Duration = Duration::from_secs(10);

impl Conduct<'_> {
    /// Listens on every node that a drill watches, until dropped.
    pub(super) async fn watch(&self, drill: &DrillSpec, leaders: &Leaders) {
        let Some(watch) = &drill.watch else { return std::future::pending().await };
        let nodes = self.session.topology.with_role(&watch.on);
        let hosts = nodes.filter_map(|node| self.reach.hosts.get(&node.name));
        let listening = hosts.filter_map(|host| {
            let script = self.renderer.script(&host.node, &watch.script).ok()?.text;
            Some(async move {
                listen(self.reach, host, script.as_bytes(), &|line| leaders.line(&host.node, line), || ()).await;
            })
        });
        join_all(listening).await;
        std::future::pending().await
    }

    /// Waits until whoever watches has seen a leader.
    pub(super) async fn watching(&self, drill: &DrillSpec, leaders: &Leaders, stop: &StopSignal) {
        let deadline = tokio::time::Instant::now() + SIGHT;
        while drill.watch.is_some() && leaders.count() < 2 && tokio::time::Instant::now() < deadline {
            tokio::select! {
                () = stop.finish() => return,
                () = self.recorder.heard_more() => {}
            }
        }
    }
}
