//! Asks a node how its roles are: one program, one round trip, all questions at the same time.

use std::{fmt::Write as _, sync::Mutex, time::Duration};

use serde::{Deserialize, Serialize};

use super::{program::program, run::ConfigureError};
use crate::{
    provider::Host,
    remote::{Program, Remote, shell::quote},
};

/// Seconds that one question may take.
const LIMIT: u32 = 10;

/// What `status` asks a node.
#[derive(Debug, Clone, Default)]
pub struct NodeQuestions {
    /// Node.
    pub node: String,
    /// Role and unit of its services.
    pub services: Vec<(String, String)>,
    /// Its roles' `ready` probes.
    pub probes: Vec<Probe>,
    /// Its roles' status lines.
    pub facts: Vec<Fact>,
    /// Role and the shell text that succeeds on the leader.
    pub leaders: Vec<(String, String)>,
}

/// A question that is answered by success.
#[derive(Debug, Clone)]
pub struct Probe {
    /// Role.
    pub role: String,
    /// What is true when it succeeds.
    pub name: String,
    /// Shell text.
    pub run: String,
    /// What to look at when it does not.
    pub hint: Option<String>,
}

/// A question that is answered by a line.
#[derive(Debug, Clone)]
pub struct Fact {
    /// Role.
    pub role: String,
    /// Name.
    pub name: String,
    /// Shell text.
    pub run: String,
}

/// What a node answered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeStatus {
    /// Node.
    pub node: String,
    /// Its services.
    pub services: Vec<ServiceState>,
    /// Its probes.
    pub probes: Vec<ProbeState>,
    /// Its facts. One that could not be found out is left out.
    pub facts: Vec<FactValue>,
    /// Roles in which it leads.
    pub leads: Vec<String>,
}

/// State of a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceState {
    /// Role.
    pub role: String,
    /// Unit.
    pub unit: String,
    /// systemd's word: `active`, `failed`, `inactive`.
    pub state: String,
}

/// Answer to a probe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeState {
    /// Role.
    pub role: String,
    /// What is true when it holds.
    pub name: String,
    /// Whether it holds.
    pub holds: bool,
    /// The last line that it printed.
    pub output: String,
    /// What to look at when it does not hold.
    pub hint: Option<String>,
}

/// A fact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FactValue {
    /// Role.
    pub role: String,
    /// Name.
    pub name: String,
    /// Value.
    pub value: String,
}

impl NodeStatus {
    /// Whether every service runs and every probe holds.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.services.iter().all(|service| service.state == "active") && self.probes.iter().all(|probe| probe.holds)
    }
}

/// The program that asks all questions.
#[must_use]
pub fn status_program(questions: &NodeQuestions) -> Program {
    let mut text = String::from(
        "exec </dev/null 2>&1\ncd /\nexport LC_ALL=C\nPATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin\nNL='\n'\n\
         ask() { case $1 in f*) o=$(timeout -k 1 \"$2\" sh -c \"$3\" 2>/dev/null) ;;\n\
         *) o=$(timeout -k 1 \"$2\" sh -c \"$3\" 2>&1) ;; esac && r=ok || r=no\n\
         case $1 in f*) o=${o%%\"$NL\"*} ;; *) o=${o##*\"$NL\"} ;; esac\n\
         printf '\\036%s %s %.400s\\n' \"$1\" $r \"$o\"; }\n",
    );
    let asked = |text: &mut String, mark: char, number: usize, run: &str| {
        let _ = writeln!(text, "ask {mark}{number} {LIMIT} {} &", quote(run));
    };
    for (number, probe) in questions.probes.iter().enumerate() {
        asked(&mut text, 'p', number, &probe.run);
    }
    for (number, fact) in questions.facts.iter().enumerate() {
        asked(&mut text, 'f', number, &fact.run);
    }
    for (number, (_, run)) in questions.leaders.iter().enumerate() {
        asked(&mut text, 'l', number, run);
    }
    if !questions.services.is_empty() {
        text.push_str("n=0\nwhile read -r x; do printf '\\036s%s ok %s\\n' $n \"$x\"; n=$((n + 1)); done <<E\n");
        text.push_str("$(systemctl is-active --");
        for (_, unit) in &questions.services {
            let _ = write!(text, " {}", quote(unit));
        }
        text.push_str(")\nE\n");
    }
    text.push_str("wait\nexit 0\n");
    program(text, &[], Duration::from_secs(u64::from(LIMIT) + 20))
}

