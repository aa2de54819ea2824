//! Drills on a running environment: look, break, wait, mend, prove.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use futures_util::{FutureExt as _, future::join_all};
use jiff::Timestamp;

use super::{Error, Reach, Session, listen::listen, vault::Vault};
use crate::{
    catalog::{DrillSpec, Drills, Which},
    configure::Renderer,
    drill::{
        Acked, DrillReport, Drilled, Fault, Leaders, Moments, OpenFault, OpenFaults, Recorder, Verdict, judge, run,
    },
    engine::StopSignal,
    event::{Event, Events},
    exit,
    journal::{Entry, Record as _, Run},
    plan::{Action, Plan, Risk, Step, StepId, Verb},
    provider::Host,
    remote::{Program, Remote as _},
};

/// A fault is watched for at least as long: what it does shows only after a while.
const LEAST: Duration = Duration::from_secs(10);
/// Beyond a drill's limit, until it is given up and mended.
const OVER: Duration = Duration::from_secs(15);
/// How long everything limited must have worked before a fault is mended.
const CALM: u64 = 3000;
/// Until the workload works, before the first fault.
const WARM: Duration = Duration::from_secs(120);
/// Until the environment has healed by itself.
const HEAL: Duration = Duration::from_secs(300);
/// For looking whether all that was answered is there.
const AUDIT: Duration = Duration::from_secs(900);
/// Beyond all that, until a node mends itself.
const FORGOTTEN: Duration = Duration::from_secs(180);

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

/// All that conducting drills takes.
struct Conduct<'a> {
    session: &'a Session,
    reach: &'a Reach,
    renderer: &'a Renderer<'a>,
    recorder: &'a Recorder,
    /// Where users are played.
    host: &'a Host,
    script: &'a str,
}

/// Where a drill is made.
enum Place<'a> {
    /// Groups of nodes: each group at once, one group after the other.
    On(Vec<Vec<&'a Host>>),
    /// It is not made, for this reason.
    Skip(String),
}

impl Conduct<'_> {
    async fn all(&self, request: DrillRequest<'_>) -> Result<Drilled, Error> {
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
    async fn warm(&self, stop: &StopSignal) -> Result<(), Error> {
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

    async fn one(&self, drill: &DrillSpec, id: &str, events: &Events, stop: &StopSignal) -> Result<DrillReport, Error> {
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

    /// One fault on nodes at the same time, until it is mended and all is well.
    async fn turn(
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
    async fn recovery(&self, drill: &DrillSpec, fault: u64, most: Duration, stop: &StopSignal) {
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
    async fn heal(&self, whole: bool, stop: &StopSignal) -> Result<(bool, Vec<String>), Error> {
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

    /// Where a drill is made, or why it is not.
    async fn places(&self, drill: &DrillSpec) -> Result<Place<'_>, Error> {
        let topology = &self.session.topology;
        if !self.renderer.holds(drill.when.as_deref())? {
            let why = drill.because.clone().unwrap_or_else(|| "this environment does not have it".to_owned());
            return Ok(Place::Skip(why));
        }
        let target = &drill.on;
        let role = target.roles.iter().find(|role| topology.has_role(role));
        let fits = |node: &&crate::topology::Node| {
            (target.roles.is_empty() || role.is_some_and(|role| node.has(role)))
                && target.zone.is_none_or(|zone| node.zone == zone)
        };
        let hosts: Vec<&Host> =
            topology.nodes.iter().filter(fits).filter_map(|node| self.reach.hosts.get(&node.name)).collect();
        if hosts.len() < target.least.max(1) {
            let what = target.roles.first().map_or("", String::as_str);
            return Ok(Place::Skip(format!("needs {} nodes {what}, there are {}", target.least.max(1), hosts.len())));
        }
        let chosen = match target.which {
            Which::All => vec![hosts],
            Which::Turns => hosts.into_iter().map(|host| vec![host]).collect(),
            Which::First => vec![vec![hosts[0]]],
            Which::Leader | Which::Follower | Which::Where => {
                let wanted = target.which != Which::Follower;
                let answers = join_all(hosts.iter().map(|host| async move {
                    let question = self.question(drill, host, role)?;
                    Ok::<_, Error>(run(&self.reach.remote, host, "asking", question).await.is_ok())
                }))
                .await
                .into_iter()
                .collect::<Result<Vec<bool>, Error>>()?;
                match hosts.iter().zip(answers).find(|(_, answer)| *answer == wanted) {
                    Some((host, _)) => vec![vec![*host]],
                    None => return Ok(Place::Skip("no node is the one that is meant".to_owned())),
                }
            }
        };
        if let Some(possible) = &drill.possible {
            let host = chosen[0][0];
            let text = self.renderer.node_text(&host.node, possible)?;
            if let Err(trouble) = run(&self.reach.remote, host, "asking", text).await {
                let why = match trouble {
                    crate::drill::Trouble::Failed { said, .. } => said,
                    other => other.to_string(),
                };
                return Ok(Place::Skip(why));
            }
        }
        Ok(Place::On(chosen))
    }

    fn question(&self, drill: &DrillSpec, host: &Host, role: Option<&String>) -> Result<String, Error> {
        if let Some(text) = &drill.on.question {
            return Ok(self.renderer.node_text(&host.node, text)?);
        }
        let leaders = self.renderer.questions(&host.node)?.leaders;
        let own = leaders.into_iter().find(|(own, _)| Some(own) == role);
        Ok(own.map_or_else(|| "false".to_owned(), |(_, text)| text))
    }

    /// Listens on every node that a drill watches, until dropped.
    async fn watch(&self, drill: &DrillSpec, leaders: &Leaders) {
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
    async fn watching(&self, drill: &DrillSpec, leaders: &Leaders, stop: &StopSignal) {
        let deadline = tokio::time::Instant::now() + LEAST;
        while drill.watch.is_some() && leaders.count() < 2 && tokio::time::Instant::now() < deadline {
            tokio::select! {
                () = stop.finish() => return,
                () = self.recorder.heard_more() => {}
            }
        }
    }

    /// What was answered and is not there.
    async fn lost(&self, acked: &[Acked]) -> Result<Vec<String>, String> {
        let said = self.ask("audit", acked).await?;
        if !said.iter().any(|line| line.starts_with("audited ")) {
            return Err(said.last().cloned().unwrap_or_else(|| "it said nothing".to_owned()));
        }
        let lost = said.into_iter().filter_map(|line| line.strip_prefix("lost ").map(str::to_owned));
        // What was taken back while it was looked for is not lost.
        Ok(lost
            .filter(|line| {
                let mut words = line.split(' ');
                let (kind, key) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
                !self.recorder.is_gone(kind, key)
            })
            .collect())
    }

    /// Has the workload's script do something with a list of what was answered.
    async fn ask(&self, what: &str, acked: &[Acked]) -> Result<Vec<String>, String> {
        let mut text = format!("{}\n{what} <<'REFARCH_LIST'\n", self.script);
        for (kind, key, value) in acked {
            text.push_str(&format!("acked {kind} {key} {value}\n"));
        }
        text.push_str("REFARCH_LIST\n");
        let program =
            Program { command: "sh -s 2>&1".to_owned(), stdin: text.into_bytes(), root: true, deadline: AUDIT };
        let output = self.reach.remote.run(self.host, program, &|_| {}).await.map_err(|error| error.to_string())?;
        let lines: Vec<String> = String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect();
        match output.code {
            Some(0) => Ok(lines),
            _ => Err(lines.last().cloned().unwrap_or_else(|| "it ended without a word".to_owned())),
        }
    }
}
