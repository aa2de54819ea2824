//! A thousand machines at the seam of the transport: looked at, planned and configured, by a remote that reads every
//! program whole and answers as a node does. What it costs grows with the machines, not with their square.

#![allow(clippy::unwrap_used)] // a test that cannot go on ends here

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    net::{IpAddr, Ipv4Addr},
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use futures_util::future::BoxFuture;
use refarch::{
    configure::{Inputs, Mode, Renderer, SecretSource, Stage, run_stage},
    engine::{self, Execute, Options, StepError, StepOutcome, StopSignal},
    event::{Events, StepLog},
    journal::{Entry, JournalError, Record},
    observe::{Look, look},
    plan::{self, Action, Plan, Step},
    provider::Host,
    remote::{LineSink, Output, Program, Remote, RemoteError},
    session::{Request, Session},
};

struct NoSecrets;

impl SecretSource for NoSecrets {
    fn text(&self, _: &str) -> Option<String> {
        None
    }
    fn pair(&self, _: &str, _: &str) -> Option<(String, String)> {
        None
    }
    fn ca_certificate(&self) -> Option<String> {
        None
    }
}

/// Nodes on which everything differs until it was configured once.
#[derive(Default)]
struct Nodes {
    settled: std::sync::atomic::AtomicBool,
    programs: AtomicUsize,
    bytes: AtomicUsize,
}

impl Remote for Nodes {
    fn run<'a>(
        &'a self,
        _: &'a Host,
        program: Program,
        lines: LineSink<'a>,
    ) -> BoxFuture<'a, Result<Output, RemoteError>> {
        self.programs.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(program.stdin.len(), Ordering::Relaxed);
        let text = String::from_utf8_lossy(&program.stdin);
        let mut stdout = Vec::new();
        for line in text.lines() {
            let mut words = line.split(' ');
            let asks = ["packages", "directory", "file", "link", "absent", "guarded", "service", "ready"];
            if words.next().is_some_and(|word| asks.contains(&word))
                && let Some(number) = words.next().and_then(|word| word.parse::<usize>().ok())
            {
                let outcome = if self.settled.load(Ordering::Relaxed) { "ok " } else { "changed create" };
                let line = format!("\u{1e}{number} {outcome}");
                lines(&line);
                stdout.extend_from_slice(line.as_bytes());
            }
        }
        Box::pin(async move { Ok(Output { code: Some(0), stdout, stderr: Vec::new() }) })
    }

    fn await_ready<'a>(&'a self, _: &'a Host, _: Duration) -> BoxFuture<'a, Result<(), RemoteError>> {
        Box::pin(async { Ok(()) })
    }

    fn forget<'a>(&'a self, _: &'a str) -> BoxFuture<'a, ()> {
        Box::pin(async {})
    }
}

struct Work<'a> {
    nodes: &'a Nodes,
    hosts: &'a BTreeMap<String, Host>,
    stages: &'a BTreeMap<String, Vec<Stage>>,
}

impl Execute for Work<'_> {
    fn run<'a>(&'a self, step: &'a Step, log: &'a StepLog) -> BoxFuture<'a, Result<StepOutcome, StepError>> {
        Box::pin(async move {
            let Action::Configure { role } = &step.action else { panic!("{} is no stage", step.id) };
            let node = step.node.as_ref().unwrap();
            let stage = self.stages[node].iter().find(|stage| stage.role == *role).unwrap();
            let report = run_stage(self.nodes, &self.hosts[node], stage, Mode::Apply, log).await.unwrap();
            Ok(StepOutcome { changed: report.changed() })
        })
    }
}

struct Nowhere;

impl Record for Nowhere {
    fn record(&mut self, _: Entry) -> Result<(), JournalError> {
        Ok(())
    }
}