/// Asks a node.
///
/// # Errors
/// When the node cannot be reached or the program breaks off.
pub async fn node_status(
    remote: &dyn Remote,
    host: &Host,
    questions: &NodeQuestions,
) -> Result<NodeStatus, ConfigureError> {
    let lines = Mutex::new(Vec::new());
    let sink = |line: &str| lines.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(line.to_owned());
    let output = remote.run(host, status_program(questions), &sink).await?;
    let lines = lines.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    if output.code != Some(0) {
        return Err(ConfigureError::Broken {
            node: host.node.clone(),
            role: "status".to_owned(),
            code: output.code,
            output: lines,
        });
    }
    Ok(answers(questions, &lines))
}

/// Reads the answers; what was not answered counts as not good.
#[must_use]
pub fn answers(questions: &NodeQuestions, lines: &[String]) -> NodeStatus {
    let mut status = NodeStatus { node: questions.node.clone(), ..NodeStatus::default() };
    let answer = |mark: char, number: usize| {
        lines.iter().find_map(|line| {
            let (_, message) = line.split_once('\u{1e}')?;
            let rest = message.strip_prefix(mark)?.strip_prefix(&number.to_string())?.strip_prefix(' ')?;
            let (word, output) = rest.split_once(' ')?;
            Some((word == "ok", output.to_owned()))
        })
    };
    for (number, (role, unit)) in questions.services.iter().enumerate() {
        let state = answer('s', number).map_or_else(|| "unknown".to_owned(), |(_, state)| state);
        status.services.push(ServiceState { role: role.clone(), unit: unit.clone(), state });
    }
    for (number, probe) in questions.probes.iter().enumerate() {
        let (holds, output) = answer('p', number).unwrap_or((false, "no answer".to_owned()));
        let (role, name, hint) = (probe.role.clone(), probe.name.clone(), probe.hint.clone());
        status.probes.push(ProbeState { role, name, holds, output, hint });
    }
    for (number, fact) in questions.facts.iter().enumerate() {
        if let Some((true, value)) = answer('f', number) {
            status.facts.push(FactValue { role: fact.role.clone(), name: fact.name.clone(), value });
        }
    }
    for (number, (role, _)) in questions.leaders.iter().enumerate() {
        if let Some((true, _)) = answer('l', number) {
            status.leads.push(role.clone());
        }
    }
    status
}

#[cfg(test)]
mod tests {
    use super::{Fact, NodeQuestions, Probe, node_status};
    use crate::remote::local_shell::{LocalShell, here};

    #[tokio::test]
    async fn what_a_question_complains_about_is_not_its_answer() {
        let folder = tempfile::tempdir().unwrap();
        let fact =
            |name: &str, run: &str| Fact { role: "postgres".to_owned(), name: name.to_owned(), run: run.to_owned() };
        let questions = NodeQuestions {
            node: "demo-postgres-1".to_owned(),
            facts: vec![
                fact("version", "echo 'no such directory' >&2; printf '15.1\\nmore\\n'"),
                fact("folder", "pwd"),
                fact("unknown", "echo 7; exit 1"),
            ],
            probes: vec![Probe {
                role: "postgres".to_owned(),
                name: "a leader is elected".to_owned(),
                run: "echo asking; echo nobody answers >&2; exit 1".to_owned(),
                hint: None,
            }],
            ..NodeQuestions::default()
        };
        let shell = LocalShell { bin: folder.path().to_owned() };

        let status = node_status(&shell, &here(), &questions).await.unwrap();

        let facts: Vec<_> = status.facts.iter().map(|fact| (fact.name.as_str(), fact.value.as_str())).collect();
        assert_eq!(facts, [("version", "15.1"), ("folder", "/")]);
        assert_eq!((status.probes[0].holds, status.probes[0].output.as_str()), (false, "nobody answers"));
        assert!(!status.is_healthy());
    }
}
