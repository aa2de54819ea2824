//! The local provider on a real container engine: image, network, two nodes, drift, removal.
//!
//! Needs a container engine; `make test` sets one up. Fails where there is none.
#![cfg(feature = "local")]
#![allow(clippy::unwrap_used, reason = "a test")]

use std::{path::Path, process::Stdio, time::Duration};

use futures_util::future::try_join_all;
use refarch::{
    event::{Event, Events, StepLog},
    provider::{
        Change, Condition, Host, Provider, Resource, Verdict,
        diff::{diff, removal},
        local::{LocalOptions, LocalProvider, Publish, leftovers},
    },
    topology::{Machine, Node, Topology},
};
use serde_json::{Value, json};
use tokio::process::Command;

const ENVIRONMENT: &str = "localtest";

fn topology(groups: &[(&str, u32, bool)]) -> Topology {
    let node = |group: &str, ordinal: u32, data_bearing: bool| Node {
        name: format!("{ENVIRONMENT}-{group}-{ordinal}"),
        group: group.to_owned(),
        ordinal,
        roles: vec![group.to_owned()],
        zone: 1,
        machine: Machine::default(),
        data_bearing,
        object_storage: false,
        reason: "the test wants it".to_owned(),
    };
    Topology {
        environment: ENVIRONMENT.to_owned(),
        stack: "sandbox".to_owned(),
        provider: "local".to_owned(),
        architecture: None,
        external_url: "https://localtest.test".to_owned(),
        domain: "localtest.test".to_owned(),
        purpose: "test".to_owned(),
        nodes: groups
            .iter()
            .flat_map(|(group, count, data)| (1..=*count).map(move |ordinal| node(group, ordinal, *data)))
            .collect(),
        balancers: Vec::new(),
        edges: Vec::new(),
        services: Default::default(),
        settings: Default::default(),
        omitted: Default::default(),
    }
}

fn provider(workspace: &Path) -> LocalProvider {
    LocalProvider::new(LocalOptions {
        // One package of the suite, and one that only an older suite has.
        packages: vec!["redis-server".to_owned(), "consul".to_owned()],
        publish: Some(Publish { node: format!("{ENVIRONMENT}-app-1"), port: 47_222, target: 22 }),
        ..LocalOptions::new(ENVIRONMENT, workspace)
    })
}

/// Does everything that is to be done, as the engine would: what has no needs first, nodes at once.
async fn apply(provider: &LocalProvider, topology: &Topology, log: &StepLog) -> Vec<String> {
    let live = provider.observe().await.unwrap();
    let difference = diff(&provider.desired(topology).unwrap(), &live, provider, &[]);
    assert!(difference.deferred.is_empty(), "{:?}", difference.deferred);
    let (nodes, first): (Vec<_>, Vec<_>) = difference
        .changes
        .iter()
        .partition(|change| matches!(change, Change::Create { resource } if resource.node.is_some()));
    let mut done = Vec::new();
    for change in first {
        done.push(act(provider, change, log).await);
    }
    done.extend(futures_util::future::join_all(nodes.into_iter().map(|change| act(provider, change, log))).await);
    done
}

async fn act(provider: &LocalProvider, change: &Change, log: &StepLog) -> String {
    let (word, id, result) = match change {
        Change::Create { resource } => ("create", &resource.id, provider.create(resource, log).await),
        Change::Start { resource } => ("start", &resource.id, provider.start(resource, log).await),
        Change::Update { resource, fields, .. } => {
            ("update", &resource.id, provider.update(resource, fields, log).await)
        }
        Change::Delete { live } => ("delete", &live.id, provider.delete(live, log).await),
        Change::Replace { resource, .. } => panic!("{} would be replaced", resource.id),
    };
    result.unwrap_or_else(|error| panic!("{word} {id}: {error}\nhint: {:?}", error.hint));
    format!("{word} {id}")
}

async fn destroy(provider: &LocalProvider, topology: &Topology, log: &StepLog) {
    let live = provider.observe().await.unwrap();
    for change in removal(&provider.desired(topology).unwrap(), &live) {
        act(provider, &change, log).await;
    }
}

