//! Who is at work: user, host and process, for the lock and the journal.

use serde::{Deserialize, Serialize};

/// A process that works on an environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operator {
    /// Login name.
    pub user: String,
    /// Host name of the machine that the process runs on.
    pub host: String,
    /// Process id there.
    pub pid: u32,
    /// When the process started, in the kernel's own count since boot, so that a later process with the same id
    /// is not taken for this one. None where the system does not tell.
    pub pid_started: Option<u64>,
}

impl Operator {
    /// This process.
    #[must_use]
    pub fn current() -> Self {
        let pid = std::process::id();
        Self { user: user(), host: host(), pid, pid_started: started(pid) }
    }

    /// Whether the process is known to have ended. False where this machine cannot tell: the process runs on
    /// another host, or the system has no `/proc`.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.pid_started.is_some() && self.host == host() && started(self.pid) != self.pid_started
    }
}

/// Where process ids mean the same as here: this boot of this machine, and a namespace of processes. None where the
/// system does not tell.
#[must_use]
pub fn seat() -> Option<String> {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok().and_then(named)?;
    let namespace = std::fs::read_link("/proc/self/ns/pid").ok()?;
    Some(format!("{boot} {}", namespace.display()))
}

impl std::fmt::Display for Operator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}@{}", self.user, self.host)
    }
}

/// Field 22 of `/proc/<pid>/stat`. The second field is the program's name in parentheses and may contain anything.
fn started(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_whitespace().nth(19)?.parse().ok()
}

/// The person, also behind sudo; where no variable tells (cron, CI), the system is asked.
fn user() -> String {
    ["SUDO_USER", "USER", "LOGNAME"]
        .iter()
        .find_map(|name| named(std::env::var(name).ok()?))
        .or_else(|| {
            let output = std::process::Command::new("id").arg("-un").output().ok()?;
            named(String::from_utf8_lossy(&output.stdout).into_owned())
        })
        .unwrap_or_else(|| "unknown".to_owned())
}

fn named(text: String) -> Option<String> {
    Some(text.trim().to_owned()).filter(|name| !name.is_empty())
}

fn host() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .ok()
        .and_then(named)
        .or_else(|| {
            let output = std::process::Command::new("hostname").output().ok()?;
            named(String::from_utf8_lossy(&output.stdout).into_owned())
        })
        .unwrap_or_else(|| "localhost".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_there_and_an_ended_one_is_gone() {
        let own = Operator::current();
        assert!(!own.is_gone());
        assert!(Operator { pid_started: Some(1), ..own.clone() }.is_gone(), "the same id, started at another time");

        let mut child = std::process::Command::new("cat").stdin(std::process::Stdio::piped()).spawn().unwrap();
        let other = Operator { pid: child.id(), pid_started: started(child.id()), ..own };
        assert!(!other.is_gone());
        drop(child.stdin.take());
        child.wait().unwrap();
        assert!(other.is_gone());
        assert!(!Operator { host: "elsewhere".to_owned(), ..other }.is_gone(), "cannot be told from here");
    }
}
