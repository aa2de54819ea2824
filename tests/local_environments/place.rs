//! A scratch folder with an environment file, and the binary run in it.

use std::{
    path::PathBuf,
    process::{Command, Output},
};

use serde_json::Value;

/// An environment of its own in a scratch folder; destroyed when the test fails.
pub struct Place {
    name: &'static str,
    folder: tempfile::TempDir,
}

/// What the binary did.
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Place {
    pub fn new(name: &'static str, environment: &str) -> Self {
        let place = Self::empty(name);
        place.write("refarch.yaml", environment);
        // What a test before this one may have left when it was killed.
        place.destroy().expect(0);
        place
    }

    /// Without an environment file yet.
    pub fn empty(name: &'static str) -> Self {
        Self { name, folder: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    pub fn refarch(&self, arguments: &[&str]) -> Ran {
        let output = Command::new(env!("CARGO_BIN_EXE_refarch"))
            .args(arguments)
            .current_dir(self.folder.path())
            .env("NO_COLOR", "1")
            .output()
            .unwrap();
        let Output { status, stdout, stderr } = output;
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Ran { code: status.code().unwrap_or(-1), stdout: text(stdout), stderr: text(stderr) }
    }

    /// The binary, started and not waited for.
    pub fn start(&self, arguments: &[&str]) -> std::process::Child {
        self.start_into(std::process::Stdio::null(), arguments)
    }

    /// The same, with somewhere for its standard output.
    pub fn start_into(&self, stdout: impl Into<std::process::Stdio>, arguments: &[&str]) -> std::process::Child {
        Command::new(env!("CARGO_BIN_EXE_refarch"))
            .args(arguments)
            .current_dir(self.folder.path())
            .env("NO_COLOR", "1")
            .stdout(stdout)
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap()
    }

    /// Runs a shell line on nodes.
    pub fn on(&self, nodes: &str, line: &str) -> Ran {
        self.refarch(&["exec", "--on", nodes, "--", line])
    }

    pub fn destroy(&self) -> Ran {
        self.refarch(&["destroy", "--yes", "--destroy-data", self.name])
    }

    /// Names in the environment's workspace.
    pub fn workspace(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.path(".refarch").join(self.name)).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let ran = self.destroy();
            eprintln!("after the failure: destroy ended with {}\n{}", ran.code, ran.stderr);
        }
    }
}

impl Ran {
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert!(self.code == code, "exit code {}, not {code}\n{}\n{}", self.code, self.stdout, self.stderr);
        self
    }

    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        assert!(self.stdout.contains(text), "no `{text}` in\n{}\n{}", self.stdout, self.stderr);
        self
    }

    /// What standard output says, without its last line break.
    pub fn text(&self) -> &str {
        self.stdout.trim_end()
    }

    /// The last line of standard output, as data.
    pub fn last_line(&self) -> Value {
        serde_json::from_str(self.stdout.lines().last().unwrap()).unwrap()
    }

    /// The ids of the steps that a run with `--output jsonl` finished, in their order.
    pub fn finished(&self) -> Vec<String> {
        let events = self.stdout.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let finished = events.filter(|event| event["type"] == "step_finished");
        finished.map(|event| event["step"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// The ids of a plan's steps.
    pub fn steps(&self) -> Vec<String> {
        let plan: Value = serde_json::from_str(&self.stdout).unwrap();
        let steps = plan["steps"].as_array().unwrap();
        steps.iter().map(|step| step["id"].as_str().unwrap().to_owned()).collect()
    }
}