/// Runs a command on a node with the `ssh` of this machine, host key pinned; asks until the node answers.
async fn ssh(workspace: &Path, host: &Host, command: &str) -> String {
    let known = workspace.join("known_hosts");
    let line = format!("{} {}\n", host.connect, host.host_key.as_ref().expect("the host key is known"));
    std::fs::write(&known, line).unwrap();
    let attempt = async || {
        Command::new("ssh")
            .args([
                "-F",
                "/dev/null",
                "-o",
                "BatchMode=yes",
                "-o",
                "StrictHostKeyChecking=yes",
                "-o",
                "ConnectTimeout=5",
            ])
            .args(["-o", &format!("UserKnownHostsFile={}", known.display())])
            .args(["-o", "GlobalKnownHostsFile=/dev/null", "-i"])
            .arg(host.identity.as_ref().unwrap())
            .arg(format!("{}@{}", host.user, host.connect))
            .arg(command)
            .stdin(Stdio::null())
            .output()
            .await
            .unwrap()
    };
    let answered = tokio::time::timeout(Duration::from_secs(90), async {
        loop {
            let output = attempt().await;
            if output.status.code() != Some(255) {
                break output;
            }
            let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(!complaint.contains("verification failed") && !complaint.contains("denied"), "{complaint}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    });
    let output = answered.await.unwrap_or_else(|_| panic!("{} did not answer", host.node));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{command}: {text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

async fn docker(arguments: &[&str]) -> String {
    let output = Command::new("docker").args(arguments).output().await.unwrap();
    assert!(output.status.success(), "docker {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_come_up_are_mended_and_go_without_a_trace() {
    let place = tempfile::tempdir().unwrap();
    let workspace = place.path().join("environment");
    let provider = provider(&workspace);
    let (events, mut seen) = Events::channel();
    let log = StepLog::new(events, "test", None);
    let two = topology(&[("app", 1, false), ("db", 1, true)]);

    for finding in provider.preflight(&two).await {
        println!("{}: {:?} {}", finding.name, finding.verdict, finding.found);
        assert_ne!(finding.verdict, Verdict::Fail, "{}: {} {:?}", finding.name, finding.found, finding.hint);
    }
    // What a run before this one may have left.
    destroy(&provider, &two, &log).await;

    // Up.
    let done = apply(&provider, &two, &log).await;
    for wanted in ["create network", "create node/localtest-app-1", "create node/localtest-db-1"] {
        assert!(done.iter().any(|done| done == wanted), "{done:?}");
    }
    if done.iter().any(|done| done == "create image") {
        let progress = std::iter::from_fn(|| seen.try_recv().ok())
            .filter(|event| matches!(event, Event::StepProgress { total, .. } if *total > 0));
        assert!(progress.count() > 50, "the build tells how far it is");
    }
    assert_eq!(apply(&provider, &two, &log).await, Vec::<String>::new(), "a second apply finds nothing to do");

    let hosts = provider.hosts(&two).await.unwrap();
    let host = |name: &str| hosts.iter().find(|host| host.node == format!("{ENVIRONMENT}-{name}")).unwrap();
    let (app, db) = (host("app-1"), host("db-1"));
    behaves_like_a_machine(&workspace, app, db).await;
    assert_eq!(docker(&["port", &app.node, "22/tcp"]).await.trim(), "127.0.0.1:47222");

    // Two creations at once, and one of what is there already, are success.
    let desired = provider.desired(&two).unwrap();
    let again: Vec<&Resource> = desired.iter().chain(&desired).collect();
    try_join_all(again.iter().map(|resource| provider.create(resource, &log))).await.unwrap();

    // A killed container is drift that a start mends; what was changed on it stays.
    ssh(&workspace, app, "echo 127.0.0.1 localhost changed >/etc/hosts.new && mv /etc/hosts.new /etc/hosts").await;
    docker(&["kill", &app.node]).await;
    docker(&["pause", &db.node]).await;
    let live = provider.observe().await.unwrap();
    let stopped = live.iter().filter(|live| live.condition == Condition::Stopped).count();
    assert_eq!(stopped, 2, "{live:?}");
    let mut mended = apply(&provider, &two, &log).await;
    mended.sort();
    assert_eq!(mended, ["start node/localtest-app-1", "start node/localtest-db-1"]);
    assert_eq!(ssh(&workspace, app, "cat /etc/hosts").await, "127.0.0.1 localhost changed\n");
    ssh(&workspace, app, "mv /etc/hosts /etc/hosts.old && mv /etc/hosts.old /etc/hosts").await;
    ssh(&workspace, db, "true").await;

    // A memory limit comes and goes where the node stands.
    for limit in [json!(256), Value::Null] {
        let mut wanted = desired.clone();
        wanted.iter_mut().for_each(|resource| {
            resource.attributes.entry("memory_mb".to_owned()).and_modify(|value| *value = limit.clone());
        });
        let live = provider.observe().await.unwrap();
        let changes = diff(&wanted, &live, &provider, &[]).changes;
        assert_eq!(changes.len(), 2, "{changes:?}");
        for change in &changes {
            act(&provider, change, &log).await;
        }
    }

    // A network that was removed under stopped nodes is made again, and the nodes find their way back.
    docker(&["stop", &app.node, &db.node]).await;
    docker(&["network", "rm", "refarch-localtest"]).await;
    apply(&provider, &two, &log).await;
    ssh(&workspace, db, "true").await;
    ssh(&workspace, app, &format!("curl -s telnet://{}:22 </dev/null -m 5 | grep -q SSH-2.0", db.private)).await;

    // Another node between those that are there gets an address of its own; theirs stay.
    let three = topology(&[("app", 2, false), ("db", 1, true)]);
    assert_eq!(apply(&provider, &three, &log).await, ["create node/localtest-app-2"]);
    assert_eq!(apply(&provider, &two, &log).await, ["delete node/localtest-app-2"]);
    assert!(!workspace.join("ssh/hosts/localtest-app-2").exists());

    // A machine that only the labels remember: another workspace sees all of it and removes it.
    let stranger = self::provider(&place.path().join("elsewhere"));
    let live = stranger.observe().await.unwrap();
    assert_eq!(live.iter().filter(|live| live.node.is_some()).count(), 2);
    assert_eq!(live.iter().filter(|live| live.data_bearing).count(), 1);

    // A container removed by other hands leaves its volume: that is seen, and goes too.
    docker(&["rm", "-f", &db.node]).await;
    let live = provider.observe().await.unwrap();
    let volume = live.iter().find(|live| live.kind == "volume").expect("the volume is seen");
    assert!(volume.data_bearing);

    // Somebody else's container on the network keeps it, and is named.
    let image = docker(&["inspect", "--format", "{{.Image}}", &app.node]).await;
    let (label, network) = ("dev.refarch.test=stranger", "refarch-localtest");
    let stranger = ["run", "-d", "--name", "localtest-stranger", "--label", label, "--network", network];
    docker(&[&stranger[..], &["--entrypoint", "sleep", image.trim(), "600"]].concat()).await;
    let live = provider.observe().await.unwrap();
    let changes = removal(&desired, &live);
    let (last, others) = changes.split_last().unwrap();
    for change in others {
        act(&provider, change, &log).await;
    }
    let Change::Delete { live } = last else { panic!("{last:?}") };
    let kept = provider.delete(live, &log).await.unwrap_err().to_string();
    docker(&["rm", "-f", "localtest-stranger"]).await;
    assert!(kept.ends_with("containers that refarch did not make are connected to it: localtest-stranger"), "{kept}");

    destroy(&provider, &two, &log).await;
    assert_eq!(leftovers(ENVIRONMENT).await.unwrap(), Vec::<String>::new());
    let files: Vec<_> = std::fs::read_dir(&workspace).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(files, ["known_hosts"], "only what the test wrote is left in the workspace");
    destroy(&provider, &two, &log).await;
}

async fn behaves_like_a_machine(workspace: &Path, app: &Host, db: &Host) {
    for host in [app, db] {
        let state = ssh(workspace, host, "systemctl is-system-running --wait || systemctl --failed --no-legend").await;
        assert_eq!(state.trim(), "running");
        assert_eq!(ssh(workspace, host, "hostname").await.trim(), host.node);
        assert_eq!(ssh(workspace, host, "hostname -I").await.trim(), host.private.to_string());
        // Baked in, and off.
        let off = "systemctl is-active redis-server consul; systemctl is-enabled redis-server consul; true";
        assert_eq!(ssh(workspace, host, off).await, "inactive\ninactive\ndisabled\ndisabled\n");
        ssh(workspace, host, "systemctl start redis-server && redis-cli ping && systemctl stop redis-server").await;
        let mounts = "grep -E ' /etc/(hosts|hostname|resolv.conf) ' /proc/mounts || true";
        assert_eq!(ssh(workspace, host, mounts).await, "");
        // A firewall of the node's own.
        ssh(workspace, host, "ip route add blackhole 198.51.100.0/24 && ip route del blackhole 198.51.100.0/24").await;
        // Nothing of the host's is writable from here.
        ssh(workspace, host, "! sysctl -q -w kernel.panic=1 2>/dev/null").await;
    }
    let id = "cat /etc/machine-id";
    assert_ne!(ssh(workspace, app, id).await, ssh(workspace, db, id).await);
    assert_eq!(ssh(workspace, db, "stat -c %m /var/lib").await.trim(), "/var", "data lies on a disk of its own");
    assert_eq!(ssh(workspace, app, "stat -c %m /var/lib").await.trim(), "/");
    assert_ne!(app.host_key, db.host_key);
}
