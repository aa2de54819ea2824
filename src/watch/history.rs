//! What changed from one look to the next.

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;
use serde::Serialize;

use super::{Health, Look, NodeLook};

/// Changes that are remembered.
const REMEMBERED: usize = 500;

/// Something that changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// When it was seen.
    pub at: Timestamp,
    /// For better or worse.
    pub turn: Turn,
    /// What, in words.
    pub text: String,
}

/// Which way something changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Turn {
    /// Something works again.
    Better,
    /// Something does not work any more.
    Worse,
    /// Something is otherwise than before.
    Other,
}

/// The last look and all that changed since the first.
#[derive(Debug, Default)]
pub struct History {
    last: Option<Look>,
    changes: VecDeque<Change>,
}

impl History {
    /// Takes a look, and returns what is new in it. In the first, that is what is wrong.
    pub fn take(&mut self, look: Look) -> Vec<Change> {
        let new: Vec<Change> = changes(self.last.as_ref(), &look)
            .into_iter()
            .map(|(turn, text)| Change { at: look.at, turn, text })
            .collect();
        self.changes.extend(new.iter().cloned());
        self.changes.drain(..self.changes.len().saturating_sub(REMEMBERED));
        self.last = Some(look);
        new
    }

    /// The last look.
    #[must_use]
    pub fn last(&self) -> Option<&Look> {
        self.last.as_ref()
    }

    /// All changes, the latest last.
    pub fn changes(&self) -> impl DoubleEndedIterator<Item = &Change> {
        self.changes.iter()
    }
}

fn changes(before: Option<&Look>, now: &Look) -> Vec<(Turn, String)> {
    let known: BTreeMap<&str, &NodeLook> =
        before.iter().flat_map(|look| &look.nodes).map(|node| (node.node.as_str(), node)).collect();
    let mut found = Vec::new();
    for node in &now.nodes {
        let old = known.get(node.node.as_str());
        found.extend(match old {
            None if node.health == Health::Good && before.is_none() => None,
            None if node.health == Health::Good => Some((Turn::Other, format!("{} is new", node.node))),
            None => Some((Turn::Worse, format!("{}: {}", node.node, node.says))),
            Some(old) => turned(old, node),
        });
        if let Some(old) = old
            && node.state != old.state
            && !node.state.is_empty()
        {
            let before = if old.state.is_empty() { String::new() } else { format!(", was {}", old.state) };
            found.push((Turn::Other, format!("{} is {}{before}", node.node, node.state)));
        }
    }
    if let Some(before) = before {
        let left = before.nodes.iter().filter(|old| now.nodes.iter().all(|node| node.node != old.node));
        found.extend(left.map(|old| (Turn::Other, format!("{} is not part of it any more", old.node))));
    }
    let faults = before.map(|look| &look.faults[..]).unwrap_or_default();
    found.extend(
        now.faults.iter().filter(|fault| !faults.contains(fault)).map(|fault| (Turn::Worse, format!("drill: {fault}"))),
    );
    found.extend(
        faults
            .iter()
            .filter(|fault| !now.faults.contains(fault))
            .map(|fault| (Turn::Better, format!("mended: {fault}"))),
    );
    found.extend(run(before, now));
    found
}

fn turned(old: &NodeLook, node: &NodeLook) -> Option<(Turn, String)> {
    let turn = match (old.health, node.health) {
        (Health::Good, Health::Good) => return None,
        (_, Health::Good) => return Some((Turn::Better, format!("{} is healthy again", node.node))),
        (Health::Gone, Health::Ill) => Turn::Better,
        _ if old.says == node.says => return None,
        _ => Turn::Worse,
    };
    Some((turn, format!("{}: {}", node.node, node.says)))
}

fn run(before: Option<&Look>, now: &Look) -> Option<(Turn, String)> {
    let run = now.run.as_ref()?;
    let old = before?.run.as_ref();
    if old.is_some_and(|old| old.id == run.id && old.state == run.state) {
        return None;
    }
    let turn = match run.state.as_str() {
        "failed" | "interrupted" => Turn::Worse,
        "done" => Turn::Better,
        _ => Turn::Other,
    };
    Some((turn, format!("{} by {}: {}, {} of {} steps", run.command, run.by, run.state, run.done, run.total)))
}

