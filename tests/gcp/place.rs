//! A folder with an environment file, the project that it is for, and refarch run in it.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::double::Double;

/// Project of the tests.
pub const PROJECT: &str = "demo-project";

/// A folder with an environment file, and the project that it is for.
pub struct Place {
    pub double: Double,
    folder: tempfile::TempDir,
    file: PathBuf,
}

/// What refarch said and how it ended.
#[derive(Debug)]
pub struct Said {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Said {
    /// It ended well.
    #[track_caller]
    pub fn ok(self) -> Self {
        self.ended(0)
    }

    #[track_caller]
    pub fn ended(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stdout:\n{}\nstderr:\n{}", self.out, self.err);
        self
    }

    /// It failed, and said each of these.
    #[track_caller]
    pub fn refused(self, words: &[&str]) -> Self {
        assert_ne!(self.code, Some(0), "stdout:\n{}\nstderr:\n{}", self.out, self.err);
        let told = format!("{}\n{}", self.out, self.err).split_whitespace().collect::<Vec<_>>().join(" ");
        for word in words {
            assert!(told.contains(word), "nothing of {word:?} in\n{}\n{}", self.out, self.err);
        }
        self
    }
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Place {
    /// With this text as the environment file.
    pub fn new(environment: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("demo.yaml");
        std::fs::write(&file, environment).unwrap();
        let double = Double::start();
        let key = double.control("credentials", &json!({}));
        std::fs::write(folder.path().join("key.json"), key.to_string()).unwrap();
        Self { double, folder, file }
    }

    /// With one of the files that refarch ships, in a region that the double has.
    pub fn shipped(size: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("environments/gcp/{size}.yaml"));
        Self::new(&std::fs::read_to_string(path).unwrap())
    }

    /// Where refarch keeps what it knows.
    pub fn workspace(&self) -> PathBuf {
        self.folder.path().join("workspace")
    }

    /// Writes the environment file anew.
    pub fn write(&self, environment: &str) {
        std::fs::write(&self.file, environment).unwrap();
    }

    /// Forgets what this machine knows: another laptop.
    pub fn elsewhere(&self) {
        let _ = std::fs::remove_dir_all(self.folder.path().join("workspace"));
    }

    /// A fresh project and a fresh machine.
    pub fn start_anew(&self) {
        self.double.control("reset", &json!({}));
        self.elsewhere();
    }

    /// The key file that the double believes.
    pub fn key_file(&self) -> PathBuf {
        self.folder.path().join("key.json")
    }

    /// The command, its environment file last.
    pub fn command(&self, verb: &str, args: &[&str]) -> Command {
        let mut command = self.bare(verb);
        command.args(args).arg(&self.file);
        command
    }

    /// The command without an environment file.
    pub fn bare(&self, verb: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_refarch"));
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy().into_owned();
            if ["GOOGLE_", "GCLOUD_", "CLOUDSDK_", "REFARCH_", "XDG_"].iter().any(|start| name.starts_with(start)) {
                command.env_remove(&name);
            }
        }
        for service in ["COMPUTE", "IAM", "STORAGE", "SERVICEUSAGE", "ORGPOLICY", "CLOUDRESOURCEMANAGER"] {
            command.env(format!("CLOUDSDK_API_ENDPOINT_OVERRIDES_{service}"), self.double.url());
        }
        command
            .arg(verb)
            .current_dir(self.folder.path())
            .env("HOME", self.folder.path())
            .env("REFARCH_WORKSPACE", self.folder.path().join("workspace"))
            .env("REFARCH_OUTPUT", "plain")
            .env("GOOGLE_APPLICATION_CREDENTIALS", self.key_file())
            .env("GOOGLE_CLOUD_PROJECT", PROJECT)
            .env("CLOUDSDK_COMPUTE_REGION", "europe-west4")
            .env("NO_PROXY", "127.0.0.1")
            .stdin(Stdio::null());
        command
    }

    pub fn refarch(&self, verb: &str, args: &[&str]) -> Said {
        self.command(verb, args).output().unwrap().into()
    }

