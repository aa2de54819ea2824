//! The product's stack from nothing to nothing, on a double of its package (`tests/linux-package-double`).

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::TcpListener,
    path::Path,
    process::Command,
    thread,
};

use refarch::provider::local::leftovers;
use serde_json::Value;

use super::place::Place;

/// Builds the double.
fn double(version: &str, file: &Path) {
    let build = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/linux-package-double/build.sh");
    let output = Command::new("sh").arg(build).arg(version).arg(file).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Gives the files of a folder to whoever asks over HTTP, as long as the test runs; returns the port.
fn serve(folder: &Path) -> u16 {
    let listener = TcpListener::bind("0.0.0.0:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let folder = folder.to_owned();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, folder) = (stream.unwrap(), folder.clone());
            thread::spawn(move || {
                let request = BufReader::new(stream.try_clone().unwrap());
                let head: Vec<String> =
                    request.lines().map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
                let Some(name) = head.first().and_then(|line| line.split(['/', ' ']).nth(2)) else { return };
                let content = fs::read(folder.join(name)).unwrap();
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", content.len());
                // A node that went away asks again.
                let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&content));
            });
        }
    });
    port
}

/// A call of one of the package's commands.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) time: f64,
    pub(super) node: String,
    pub(super) what: String,
    pub(super) result: String,
}

/// Every call on every node, in the order of time.
pub(super) fn calls(place: &Place) -> Vec<Call> {
    let ran = place.on("role:linux-package", "cat /var/log/gitlab-double/calls.jsonl").expect(0);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mut all: Vec<Call> = ran
        .stdout
        .lines()
        .map(|line| {
            let value: Value = serde_json::from_str(line.split_once(" | ").unwrap().1).unwrap();
            Call {
                time: value["time"].as_f64().unwrap(),
                node: text(&value["node"]),
                what: text(&value["call"]),
                result: text(&value["result"]),
            }
        })
        .collect();
    all.sort_by(|one, other| one.time.total_cmp(&other.time));
    all
}

/// When each node's first reconfigure began and ended.
pub(super) fn reconfigured(calls: &[Call]) -> BTreeMap<&str, (f64, f64)> {
    let mut times: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
    for call in calls.iter().filter(|call| call.what == "gitlab-ctl reconfigure") {
        match call.result.as_str() {
            "begins" => {
                times.entry(&call.node).or_insert((call.time, f64::INFINITY));
            }
            _ => {
                let (_, end) = times.get_mut(call.node.as_str()).unwrap();
                *end = end.min(call.time);
            }
        }
    }
    times
}

/// The smaller size fetches its package; the larger one has it sent, and encrypts what goes between its nodes.
fn environment(name: &str, architecture: &str, subnet: &str, package: &str) -> String {
    let source = match architecture {
        "3k" => format!("source: url\n    location: {package}"),
        _ => format!("source: file\n    internal_tls: all\n    location: {package}"),
    };
    format!(
        "name: {name}\narchitecture: {architecture}\nprovider: local\nstack: gitlab\npurpose: test\n\
         external_url: https://{name}.test\nlocal: {{ subnet: {subnet}.0/24 }}\nsettings:\n  linux-package:\n    \
         version: 18.11.3\n    {source}\n"
    )
}

