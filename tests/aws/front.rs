//! The front before moto (`tests/support/aws_front`), as a process of the test's own, and refarch in front of it.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

/// An account that nobody else uses.
pub struct Front {
    process: Child,
    url: String,
}

impl Front {
    /// Starts one.
    pub fn start() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let made = Command::new(root.join("scripts/emulators.sh")).stderr(Stdio::inherit()).output().unwrap();
        assert!(made.status.success(), "scripts/emulators.sh failed");
        let folder = String::from_utf8(made.stdout).unwrap();
        let mut process = Command::new(Path::new(folder.trim()).join("bin/python"))
            .args(["-m", "aws_front"])
            .current_dir(root.join("tests/support"))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut url = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut url).unwrap();
        Self { process, url: url.trim().to_owned() }
    }

    /// Asks the control endpoint.
    pub fn ask(&self, method: &str, action: &str, document: &Value) -> Value {
        let body = if method == "POST" { document.to_string() } else { String::new() };
        let mut stream = TcpStream::connect(self.url.strip_prefix("http://").unwrap()).unwrap();
        write!(
            stream,
            "{method} /_front/{action} HTTP/1.1\r\nHost: front\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200"), "{action}: {head}\n{body}");
        serde_json::from_str(body).unwrap()
    }

    pub fn post(&self, action: &str, document: Value) -> Value {
        self.ask("POST", action, &document)
    }

    pub fn get(&self, action: &str) -> Value {
        self.ask("GET", action, &Value::Null)
    }

    pub fn settings(&self, settings: Value) {
        self.post("settings", settings);
    }

    pub fn faults(&self, faults: Value) {
        self.post("faults", faults);
    }

    /// All that the account has, as boto3 sees it.
    pub fn inventory(&self) -> Value {
        self.post("inventory", json!({}))
    }

    /// Somebody else's call, with boto3.
    pub fn somebody(&self, client: &str, method: &str, params: Value) -> Value {
        self.post("do", json!({"client": client, "method": method, "params": params}))
    }

    /// Calls since the log was emptied.
    pub fn calls(&self) -> Vec<Value> {
        self.get("calls").as_array().unwrap().clone()
    }

    /// Calls of one operation.
    pub fn calls_of(&self, operation: &str) -> Vec<Value> {
        self.calls().into_iter().filter(|call| call["operation"] == operation).collect()
    }

    pub fn forget_calls(&self) {
        self.post("calls/forget", json!({}));
    }

    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        // It ends when its standard input is closed.
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

/// A folder with an environment file, and the account that it is for.
pub struct Place {
    pub front: Front,
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
        Self { front: Front::start(), folder, file }
    }

    /// With one of the files that refarch ships.
    pub fn shipped(size: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("environments/aws/{size}.yaml"));
        Self::new(&std::fs::read_to_string(path).unwrap())
    }

    /// Where refarch keeps what it knows.
    pub fn workspace(&self) -> PathBuf {
        self.folder.path().join("workspace")
    }

    /// Takes over what others have: `RESOURCE=ID`.
    pub fn adopt(&self, pairs: &[&str]) -> Said {
        let mut command = self.bare("adopt");
        command.arg(&self.file).args(pairs).output().unwrap().into()
    }

    /// Writes the environment file anew.
    pub fn write(&self, environment: &str) {
        std::fs::write(&self.file, environment).unwrap();
    }

    /// Forgets what this machine knows: another laptop.
    pub fn elsewhere(&self) {
        let _ = std::fs::remove_dir_all(self.folder.path().join("workspace"));
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
            if name.starts_with("AWS_") || name.starts_with("REFARCH_") || name.starts_with("XDG_") {
                command.env_remove(&name);
            }
        }
        command
            .arg(verb)
            .current_dir(self.folder.path())
            .env("HOME", self.folder.path())
            .env("REFARCH_WORKSPACE", self.folder.path().join("workspace"))
            .env("REFARCH_OUTPUT", "plain")
            .env("AWS_ENDPOINT_URL", self.front.url())
            .env("AWS_ACCESS_KEY_ID", "AKIATESTTESTTEST")
            .env("AWS_SECRET_ACCESS_KEY", "not-a-secret")
            .env("AWS_REGION", "us-east-1")
            .env("AWS_EC2_METADATA_DISABLED", "true")
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
        let said = self.refarch("plan", &["--infrastructure", "--detailed-exitcode"]);
        assert_eq!(said.code, Some(0), "stdout:\n{}\nstderr:\n{}", said.out, said.err);
        assert!(said.out.contains("nothing to do"), "{}", said.out);
    }

    /// Every list call is empty.
    #[track_caller]
    pub fn assert_empty(&self) {
        let left = self.front.inventory();
        assert_eq!(left, json!({}), "left behind: {left:#}");
    }

    /// Nodes that run, by name.
    pub fn nodes(&self) -> Vec<String> {
        let mut names: Vec<String> = self.instances().iter().filter_map(|one| tag(one, "Name")).collect();
        names.sort();
        names
    }

    pub fn instances(&self) -> Vec<Value> {
        self.front.inventory()["instances"].as_array().cloned().unwrap_or_default()
    }

    /// The instance of a node.
    pub fn instance(&self, node: &str) -> Value {
        let mut found = self.instances().into_iter().filter(|one| tag(one, "Name").as_deref() == Some(node));
        let one = found.next().unwrap_or_else(|| panic!("{node} is not there: {:?}", self.nodes()));
        assert!(found.next().is_none(), "{node} is there twice");
        one
    }

    /// Runs the command and kills it (SIGKILL) while the front holds a call; says whether the call came.
    pub fn kill_while_held(&self, verb: &str, args: &[&str]) -> bool {
        let mut child = self.command(verb, args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let end = Instant::now() + Duration::from_secs(120);
        loop {
            if self.front.post("wait_held", json!({"seconds": 0.2}))["held"] == true {
                break;
            }
            if child.try_wait().unwrap().is_some() {
                return false;
            }
            assert!(Instant::now() < end, "it neither ended nor came to the call");
        }
        child.kill().unwrap();
        child.wait().unwrap();
        self.front.post("release", json!({}));
        true
    }
}

/// A tag's value, of anything that boto3 lists.
pub fn tag(thing: &Value, key: &str) -> Option<String> {
    let tags = thing.get("Tags")?.as_array()?;
    tags.iter().find(|tag| tag["Key"] == key).map(|tag| tag["Value"].as_str().unwrap().to_owned())
}
