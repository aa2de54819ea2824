//! A folder with an environment file, the subscription that it is for, and refarch in front of both.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::azure_fake::{AzureFake, SUBSCRIPTION};

/// A place of a test's own.
pub struct Place {
    pub fake: AzureFake,
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
        Self { fake: AzureFake::start(), folder, file }
    }

    /// With one of the files that refarch ships.
    pub fn shipped(size: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("environments/azure/{size}.yaml"));
        Self::new(&std::fs::read_to_string(path).unwrap())
    }

    /// Writes the environment file anew.
    pub fn write(&self, environment: &str) {
        std::fs::write(&self.file, environment).unwrap();
    }

    /// Forgets what this machine knows: another laptop.
    pub fn elsewhere(&self) {
        let _ = std::fs::remove_dir_all(self.folder.path().join("workspace"));
    }

    /// A fresh subscription and a fresh machine.
    pub fn start_anew(&self) {
        self.fake.control("POST", "reset", Some(json!({})));
        self.elsewhere();
    }

    /// The command, its environment file last.
    pub fn command(&self, verb: &str, args: &[&str]) -> Command {
        let mut command = self.bare(verb);
        command.args(args).arg(&self.file);
        command
    }

    /// A command that needs no file.
    pub fn bare(&self, verb: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_refarch"));
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy().into_owned();
            if ["AZURE_", "REFARCH_", "XDG_"].iter().any(|start| name.starts_with(start)) {
                command.env_remove(&name);
            }
        }
        command
            .arg(verb)
            .current_dir(self.folder.path())
            .env("HOME", self.folder.path())
            .env("REFARCH_WORKSPACE", self.folder.path().join("workspace"))
            .env("REFARCH_OUTPUT", "plain")
            .env("NO_PROXY", "127.0.0.1")
            .envs(self.fake.variables())
            .stdin(Stdio::null());
        command
    }

    pub fn refarch(&self, verb: &str, args: &[&str]) -> Said {
        self.command(verb, args).output().unwrap().into()
    }

    /// Machines, network and the like; nothing on the machines, which answer no SSH.
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

    /// The subscription is as it was before.
    #[track_caller]
    pub fn assert_empty(&self) {
        let left: Vec<String> = self.fake.resources().keys().cloned().collect();
        assert!(left.is_empty(), "left behind: {left:#?}");
    }

    /// Everything of a type, by name.
    pub fn all(&self, kind: &str) -> BTreeMap<String, Value> {
        let all = self.fake.resources().into_iter();
        all.filter(|(_, one)| one["type"].as_str().is_some_and(|own| own.ends_with(kind)))
            .map(|(_, one)| (one["name"].as_str().unwrap().to_owned(), one))
            .collect()
    }

    /// Machines, by name.
    pub fn machines(&self) -> BTreeMap<String, Value> {
        self.all("/virtualMachines")
    }

    /// Names of the nodes that are there.
    pub fn nodes(&self) -> Vec<String> {
        let bastion = format!("{}-bastion", self.environment());
        self.machines().into_keys().filter(|name| *name != bastion).collect()
    }

    /// Changing calls that refarch made: method and path.
    pub fn changes(&self) -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let changing = |call: &&Value| call["method"] != "GET" && call["method"] != "HEAD";
        self.fake.log().iter().filter(changing).map(|call| (text(&call["method"]), text(&call["path"]))).collect()
    }

    /// How many changing calls went through. Those that met another one on its way and were sent again vary from run to run.
    pub fn changes_that_went_through(&self) -> usize {
        let through = |call: &&Value| {
            call["method"] != "GET"
                && call["method"] != "HEAD"
                && call["status"].as_u64().is_some_and(|code| code < 400)
        };
        self.fake.log().iter().filter(through).count()
    }

    /// What there is, without what differs from one time to the next: etags, identifiers, public addresses.
    pub fn shape(&self) -> BTreeMap<String, Value> {
        let mut shape = BTreeMap::new();
        for (id, mut one) in self.fake.resources() {
            let mut key = id;
            // They are called after whom they are for, and that is another number each time.
            if let Some((scope, _)) = key.split_once("/roleAssignments/") {
                let own = format!("{scope}/roleAssignments/");
                let same = shape.keys().filter(|other: &&String| other.starts_with(&own)).count();
                key = format!("{own}{same}");
                for name in ["id", "name"] {
                    one.as_object_mut().unwrap().remove(name);
                }
            }
            shape.insert(key, plain(one));
        }
        shape
    }

    /// What there is is what there was; only what differs is shown.
    #[track_caller]
    pub fn assert_shape(&self, wanted: &BTreeMap<String, Value>, what: &dyn std::fmt::Debug) {
        let found = self.shape();
        let ids: BTreeSet<&String> = wanted.keys().chain(found.keys()).collect();
        let differing: Vec<_> = ids
            .into_iter()
            .filter(|id| wanted.get(*id) != found.get(*id))
            .map(|id| (id, wanted.get(id), found.get(id)))
            .collect();
        assert!(differing.is_empty(), "{what:?}: wanted, found: {differing:#?}");
    }

    /// Runs the command and kills it (SIGKILL) while the fake holds a call. Panics with what it said where it ends before.
    pub fn kill_while_held(&self, verb: &str, args: &[&str]) {
        let said = self.folder.path().join("said");
        let (out, err) =
            (std::fs::File::create(&said).unwrap(), std::fs::File::options().append(true).open(&said).unwrap());
        let before = self.fake.held();
        let mut child = self.command(verb, args).stdout(out).stderr(err).spawn().unwrap();
        let end = Instant::now() + Duration::from_secs(120);
        while self.fake.held() == before {
            if let Some(status) = child.try_wait().unwrap() {
                let calls =
                    self.fake.log().iter().rev().take(40).rev().map(|call| format!("{call}\n")).collect::<String>();
                panic!("the call never came, {status}:\n{}\n{calls}", std::fs::read_to_string(&said).unwrap());
            }
            assert!(Instant::now() < end, "it neither ended nor came to the call");
            std::thread::sleep(Duration::from_millis(20)); // there is nothing to wait on: the call is on its way
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

/// Without what differs from one time to the next.
fn plain(value: Value) -> Value {
    const PASSING: [&str; 12] = [
        "etag",
        "vmId",
        "privateIPAddress",
        "ipAddress",
        "principalId",
        "clientId",
        "keyData",
        "publicKey",
        "refarch-run",
        "refarch-expires",
        "refarch-launch",
        "loadBalancerBackendAddresses",
    ];
    match value {
        Value::Object(map) => {
            let kept = map.into_iter().filter(|(key, _)| !PASSING.contains(&key.as_str()));
            Value::Object(kept.map(|(key, value)| (key, plain(value))).collect())
        }
        // Subnets and the like come in the order in which they were made.
        Value::Array(list) => {
            let mut list: Vec<Value> = list.into_iter().map(plain).collect();
            list.sort_by_key(ToString::to_string);
            Value::Array(list)
        }
        other => other,
    }
}

/// What others do in the subscription.
impl Place {
    /// A resource group.
    pub fn make_group(&self, name: &str) {
        self.somebody(name, json!({ "location": "westeurope" }));
    }

    /// A public key in a group.
    pub fn make_key(&self, group: &str, name: &str) {
        let path = format!("{group}/providers/Microsoft.Compute/sshPublicKeys/{name}");
        self.somebody(&path, json!({ "location": "westeurope" }));
    }

    /// An identity in a group.
    pub fn make_identity(&self, group: &str, name: &str) -> String {
        let path = format!("{group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{name}");
        self.somebody(&path, json!({ "location": "westeurope" }));
        format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/{path}")
    }

    /// A network in a group, with subnets of it.
    pub fn make_network(&self, group: &str, name: &str, range: &str, subnets: &[(&str, &str)]) -> String {
        let path = format!("{group}/providers/Microsoft.Network/virtualNetworks/{name}");
        let subnets: Vec<Value> = subnets
            .iter()
            .map(|(name, range)| json!({ "name": name, "properties": { "addressPrefix": range } }))
            .collect();
        let properties = json!({ "addressSpace": { "addressPrefixes": [range] }, "subnets": subnets });
        self.somebody(&path, json!({ "location": "westeurope", "properties": properties }));
        format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/{path}")
    }

    fn somebody(&self, path: &str, body: Value) {
        self.fake.control("PUT", &format!("put/resourceGroups/{path}"), Some(body));
    }
}
