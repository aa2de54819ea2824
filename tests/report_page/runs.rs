//! Runs that nobody carried out: real plans of real environments, with a journal as the engine would have written it.

use std::{collections::BTreeMap, path::Path, time::Duration};

use jiff::{SignedDuration, Timestamp};
use refarch::{
    cost::{ByUse, Estimate, GroupCost},
    draw,
    drill::{Bucket, DrillReport, Drilled, Phase, Verdict},
    journal::{Entry, Line, RunId, RunState, RunSummary},
    operator::Operator,
    plan::{Action, Plan, Step, StepId},
    report::{Health, NodeHealth, Page, bars, page, versions},
    session::{Request, Session},
};

/// An environment, opened with nothing there yet.
pub fn session(file: &Path, workspace: &Path) -> Session {
    let request =
        Request { file: file.to_owned(), sets: Vec::new(), roles: None, workspace: Some(workspace.to_owned()) };
    Session::open(&request).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// What `apply` would do where nothing is.
pub fn from_nothing(session: &Session) -> Plan {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(session.plan_from_nothing()).unwrap()
}

/// A journal in which every step took its time, a step of `broken` failed, and what needs it was never begun.
pub fn journal(plan: &Plan, command: &str, broken: Option<&str>) -> Vec<Line> {
    let begin = began();
    let at = |millis: i64, entry: Entry| Line { at: begin + SignedDuration::from_millis(millis), entry };
    let started = Entry::RunStarted {
        verb: plan.verb.as_str().to_owned(),
        command: command.to_owned(),
        operator: Operator { user: "ada".to_owned(), host: "bastion".to_owned(), pid: 1, pid_started: None },
        version: "0.1.0".to_owned(),
        total: plan.steps.len(),
    };
    let mut lines = vec![at(0, started)];
    let mut ended: BTreeMap<&StepId, i64> = BTreeMap::new();
    let mut free: BTreeMap<&str, i64> = BTreeMap::new();
    let mut waiting: Vec<(usize, &Step)> = plan.steps.iter().enumerate().collect();
    let can_begin =
        |ended: &BTreeMap<&StepId, i64>, step: &Step| step.needs.iter().all(|need| ended.contains_key(need));
    while let Some(next) = waiting.iter().position(|(_, step)| can_begin(&ended, step)) {
        let (number, step) = waiting.remove(next);
        let needed = step.needs.iter().map(|need| ended[need]);
        let node = step.node.as_deref().unwrap_or(step.title.as_str());
        let from = needed.chain(free.get(node).copied()).max().unwrap_or_default() + 20;
        let spread = i64::try_from(number * 7919 % 1000).unwrap();
        let took = match &step.action {
            Action::Infrastructure(_) => 900 + 2 * spread,
            Action::AwaitNode => 2000 + spread,
            Action::Drill { .. } => 70_000 + 20 * spread,
            _ => 3000 + 9 * spread,
        };
        free.insert(node, from + took);
        let id = step.id.clone();
        let (node, title) = (step.node.clone(), step.title.clone());
        lines.push(at(from, Entry::StepStarted { step: id.clone(), node, title, attempt: 1 }));
        if broken.is_some_and(|broken| step.id.as_str() == broken) {
            let error = "it answers no more".to_owned();
            lines.push(at(from + took, Entry::StepFailed { step: id, error, again: false }));
            continue;
        }
        ended.insert(&step.id, from + took);
        let elapsed_ms = u64::try_from(took).unwrap();
        lines.push(at(from + took, Entry::StepFinished { step: id, changed: 3, elapsed_ms }));
    }
    lines.sort_by_key(|line| line.at);
    let last = lines.last().unwrap().at.duration_since(begin).as_millis();
    lines.push(at(i64::try_from(last).unwrap() + 400, Entry::RunFinished { exit: u8::from(broken.is_some()) }));
    lines
}

fn began() -> Timestamp {
    "2026-11-30T09:12:00Z".parse().unwrap()
}

/// The page about a run.
pub struct Sample<'a> {
    pub session: &'a Session,
    pub plan: Plan,
    /// Id of a step that failed.
    pub broken: Option<String>,
    pub drilled: Option<Drilled>,
    pub billed: bool,
}

impl Sample<'_> {
    pub fn page(&self) -> String {
        let Self { session, plan, broken, drilled, billed } = self;
        let topology = session.topology();
        let command = format!("{} {}", plan.verb.as_str(), topology.environment);
        let lines = journal(plan, &command, broken.as_deref());
        let done = lines.iter().filter(|line| matches!(line.entry, Entry::StepFinished { .. })).count();
        let run = RunSummary {
            id: RunId::from("20261130-0912-k3f9".to_owned()),
            verb: plan.verb.as_str().to_owned(),
            command,
            by: "ada@bastion".to_owned(),
            started: began(),
            duration: Duration::from_millis(
                u64::try_from(lines.last().unwrap().at.duration_since(began()).as_millis()).unwrap(),
            ),
            state: if broken.is_some() { RunState::Failed } else { RunState::Done },
            done,
            total: plan.steps.len(),
        };
        let health = topology.nodes.iter().enumerate().map(|(number, node)| {
            let (health, detail) = match number % 9 {
                3 => (Health::Good, format!("leads {}", node.roles.last().unwrap())),
                5 => (
                    Health::Bad,
                    "prometheus-node-exporter.service, pgbackrest-incremental.timer not active".to_owned(),
                ),
                8 => (Health::Absent, String::new()),
                _ => (Health::Good, String::new()),
            };
            NodeHealth { node: node.name.clone(), health, detail }
        });
        let roles = topology.nodes.iter().flat_map(|node| &node.roles);
        page(&Page {
            topology,
            run: &run,
            plan,
            steps: bars(&lines),
            health: Some(health.collect()),
            versions: versions(roles.map(|role| (role.as_str(), "15.14-0+deb12u1"))),
            cost: billed.then(|| bill(session)),
            drilled: drilled.as_ref(),
            picture: draw::svg(&draw::Picture::of(topology)),
            made: began() + SignedDuration::from_hours(2),
        })
    }
}

