//! Machines that exist already: containers that this provider knows nothing of, entered as an ordinary user with sudo,
//! one of them through another.

use std::{collections::BTreeMap, fmt::Write as _, path::Path};

use refarch::{
    catalog::Catalog,
    event::{Events, StepLog},
    provider::{
        Change, Host, Provider,
        diff::{diff, removal},
        local::{LocalOptions, LocalProvider},
    },
    topology::{Machine, Node, Topology},
};
use tokio::process::Command;

use super::place::Place;

const NAME: &str = "machines";
const GROUPS: [(&str, u32); 7] =
    [("haproxy-external", 1), ("postgres", 1), ("redis", 1), ("gitaly", 1), ("app", 2), ("sidekiq", 1), ("monitor", 1)];

/// Machines as somebody else would have made them.
struct Machines {
    provider: LocalProvider,
    topology: Topology,
}

impl Machines {
    fn new(workspace: &Path) -> Self {
        let node = |group: &str, ordinal: u32| Node {
            name: format!("{NAME}-{group}-{ordinal}"),
            group: group.to_owned(),
            ordinal,
            roles: Vec::new(),
            zone: 1,
            machine: Machine::default(),
            data_bearing: false,
            object_storage: false,
            reason: "the test wants it".to_owned(),
        };
        let topology = Topology {
            environment: NAME.to_owned(),
            stack: "sandbox".to_owned(),
            provider: "local".to_owned(),
            architecture: None,
            external_url: String::new(),
            domain: String::new(),
            purpose: "test".to_owned(),
            nodes: GROUPS.iter().flat_map(|(group, count)| (1..=*count).map(|ordinal| node(group, ordinal))).collect(),
            balancers: Vec::new(),
            edges: Vec::new(),
            services: BTreeMap::default(),
            settings: BTreeMap::default(),
            omitted: BTreeMap::default(),
        };
        let packages = Catalog::load("sandbox", None).unwrap().packages();
        let provider = LocalProvider::new(LocalOptions { packages, ..LocalOptions::new(NAME, workspace) });
        Self { provider, topology }
    }

    async fn make(&self) -> Vec<Host> {
        self.remove().await;
        let (events, _) = Events::channel();
        let log = StepLog::new(events, "test", None);
        let desired = self.provider.desired(&self.topology).unwrap();
        let live = self.provider.observe().await.unwrap();
        for change in diff(&desired, &live, &self.provider, &[]).changes {
            let Change::Create { resource } = change else { panic!("{change:?} on nothing") };
            self.provider.create(&resource, &log).await.unwrap();
        }
        let hosts = self.provider.hosts(&self.topology).await.unwrap();
        for host in &hosts {
            // An administrator's account, as cloud images have one; root cannot come in.
            docker(&[
                "exec",
                &host.node,
                "sh",
                "-c",
                "useradd -m -s /bin/sh admin && echo 'admin ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/admin && \
                 mv /root/.ssh /home/admin/.ssh && chown -R admin: /home/admin/.ssh",
            ])
            .await;
        }
        hosts
    }

    async fn remove(&self) {
        let (events, _) = Events::channel();
        let log = StepLog::new(events, "test", None);
        let desired = self.provider.desired(&self.topology).unwrap();
        for change in removal(&desired, &self.provider.observe().await.unwrap()) {
            let Change::Delete { live } = change else { continue };
            self.provider.delete(&live, &log).await.unwrap();
        }
    }
}

async fn docker(arguments: &[&str]) {
    let output = Command::new("docker").args(arguments).output().await.unwrap();
    assert!(output.status.success(), "docker {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn inventory(hosts: &[Host]) -> String {
    let identity = hosts[0].identity.as_ref().unwrap().display();
    let mut text = format!("defaults: {{ user: admin, identity: {identity} }}\nhosts:\n");
    let monitor = hosts.iter().find(|host| host.node.contains("monitor")).unwrap();
    for host in hosts {
        let group = host.node.strip_prefix("machines-").unwrap().rsplit_once('-').unwrap().0;
        let key = host.host_key.as_ref().unwrap();
        let jump = if group == "postgres" { format!(", jump: admin@{}", monitor.connect) } else { String::new() };
        let (name, address) = (&host.node, &host.connect);
        let _ = writeln!(text, "  - {{ name: {name}, address: {address}, group: {group}, host_key: {key}{jump} }}");
    }
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn machines_that_exist_already_become_an_environment() {
    let scratch = tempfile::tempdir().unwrap();
    let machines = Machines::new(scratch.path());
    let hosts = machines.make().await;
    let place = Place::empty(NAME);
    place.write("inventory.yaml", &inventory(&hosts));
    place.write(
        "refarch.yaml",
        "name: machines\narchitecture: 2k\nprovider: static\ninventory: inventory.yaml\npurpose: test\n",
    );

    place.refarch(&["check"]).expect(0).says("8 machines");
    place.refarch(&["apply", "--yes"]).expect(0).says("Environment  machines: 8 nodes").says("checks hold");
    assert_eq!(
        place.refarch(&["apply"]).expect(0).text(),
        "machines: nothing to do, everything is as the environment file says"
    );
    place.refarch(&["status"]).expect(0).says("8 of 8 nodes healthy");
    let who = place.refarch(&["exec", "--on", "role:postgres", "--unprivileged", "--", "id -un"]).expect(0);
    assert_eq!(who.text(), "machines-postgres-1 | admin");
    let inside = place.refarch(&["ssh", "postgres-1", "--", "hostname"]).expect(0);
    assert_eq!(inside.text(), "machines-postgres-1");

    // A machine that shows another key than the inventory says is not talked to.
    let key = |node: &str| hosts.iter().find(|host| host.node == node).unwrap().host_key.as_ref().unwrap();
    let wrong = inventory(&hosts).replacen(key("machines-postgres-1"), key("machines-redis-1"), 1);
    place.write("inventory.yaml", &wrong);
    let refused = place.on("machines-postgres-1", "true").expect(1);
    assert!(refused.stderr.contains("host key"), "{}", refused.stderr);

    // What refarch did not make it does not remove.
    let refused = place.destroy().expect(1);
    assert!(refused.stderr.contains("were there before refarch"), "{}", refused.stderr);

    machines.remove().await;
}