    /// Machines, network and the like; nothing on the machines, which are not there.
    pub fn apply(&self, args: &[&str]) -> Said {
        self.refarch("apply", &[&["--infrastructure", "--yes"], args].concat())
    }

    pub fn plan(&self) -> Said {
        self.refarch("plan", &["--infrastructure", "--detailed-exitcode"])
    }

    pub fn destroy(&self) -> Said {
        let name = self.environment();
        self.refarch("destroy", &["--yes", "--destroy-data", &name])
    }

    /// The environment's name, as its file says.
    pub fn environment(&self) -> String {
        let text = std::fs::read_to_string(&self.file).unwrap();
        text.lines().find_map(|line| line.strip_prefix("name: ")).unwrap().to_owned()
    }

    /// There is nothing to do.
    #[track_caller]
    pub fn assert_settled(&self) {
        let said = self.plan();
        assert_eq!(said.code, Some(0), "stdout:\n{}\nstderr:\n{}", said.out, said.err);
        assert!(said.out.contains("nothing to do"), "{}", said.out);
    }

    /// Nothing is left in the project.
    #[track_caller]
    pub fn assert_empty(&self) {
        let left: Vec<String> = self.double.resources().keys().cloned().collect();
        assert!(left.is_empty(), "left behind: {left:#?}");
    }

    /// Machines, by name.
    pub fn machines(&self) -> BTreeMap<String, Value> {
        let named = |body: Value| (body["name"].as_str().unwrap().to_owned(), body);
        self.double.of("instances").into_iter().map(named).collect()
    }

    /// Path of a machine.
    pub fn path_of(&self, machine: &str) -> String {
        let end = format!("/instances/{machine}");
        self.double.resources().into_iter().map(|(path, _)| path).find(|path| path.ends_with(&end)).unwrap()
    }

    /// What the project has, without what differs from one time to the next: numbers, times, runs.
    pub fn shape(&self) -> BTreeMap<String, Value> {
        self.double.resources().into_iter().map(|(path, body)| (path, lasting(body))).collect()
    }

    /// Runs the command and kills it (SIGKILL) while the double holds a call; says whether the call came.
    pub fn kill_while_held(&self, verb: &str, args: &[&str]) -> bool {
        let mut child = self.command(verb, args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let end = Instant::now() + Duration::from_secs(120);
        loop {
            if self.double.control("wait_held", &json!({ "seconds": 0.2 }))["held"] == true {
                break;
            }
            if child.try_wait().unwrap().is_some() {
                return false;
            }
            assert!(Instant::now() < end, "it neither ended nor came to the call");
        }
        child.kill().unwrap();
        child.wait().unwrap();
        self.double.control("release", &json!({}));
        true
    }
}

/// A resource without what another run would have otherwise.
fn lasting(body: Value) -> Value {
    const PASSING: [&str; 16] = [
        "id",
        "uniqueId",
        "oauth2ClientId",
        "etag",
        "creationTimestamp",
        "fingerprint",
        "labelFingerprint",
        "timeCreated",
        "updated",
        "metageneration",
        "natIP",
        "networkIP",
        "IPAddress",
        "address",
        "refarch-run",
        "refarch-expires",
    ];
    match body {
        Value::Object(fields) => {
            let kept = fields.into_iter().filter(|(name, _)| !PASSING.contains(&name.as_str()));
            Value::Object(kept.map(|(name, value)| (name, lasting(value))).collect())
        }
        Value::Array(items) => {
            let passing = |item: &Value| ["refarch-run", "ssh-keys"].iter().any(|key| item["key"] == *key);
            Value::Array(items.into_iter().filter(|item| !passing(item)).map(lasting).collect())
        }
        Value::String(text) => match serde_json::from_str::<Value>(&text) {
            // Descriptions carry tags.
            Ok(tags @ Value::Object(_)) => lasting(tags),
            _ => Value::String(text),
        },
        other => other,
    }
}