fn bill(session: &Session) -> Estimate {
    let mut groups: Vec<GroupCost> = Vec::new();
    for node in &session.topology().nodes {
        if groups.last().is_none_or(|group| group.group != node.group) {
            groups.push(GroupCost {
                group: node.group.clone(),
                nodes: 0,
                what: vec!["3 c6i.8xlarge".to_owned(), "3 gp3 disks, 1500 GB".to_owned()],
                hourly: 4.41,
                monthly: 3219.3,
                incomplete: node.group == "monitor",
            });
        }
        groups.last_mut().unwrap().nodes += 1;
    }
    Estimate {
        currency: "USD".to_owned(),
        date: "2026-11-02".to_owned(),
        region: "eu-central-1".to_owned(),
        wanted_region: Some("eu-west-3".to_owned()),
        hourly: 48.51,
        monthly: 35_412.3,
        groups,
        unknown: vec!["x9.huge".to_owned()],
        by_use: vec![ByUse {
            name: "bucket".to_owned(),
            count: 11,
            price: Some(0.023),
            unit: Some("GB-month".to_owned()),
        }],
    }
}

/// Every drill of the stack, with every way in which one may end.
pub fn drilled(session: &Session) -> Drilled {
    let specs = &session.catalog().drills.as_ref().unwrap().drills;
    let drills = specs.iter().enumerate().map(|(number, spec)| {
        let verdict = match number % 7 {
            3 => Verdict::Failed,
            4 => Verdict::Skipped,
            6 => Verdict::Interrupted,
            _ => Verdict::Passed,
        };
        let began = began();
        if verdict == Verdict::Skipped {
            return DrillReport::skipped(spec, began, "the kernel of demo-postgres-1 has no netem".to_owned());
        }
        let lasted = 8000 + 11_000 * i64::try_from(number).unwrap();
        let chart: Vec<Bucket> = (-20..(lasted + 30_000) / 500).map(|step| bucket(step * 500, lasted)).collect();
        let failed: usize = chart.iter().flat_map(|bucket| bucket.failed.values()).sum();
        let phase = Phase { again: (verdict == Verdict::Passed).then_some(6400), gap: 6900 };
        DrillReport {
            nodes: session.topology().nodes.iter().take(1 + number % 4).map(|node| node.name.clone()).collect(),
            verdict,
            reasons: match verdict {
                Verdict::Failed => vec![
                    "write: worked again 24.1 s after the fault, later than 20.0 s".to_owned(),
                    format!("failed when nothing should any more: {}", failure()),
                ],
                Verdict::Interrupted => vec!["somebody stopped the run".to_owned()],
                Verdict::Passed | Verdict::Skipped => Vec::new(),
            },
            during: [("write".to_owned(), phase), ("read".to_owned(), Phase { again: Some(0), gap: 400 })].into(),
            requests: 551,
            failed: [("write".to_owned(), failed)].into(),
            failures: if failed > 0 { vec![failure(); 3] } else { Vec::new() },
            audited: 254,
            healed: (verdict == Verdict::Passed).then_some(18_900),
            lasted: u64::try_from(lasted).unwrap(),
            chart,
            ..DrillReport::new(spec, began)
        }
    });
    Drilled {
        run: "20261130-0912-k3f9".to_owned(),
        environment: session.topology().environment.clone(),
        drills: drills.collect(),
        left: vec!["disk-full".to_owned(), "every-node-restarted".to_owned()],
        audited: 2034,
        lost: vec!["write 1732 (answered, and not there)".to_owned()],
        interrupted: 0,
        exit_code: 3,
    }
}

fn failure() -> String {
    "write after 3.5 s: 502 from http://demo-haproxy-external-1.demo.refarch.internal/items/0123456789abcdef0123456789abcdef \
     (upstream_connect_error_or_disconnect_before_headers)"
        .to_owned()
}

/// Half a second: slow while something is broken, failing at its beginning.
fn bucket(at: i64, lasted: i64) -> Bucket {
    let slow = u64::from(at >= 0 && at < lasted.min(9000));
    let wave = u64::try_from((at / 500).rem_euclid(5)).unwrap();
    let slowest = [("write", 22), ("read", 9), ("job", 140), ("push", 260), ("clone", 90)];
    Bucket {
        at,
        slowest: slowest.into_iter().map(|(kind, usual)| (kind.to_owned(), (usual + wave) * (1 + 60 * slow))).collect(),
        failed: if (500..4000).contains(&at) {
            [("write".to_owned(), 1 + usize::try_from(wave).unwrap())].into()
        } else {
            BTreeMap::new()
        },
    }
}
