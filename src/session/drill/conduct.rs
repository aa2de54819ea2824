//! Drills one after the other, while users work.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use jiff::Timestamp;

use super::{DrillRequest, place::Place};
use crate::{
    catalog::DrillSpec,
    configure::Renderer,
    drill::{DrillReport, Drilled, Leaders, Recorder, Verdict},
    engine::StopSignal,
    event::{Event, Events},
    exit,
    journal::{Entry, Record as _},
    plan::{StepId, Verb},
    provider::Host,
    session::{Error, Reach, Session},
};

/// Until the workload works, before the first fault.
const WARM: Duration = Duration::from_secs(120);

/// All that conducting drills takes.
pub(super) struct Conduct<'a> {
    pub(super) session: &'a Session,
    pub(super) reach: &'a Reach,
    pub(super) renderer: &'a Renderer<'a>,
    pub(super) recorder: &'a Recorder,
    /// Where users are played.
    pub(super) host: &'a Host,
    pub(super) script: &'a str,
}

impl Conduct<'_> {
    pub(super) async fn all(&self, request: DrillRequest<'_>) -> Result<Drilled, Error> {
        let DrillRequest { drills, run, events, stop } = request;
        let id = run.id().to_string();
        let began = Instant::now();
        events.send(Event::RunStarted {
            run: id.clone(),
            verb: Verb::Drill.to_string(),
            environment: self.session.topology.environment.clone(),
            total: drills.len(),
        });
        events.send(Event::Note { text: "proving that everything holds before anything is broken".to_owned() });
        let bad = self.session.health(self.reach).await?;
        if !bad.is_empty() {
            return Err(Error::refused(
                exit::CHECKS_FAILED,
                format!("the environment is not healthy, nothing was broken: {}", bad.join("; ")),
                Some("`refarch apply` mends it; `refarch verify` and `refarch status` tell more"),
            ));
        }
        events.send(Event::Note { text: format!("users begin to work, from {}", self.host.node) });
        self.warm(&stop).await?;
        let mut drilled = Drilled {
            run: id.clone(),
            environment: self.session.topology.environment.clone(),
            drills: Vec::new(),
            left: Vec::new(),
            audited: 0,
            lost: Vec::new(),
            interrupted: 0,
            exit_code: exit::DONE,
        };
        let mut broken = false;
        for (number, drill) in drills.iter().enumerate() {
            if broken || stop.asked().is_some() {
                drilled.left.push(drill.name.clone());
                continue;
            }
            let step = StepId::from(format!("drill/{}", drill.name));
            run.record(Entry::StepStarted { step: step.clone(), node: None, title: drill.name.clone(), attempt: 1 })?;
            events.send(Event::StepStarted {
                step: step.to_string(),
                node: None,
                title: drill.name.clone(),
                attempt: 1,
            });
            let start = Instant::now();
            let report = self.one(drill, &format!("{id}-{number}"), events, &stop).await?;
            let elapsed_ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
            broken = report.verdict != Verdict::Skipped && report.healed.is_none();
            if report.verdict == Verdict::Failed {
                let error = report.reasons.join("; ");
                run.record(Entry::StepFailed { step: step.clone(), error: error.clone(), again: false })?;
                events.send(Event::StepFailed {
                    step: step.to_string(),
                    node: None,
                    title: drill.name.clone(),
                    error,
                    hint: None,
                    tail: report.failures.clone(),
                    log: None,
                });
            } else {
                run.record(Entry::StepFinished { step: step.clone(), changed: 0, elapsed_ms })?;
                let (step, title) = (step.to_string(), drill.name.clone());
                events.send(Event::StepFinished { step, node: None, title, changed: 0, elapsed_ms });
            }
            drilled.drills.push(report);
        }
        if stop.asked().is_none() {
            events.send(Event::Note { text: "looking once more for everything that was answered".to_owned() });
            let (_, acked) = self.recorder.acked_since(0);
            drilled.audited = acked.len();
            drilled.lost = self.lost(&acked).await.unwrap_or_else(|why| vec![format!("cannot be looked for: {why}")]);
        }
        drilled.interrupted = self.recorder.since(0).interrupted;
        let failed = drilled.drills.iter().filter(|report| report.verdict == Verdict::Failed).count();
        drilled.exit_code = match () {
            () if stop.asked().is_some() => exit::INTERRUPTED,
            () if failed > 0 || !drilled.lost.is_empty() => exit::CHECKS_FAILED,
            () => exit::DONE,
        };
        events.send(Event::RunFinished {
            run: id,
            done: drilled.drills.len() - failed,
            total: drills.len(),
            failed,
            elapsed_ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
            exit_code: drilled.exit_code,
        });
        Ok(drilled)
    }

    /// Waits until users of every kind have had success.
    pub(super) async fn warm(&self, stop: &StopSignal) -> Result<(), Error> {
        let deadline = tokio::time::Instant::now() + WARM;
        loop {
            let seen = self.recorder.since(0);
            let mut good: BTreeMap<&str, usize> = BTreeMap::new();
            for request in seen.requests.iter().filter(|request| request.failed.is_none()) {
                *good.entry(&request.kind).or_default() += 1;
            }
            let wanted = self.session.drill_book()?.drills.iter().flat_map(|drill| drill.limits.keys());
            if wanted.clone().all(|kind| good.get(kind.as_str()).is_some_and(|count| *count >= 4)) {
                return Ok(());
            }
            tokio::select! {
                () = self.recorder.heard_more() => {}
                () = stop.finish() => return Err(Error::refused(exit::INTERRUPTED, "interrupted; nothing was broken", None)),
                () = tokio::time::sleep_until(deadline) => {
                    let last = seen.failed(0).last().map(|request| {
                        format!("; the last failure: {} {}", request.kind, request.failed.as_deref().unwrap_or_default())
                    });
                    return Err(Error::refused(
                        exit::FAILED,
                        format!("users cannot work, nothing was broken{}", last.unwrap_or_default()),
                        Some("`refarch verify` tells what is missing"),
                    ));
                }
            }
        }
    }

    pub(super) async fn one(
        &self,
        drill: &DrillSpec,
        id: &str,
        events: &Events,
        stop: &StopSignal,
    ) -> Result<DrillReport, Error> {
        let now = Timestamp::now;
        let step = format!("drill/{}", drill.name);
        let tell = |note: String| {
            events.send(Event::StepProgress { step: step.clone(), done: 0, total: 0, note });
        };
        tell("looking for where".to_owned());
        let places = match self.places(drill).await? {
            Place::On(places) => places,
            Place::Skip(why) => return Ok(DrillReport::skipped(drill, now(), why)),
        };
        let mut report = DrillReport::new(drill, now());
        let (audited_before, _) = self.recorder.acked_since(usize::MAX);
        let first = self.recorder.now();
        let leaders = Leaders::default();
        let body = async {
            // Who watches must see the state before the fault as well.
            self.watching(drill, &leaders, stop).await;
            for (number, hosts) in places.iter().enumerate() {
                let names: Vec<&str> = hosts.iter().map(|host| host.node.as_str()).collect();
                tell(format!("breaking {}", names.join(", ")));
                report.nodes.extend(names.iter().map(|name| (*name).to_owned()));
                self.turn(drill, &format!("{id}-{number}"), hosts, &mut report, &tell, stop).await?;
                if report.healed.is_none() || stop.asked().is_some() {
                    break;
                }
            }
            Ok::<_, Error>(())
        };
        tokio::select! {
            done = body => done?,
            () = self.watch(drill, &leaders) => unreachable!("it watches until it is dropped"),
        }
        report.chart = self.recorder.since(0).buckets(first, first.saturating_sub(5000), self.recorder.now());
        if drill.watch.is_some() {
            match leaders.both() {
                Some(both) => report.reasons.push(format!("two leaders: {both}")),
                None if leaders.count() == 0 => {
                    report.reasons.push("nobody was seen to take a write: the watch saw nothing".to_owned());
                }
                None => {}
            }
        }
        if report.healed.is_some() && stop.asked().is_none() {
            tell("looking for everything that was answered".to_owned());
            let (_, acked) = self.recorder.acked_since(audited_before);
            report.audited = acked.len();
            match self.lost(&acked).await {
                Ok(lost) => report.lost = lost,
                Err(why) => report.reasons.push(format!("what was answered cannot be looked for: {why}")),
            }
        }
        if !report.lost.is_empty() {
            report.reasons.push(format!("{} answered and lost: {}", report.lost.len(), report.lost[0]));
        }
        report.verdict = match () {
            () if stop.asked().is_some() => Verdict::Interrupted,
            () if report.reasons.is_empty() => Verdict::Passed,
            () => Verdict::Failed,
        };
        Ok(report)
    }
}
