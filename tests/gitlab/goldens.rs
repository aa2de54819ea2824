//! gitlab.rb and haproxy.cfg of one node of each kind, as `render` shows them.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::place::{Place, file, known, root};

/// Kinds of nodes besides the first one of each group.
const ALSO: [&str; 4] = ["redis-2", "redis-cache-2", "redis-persistent-2", "praefect-2"];

fn golden() -> PathBuf {
    root().join("tests/golden/gitlab")
}

/// The first node of each group, and those that differ from it.
fn kinds(place: &Place) -> Vec<(String, String)> {
    let nodes = &place.session.topology().nodes;
    let wanted = nodes.iter().filter(|node| {
        let short = node.name.strip_prefix("demo-").unwrap_or(&node.name);
        node.ordinal == 1 || ALSO.contains(&short)
    });
    wanted.map(|node| (node.name.clone(), node.name.trim_start_matches("demo-").to_owned())).collect()
}

fn write_or_compare(found: &BTreeMap<PathBuf, String>) {
    let mut wrong = Vec::new();
    for (path, text) in found {
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        } else if fs::read_to_string(path).unwrap_or_default() != *text {
            wrong.push(format!("{}:\n{text}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "not as expected (UPDATE_EXPECT=1 rewrites):\n{}", wrong.join("\n"));
}

/// What one environment's nodes get, by the file that holds it.
fn of(folder: &str, place: &Place, only: &[&str]) -> BTreeMap<PathBuf, String> {
    let stages = place.stages();
    let mut found = BTreeMap::new();
    for (node, short) in kinds(place) {
        if !only.is_empty() && !only.contains(&short.as_str()) {
            continue;
        }
        for (path, ending) in [("/etc/gitlab/gitlab.rb", "rb"), ("/etc/haproxy/haproxy.cfg", "cfg")] {
            if let Some(text) = file(&stages[&node], path) {
                found.insert(golden().join(folder).join(format!("{short}.{ending}")), text);
            }
        }
    }
    assert!(!found.is_empty(), "{folder}");
    found
}

#[test]
fn every_kind_of_node_has_its_golden_configuration() {
    // 5k and 25k have the groups of 3k and 10k.
    let sizes: [(&str, &[&str]); 7] = [
        ("1k", &[]),
        ("2k", &[]),
        ("3k", &[]),
        ("5k", &["sidekiq-1"]),
        ("10k", &[]),
        ("25k", &["app-1"]),
        ("50k", &["app-1", "redis-cache-1", "monitor-1"]),
    ];
    for (size, only) in sizes {
        write_or_compare(&of(size, &Place::new(size, ""), only));
    }
}

#[test]
fn the_version_before_has_its_golden_configuration() {
    let place = Place::new("10k", "settings:\n  linux-package: { version: '18.11' }\n");
    write_or_compare(&of("10k-18.11", &place, &["app-1"]));
}

/// Everything that can be chosen, in one file.
pub const OPTIONS: &str = "\
nodes:
  postgres: { count: 0 }
  pgbouncer: { count: 0 }
  redis: { count: 0 }
  praefect-postgres: { count: 0 }
  haproxy-internal: { count: 0 }
settings:
  base: { time_zone: Europe/Berlin, swap_mb: 2048, data_disks: { gitaly: [{ device: /dev/sdb, mount: /var/opt/gitlab/git-data, label: git }] }, before: { gitaly: 'touch /tmp/before' }, after: { gitaly: 'touch /tmp/after' }, files: { app: [{ source: password, path: /etc/own/file, mode: \"0640\" }] } }
  linux-package:
    version: 19.2.1
    internal_tls: git
    internal_balancer: lb.example.com
    time_zone: Europe/Berlin
    gitlab_rb:
      all: logging['svlogd_num'] = 5
      app: |
        gitlab_rails['gitlab_email_display_name'] = 'Git'
      demo-app-1: puma['worker_processes'] = 4
  haproxy-external: { tls: acme, acme_contact: ops@example.com }
  praefect:
    external_database: { host: praefect-db.example.com, password_file: password }
  app:
    external_database: { host: db.example.com, password_file: password, read_hosts: [db-2.example.com], ssl_mode: verify-full }
    external_redis: { host: redis.example.com, password_file: password, tls: true }
    external_redis_cache: { host: cache.example.com, password_file: password }
    object_store: { access_key: AK, secret_key_file: password, endpoint: 'https://s3.example.com' }
    smtp: { address: mail.example.com, user: git, password_file: password, sender: git@example.com }
    registry_url: https://git.example.com:5000
    monitoring_networks: [10.0.0.0/8]
    search_hosts: ['http://search.example.com:9200']
    licence_file: password
    kas: false
";

#[test]
fn every_option_has_its_golden_configuration() {
    let place = Place::with_files("3k", OPTIONS, &[("password", "se-cret\n")]);
    write_or_compare(&of("options", &place, &["app-1", "sidekiq-1", "gitaly-1", "praefect-1", "haproxy-external-1"]));
}

#[test]
fn every_kind_of_node_has_its_golden_configuration_with_encryption_inside() {
    for size in ["2k", "3k", "10k"] {
        let place = Place::new(size, "settings:\n  linux-package: { internal_tls: all }\n");
        write_or_compare(&of(&format!("{size}-tls"), &place, &[]));
    }
}

#[test]
fn balancers_with_a_floating_address_have_their_golden_configuration() {
    let more = "nodes:\n  haproxy-external: { count: 2 }\n  haproxy-internal: { count: 2 }\n\
        settings:\n  haproxy-external: { floating_address: 198.18.0.200 }\n  \
        haproxy-internal: { floating_address: 198.18.0.201 }\n";
    let place = Place::new("3k", more);
    let node = "demo-haproxy-internal-2";
    let mut found = of("balancers", &place, &["haproxy-internal-1", "app-1"]);
    for (path, name) in
        [("/etc/refarch/keepalived.conf", "keepalived.conf"), ("/etc/refarch/firewall.nft", "firewall.nft")]
    {
        found.insert(
            golden().join("balancers").join(format!("haproxy-internal-2.{name}")),
            place.file(node, path).unwrap(),
        );
    }
    write_or_compare(&found);
}

fn all(folder: &Path, ending: &str, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all(&path, ending, found);
        } else if path.extension().is_some_and(|own| own == ending) {
            found.push(path);
        }
    }
}

fn every_rb() -> Vec<PathBuf> {
    let mut found = Vec::new();
    all(&golden(), "rb", &mut found);
    assert!(found.len() >= 40, "{} golden files", found.len());
    found
}

#[test]
fn every_golden_file_has_only_settings_that_its_version_knows() {
    let known = known();
    for path in every_rb() {
        let text = fs::read_to_string(&path).unwrap();
        let version = if path.display().to_string().contains("18.11") { "18.11" } else { "19.2.1" };
        let complaints = known.complaints(&text, version);
        assert!(complaints.is_empty(), "{}: {complaints:#?}", path.display());
    }
}

#[test]
fn every_golden_file_is_ruby() {
    // With several files, ruby -c looks at the first one only.
    for path in every_rb() {
        let output = Command::new("ruby").arg("-wc").arg(&path).output();
        let output = output.unwrap_or_else(|error| panic!("cannot run ruby, which scripts/setup.sh installs: {error}"));
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && told.is_empty(), "{}: {told}", path.display());
    }
}

#[test]
fn every_setting_is_made_once_and_every_group_has_its_comment() {
    for path in every_rb() {
        let text = fs::read_to_string(&path).unwrap();
        let mut seen = std::collections::BTreeSet::new();
        for line in text.lines().filter(|line| line.starts_with(|letter: char| letter.is_ascii_lowercase())) {
            if let Some((left, _)) = line.split_once(" = ") {
                assert!(seen.insert(left.to_owned()), "{}: {left} twice", path.display());
            }
        }
        assert!(!text.contains("\n\n\n"), "{}: two empty lines", path.display());
        for group in text.split("\n\n") {
            assert!(group.starts_with('#'), "{}: a group without a comment:\n{group}", path.display());
        }
        assert!(!text.contains(" \n"), "{}: a space at the end of a line", path.display());
    }
}
