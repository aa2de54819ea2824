//! Places without a network: everything comes out of a bundle. The nodes are on a network without a way out, and what could be
//! fetched from this machine is named wrongly, so that whoever tries fails.

use std::{fmt::Write as _, path::Path, time::Duration};

use refarch::{
    bundle::{Bundle, Writer},
    event::{Events, StepLog},
    provider::{
        Change, Host, Provider,
        diff::{diff, removal},
        local::{LocalOptions, LocalProvider, leftovers},
    },
    session::{Request, Session},
    topology::{Machine, Node, Topology},
};
use tokio::{net::TcpStream, process::Command};

use super::place::{Place, Ran};

/// Nobody listens there.
const NOWHERE: &str = "http://127.0.0.1:9/debian";

/// A small stack of the test's own: its image is like no other, and its packages are few.
fn write_stack(place: &Place, base: &str, web: &str) {
    for folder in ["roles/sandbox/base", "roles/sandbox/web/templates"] {
        std::fs::create_dir_all(place.path(folder)).unwrap();
    }
    place.write("roles/sandbox/stack.yaml", "summary: A stack for one test.\nbase: base\n");
    place.write(
        "roles/sandbox/base/role.yaml",
        &format!("summary: What every machine has.\npackages: [{base}]\ndirectories: [{{ path: /etc/refarch }}]\n"),
    );
    place.write(
        "roles/sandbox/web/role.yaml",
        &format!(
            "summary: A web server.\npackages: [{web}]\n\
             files: [{{ path: /etc/nginx/conf.d/refarch.conf, template: site.j2 }}]\n\
             services: [{{ name: nginx, restart_on: [/etc/nginx/conf.d/refarch.conf] }}]\n\
             ready: [{{ name: it answers, run: curl -fsm 4 -o /dev/null http://127.0.0.1:8081/ }}]\n"
        ),
    );
    // Not ASCII: it travels beside the program, on the way that packages take as well.
    place.write(
        "roles/sandbox/web/templates/site.j2",
        "server { listen 8081; location / { return 200 \"grüße von {{ node.name }}\\n\"; } }\n",
    );
}