#[cfg(test)]
mod tests {
    use super::{super::RunLook, *};

    fn node(name: &str, health: Health, says: &str, state: &str) -> NodeLook {
        let [node, group, says, state] = [name, "postgres", says, state].map(str::to_owned);
        NodeLook { node, group, health, says, state, details: String::new() }
    }

    fn look(nodes: Vec<NodeLook>) -> Look {
        Look {
            at: Timestamp::UNIX_EPOCH,
            took_ms: 1,
            environment: "demo".to_owned(),
            kind: vec![],
            nodes,
            holder: None,
            run: None,
            faults: vec![],
        }
    }

    fn told(changes: &[Change]) -> Vec<(Turn, &str)> {
        changes.iter().map(|change| (change.turn, change.text.as_str())).collect()
    }

    #[test]
    fn a_failover_is_told_as_it_happens() {
        let mut history = History::default();
        let first = [node("pg-1", Health::Good, "healthy", "leader"), node("pg-2", Health::Good, "healthy", "replica")];
        assert_eq!(told(&history.take(look(first.to_vec()))), []);
        let killed = [node("pg-1", Health::Gone, "stopped", ""), node("pg-2", Health::Good, "healthy", "replica")];
        assert_eq!(told(&history.take(look(killed.to_vec()))), [(Turn::Worse, "pg-1: stopped")]);
        let led = [node("pg-1", Health::Gone, "stopped", ""), node("pg-2", Health::Good, "healthy", "leader")];
        assert_eq!(told(&history.take(look(led.to_vec()))), [(Turn::Other, "pg-2 is leader, was replica")]);
        let back = [node("pg-1", Health::Ill, "not: it answers", ""), led[1].clone()];
        assert_eq!(told(&history.take(look(back.to_vec()))), [(Turn::Better, "pg-1: not: it answers")]);
        let healed = [node("pg-1", Health::Good, "healthy", "replica"), led[1].clone()];
        assert_eq!(
            told(&history.take(look(healed.to_vec()))),
            [(Turn::Better, "pg-1 is healthy again"), (Turn::Other, "pg-1 is replica")]
        );
        assert_eq!(history.changes().count(), 5);
    }

    #[test]
    fn nodes_come_and_go_and_the_first_look_tells_what_is_wrong() {
        let mut history = History::default();
        let ill = node("app-1", Health::Ill, "puma is failed", "");
        assert_eq!(told(&history.take(look(vec![ill.clone()]))), [(Turn::Worse, "app-1: puma is failed")]);
        let new = node("app-2", Health::Good, "healthy", "");
        assert_eq!(told(&history.take(look(vec![ill, new.clone()]))), [(Turn::Other, "app-2 is new")]);
        assert_eq!(told(&history.take(look(vec![new]))), [(Turn::Other, "app-1 is not part of it any more")]);
    }

    #[test]
    fn runs_and_faults_are_told_once() {
        let mut history = History::default();
        history.take(look(vec![]));
        let run = |state: &str, done| RunLook {
            id: "r1".to_owned(),
            command: "apply demo".to_owned(),
            by: "ann@desk".to_owned(),
            state: state.to_owned(),
            started: Timestamp::UNIX_EPOCH,
            elapsed_ms: 0,
            done,
            total: 9,
            running: vec![],
            strips: vec![],
        };
        let at = |run: RunLook, faults: &[&str]| Look {
            run: Some(run),
            faults: faults.iter().map(|&fault| fault.to_owned()).collect(),
            ..look(vec![])
        };
        assert_eq!(
            told(&history.take(at(run("running", 0), &["app-killed on app-1"]))),
            [
                (Turn::Worse, "drill: app-killed on app-1"),
                (Turn::Other, "apply demo by ann@desk: running, 0 of 9 steps"),
            ]
        );
        assert_eq!(told(&history.take(at(run("running", 4), &["app-killed on app-1"]))), []);
        assert_eq!(
            told(&history.take(at(run("done", 9), &[]))),
            [
                (Turn::Better, "mended: app-killed on app-1"),
                (Turn::Better, "apply demo by ann@desk: done, 9 of 9 steps"),
            ]
        );
    }
}