/// Up, proven, in the right order, with the same secrets everywhere; nothing left to do; down.
async fn comes_up(name: &'static str, architecture: &str, subnet: &str) {
    let scratch = tempfile::tempdir().unwrap();
    for version in ["18.11.3", "19.2.1"] {
        double(version, &scratch.path().join(format!("{version}.deb")));
    }
    let port = serve(scratch.path());
    let sent = scratch.path().join("gitlab-ee_18.11.3-ee.0_amd64.deb");
    fs::copy(scratch.path().join("18.11.3.deb"), &sent).unwrap();
    let package = match architecture {
        "3k" => format!("http://{subnet}.1:{port}/18.11.3.deb"),
        _ => sent.display().to_string(),
    };
    let place = Place::new(name, &environment(name, architecture, subnet, &package));

    place.refarch(&["apply", "--yes"]).expect(0).says("checks hold").says(&format!("https://{name}.test"));
    let again = place.refarch(&["apply"]).expect(0);
    assert_eq!(again.text(), format!("{name}: nothing to do, everything is as the environment file says"));

    let secrets = place.on("role:linux-package", "sha256sum </etc/gitlab/gitlab-secrets.json").expect(0);
    let sums: std::collections::BTreeSet<&str> =
        secrets.stdout.lines().map(|line| line.split_once(" | ").unwrap().1).collect();
    assert_eq!(sums.len(), 1, "the package's secrets are the same on every node:\n{}", secrets.stdout);

    let calls = calls(&place);
    let times = reconfigured(&calls);
    let group = |group: &str| -> Vec<(f64, f64)> {
        let start = format!("{name}-{group}-");
        times
            .iter()
            .filter(|(node, _)| node.strip_prefix(&start).is_some_and(|rest| rest.parse::<u32>().is_ok()))
            .map(|(_, times)| *times)
            .collect()
    };
    let first = |group: &[(f64, f64)]| group.iter().map(|(begin, _)| *begin).fold(f64::INFINITY, f64::min);
    let last = |group: &[(f64, f64)]| group.iter().map(|(_, end)| *end).fold(0.0, f64::max);
    let before = |earlier: &str, later: &str| {
        let (earlier_times, later_times) = (group(earlier), group(later));
        assert!(!earlier_times.is_empty() && !later_times.is_empty(), "{earlier}, {later}: {times:?}");
        assert!(last(&earlier_times) <= first(&later_times), "{earlier} before {later}: {times:?}");
    };
    before("praefect-postgres", "praefect");
    before("gitaly", "praefect");
    before("praefect", "app");
    before("app", "sidekiq");
    // What needs no other starts while the others do: nobody waits for the whole of another group.
    let redis = if architecture == "3k" { "redis" } else { "redis-persistent" };
    assert!(first(&group(redis)) < last(&group("consul")), "Redis does not wait for Consul: {times:?}");
    assert!(first(&group("gitaly")) < last(&group("postgres")), "Gitaly does not wait for PostgreSQL: {times:?}");

    // The schema: once, from the first application node, after the leader that was asked for is known.
    let migrations: Vec<&Call> = calls.iter().filter(|call| call.what.starts_with("gitlab-rake")).collect();
    let told: Vec<_> = migrations.iter().map(|call| (call.node.as_str(), call.result.as_str())).collect();
    let node = format!("{name}-app-1");
    assert_eq!(told, [(node.as_str(), "begins"), (node.as_str(), "done")]);
    let leads = place.on("role:postgres", "gitlab-psql -d template1 -Atqc 'select pg_is_in_recovery()'").expect(0);
    let leader = leads.stdout.lines().find(|line| line.ends_with("| f")).unwrap();
    assert!(!leader.contains("postgres-1 "), "the double elects another than the first: {leads}", leads = leads.stdout);
    // One call into the console for all settings of the application.
    let console = calls.iter().filter(|call| call.what.starts_with("gitlab-rails") && call.result == "begins").count();
    assert!(console <= 1, "{console} calls of the console");

    if architecture != "3k" {
        // Every node had the package once, and none keeps it.
        let left = place.on("role:linux-package", "ls /var/cache/refarch").expect(0);
        assert!(
            left.stdout.lines().all(|line| line.split_once(" | ").is_none_or(|(_, file)| file.is_empty())),
            "{}",
            left.stdout
        );
    }

    // A setting that the version dropped is refused before anything changes.
    let wrong = "settings.linux-package.gitlab_rb={all: \"git_data_dirs['x'] = 1\"}";
    place.refarch(&["plan", "--set", wrong]).expect(65);

    if architecture == "3k" {
        // What the nodes themselves have to say against it is said before anything changes, too.
        let own = "settings.app={external_database: {host: 127.0.0.1, port: 1}}";
        let gone = ["--set", "nodes={postgres: {count: 0}, pgbouncer: {count: 0}}"];
        let refused = place.refarch(&["plan", "--set", own, gone[0], gone[1]]).expect(1);
        let told = format!("{name}-app-1, {name}-app-2, {name}-app-3, {name}-sidekiq-1");
        assert!(refused.stderr.contains(&told) && refused.stderr.contains("does not answer"), "{}", refused.stderr);
        let disk = "settings.base={data_disks: {gitaly: [{device: /dev/vdx, mount: /srv/git, label: git}]}}";
        let refused = place.refarch(&["plan", "--set", disk]).expect(1);
        assert!(refused.stderr.contains("/dev/vdx is no disk of this machine"), "{}", refused.stderr);

        super::upgrade::while_it_serves(&place, name, &format!("http://{subnet}.1:{port}/19.2.1.deb"));
    }
    place.destroy().expect(0);
    assert_eq!(leftovers(name).await.unwrap(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_product_comes_up_on_3k_and_is_upgraded_while_it_serves() {
    comes_up("goods", "3k", "10.231.19").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_product_comes_up_on_10k() {
    comes_up("large", "10k", "10.231.8").await;
}
