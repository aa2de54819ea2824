use std::sync::Mutex;

use futures_util::future::BoxFuture;

use super::*;
use crate::{
    engine::{self, Options, StopHandle},
    event::Events,
    journal::{Entry, JournalError, Record},
    plan::{Plan, Risk, StepId, Verb},
    provider::{FieldChange, Finding, Live, Mutability, Resource},
    remote::{LineSink, Output},
    topology::Topology,
};

/// A cloud that gives an address to a machine when it makes it, and not before.
#[derive(Default)]
struct Late {
    made: Mutex<Vec<String>>,
}

impl Late {
    fn host(&self, node: &str) -> Option<Host> {
        let made = self.made.lock().unwrap();
        let place = made.iter().position(|made| made == node)?;
        let private = std::net::Ipv4Addr::new(10, 20, 0, u8::try_from(place + 10).unwrap());
        Some(Host {
            node: node.to_owned(),
            private: private.into(),
            connect: private.to_string(),
            port: 22,
            user: "admin".to_owned(),
            jump: None,
            jump_key: None,
            proxy: None,
            identity: None,
            host_key: None,
        })
    }
}

impl Provider for Late {
    fn name(&self) -> &'static str {
        "late"
    }
    fn desired(&self, _: &Topology) -> Result<Vec<Resource>, ProviderError> {
        Ok(Vec::new())
    }
    fn addresses_come_late(&self) -> bool {
        true
    }
    fn mutability(&self, _: &str, _: &str) -> Mutability {
        Mutability::Replace
    }
    fn preflight<'a>(&'a self, _: &'a Topology) -> BoxFuture<'a, Vec<Finding>> {
        Box::pin(async { Vec::new() })
    }
    fn observe<'a>(&'a self) -> BoxFuture<'a, Result<Vec<Live>, ProviderError>> {
        Box::pin(async { Ok(Vec::new()) })
    }
    fn create<'a>(&'a self, resource: &'a Resource, _: &'a StepLog) -> BoxFuture<'a, Result<(), ProviderError>> {
        self.made.lock().unwrap().extend(resource.node.clone());
        Box::pin(async { Ok(()) })
    }
    fn start<'a>(&'a self, _: &'a Resource, _: &'a StepLog) -> BoxFuture<'a, Result<(), ProviderError>> {
        Box::pin(async { Ok(()) })
    }
    fn update<'a>(
        &'a self,
        _: &'a Resource,
        _: &'a [FieldChange],
        _: &'a StepLog,
    ) -> BoxFuture<'a, Result<(), ProviderError>> {
        Box::pin(async { Ok(()) })
    }
    fn delete<'a>(&'a self, _: &'a Live, _: &'a StepLog) -> BoxFuture<'a, Result<(), ProviderError>> {
        Box::pin(async { Ok(()) })
    }
    fn hosts<'a>(&'a self, _: &'a Topology) -> BoxFuture<'a, Result<Vec<Host>, ProviderError>> {
        Box::pin(async { Ok(Vec::new()) })
    }
    fn rehost<'a>(&'a self, node: &'a str) -> BoxFuture<'a, Result<Option<Host>, ProviderError>> {
        Box::pin(async { Ok(self.host(node)) })
    }
}

/// Notes where each node was waited for.
#[derive(Default)]
struct Waits(Mutex<Vec<String>>);

impl Remote for Waits {
    fn run<'a>(&'a self, host: &'a Host, _: Program, _: LineSink<'a>) -> BoxFuture<'a, Result<Output, RemoteError>> {
        self.0.lock().unwrap().push(format!("run on {}", host.node));
        Box::pin(async { Ok(Output { code: Some(0), stdout: Vec::new(), stderr: Vec::new() }) })
    }
    fn await_ready<'a>(&'a self, host: &'a Host, _: Duration) -> BoxFuture<'a, Result<(), RemoteError>> {
        self.0.lock().unwrap().push(format!("{} at {}", host.node, host.private));
        Box::pin(async { Ok(()) })
    }
    fn forget<'a>(&'a self, _: &'a str) -> BoxFuture<'a, ()> {
        Box::pin(async {})
    }
}

struct Unkept;

impl Record for Unkept {
    fn record(&mut self, _: Entry) -> Result<(), JournalError> {
        Ok(())
    }
}

fn step(id: &str, node: Option<&str>, needs: &[&str], action: Action) -> Step {
    Step {
        id: id.to_owned().into(),
        node: node.map(str::to_owned),
        title: id.to_owned(),
        reason: String::new(),
        needs: needs.iter().map(|need| StepId::from((*need).to_owned())).collect(),
        risk: Risk::None,
        action,
        changes: Vec::new(),
    }
}

fn create(node: &str) -> Action {
    let resource = Resource {
        id: format!("node/{node}"),
        kind: "instance".to_owned(),
        node: Some(node.to_owned()),
        attributes: BTreeMap::new(),
        needs: Vec::new(),
        data_bearing: false,
        reason: String::new(),
        shared: false,
    };
    Action::Infrastructure(Change::Create { resource })
}

