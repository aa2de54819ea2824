//! The stack's scripts, run against programs that stand in for the node's own.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Command};

use super::place::{Place, file, root};

fn shell_scripts() -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![root().join("roles/gitlab")];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|ending| ending == "sh") {
                found.push(path);
            }
        }
    }
    found
}

#[test]
fn every_script_is_posix_shell() {
    let stages = Place::new("10k", "settings:\n  haproxy-external: { tls: acme }\n").stages();
    let mut rendered = Vec::new();
    for (node, stages) in &stages {
        for path in ["migrate", "acme"] {
            if let Some(text) = file(stages, &format!("/usr/local/lib/refarch/{path}")) {
                rendered.push((format!("{node} {path}"), text));
            }
        }
    }
    let plain = shell_scripts().into_iter().filter(|path| !path.to_string_lossy().contains("/checks/"));
    rendered.extend(plain.map(|path| (path.display().to_string(), fs::read_to_string(&path).unwrap())));
    assert!(rendered.len() >= 10, "{}", rendered.len());
    for (name, text) in rendered {
        let output = Command::new("dash").args(["-n", "-c", &text]).output().unwrap();
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

/// Something for every secret.
struct Anything;

impl refarch::configure::SecretSource for Anything {
    fn text(&self, name: &str) -> Option<String> {
        Some(name.to_owned())
    }
    fn pair(&self, name: &str, node: &str) -> Option<(String, String)> {
        Some((name.to_owned(), node.to_owned()))
    }
    fn ca_certificate(&self) -> Option<String> {
        Some("ca".to_owned())
    }
}

#[test]
fn every_check_of_a_path_is_posix_shell_wherever_it_runs() {
    let stack = super::place::catalog();
    let mut seen = std::collections::BTreeSet::new();
    for size in ["1k", "3k", "10k"] {
        let place = Place::new(size, "");
        let topology = place.session.topology();
        let address = |number: usize| format!("10.0.0.{number}");
        let addresses =
            topology.nodes.iter().enumerate().map(|(number, node)| (node.name.clone(), address(number))).collect();
        let inputs = refarch::configure::Inputs {
            catalog: &stack,
            topology,
            addresses: &addresses,
            secrets: &Anything,
            folder: None,
        };
        let renderer = refarch::configure::Renderer::new(inputs).unwrap();
        for line in &stack.stack.summary_lines {
            assert!(!renderer.text(&line.value).unwrap().is_empty(), "{size} {}", line.name);
        }
        for check in &stack.stack.checks {
            let Some(role) = check.on.iter().find(|role| topology.has_role(role)) else { continue };
            if !renderer.holds(check.when.as_deref()).unwrap() {
                continue;
            }
            let node = topology.with_role(role).next().unwrap();
            let script = renderer.check_script(&node.name, check).unwrap_or_else(|error| panic!("{error}"));
            let output = Command::new("dash").args(["-n", "-c", &script.text]).output().unwrap();
            assert!(output.status.success(), "{}: {}", check.name, String::from_utf8_lossy(&output.stderr));
            seen.insert(check.name.clone());
        }
    }
    assert_eq!(seen.len(), stack.stack.checks.len(), "{seen:?}");
}

/// Puts a program of the test's into a folder that comes first in PATH.
fn stand_in(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Runs the package script with these settings, where this version is installed.
fn package(verb: &str, settings: &str, installed: &str, held: bool) -> (bool, String) {
    let folder = tempfile::tempdir().unwrap();
    let conf = folder.path().join("package.conf");
    let defaults = "EDITION=ee VERSION=newest SOURCE=repository LOCATION= FINGERPRINT=AAAA HEADER=\n";
    fs::write(&conf, format!("{defaults}{settings}\n")).unwrap();
    let answer = if installed.is_empty() { String::new() } else { format!("echo 'installed {installed}'") };
    stand_in(folder.path(), "dpkg-query", &answer);
    let hold = if held { "echo gitlab-ee" } else { "" };
    stand_in(folder.path(), "apt-mark", &format!("case $1 in showhold) {hold} ;; esac; :"));
    stand_in(folder.path(), "curl", "while [ $# -gt 1 ]; do [ \"$1\" = -o ] && echo key >\"$2\"; shift; done; :");
    stand_in(folder.path(), "dpkg-deb", "case $3 in Package) echo gitlab-ee ;; *) echo 18.11.3-ee.0 ;; esac");
    stand_in(folder.path(), "gpg", "echo pub:; echo fpr:::::::::BBBB:");
    stand_in(folder.path(), "apt-get", "echo \"apt-get $*\" >&2; exit 1");
    let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap());
    let output = Command::new("dash")
        .arg(root().join("roles/gitlab/linux-package/files/package.sh"))
        .arg(verb)
        .env("PATH", path)
        .env("REFARCH_PACKAGE_CONF", &conf)
        .output()
        .unwrap();
    (output.status.success(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn an_installed_package_of_the_wanted_version_is_good_when_it_is_held() {
    assert!(package("installed", "", "19.3.1-ee.0", true).0);
    assert!(package("installed", "VERSION=18.11", "18.11.3-ee.0", true).0);
    assert!(package("installed", "VERSION=18.11.3", "18.11.3-ee.0", true).0);
    assert!(package("installed", "SOURCE=none", "19.3.1-ee.0", false).0);
    assert!(!package("installed", "", "19.3.1-ee.0", false).0, "held against upgrades by accident");
    assert!(!package("installed", "VERSION=18.1", "18.11.3-ee.0", true).0, "18.1 is not 18.11");
    assert!(!package("installed", "", "", true).0);
}

#[test]
fn what_cannot_be_installed_is_told_before_anything_is_touched() {
    let (good, told) = package("install", "VERSION=19.3.1", "18.11.3-ee.0", true);
    assert!(!good && told.contains("gitlab-ee 18.11.3-ee.0 is installed and 19.3.1 is wanted"), "{told}");
    let (good, told) = package("install", "SOURCE=none", "", false);
    assert!(!good && told.contains("gitlab-ee is not installed, and settings.linux-package.source is none"), "{told}");
    let supported = fs::read_to_string("/etc/os-release").unwrap().contains("ID=debian");
    if supported {
        let (good, told) = package("install", "", "", false);
        assert!(!good && told.contains("is BBBB, not AAAA"), "another key than the pinned one: {told}");
        let (good, told) = package("install", "SOURCE=path LOCATION=/etc/hostname VERSION=19.3", "", false);
        assert!(!good && told.contains("is version 18.11.3-ee.0, not 19.3"), "{told}");
        let (good, told) = package("install", "SOURCE=path LOCATION=/nowhere.deb", "", false);
        assert!(!good && told.contains("there is no /nowhere.deb on this node"), "{told}");
    }
}

#[test]
fn a_disk_that_holds_data_is_never_formatted() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let disk = folder.path().join("disk");
    fs::write(&disk, "").unwrap();
    let run = |found: &str, kind: &str, label: &str| {
        fs::write(&log, "").unwrap();
        stand_in(folder.path(), "wipefs", &format!("[ -z '{found}' ] || echo '{found}'"));
        stand_in(
            folder.path(),
            "blkid",
            &format!("case $2 in TYPE) echo {kind} ;; LABEL) echo {label} ;; UUID) echo 1-2 ;; esac"),
        );
        for program in ["mkfs.ext4", "mount", "sed", "mountpoint"] {
            stand_in(folder.path(), program, &format!("echo {program} \"$@\" >>{}; exit 0", log.display()));
        }
        let script = fs::read_to_string(root().join("roles/gitlab/base/files/data-disk.sh")).unwrap();
        // A file stands in for the disk, and for the table of file systems.
        let script =
            script.replace("[ -b ", "[ -f ").replace("/etc/fstab", &folder.path().join("fstab").to_string_lossy());
        let output = Command::new("dash")
            .args(["-c", &script, "data-disk", "make"])
            .args([disk.as_os_str(), folder.path().join("data").as_os_str(), "git".as_ref()])
            .env("PATH", format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap()))
            .output()
            .unwrap();
        let formatted = fs::read_to_string(&log).unwrap().contains("mkfs");
        let told = [output.stdout, output.stderr].concat();
        (output.status.success(), formatted, String::from_utf8(told).unwrap())
    };
    let (good, formatted, told) = run("", "ext4", "git");
    assert!(good && formatted, "an empty disk is formatted: {told}");
    assert!(fs::read_to_string(folder.path().join("fstab")).unwrap().contains("UUID=1-2 "));
    let (good, formatted, _) = run("ext4 git", "ext4", "git");
    assert!(good && !formatted, "a disk of ours is mounted as it is");
    for (found, kind, label) in
        [("xfs", "xfs", ""), ("ext4 photos", "ext4", "photos"), ("LVM2_member", "LVM2_member", "")]
    {
        let (good, formatted, told) = run(found, kind, label);
        assert!(!good && !formatted && told.contains("it is left alone"), "{found}: {told}");
    }
}

#[test]
fn a_disk_that_holds_data_is_refused_before_anything_changes() {
    let folder = tempfile::tempdir().unwrap();
    let disk = folder.path().join("disk");
    fs::write(&disk, "").unwrap();
    let mount = folder.path().join("data");
    fs::create_dir(&mount).unwrap();
    let more = format!(
        "settings: {{ base: {{ data_disks: {{ gitaly: [{{ device: {}, mount: {}, label: git }}] }} }} }}\n",
        disk.display(),
        mount.display()
    );
    let place = Place::new("3k", &more);
    assert_eq!(place.requirements("demo-app-1"), [""; 0]);
    let script = place.requirements("demo-gitaly-1").swap_remove(0);
    let run = |script: &str, found: &str| {
        stand_in(folder.path(), "wipefs", &format!("[ -z '{found}' ] || echo '{found}'"));
        stand_in(folder.path(), "mountpoint", "exit 1");
        let output = Command::new("dash")
            .args(["-c", script])
            .env("PATH", format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap()))
            .output()
            .unwrap();
        (output.status.success(), String::from_utf8(output.stdout).unwrap())
    };
    let (good, told) = run(&script, "");
    assert!(!good && told.contains("is no disk of this machine"), "{told}");
    // A file stands in for the disk.
    let script = script.replace("[ ! -b ", "[ ! -f ");
    assert_eq!(run(&script, ""), (true, String::new()));
    assert_eq!(run(&script, "ext4 git"), (true, String::new()), "a disk of ours");
    for found in ["xfs", "ext4 photos", "LVM2_member"] {
        let (good, told) = run(&script, found);
        assert!(!good && told.contains("it is left alone"), "{found}: {told}");
    }
    fs::write(mount.join("photo"), "").unwrap();
    let (good, told) = run(&script, "");
    assert!(!good && told.contains("would hide what is in it"), "{told}");
}

#[test]
fn a_server_of_ones_own_that_does_not_answer_is_named() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let open = listener.local_addr().unwrap().port();
    let run = |port: u16| {
        let more = format!(
            "nodes: {{ postgres: {{ count: 0 }}, pgbouncer: {{ count: 0 }} }}\n\
             settings: {{ app: {{ external_database: {{ host: 127.0.0.1, port: {port} }} }} }}\n"
        );
        let place = Place::new("3k", &more);
        let of_gitaly = place.requirements("demo-gitaly-1");
        assert!(of_gitaly.iter().all(|script| !script.contains("127.0.0.1")), "it does not use the server");
        let script = place.requirements("demo-app-1").pop().unwrap();
        let output = Command::new("dash").args(["-c", &script]).output().unwrap();
        (output.status.success(), String::from_utf8(output.stdout).unwrap())
    };
    assert_eq!(run(open), (true, String::new()));
    // Nobody may listen on port 1 without root's consent.
    let (good, told) = run(1);
    assert!(!good && told.starts_with("127.0.0.1:1 does not answer: "), "{told}");
}

/// A script of the stack with other places than the node's, run with stand-ins for the package's programs.
struct Node {
    folder: tempfile::TempDir,
    script: String,
}

impl Node {
    fn new(script: &str, programs: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for place in ["etc/gitlab/ssl", "etc/gitlab/trusted-certs", "etc/refarch", "var/lib/refarch", "var/log", "bin"]
        {
            fs::create_dir_all(folder.path().join(place)).unwrap();
        }
        let root = folder.path().display();
        let text = fs::read_to_string(super::place::root().join("roles/gitlab").join(script)).unwrap();
        let text = text.replace("/usr/local/lib/refarch/", &format!("{root}/bin/"));
        let text =
            ["/etc/", "/var/"].into_iter().fold(text, |text, place| text.replace(place, &format!("{root}{place}")));
        for (name, program) in programs {
            stand_in(&folder.path().join("bin"), name, program);
        }
        Self { folder, script: text }
    }

    fn write(&self, path: &str, text: &str) {
        fs::write(self.folder.path().join(path), text).unwrap();
    }

    fn run(&self, arguments: &[&str]) -> (bool, String) {
        let bin = self.folder.path().join("bin");
        let output = Command::new("dash")
            .args(["-c", &self.script, "script"])
            .args(arguments)
            .env("PATH", format!("{}:{}", bin.display(), std::env::var("PATH").unwrap()))
            .env("ROOT", self.folder.path())
            .output()
            .unwrap();
        (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    }
}

#[test]
fn a_node_reconfigures_when_what_it_reads_has_changed_and_only_then() {
    let ctl = "echo \"$@\" >>\"$ROOT/calls\"; [ ! -e \"$ROOT/broken\" ] || { echo 'FATAL: unknown key x'; exit 1; }";
    let node =
        Node::new("linux-package/files/reconfigure.sh", &[("gitlab-ctl", ctl), ("package", "cat \"$ROOT/version\"")]);
    node.write("version", "19.3.1");
    node.write("etc/gitlab/gitlab.rb", "a");
    assert!(!node.run(&["done"]).0 && !node.run(&["serving"]).0, "a new node has nothing that could be interrupted");
    assert!(node.run(&["run"]).0 && node.run(&["done"]).0 && node.run(&["serving"]).0);
    for (path, text) in [
        ("etc/gitlab/gitlab.rb", "b"),
        ("etc/refarch/gitlab-secrets.json", "{}"),
        ("etc/gitlab/ssl/internal.key", "k"),
        ("etc/gitlab/trusted-certs/refarch.crt", "c"),
        ("version", "19.3.2"),
    ] {
        node.write(path, text);
        assert!(!node.run(&["done"]).0, "{path}");
        assert!(node.run(&["run"]).0 && node.run(&["done"]).0, "{path}");
    }
    // What the package itself does to its secrets is none of our business.
    node.write("etc/gitlab/gitlab-secrets.json", "{\"a\": {}}");
    assert!(node.run(&["done"]).0);
    let calls = fs::read_to_string(node.folder.path().join("calls")).unwrap();
    assert_eq!(calls.lines().count(), 6, "{calls}");

    node.write("etc/gitlab/gitlab.rb", "c");
    node.write("broken", "");
    let (good, told) = node.run(&["run"]);
    assert!(!good && told.contains("FATAL: unknown key x") && told.contains("the whole output: "), "{told}");
    assert!(!node.run(&["done"]).0, "a failed one is tried again");
}

#[test]
fn an_own_script_runs_after_each_reconfigure_and_its_failure_counts() {
    let node = Node::new("linux-package/files/reconfigure.sh", &[("gitlab-ctl", ":"), ("package", ":")]);
    node.write("etc/gitlab/gitlab.rb", "a");
    node.write("etc/refarch/own-after", "echo ran >>\"$ROOT/own\"");
    assert!(node.run(&["run"]).0 && node.run(&["done"]).0);
    node.write("etc/refarch/own-after", "exit 3");
    assert!(!node.run(&["done"]).0, "a changed script runs again");
    let (good, told) = node.run(&["run"]);
    assert!(!good && told.contains("the own script after it failed"), "{told}");
    assert_eq!(fs::read_to_string(node.folder.path().join("own")).unwrap(), "ran\n");
}

#[test]
fn praefects_database_is_made_once() {
    let psql = "case $* in *pg_database*) [ ! -e \"$ROOT/made\" ] || echo 1 ;; *'create database'*) touch \"$ROOT/made\" ;; *) cat >>\"$ROOT/sql\" ;; esac";
    let node = Node::new("praefect-postgres/files/praefect-database.sh", &[("gitlab-psql", psql)]);
    node.write("etc/refarch/praefect-role.sql", "alter role praefect password 'a';");
    assert!(!node.run(&["right"]).0);
    assert!(node.run(&["make"]).0 && node.run(&["right"]).0);
    node.write("etc/refarch/praefect-role.sql", "alter role praefect password 'b';");
    assert!(!node.run(&["right"]).0, "a new password is set");
    assert!(node.run(&["make"]).0 && node.run(&["right"]).0);
    assert!(fs::read_to_string(node.folder.path().join("sql")).unwrap().ends_with("'b';"));
}

#[test]
fn own_files_are_put_as_they_are_listed() {
    let node = Node::new("base/files/own-files.sh", &[("chown", ":")]);
    let user = String::from_utf8(Command::new("id").arg("-un").output().unwrap().stdout).unwrap();
    let path = node.folder.path().join("srv/a/file");
    let list = serde_json::json!([{"path": path, "mode": "0640", "owner": user.trim(), "content": "one\ntwo"}]);
    node.write("etc/refarch/own-files.json", &list.to_string());
    assert!(!node.run(&["right"]).0);
    let (good, told) = node.run(&["put"]);
    assert!(good && node.run(&["right"]).0, "{told}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "one\ntwo");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(!node.run(&["right"]).0);
}

#[test]
fn secrets_of_the_package_stay_and_ours_win() {
    let folder = tempfile::tempdir().unwrap();
    let (ours, theirs) = (folder.path().join("ours"), folder.path().join("theirs"));
    fs::write(&ours, r#"{"a": {"x": 1}}"#).unwrap();
    fs::write(&theirs, r#"{"a": {"x": 0, "y": 2}, "b": {}}"#).unwrap();
    let script = fs::read_to_string(root().join("roles/gitlab/linux-package/files/gitlab-secrets.sh")).unwrap();
    let script = script
        .replace("/etc/refarch/gitlab-secrets.json", &ours.to_string_lossy())
        .replace("/etc/gitlab/gitlab-secrets.json", &theirs.to_string_lossy());
    let run =
        |verb: &str| Command::new("dash").args(["-c", &script, "gitlab-secrets", verb]).status().unwrap().success();
    assert!(!run("right"));
    assert!(run("put") && run("right"));
    let now: serde_json::Value = serde_json::from_slice(&fs::read(&theirs).unwrap()).unwrap();
    assert_eq!(now, serde_json::json!({"a": {"x": 1, "y": 2}, "b": {}}));
    assert_eq!(fs::metadata(&theirs).unwrap().permissions().mode() & 0o777, 0o600);
}