async fn docker(arguments: &[&str]) -> String {
    let output = Command::new("docker").args(arguments).output().await.unwrap();
    assert!(output.status.success(), "docker {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// An address of the package mirror, as this machine finds it: where a node fails to reach it, it is not for want of names.
fn mirror_address() -> String {
    use std::net::ToSocketAddrs as _;
    let found = "deb.debian.org:80".to_socket_addrs().unwrap();
    found.map(|address| address.ip()).find(std::net::IpAddr::is_ipv4).unwrap().to_string()
}

/// Nodes reach neither the mirror nor its address.
fn no_way_out(refarch: &dyn Fn(&[&str]) -> Ran, nodes: &str) {
    for address in ["deb.debian.org".to_owned(), mirror_address()] {
        let line = format!("curl -sm 3 -o /dev/null http://{address}/debian/ || echo shut");
        refarch(&["exec", "--on", nodes, "--", &line]).expect(0).says("shut");
    }
}

fn flip_a_byte(path: &Path, at: u64) {
    use std::os::unix::fs::FileExt as _;
    let file = std::fs::File::options().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 1], at).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn containers_are_made_from_the_image_in_a_bundle() {
    const NAME: &str = "offlinebox";
    let place = Place::empty(NAME);
    write_stack(&place, "curl, jq", "nginx-light");
    let environment = |local: &str| {
        format!(
            "name: {NAME}\nprovider: local\npurpose: test\nnodes: {{ web: {{ count: 1, roles: [web] }} }}\nlocal: {{ {local} }}\n"
        )
    };
    place.write("refarch.yaml", &environment("isolated: true"));
    let own = OwnStack(&place);
    let refarch = |arguments: &[&str]| own.refarch(arguments);
    let destroy = || own.destroy().expect(0);
    destroy();

    let made = refarch(&["bundle", "-o", "all.tar", "--output", "json"]).expect(0).last_line();
    let digest = made["digest"].as_str().unwrap().to_owned();
    let image = format!("refarch-node:{}", made["manifest"]["image"]["recipe"].as_str().unwrap());
    // Nobody else's: it is this stack's. From here on there is only the bundle.
    docker(&["rmi", &image]).await;
    place.write("refarch.yaml", &environment(&format!("isolated: true, mirror: \"{NOWHERE}\"")));

    // A bundle that was changed on its way, cut short, or exchanged: nothing is made.
    std::fs::copy(place.path("all.tar"), place.path("bad.tar")).unwrap();
    flip_a_byte(&place.path("bad.tar"), 100_000_000);
    let refused = refarch(&["apply", "--yes", "--bundle", "bad.tar"]).expect(1);
    assert!(refused.stderr.contains("image/node.tar has another content than its manifest says"), "{}", refused.stderr);
    let half = std::fs::File::options().write(true).open(place.path("bad.tar")).unwrap();
    half.set_len(half.metadata().unwrap().len() / 2).unwrap();
    let refused = refarch(&["apply", "--yes", "--bundle", "bad.tar"]).expect(1);
    assert!(refused.stderr.contains("is cut short"), "{}", refused.stderr);
    let other = "0".repeat(64);
    let refused = refarch(&["apply", "--yes", "--bundle", "all.tar", "--bundle-digest", &other]).expect(1);
    assert!(refused.stderr.contains(&format!("is {digest}, not {other}")), "{}", refused.stderr);
    let refused = refarch(&["apply", "--yes", "--bundle", "all.tar", "--set", "local.suite=trixie"]).expect(1);
    assert!(refused.stderr.contains("its node image is debian-12-"), "{}", refused.stderr);
    write_stack(&place, "curl, jq, tree", "nginx-light");
    let refused = refarch(&["apply", "--yes", "--bundle", "all.tar"]).expect(1);
    assert!(refused.stderr.contains("its node image lacks tree of role base"), "{}", refused.stderr);
    write_stack(&place, "curl, jq", "nginx-light");
    assert_eq!(leftovers(NAME).await.unwrap(), Vec::<String>::new());

    refarch(&["apply", "--yes", "--bundle", "all.tar", "--bundle-digest", &digest]).expect(0).says("1 node");
    no_way_out(&refarch, "*");
    let said = refarch(&["exec", "--on", "*", "--", "curl -s http://127.0.0.1:8081/"]).expect(0);
    assert_eq!(said.text(), "offlinebox-web-1 | grüße von offlinebox-web-1");
    // The environment keeps its image: this machine would make another.
    refarch(&["plan", "--detailed-exitcode"]).expect(0).says("nothing to do");
    // A node that is made anew comes out of the bundle too: the engine does not have its image any more.
    docker(&["rmi", "--force", &image]).await;
    let refused = refarch(&["replace", "offlinebox-web-1", "--yes"]).expect(3);
    assert!(refused.stderr.contains("came with a bundle and is not here any more"), "{}", refused.stderr);
    refarch(&["replace", "offlinebox-web-1", "--yes", "--bundle", "all.tar"]).expect(0).says("1 node");
    no_way_out(&refarch, "*");
    let said = refarch(&["exec", "--on", "*", "--", "curl -s http://127.0.0.1:8081/"]).expect(0);
    assert_eq!(said.text(), "offlinebox-web-1 | grüße von offlinebox-web-1");
    destroy();
    docker(&["rmi", &image]).await;
    // Without the bundle there is nothing to make it from.
    refarch(&["apply", "--yes"]).expect(1);
    destroy();
}

/// A place whose stack is the test's own; destroyed with that when the test fails.
struct OwnStack<'a>(&'a Place);

impl OwnStack<'_> {
    fn refarch(&self, arguments: &[&str]) -> Ran {
        let (verb, rest) = arguments.split_first().unwrap();
        self.0.refarch(&[&[*verb, "--roles", "roles"], rest].concat())
    }

    fn destroy(&self) -> Ran {
        self.refarch(&["destroy", "--yes", "--destroy-data", "offlinebox"])
    }
}

impl Drop for OwnStack<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.destroy();
        }
    }
}

/// A machine as somebody else would have made it: a bare Debian with an SSH server, and no way out.
struct Bare {
    provider: LocalProvider,
    topology: Topology,
}

impl Bare {
    fn new(name: &str, workspace: &Path) -> Self {
        let node = Node {
            name: format!("{name}-single-1"),
            group: "single".to_owned(),
            ordinal: 1,
            roles: Vec::new(),
            zone: 1,
            machine: Machine::default(),
            data_bearing: false,
            object_storage: false,
            reason: "the test wants it".to_owned(),
        };
        let topology = Topology {
            environment: name.to_owned(),
            stack: "sandbox".to_owned(),
            provider: "local".to_owned(),
            architecture: None,
            external_url: String::new(),
            domain: String::new(),
            purpose: "test".to_owned(),
            nodes: vec![node],
            balancers: Vec::new(),
            edges: Vec::new(),
            services: Default::default(),
            settings: Default::default(),
            omitted: Default::default(),
        };
        let provider = LocalProvider::new(LocalOptions { isolated: true, ..LocalOptions::new(name, workspace) });
        Self { provider, topology }
    }