type Look<'a> = &'a (dyn Fn() -> BoxFuture<'a, Result<Scene, StepError>> + Send + Sync);

fn work<'a>(late: &'a Late, waits: &'a Waits, look: Look<'a>) -> Work<'a> {
    let author = Author { run: "r".to_owned(), by: "a@b".to_owned() };
    Work {
        provider: late,
        remote: waits,
        scene: RwLock::default(),
        look,
        told: "",
        sources: &NO_SOURCES,
        applied: None,
        author,
    }
}

#[tokio::test]
async fn nodes_are_waited_for_at_the_addresses_that_they_got() {
    let (late, waits) = (Late::default(), Waits::default());
    let looks = Mutex::new(0);
    let look = || -> BoxFuture<'_, Result<Scene, StepError>> {
        *looks.lock().unwrap() += 1;
        let found = ["demo-a-1", "demo-a-2"].into_iter().filter_map(|node| Some((node.to_owned(), late.host(node)?)));
        let scene = Scene { hosts: found.collect(), ..Scene::default() };
        Box::pin(async { Ok(scene) })
    };
    let work = work(&late, &waits, &look);
    let plan = Plan {
        environment: "demo".to_owned(),
        verb: Verb::Apply,
        to: None,
        steps: vec![
            step("resource/node/demo-a-1", Some("demo-a-1"), &[], create("demo-a-1")),
            step("resource/node/demo-a-2", Some("demo-a-2"), &["resource/node/demo-a-1"], create("demo-a-2")),
            step("locate", None, &["resource/node/demo-a-1", "resource/node/demo-a-2"], Action::Locate),
            step("await/demo-a-1", Some("demo-a-1"), &["locate"], Action::AwaitNode),
            step("await/demo-a-2", Some("demo-a-2"), &["locate", "await/demo-a-1"], Action::AwaitNode),
        ],
        notes: Vec::new(),
        unreachable: Vec::new(),
        infrastructure_only: false,
        source: None,
        downtime: Vec::new(),
        money: None,
    };
    let (events, _receiver) = Events::channel();
    let (_stop, signal) = StopHandle::new();
    let report = engine::execute(&plan, &work, Options::default(), &events, &mut Unkept, signal).await;
    assert_eq!(report.done, 5, "{report:?}");
    assert_eq!(*waits.0.lock().unwrap(), ["demo-a-1 at 10.20.0.10", "demo-a-2 at 10.20.0.11"]);
    assert_eq!(*looks.lock().unwrap(), 1, "one look for all");
}

#[tokio::test]
async fn a_node_is_drained_from_another_one() {
    let (late, waits) = (Late::default(), Waits::default());
    let look = || -> BoxFuture<'_, Result<Scene, StepError>> { Box::pin(async { Ok(Scene::default()) }) };
    let work = work(&late, &waits, &look);
    let (goes, stays) = ("demo-store-3", "demo-worker-1");
    late.made.lock().unwrap().extend([goes.to_owned(), stays.to_owned()]);
    let hosts = [goes, stays].map(|node| (node.to_owned(), late.host(node).unwrap()));
    let task = |moment, on: Option<&str>| Task {
        role: "store".to_owned(),
        moment,
        run: "true".to_owned(),
        deadline: 60,
        on: on.map(str::to_owned),
    };
    let tasks = vec![task(Moment::Drain, Some(stays)), task(Moment::Part, None)];
    let scene = Scene { hosts: hosts.into(), tasks: BTreeMap::from([(goes.to_owned(), tasks)]), ..Scene::default() };
    *work.scene.write().unwrap() = Arc::new(scene);
    let (events, _receiver) = Events::channel();
    for moment in [Moment::Drain, Moment::Part] {
        let step = step(moment.name(), Some(goes), &[], Action::Task { role: "store".to_owned(), moment });
        work.run(&step, &StepLog::new(events.clone(), moment.name(), Some(goes.to_owned()))).await.unwrap();
    }
    // Each is followed by a line in the record of the node where it was done.
    assert_eq!(*waits.0.lock().unwrap(), [stays, stays, goes, goes].map(|node| format!("run on {node}")));
}

#[tokio::test]
async fn a_node_without_an_address_is_named() {
    let (late, waits) = (Late::default(), Waits::default());
    let look = || -> BoxFuture<'_, Result<Scene, StepError>> { Box::pin(async { Ok(Scene::default()) }) };
    let work = work(&late, &waits, &look);
    let wait = step("await/demo-a-1", Some("demo-a-1"), &[], Action::AwaitNode);
    let (events, _receiver) = Events::channel();
    let error = work.run(&wait, &StepLog::new(events, "await/demo-a-1", None)).await.unwrap_err();
    assert_eq!(error.message, "nobody knows the address of `demo-a-1`");
}
