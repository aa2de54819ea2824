//! Whole-path checks: each must hold several times in a row.

use std::{collections::BTreeMap, time::Duration};

use futures_util::{StreamExt, stream};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::{
    event::{Event, Events},
    provider::Host,
    remote::{Output, Program, Remote},
};

/// Checks that run at the same time.
const AT_ONCE: usize = 8;
/// The most that one sample may take, whatever the check's own deadline.
const SAMPLE: Duration = Duration::from_secs(30);

/// A check, rendered for the node that it runs on.
#[derive(Clone)]
pub struct PathRun {
    /// Short name.
    pub name: String,
    /// What is proven.
    pub proves: String,
    /// Node it runs on.
    pub node: String,
    /// Shell script; may hold secrets.
    pub script: Vec<u8>,
    /// Times in a row.
    pub samples: u32,
    /// Between two of them.
    pub interval: Duration,
    /// For all of it.
    pub deadline: Duration,
    /// What to look at.
    pub hint: Option<String>,
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckResult {
    /// Short name.
    pub name: String,
    /// What it proves.
    pub proves: String,
    /// Node it ran on.
    pub node: String,
    /// Whether it held.
    pub ok: bool,
    /// What was found: the last line of its output.
    pub found: String,
    /// Samples in a row that held.
    pub held: u32,
    /// Samples taken.
    pub taken: u32,
    /// Milliseconds in all.
    pub elapsed_ms: u64,
    /// What to look at when it did not hold.
    pub hint: Option<String>,
}

/// Runs checks side by side and returns their results in the order given.
pub async fn run(
    remote: &dyn Remote,
    hosts: &BTreeMap<String, Host>,
    checks: &[PathRun],
    events: &Events,
) -> Vec<CheckResult> {
    stream::iter(checks)
        .map(|check| async move {
            let result = match hosts.get(&check.node) {
                Some(host) => sample(remote, host, check).await,
                None => result(check, Instant::now(), 0, 0, format!("{} is not there", check.node)),
            };
            events.send(Event::Checked {
                name: result.name.clone(),
                node: Some(result.node.clone()),
                ok: result.ok,
                found: result.found.clone(),
                elapsed_ms: result.elapsed_ms,
            });
            result
        })
        .buffered(AT_ONCE)
        .collect()
        .await
}

/// Samples until it held often enough in a row, or the deadline has passed.
async fn sample(remote: &dyn Remote, host: &Host, check: &PathRun) -> CheckResult {
    let start = Instant::now();
    let (mut held, mut taken) = (0, 0);
    loop {
        let left = check.deadline.saturating_sub(start.elapsed());
        let program = Program {
            command: "sh -s".to_owned(),
            stdin: check.script.clone(),
            root: true,
            deadline: left.clamp(Duration::from_secs(1), SAMPLE),
        };
        let (ok, found) = match remote.run(host, program, &|_| {}).await {
            Ok(output) => (output.code == Some(0), last_line(&output)),
            Err(error) => (false, error.to_string()),
        };
        taken += 1;
        held = if ok { held + 1 } else { 0 };
        if held >= check.samples || start.elapsed() >= check.deadline {
            return result(check, start, held, taken, found);
        }
        tokio::time::sleep(check.interval).await;
    }
}

fn result(check: &PathRun, start: Instant, held: u32, taken: u32, found: String) -> CheckResult {
    let ok = held >= check.samples;
    CheckResult {
        name: check.name.clone(),
        proves: check.proves.clone(),
        node: check.node.clone(),
        ok,
        found,
        held,
        taken,
        elapsed_ms: u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX),
        hint: if ok { None } else { check.hint.clone() },
    }
}

/// What the script said last; where it said nothing, what it complained about.
fn last_line(output: &Output) -> String {
    let last = |bytes: &[u8]| {
        String::from_utf8_lossy(bytes).lines().rev().map(str::trim).find(|line| !line.is_empty()).map(str::to_owned)
    };
    let said = if output.code == Some(0) {
        last(&output.stdout).or_else(|| last(&output.stderr))
    } else {
        last(&output.stderr).or_else(|| last(&output.stdout))
    };
    said.unwrap_or_else(|| match output.code {
        Some(0) => "holds".to_owned(),
        Some(code) => format!("exit code {code}"),
        None => "ended by a signal".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use futures_util::future::BoxFuture;

    use super::*;
    use crate::remote::{LineSink, RemoteError};

    /// Answers one exit code after the other, the last one for ever.
    struct Scripted(Mutex<Vec<i32>>);

    impl Remote for Scripted {
        fn run<'a>(&'a self, _: &'a Host, _: Program, _: LineSink<'a>) -> BoxFuture<'a, Result<Output, RemoteError>> {
            let mut codes = self.0.lock().unwrap();
            let code = if codes.len() > 1 { codes.remove(0) } else { codes[0] };
            Box::pin(async move {
                Ok(Output {
                    code: Some(code),
                    stdout: b"a\nwritten and read\n".to_vec(),
                    stderr: b"no leader".to_vec(),
                })
            })
        }
        fn await_ready<'a>(&'a self, _: &'a Host, _: Duration) -> BoxFuture<'a, Result<(), RemoteError>> {
            Box::pin(async { Ok(()) })
        }
        fn forget<'a>(&'a self, _: &'a str) -> BoxFuture<'a, ()> {
            Box::pin(async {})
        }
    }

    async fn check(codes: &[i32]) -> CheckResult {
        let host = Host {
            node: "demo-monitor-1".to_owned(),
            private: [10, 0, 0, 1].into(),
            connect: "10.0.0.1".to_owned(),
            port: 22,
            user: "root".to_owned(),
            jump: None,
            jump_key: None,
            proxy: None,
            identity: None,
            host_key: None,
        };
        let run = PathRun {
            name: "write".to_owned(),
            proves: "a row arrives".to_owned(),
            node: "demo-monitor-1".to_owned(),
            script: Vec::new(),
            samples: 3,
            interval: Duration::from_secs(1),
            deadline: Duration::from_secs(20),
            hint: Some("look at Patroni".to_owned()),
        };
        sample(&Scripted(Mutex::new(codes.to_vec())), &host, &run).await
    }

    #[tokio::test(start_paused = true)]
    async fn a_check_must_hold_several_times_in_a_row() {
        let result = check(&[0, 0, 1, 0, 0, 0]).await;
        assert!(result.ok);
        assert_eq!((result.held, result.taken, result.elapsed_ms), (3, 6, 5000));
        assert_eq!((result.found.as_str(), result.hint), ("written and read", None));
    }

    #[tokio::test(start_paused = true)]
    async fn a_check_that_never_holds_ends_at_its_deadline_and_says_what_to_look_at() {
        let result = check(&[1]).await;
        assert!(!result.ok);
        assert_eq!((result.held, result.taken, result.elapsed_ms), (0, 21, 20_000));
        assert_eq!((result.found.as_str(), result.hint.as_deref()), ("no leader", Some("look at Patroni")));
    }
}