/// An environment of so many machines, from its file to nothing left to do. CPU seconds and steps.
fn converge(count: usize) -> (f64, usize) {
    let folder = tempfile::tempdir().unwrap();
    // A group has 500 nodes at most.
    let groups = [("app", count / 2), ("sidekiq", count - count / 2)];
    let mut inventory = String::from("hosts:\n");
    let mut environment = String::from("name: big\nprovider: static\ninventory: machines.yaml\nnodes:\n");
    let mut machine = 0;
    for (group, members) in groups {
        let _ = writeln!(environment, "  {group}: {{ count: {members}, roles: [work] }}");
        for number in 1..=members {
            let (high, low) = (machine / 250, machine % 250 + 1);
            let _ =
                writeln!(inventory, "  - {{ name: big-{group}-{number}, address: 10.9.{high}.{low}, group: {group} }}");
            machine += 1;
        }
    }
    fs::write(folder.path().join("machines.yaml"), inventory).unwrap();
    write_roles(&folder.path().join("roles/sandbox"));
    let file = folder.path().join("big.yaml");
    fs::write(&file, environment).unwrap();

    let before = cpu_seconds();
    let roles = Some(folder.path().join("roles"));
    let session = Session::open(&Request { file, sets: Vec::new(), roles, workspace: None }).unwrap();
    let topology = session.topology();
    let address = |number: usize| IpAddr::V4(Ipv4Addr::from_bits(0x0a09_0001 + u32::try_from(number).unwrap()));
    let addresses: BTreeMap<String, IpAddr> =
        topology.nodes.iter().enumerate().map(|(number, node)| (node.name.clone(), address(number))).collect();
    let shown = addresses.iter().map(|(node, address)| (node.clone(), address.to_string())).collect();
    let inputs = Inputs { catalog: session.catalog(), topology, addresses: &shown, secrets: &NoSecrets, folder: None };
    let renderer = Renderer::new(inputs).unwrap();
    let stages: BTreeMap<String, Vec<Stage>> =
        topology.nodes.iter().map(|node| (node.name.clone(), renderer.stages(&node.name).unwrap())).collect();
    let host = |(node, address): (&String, &IpAddr)| {
        let host = Host {
            node: node.clone(),
            private: *address,
            connect: address.to_string(),
            port: 22,
            user: "root".to_owned(),
            jump: None,
            jump_key: None,
            proxy: None,
            identity: None,
            host_key: None,
        };
        (node.clone(), host)
    };
    let hosts: BTreeMap<String, Host> = addresses.iter().map(host).collect();
    let nodes = Nodes::default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let steps = runtime.block_on(async {
        let first = planned(&session, &stages, &hosts, &nodes).await;
        let (events, receiver) = Events::channel();
        // Read as they come, as a view does.
        let reading = tokio::spawn(async move {
            let mut receiver = receiver;
            while receiver.recv().await.is_some() {}
        });
        let work = Work { nodes: &nodes, hosts: &hosts, stages: &stages };
        let options = Options { concurrency: 64, ..Options::default() };
        let report = engine::execute(&first, &work, options, &events, &mut Nowhere, StopSignal::never()).await;
        assert_eq!((report.done, report.failed.len()), (first.steps.len(), 0));
        nodes.settled.store(true, Ordering::Relaxed);
        assert!(planned(&session, &stages, &hosts, &nodes).await.is_empty());
        drop(events);
        reading.await.unwrap();
        first.steps.len()
    });
    assert_eq!(steps, 2 * count, "a stage for each of the two roles");
    assert_eq!(nodes.programs.load(Ordering::Relaxed), 4 * count, "two looks and two stages on each");
    assert!(nodes.bytes.load(Ordering::Relaxed) > 60_000 * count, "contents and programs travel whole");
    (cpu_seconds() - before, steps)
}

async fn planned(
    session: &Session,
    stages: &BTreeMap<String, Vec<Stage>>,
    hosts: &BTreeMap<String, Host>,
    nodes: &Nodes,
) -> Plan {
    let (events, receiver) = Events::channel();
    drop(receiver);
    let roles = &session.catalog().roles;
    let found = look(&Look { remote: nodes, hosts, stages, roles, leaders: &BTreeMap::new(), events: &events }).await;
    plan::apply(&plan::Input {
        topology: session.topology(),
        roles,
        changes: &[],
        notes: &[],
        stages,
        nodes: &found,
        leaving: &plan::Leaving::default(),
        late_addresses: false,
    })
}

/// 22 files of about 3 KiB, 5 directories, commands: what a real role of this size has.
fn write_roles(stack: &std::path::Path) {
    let work = stack.join("work");
    fs::create_dir_all(work.join("templates")).unwrap();
    fs::create_dir_all(stack.join("base")).unwrap();
    fs::write(stack.join("stack.yaml"), "summary: a test\nbase: base\n").unwrap();
    let base = "summary: first\ncommands:\n  - { name: user, run: useradd x, unless: getent passwd x }\n";
    fs::write(stack.join("base/role.yaml"), base).unwrap();
    let mut role = String::from("summary: work\npackages: [curl, jq]\ndirectories:\n");
    for number in 1..=5 {
        let _ = writeln!(role, "  - {{ path: /etc/big/{number} }}");
    }
    role.push_str("files:\n");
    for number in 1..=22 {
        let _ = writeln!(role, "  - {{ path: /etc/big/{number}.conf, template: f.j2 }}");
    }
    fs::write(work.join("role.yaml"), role).unwrap();
    let line = "option = {{ nodes | length }} # for {{ node.name }}, see the manual of the service\n";
    fs::write(work.join("templates/f.j2"), line.repeat(40)).unwrap();
}

/// User and system time of this process.
fn cpu_seconds() -> f64 {
    let text = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = text.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let ticks: u32 = fields[11..13].iter().map(|field| field.parse::<u32>().unwrap()).sum();
    // Linux counts a hundred ticks a second for programs.
    f64::from(ticks) / 100.0
}

/// The most memory that this process held at a time, in MB.
fn peak_megabytes() -> usize {
    let text = fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() / 1024
}

#[test]
fn a_thousand_hosts_cost_as_much_as_a_thousand_hosts() {
    let costs = [200, 1000].map(|count| converge(count).0);
    eprintln!("CPU seconds for 200 and 1,000 hosts: {costs:.2?}; peak memory {} MB", peak_megabytes());
    // Five times as many: 25 times the cost if it grew with the square.
    assert!(costs[1] < 10.0 * costs[0].max(0.2), "{costs:?}");
    assert!(peak_megabytes() < 40 + 1000, "{} MB", peak_megabytes());
}
