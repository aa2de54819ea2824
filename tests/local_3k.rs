//! The smallest highly available architecture from nothing to nothing, on real servers: what a user does with the
//! binary in an afternoon.
//!
//! Needs a container engine; `make test` sets one up. Fails where there is none.
#![cfg(feature = "local")]
#![allow(clippy::unwrap_used, reason = "a test")]

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

use refarch::provider::local::leftovers;
use serde_json::Value;

const NAME: &str = "e2e";

/// An environment of its own in a scratch folder; destroyed at the end, also when the test fails.
struct Environment {
    folder: tempfile::TempDir,
}

struct Ran {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Environment {
    fn new() -> Self {
        let environment = Self { folder: tempfile::tempdir().unwrap() };
        environment.write(3);
        // What a test before this one may have left when it was killed.
        environment.refarch(&["destroy", "--yes", "--destroy-data", NAME]).expect(0);
        environment
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("e2e.yaml")
    }

    fn workspace(&self) -> PathBuf {
        self.folder.path().join(".refarch").join(NAME)
    }

    fn write(&self, app_nodes: u32) {
        let text = format!(
            "name: {NAME}\narchitecture: 3k\nprovider: local\npurpose: test\nnodes:\n  app: {{ count: {app_nodes} }}\n"
        );
        std::fs::write(self.file(), text).unwrap();
    }

    fn refarch(&self, arguments: &[&str]) -> Ran {
        let output = Command::new(env!("CARGO_BIN_EXE_refarch"))
            .args(arguments)
            .current_dir(self.folder.path())
            .env("REFARCH_ENVIRONMENT", self.file())
            .env("NO_COLOR", "1")
            .output()
            .unwrap();
        let Output { status, stdout, stderr } = output;
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Ran { code: status.code().unwrap_or(-1), stdout: text(stdout), stderr: text(stderr) }
    }

    fn on(&self, node: &str, command: &str) -> Ran {
        self.refarch(&["exec", "--on", node, "--", command])
    }

    /// The app servers that the external balancer finds good.
    fn servers_up(&self) -> usize {
        let own = "$(getent hosts \"$(hostname)\" | cut -d ' ' -f 1)";
        let ran = self.on("e2e-haproxy-external-1", &format!("curl -fs \"http://{own}:1936/;csv\"")).expect(0);
        ran.stdout.lines().filter(|line| line.contains("| app-http,e2e-app-") && line.contains(",UP,")).count()
    }
}

impl Drop for Environment {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let ran = self.refarch(&["destroy", "--yes", "--destroy-data", NAME]);
            eprintln!("after the failure: destroy ended with {}\n{}", ran.code, ran.stderr);
        }
    }
}

impl Ran {
    #[track_caller]
    fn expect(self, code: i32) -> Self {
        assert!(self.code == code, "exit code {}, not {code}\n{}\n{}", self.code, self.stdout, self.stderr);
        self
    }

    #[track_caller]
    fn says(self, text: &str) -> Self {
        assert!(self.stdout.contains(text), "no `{text}` in\n{}\n{}", self.stdout, self.stderr);
        self
    }

    /// What standard output says, without its last line break.
    fn text(&self) -> &str {
        self.stdout.trim_end()
    }

    /// The ids of a plan's steps.
    fn plan(&self) -> Vec<String> {
        let plan: Value = serde_json::from_str(&self.stdout).unwrap();
        let steps = plan["steps"].as_array().unwrap();
        steps.iter().map(|step| step["id"].as_str().unwrap().to_owned()).collect()
    }
}

async fn kill_container(name: &str) {
    let engine = bollard::Docker::connect_with_defaults().unwrap();
    engine.kill_container(name, None).await.unwrap();
}

#[tokio::test]
async fn an_environment_from_nothing_to_nothing() {
    let environment = Environment::new();

    // Up, proven, and then nothing to do.
    environment
        .refarch(&["apply", "--yes"])
        .expect(0)
        .says("all 16 checks hold")
        .says("Environment  e2e: 23 nodes, stack sandbox")
        .says("https://e2e.test");
    assert_eq!(
        environment.refarch(&["apply"]).expect(0).text(),
        "e2e: nothing to do, everything is as the environment file says"
    );
    environment.refarch(&["status"]).expect(0).says("23 of 23 nodes healthy");

    // Every kind of drift is seen, and mended where it is.
    environment.on("e2e-pgbouncer-1", "echo '; by hand' >>/etc/pgbouncer/pgbouncer.ini").expect(0);
    environment.on("e2e-monitor-1", "systemctl stop prometheus").expect(0);
    kill_container("e2e-redis-2").await;
    environment.refarch(&["verify", "--output", "plain"]).expect(3);
    let drift = environment.refarch(&["plan", "--detailed-exitcode", "--output", "json"]).expect(2).plan();
    assert_eq!(
        drift,
        [
            "resource/node/e2e-redis-2",
            "await/e2e-redis-2",
            "configure/e2e-pgbouncer-1/pgbouncer",
            "configure/e2e-redis-2/base",
            "configure/e2e-redis-2/redis-node",
            "configure/e2e-redis-2/redis",
            "configure/e2e-monitor-1/monitor",
        ]
    );
    environment.refarch(&["plan", "--diff"]).expect(0).says("-; by hand");
    environment.refarch(&["apply", "--yes"]).expect(0).says("all 16 checks hold");
    environment.on("e2e-pgbouncer-1", "! grep 'by hand' /etc/pgbouncer/pgbouncer.ini").expect(0);

    // Out by one app node with a saved plan, which is good once; and in again.
    environment.write(4);
    environment.refarch(&["plan", "-o", "plan.json"]).expect(0).says("e2e-app-4");
    environment.refarch(&["apply", "plan.json"]).expect(0).says("Environment  e2e: 24 nodes");
    environment.refarch(&["apply", "plan.json"]).expect(1);
    assert_eq!(environment.servers_up(), 4);
    environment.write(3);
    environment.refarch(&["apply", "--yes"]).expect(0).says("Environment  e2e: 23 nodes");
    assert_eq!(environment.servers_up(), 3);

    // Down: data goes only by name, and then nothing is left.
    let refused = environment.refarch(&["destroy", "--yes"]).expect(1);
    assert!(refused.stderr.contains("this would destroy the data of e2e-"), "{}", refused.stderr);
    environment.refarch(&["destroy", "--yes", "--destroy-data", NAME]).expect(0);
    assert_eq!(leftovers(NAME).await.unwrap(), Vec::<String>::new());
    assert_eq!(names(&environment.workspace()), [".gitignore", "lock.guard", "runs"]);
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}
