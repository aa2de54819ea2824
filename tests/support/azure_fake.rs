//! Starts the fake Azure of `tests/support/azure_fake`, and steers it. Taken in with `#[path]` by whoever needs it.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
};

use serde_json::Value;

/// Ids that the fake has, of `world.py`.
pub const TENANT: &str = "11111111-1111-1111-1111-111111111111";
/// The subscription.
pub const SUBSCRIPTION: &str = "22222222-2222-2222-2222-222222222222";
/// The application that may log in.
pub const CLIENT: &str = "33333333-3333-3333-3333-333333333333";
/// Its secret.
pub const SECRET: &str = "fake-secret";

/// A running fake. It ends when this is dropped, whatever became of the test.
pub struct AzureFake {
    child: Child,
    _input: ChildStdin,
    port: u16,
}

impl AzureFake {
    /// Starts one of its own for a test.
    pub fn start() -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/azure-fake.sh");
        let mut child = Command::new(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let input = child.stdin.take().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = lines.next().expect("the fake Azure did not start").unwrap();
        let port = line.strip_prefix("listening on ").expect(&line).parse().unwrap();
        Self { child, _input: input, port }
    }

    /// What `REFARCH_AZURE_ENDPOINT` takes.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Variables with which the binary finds it and logs in.
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        vec![
            ("REFARCH_AZURE_ENDPOINT", self.endpoint()),
            ("AZURE_TENANT_ID", TENANT.to_owned()),
            ("AZURE_CLIENT_ID", CLIENT.to_owned()),
            ("AZURE_CLIENT_SECRET", SECRET.to_owned()),
            ("AZURE_SUBSCRIPTION_ID", SUBSCRIPTION.to_owned()),
        ]
    }

    /// `PUT /_fake/settings`
    pub fn set(&self, settings: Value) {
        self.control("PUT", "settings", Some(settings));
    }

    /// `POST /_fake/rules`
    pub fn rule(&self, rule: Value) {
        self.control("POST", "rules", Some(Value::Array(vec![rule])));
    }

    /// Calls so far: method, path, status, body.
    pub fn log(&self) -> Vec<Value> {
        let log = self.control("GET", "log", None);
        log.as_array().unwrap().clone()
    }

    /// What is there, by id.
    pub fn resources(&self) -> serde_json::Map<String, Value> {
        let all = self.control("GET", "resources", None);
        all.as_object().unwrap().clone()
    }

    /// Calls that came earlier than they were asked to.
    pub fn violations(&self) -> Vec<Value> {
        let all = self.control("GET", "violations", None);
        all.as_array().unwrap().clone()
    }

    /// Calls that get no answer until their caller is gone.
    pub fn held(&self) -> u64 {
        self.control("GET", "held", None).as_u64().unwrap()
    }

    /// Talks to `/_fake/…`; HTTP/1.0 is enough for that.
    pub fn control(&self, method: &str, what: &str, body: Option<Value>) -> Value {
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        write!(
            stream,
            "{method} /_fake/{what} HTTP/1.1\r\nHost: fake\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200"), "{method} {what}: {answer}");
        serde_json::from_str(body).unwrap()
    }
}

impl Drop for AzureFake {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
