//! What was changed on a node, kept on the node itself: it tells its story when every controller is gone.

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use super::{Outcome, StageReport};
use crate::{
    provider::Host,
    remote::{Program, Remote, RemoteError},
};

/// One JSON object per line, appended; readable by root only.
pub const RECORD: &str = "/var/lib/refarch/record.jsonl";

/// Long enough for a busy node.
const DEADLINE: Duration = Duration::from_secs(30);

/// Whose work is recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Author {
    /// Run.
    pub run: String,
    /// `user@host`.
    pub by: String,
}

/// A line of the record. Names of things and what was done to them, never their content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RecordLine {
    /// When.
    pub at: Timestamp,
    /// Run.
    pub run: String,
    /// `user@host`.
    pub by: String,
    /// Version of refarch.
    pub version: String,
    /// Role, or the moment of an upgrade.
    pub what: String,
    /// `done`, or `failed`.
    pub outcome: String,
    /// What changed: `file /etc/hosts: content`.
    pub changed: Vec<String>,
}

impl RecordLine {
    /// A line about work that was done, or failed.
    #[must_use]
    pub fn new(author: &Author, now: Timestamp, what: &str, done: bool, changed: Vec<String>) -> Self {
        Self {
            at: now,
            run: author.run.clone(),
            by: author.by.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            what: what.to_owned(),
            outcome: if done { "done" } else { "failed" }.to_owned(),
            changed,
        }
    }
}

impl StageReport {
    /// What was changed or failed, in words.
    #[must_use]
    pub fn news(&self) -> Vec<String> {
        let told = self.results.iter().filter(|result| matches!(result.outcome, Outcome::Changed | Outcome::Failed));
        told.map(|result| format!("{}: {}", result.id, result.detail)).collect()
    }
}

/// Appends a line to the node's record.
///
/// # Errors
/// When the node cannot be reached. A disk that is full is no reason to stop: the journal has it too.
pub async fn append(remote: &dyn Remote, host: &Host, line: &RecordLine) -> Result<(), RemoteError> {
    // Texts and times always have a JSON form.
    let mut stdin = serde_json::to_vec(line).unwrap_or_default();
    stdin.push(b'\n');
    let command = format!("umask 077 && mkdir -p /var/lib/refarch && cat >>{RECORD}");
    remote.run(host, Program { command, stdin, root: true, deadline: DEADLINE }, &|_| {}).await.map(|_| ())
}
