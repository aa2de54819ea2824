//! Breaking something on a node, and mending it: each a program, or a call to the provider.

use std::time::Duration;

use crate::{
    catalog::Machine,
    provider::{Host, Power, Provider, ProviderError},
    remote::{Program, Remote, RemoteError, shell::quote},
};

use super::OpenFault;

/// For the programs that break and mend.
const DEADLINE: Duration = Duration::from_secs(60);
/// Until a machine that got its power back answers.
const ARRIVAL: Duration = Duration::from_secs(180);

/// A fault that could not be made or mended.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// The provider did not do it.
    #[error(transparent)]
    Provider(#[from] ProviderError),
    /// The node did not answer.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// The node's own program failed.
    #[error("{doing} on {node}: {said}")]
    Failed {
        /// What was tried.
        doing: &'static str,
        /// Node.
        node: String,
        /// What the program said last.
        said: String,
    },
}

/// A fault on one node, ready to be made.
#[derive(Debug, Clone)]
pub struct Fault {
    /// Where.
    pub host: Host,
    /// What happens to the machine.
    pub machine: Option<Machine>,
    /// Or what is run there.
    pub run: Option<String>,
    /// Which mends it, also by itself on the node after `limit`.
    pub undo: Option<String>,
    /// How long the fault may last when nobody mends it.
    pub limit: Duration,
}

impl Fault {
    /// Makes the fault. Its undo must have been written down before.
    ///
    /// # Errors
    /// When nothing could be broken. Something may have been: mend it all the same.
    pub async fn make(&self, id: &str, remote: &dyn Remote, provider: &dyn Provider) -> Result<(), Trouble> {
        match self.machine {
            Some(machine) => self.power(machine, remote, provider).await,
            None => {
                run(remote, &self.host, "breaking", self.program(id)).await?;
                Ok(())
            }
        }
    }

    async fn power(&self, machine: Machine, remote: &dyn Remote, provider: &dyn Provider) -> Result<(), Trouble> {
        let power = match machine {
            Machine::Stop => Power::Off,
            Machine::Restart => Power::Restart,
        };
        let done = provider.power(&self.host.node, power).await?;
        if !done {
            // A machine that refarch does not own falls down and comes back by itself.
            let text = match machine {
                Machine::Stop => {
                    "echo 1 >/proc/sys/kernel/sysrq; (sleep 0.2; echo b >/proc/sysrq-trigger) >/dev/null 2>&1 &"
                }
                Machine::Restart => "(sleep 0.2; systemctl reboot) >/dev/null 2>&1 &",
            };
            run(remote, &self.host, "restarting", text.to_owned()).await?;
        }
        Ok(())
    }

    /// Puts the undo on the node with a timer that runs it, then breaks.
    fn program(&self, id: &str) -> String {
        let mut text = String::from("set -eu\numask 077\nmkdir -p /run/refarch-drill\ncd /run/refarch-drill\n");
        let mut keep = |kind: &str, body: &str| {
            text.push_str(&format!("cat >{id}.{kind} <<'REFARCH_DRILL'\n{}\nREFARCH_DRILL\n", body.trim_end()));
        };
        if let Some(undo) = &self.undo {
            keep("undo", undo);
        }
        keep("run", self.run.as_deref().unwrap_or("true"));
        if self.undo.is_some() {
            let seconds = self.limit.as_secs();
            text.push_str(&format!(
                "systemd-run --quiet --unit=refarch-drill-{id} --on-active={seconds}s --timer-property=AccuracySec=1s \
                 sh /run/refarch-drill/{id}.undo\n"
            ));
        }
        text.push_str(&format!("sh {id}.run 2>&1\n"));
        text
    }
}

impl OpenFault {
    /// Mends a fault; one that is mended already stays so.
    ///
    /// # Errors
    /// When the node or the provider does not do it.
    pub async fn mend(&self, host: &Host, remote: &dyn Remote, provider: &dyn Provider) -> Result<(), Trouble> {
        if self.machine.is_some() {
            provider.power(&self.node, Power::On).await?;
            remote.forget(&self.node).await;
            remote.await_ready(host, ARRIVAL).await?;
            return Ok(());
        }
        let Some(undo) = &self.undo else { return Ok(()) };
        let timer = format!("refarch-drill-{}", self.id);
        let text = format!(
            "sh -c {} 2>&1 && {{ systemctl stop {timer}.timer 2>/dev/null; systemctl reset-failed {timer}.service 2>/dev/null; \
             rm -f /run/refarch-drill/{}.*; true; }}\n",
            quote(undo),
            self.id
        );
        run(remote, host, "mending", text).await?;
        Ok(())
    }
}

/// Runs a text as root and returns its last line.
///
/// # Errors
/// When it fails, with that line.
pub async fn run(remote: &dyn Remote, host: &Host, doing: &'static str, text: String) -> Result<String, Trouble> {
    let program = Program { command: "sh -s".to_owned(), stdin: text.into_bytes(), root: true, deadline: DEADLINE };
    let output = remote.run(host, program, &|_| {}).await?;
    let last = |bytes: &[u8]| {
        String::from_utf8_lossy(bytes).lines().rev().find(|line| !line.trim().is_empty()).map(str::to_owned)
    };
    let said = last(&output.stdout).or_else(|| last(&output.stderr)).unwrap_or_default();
    match output.code {
        Some(0) => Ok(said),
        _ => Err(Trouble::Failed { doing, node: host.node.clone(), said }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::remote::local_shell::{LocalShell, here};

    fn fault(run: &str, undo: Option<&str>) -> Fault {
        Fault {
            host: here(),
            machine: None,
            run: Some(run.to_owned()),
            undo: undo.map(str::to_owned),
            limit: Duration::from_secs(90),
        }
    }

    #[test]
    fn the_undo_is_armed_on_the_node_before_anything_is_broken() {
        let text = fault("systemctl stop consul", Some("systemctl start consul")).program("k3f9-1");
        let at = |what: &str| text.find(what).unwrap_or_else(|| panic!("no `{what}` in {text}"));
        assert!(at("systemctl start consul") < at("systemd-run"));
        assert!(at("systemd-run") < at("\nsh k3f9-1.run"));
        assert!(text.contains("--on-active=90s"));
        assert!(!fault("kill -9 1", None).program("x").contains("systemd-run"), "nothing to mend, no timer");
    }

    #[tokio::test]
    async fn what_a_node_says_last_is_the_reason() {
        let folder = tempfile::tempdir().unwrap();
        let shell = LocalShell { bin: folder.path().to_owned() };
        let why =
            run(&shell, &here(), "breaking", "echo a; echo 'no such table'; exit 3".to_owned()).await.unwrap_err();
        assert_eq!(why.to_string(), "breaking on here: no such table");
    }
}
