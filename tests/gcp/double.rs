//! The double of Google Cloud (`tests/support/gcp_fake`), as a process of the test's own.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use serde_json::{Map, Value, json};

/// A project that nobody else uses.
pub struct Double {
    process: Child,
    url: String,
}

/// The Python that the double runs in.
pub fn python() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let made = Command::new(root.join("scripts/emulators.sh"))
        .arg(root.join("tests/support/gcp_fake/requirements.txt"))
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(made.status.success(), "scripts/emulators.sh failed");
    Path::new(String::from_utf8(made.stdout).unwrap().trim()).join("bin/python")
}

impl Double {
    /// Starts one.
    pub fn start() -> Self {
        let mut process = Command::new(python())
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/gcp_fake"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut url = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut url).unwrap();
        Self { process, url: url.trim().to_owned() }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// Asks the control endpoint.
    pub fn control(&self, action: &str, document: &Value) -> Value {
        let body = document.to_string();
        let mut stream = TcpStream::connect(self.url.strip_prefix("http://").unwrap()).unwrap();
        write!(
            stream,
            "POST /_control/{action} HTTP/1.1\r\nHost: double\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200"), "{action}: {head}\n{body}");
        serde_json::from_str(body).unwrap()
    }

    pub fn settings(&self, settings: Value) {
        self.control("settings", &settings);
    }

    /// These faults and no others.
    pub fn faults(&self, faults: Value) {
        self.control("faults", &faults);
    }

    /// Faults that have fired.
    pub fn fired(&self) -> usize {
        self.control("faults", &Value::Null)["fired"].as_array().unwrap().len()
    }

    /// Everything that is there, by path.
    pub fn resources(&self) -> Map<String, Value> {
        self.control("resources", &json!({})).as_object().unwrap().clone()
    }

    /// Everything of one kind: `instances`.
    pub fn of(&self, kind: &str) -> Vec<Value> {
        let part = format!("/{kind}/");
        self.resources().into_iter().filter(|(path, _)| path.contains(&part)).map(|(_, body)| body).collect()
    }

    /// Calls since the log was emptied.
    pub fn calls(&self) -> Vec<Value> {
        self.control("calls", &json!({}))["calls"].as_array().unwrap().clone()
    }

    /// How many calls changed something.
    pub fn changing_calls(&self) -> usize {
        self.calls().iter().filter(|call| call["mutates"] == true).count()
    }

    /// Somebody else changes a resource, or removes it.
    pub fn tamper(&self, path: &str, fields: Value) {
        self.control("tamper", &json!({ "path": path, "fields": fields }));
    }

    /// Every call and every answer was as the vendor's description has it.
    #[track_caller]
    pub fn assert_as_described(&self) {
        assert_eq!(self.control("calls", &json!({}))["violations"], json!([]));
    }
}

impl Drop for Double {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
