//! One fault: made, waited for, mended, and everything well again.

use std::time::{Duration, Instant};

use futures_util::{FutureExt as _, future::join_all};
use jiff::Timestamp;

use super::{conduct::Conduct, unmended};
use crate::{
    catalog::{DrillSpec, Which},
    drill::{DrillReport, Fault, Moments, OpenFault, OpenFaults, judge},
    engine::StopSignal,
    provider::Host,
    session::Error,
};

/// A fault is watched for at least as long: what it does shows only after a while.
const LEAST: Duration = Duration::from_secs(10);
/// Beyond a drill's limit, until it is given up and mended.
const OVER: Duration = Duration::from_secs(15);
/// How long everything limited must have worked before a fault is mended.
const CALM: u64 = 3000;
/// Until the environment has healed by itself.
const HEAL: Duration = Duration::from_secs(300);
/// Beyond all that, until a node mends itself.
const FORGOTTEN: Duration = Duration::from_secs(180);

impl Conduct<'_> {
    /// One fault on nodes at the same time, until it is mended and all is well.
    pub(super) async fn turn(
        &self,
        drill: &DrillSpec,
        id: &str,
        hosts: &[&Host],
        report: &mut DrillReport,
        tell: &impl Fn(String),
        stop: &StopSignal,
    ) -> Result<(), Error> {
        let limit = drill.limits.values().max().copied().unwrap_or_default().max(drill.hold);
        let most = LEAST + Duration::from_secs(u64::from(limit)) + OVER;
        let faults = OpenFaults::of(&self.session.workspace);
        let mut open = Vec::new();
        for host in hosts {
            let text = |text: &Option<String>| {
                text.as_deref().map(|text| self.renderer.node_text(&host.node, text)).transpose()
            };
            let fault = Fault {
                host: (*host).clone(),
                machine: drill.machine,
                run: text(&drill.run)?,
                undo: text(&drill.undo)?,
                limit: most + FORGOTTEN,
            };
            let entry = OpenFault {
                id: format!("{id}-{}", host.node),
                drill: drill.name.clone(),
                node: host.node.clone(),
                machine: drill.machine,
                undo: fault.undo.clone(),
                at: Timestamp::now(),
            };
            open.push((fault, entry));
        }
        // The users' own node is restarted like all others; then there is nobody to judge by.
        let blind = drill.machine.is_some() && hosts.iter().any(|host| host.node == self.host.node);
        // Written down first: whatever becomes of this process, somebody will mend it.
        for (_, entry) in &open {
            faults.open(entry)?;
        }
        self.session.settle().await?;
        let fault = self.recorder.now();
        let (remote, provider) = (&self.reach.remote, self.session.provider.as_ref());
        let made = join_all(open.iter().map(|(fault, entry)| fault.make(&entry.id, remote, provider))).await;
        let broken = made.iter().all(Result::is_ok);
        for trouble in made.into_iter().filter_map(Result::err) {
            report.reasons.push(trouble.to_string());
        }
        if broken && !blind {
            tell("waiting until users can work again".to_owned());
            self.recovery(drill, fault, most, stop).await;
        }
        tell("mending".to_owned());
        let mended = self.recorder.now();
        let done = join_all(
            open.iter().map(|(fault, entry)| entry.mend(&fault.host, remote, provider).map(move |done| (entry, done))),
        );
        for (entry, done) in done.await {
            match done {
                Ok(()) => faults.close(&entry.id)?,
                Err(trouble) => report.reasons.push(unmended(entry, &trouble).to_string()),
            }
        }
        tell("waiting until everything holds".to_owned());
        let whole = drill.on.which != Which::Turns;
        let healing = Instant::now();
        let (healed, bad) = self.heal(whole, stop).await?;
        report.healed = healed.then(|| {
            let took = u64::try_from(healing.elapsed().as_millis()).unwrap_or(u64::MAX);
            report.healed.unwrap_or_default().max(took)
        });
        if !healed && stop.asked().is_none() {
            report.reasons.push(format!("did not heal by itself: {}", bad.join("; ")));
        }
        let after =
            drill.no_failure_after.as_deref().map(|text| self.renderer.node_text(&hosts[0].node, text)).transpose()?;
        let after = after.and_then(|text| text.trim().parse().ok());
        let seen = self.recorder.since(fault.saturating_sub(30_000));
        if !blind && stop.asked().is_none() {
            judge(report, drill, after, &seen, Moments { fault, mended, end: self.recorder.now() });
        }
        Ok(())
    }

    /// Waits until all limited kinds of request work again and have done so for a while, or it takes too long.
    pub(super) async fn recovery(&self, drill: &DrillSpec, fault: u64, most: Duration, stop: &StopSignal) {
        let begin = tokio::time::Instant::now();
        let least = LEAST.max(Duration::from_secs(u64::from(drill.hold)));
        while begin.elapsed() < most {
            let now = self.recorder.now();
            let seen = self.recorder.since(fault.saturating_sub(30_000));
            let works = |kind: &String| {
                let pace = seen.pace(kind, fault).unwrap_or_default();
                seen.phase(kind, fault, now, pace).again.is_some_and(|again| now - fault >= again + CALM)
            };
            if begin.elapsed() >= least && drill.limits.keys().all(works) {
                return;
            }
            tokio::select! {
                () = stop.finish() => return,
                // Silence is news as well.
                () = tokio::time::sleep(Duration::from_millis(500)) => {}
            }
        }
    }

    /// Waits until the environment holds by itself; else what does not.
    pub(super) async fn heal(&self, whole: bool, stop: &StopSignal) -> Result<(bool, Vec<String>), Error> {
        let deadline = tokio::time::Instant::now() + HEAL;
        loop {
            let look = async {
                if whole { self.session.health(self.reach).await } else { self.session.unhealthy(self.reach).await }
            };
            let bad = tokio::select! {
                bad = look => bad?,
                () = stop.finish() => return Ok((false, Vec::new())),
            };
            if bad.is_empty() || tokio::time::Instant::now() >= deadline {
                return Ok((bad.is_empty(), bad));
            }
            // Nobody tells when a node has become well.
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
}