    async fn make(&self) -> Host {
        self.remove().await;
        let (events, _) = Events::channel();
        let log = StepLog::new(events, "test", None);
        let desired = self.provider.desired(&self.topology).unwrap();
        let live = self.provider.observe().await.unwrap();
        for change in diff(&desired, &live, &self.provider, &[]).changes {
            let Change::Create { resource } = change else { panic!("{change:?} on nothing") };
            self.provider.create(&resource, &log).await.unwrap();
        }
        let host = self.provider.hosts(&self.topology).await.unwrap().remove(0);
        let answers = async {
            while TcpStream::connect((host.connect.as_str(), 22)).await.is_err() {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(120), answers).await.expect("its SSH server starts");
        host
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

impl Drop for Bare {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let name = &self.topology.environment;
            for arguments in
                [["rm", "-fv", &self.topology.nodes[0].name], ["network", "rm", &format!("refarch-{name}")]]
            {
                let _ = std::process::Command::new("docker").args(arguments).output();
            }
        }
    }
}

/// The same packages, said to be for machines of another release.
fn for_another_release(all: &Path, other: &Path) {
    let mut manifest = Bundle::open(all).unwrap().manifest().clone();
    let repository = &mut manifest.repositories[0];
    repository.platform.version = "11".to_owned();
    repository.packages.clear();
    repository.index = "deb/other/Packages".to_owned();
    let mut writer = Writer::create(other).unwrap();
    writer.text("deb/other/Packages", b"").unwrap();
    writer.finish(manifest).unwrap();
}

/// All seven roles of a 1k on one bare machine: PostgreSQL, Redis, HAProxy, Prometheus and the rest out of the bundle.
#[tokio::test(flavor = "multi_thread")]
async fn a_bare_machine_takes_its_packages_from_the_bundle() {
    const NAME: &str = "offlinemachine";
    let scratch = tempfile::tempdir().unwrap();
    let bare = Bare::new(NAME, scratch.path());
    let host = bare.make().await;
    let place = Place::empty(NAME);
    let mut inventory = String::from("hosts:\n");
    let (address, key) = (&host.connect, host.host_key.as_ref().unwrap());
    let identity = host.identity.as_ref().unwrap().display();
    let _ = writeln!(
        inventory,
        "  - {{ name: {NAME}-single-1, address: {address}, group: single, user: root, identity: {identity}, host_key: {key} }}"
    );
    place.write("inventory.yaml", &inventory);
    place.write(
        "refarch.yaml",
        &format!("name: {NAME}\narchitecture: 1k\nprovider: static\ninventory: inventory.yaml\npurpose: test\n"),
    );
    no_way_out(&|arguments| place.refarch(arguments), "*");
    let packages = "dpkg-query -W -f '${db:Status-Status} ${Package}\\n' | grep -Ec '^installed (postgresql|redis-server|haproxy)$'";
    assert!(place.on("*", packages).stdout.contains("| 0"), "the machine is bare");

    // The release is the machine's.
    let made = place.refarch(&["bundle", "-o", "all.tar", "--output", "json"]).expect(0).last_line();
    let repository = &made["manifest"]["repositories"][0];
    assert!(repository["platform"].as_str().unwrap().starts_with("debian-12-"), "{repository}");
    // A bundle for machines of another release: refused before the node is touched.
    for_another_release(&place.path("all.tar"), &place.path("other.tar"));
    let refused = place.refarch(&["apply", "--yes", "--bundle", "other.tar"]).expect(1);
    let reason = "the bundle has packages for debian-11-";
    assert!(
        refused.stderr.contains(reason) && refused.stderr.contains("this machine is debian-12-"),
        "{}",
        refused.stderr
    );
    assert!(refused.stderr.contains("nothing was changed anywhere"), "{}", refused.stderr);
    place.on("*", "test ! -e /etc/refarch && test ! -e /var/cache/refarch").expect(0);

    place.refarch(&["plan", "--bundle", "all.tar"]).expect(0).says("and nothing else is asked");

    // The controller is killed while packages are on their way.
    let mut killed = place.start(&["apply", "--yes", "--bundle", "all.tar"]);
    let arriving = "i=0; until ls /var/cache/refarch/packages/*.deb >/dev/null 2>&1 || [ $i -gt 600 ]; do i=$((i + 1)); sleep 0.1; done";
    place.on("*", &format!("{arriving}; [ $i -le 600 ]")).expect(0);
    killed.kill().unwrap();
    killed.wait().unwrap();
    // Not without the bundle that it was begun with.
    let refused = place.refarch(&["resume", "--lock-wait", "60"]).expect(1);
    assert!(refused.stderr.contains("was begun with the bundle sha256:"), "{}", refused.stderr);
    place.refarch(&["resume", "--lock-wait", "60", "--bundle", "all.tar"]).expect(0).says("checks hold");

    no_way_out(&|arguments| place.refarch(arguments), "*");
    assert!(place.on("*", packages).expect(0).stdout.contains("| 3"));
    place.on("*", "test -z \"$(ls /var/cache/refarch/packages | grep -E 'deb$|part$')\"").expect(0);
    place.on("*", "test \"$(stat -c %a:%U /var/cache/refarch/packages)\" = 700:root").expect(0);
    // The machine's own sources are as they were: only refarch did not ask them.
    place.on("*", "test ! -e /etc/apt/sources.list.d/refarch.list && grep -q bookworm /etc/apt/sources.list").expect(0);
    place.refarch(&["apply", "--bundle", "all.tar"]).expect(0).says("nothing to do");
    bare.remove().await;
}

/// The product's package comes from the user; what it depends on comes from the distribution, and the rest of the folder is
/// the user's matter.
#[test]
fn a_package_of_ones_own_is_packed_with_what_it_needs() {
    const PACKAGE: &str = "gitlab-ee_18.11.3-ee.0_amd64.deb";
    let place = Place::empty("offlinepackage");
    std::fs::create_dir_all(place.path("tree/DEBIAN")).unwrap();
    place.write(
        "tree/DEBIAN/control",
        "Package: gitlab-ee\nVersion: 18.11.3-ee.0\nArchitecture: amd64\nMaintainer: x <x@example.test>\n\
         Depends: tree, openssh-server\nDescription: double\n",
    );
    let built = std::process::Command::new("dpkg-deb")
        .args(["-b", "tree", PACKAGE])
        .current_dir(place.path(""))
        .output()
        .unwrap();
    assert!(built.status.success());
    place.write("inventory.yaml", "hosts: [{ name: offlinepackage-single-1, address: 192.0.2.1, group: single }]\n");
    place.write(
        "refarch.yaml",
        &format!(
            "name: offlinepackage\nstack: gitlab\narchitecture: 1k\nprovider: static\ninventory: inventory.yaml\n\
             external_url: https://git.example.test\n\
             settings: {{ linux-package: {{ version: \"18.11.3\", source: file, location: {PACKAGE} }} }}\n"
        ),
    );
    let made = place.refarch(&["bundle", "--release", "debian-12-amd64", "-o", "all.tar", "--output", "json"]);
    let made = made.expect(0).last_line();
    let also = made["manifest"]["repositories"][0]["also"]["linux-package"].as_array().unwrap();
    assert!(also.contains(&"tree".into()) && !also.contains(&"gitlab-ee".into()), "{also:?}");
    assert_eq!(made["manifest"]["own"][PACKAGE], format!("own/0-{PACKAGE}"));

    // Where it is used the package may be missing: it lies in the bundle.
    let content = std::fs::read(place.path(PACKAGE)).unwrap();
    std::fs::remove_file(place.path(PACKAGE)).unwrap();
    place.refarch(&["plan", "--offline"]).expect(65);
    place.refarch(&["plan", "--offline", "--bundle", "all.tar"]).expect(0).says("configure linux-package");
    assert_eq!(std::fs::read(place.path(PACKAGE)).unwrap(), content);

    // An upgrade is made out of the same bundle.
    let request = Request { file: place.path("refarch.yaml"), sets: Vec::new(), roles: None, workspace: None };
    let session = Session::open(&request).unwrap().with_bundle(Bundle::open(&place.path("all.tar")).unwrap()).unwrap();
    let upgraded = session.at_version("18.11.3").unwrap();
    assert_eq!(upgraded.bundle().unwrap().digest(), made["digest"].as_str().unwrap());
}
