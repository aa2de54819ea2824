//! Members of a team: each with a checkout of the environment file on a machine of their own.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use super::machine::Machine;

/// Where the workspace lies.
pub struct Team {
    pub machine: Machine,
    pub place: String,
    /// Credentials of the place.
    pub variables: Vec<(&'static str, String)>,
    pub folder: tempfile::TempDir,
}

/// A checkout.
pub struct Member {
    folder: PathBuf,
    identity: PathBuf,
    roles: PathBuf,
    variables: Vec<(&'static str, String)>,
}

/// What the binary did.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Team {
    /// With a shared folder.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let shared = folder.path().join("shared");
        fs::create_dir(&shared).unwrap();
        Self { machine: Machine::start(), place: shared.display().to_string(), variables: Vec::new(), folder }
    }

    /// A checkout that says where the workspace lies.
    pub fn member(&self, name: &str) -> Member {
        let member = self.alone(name);
        member.write("refarch.yaml", &format!("{}workspace: {}\n", ENVIRONMENT, self.place));
        member
    }

    /// A checkout that does not.
    pub fn alone(&self, name: &str) -> Member {
        let folder = self.folder.path().join(name);
        fs::create_dir(&folder).unwrap();
        let member = Member {
            folder,
            identity: self.folder.path().join("identity.txt"),
            roles: self.machine.roles(),
            variables: self.variables.clone(),
        };
        member.write("refarch.yaml", ENVIRONMENT);
        member.write("machines.yaml", &self.machine.inventory());
        member
    }

    /// Waits until the roles have done as much.
    pub fn await_acts(&self, count: usize) {
        let patience = Instant::now();
        while self.machine.acts().len() < count {
            assert!(patience.elapsed() < Duration::from_secs(60), "{:?}", self.machine.acts());
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

const ENVIRONMENT: &str = "name: team\nprovider: static\ninventory: machines.yaml\nnodes:\n  tools: { count: 1 }\n";

impl Member {
    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.folder.join(name), text).unwrap();
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// With an identity of its own.
    pub fn identified_by(mut self, identity: &Path) -> Self {
        self.identity = identity.to_owned();
        self
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_refarch"));
        command
            .args(arguments)
            .current_dir(&self.folder)
            .env("NO_COLOR", "1")
            .env("REFARCH_OUTPUT", "plain")
            .env("REFARCH_IDENTITY", &self.identity)
            .env("REFARCH_ROLES", &self.roles)
            .env_remove("REFARCH_WORKSPACE")
            .envs(self.variables.iter().cloned());
        command
    }

    pub fn refarch(&self, arguments: &[&str]) -> Ran {
        self.command(arguments).output().unwrap().into()
    }

    /// The binary with more variables.
    pub fn refarch_with(&self, variables: &[(&str, &str)], arguments: &[&str]) -> Ran {
        self.command(arguments).envs(variables.iter().copied()).output().unwrap().into()
    }

    /// The binary, started and not waited for.
    pub fn start(&self, arguments: &[&str]) -> Child {
        self.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// The laptop is gone with all that was on it.
    pub fn lose(self) {
        fs::remove_dir_all(self.folder).unwrap();
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code().unwrap_or(-1), stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

impl Ran {
    #[track_caller]
    pub fn ended(self, code: i32) -> Self {
        assert!(self.code == code, "exit code {}, not {code}\n{}\n{}", self.code, self.stdout, self.stderr);
        self
    }

    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        let all = format!("{}{}", self.stdout, self.stderr);
        assert!(all.contains(text), "no `{text}` in\n{all}");
        self
    }
}
