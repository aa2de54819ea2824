//! What the page is made from.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::{
    cost::Estimate,
    drill::Drilled,
    journal::{Entry, Line, RunSummary},
    plan::Plan,
    topology::Topology,
};

/// Everything that stands on the page.
pub struct Page<'a> {
    /// The environment.
    pub topology: &'a Topology,
    /// The run.
    pub run: &'a RunSummary,
    /// Its plan.
    pub plan: &'a Plan,
    /// Its steps over time.
    pub steps: Vec<StepBar>,
    /// How the nodes are now; none where nobody asked them.
    pub health: Option<Vec<NodeHealth>>,
    /// What they run.
    pub versions: Vec<Version>,
    /// What the environment costs; none where nobody sends a bill.
    pub cost: Option<Estimate>,
    /// Drills, where the run made some.
    pub drilled: Option<&'a Drilled>,
    /// Picture of who talks to whom: SVG.
    pub picture: String,
    /// When the page was made.
    pub made: Timestamp,
}

/// How a node is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeHealth {
    /// Name.
    pub node: String,
    /// State.
    pub health: Health,
    /// What it leads, or what is wrong.
    pub detail: String,
}

/// State of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// Everything on it is as it should be.
    Good,
    /// Something is not.
    Bad,
    /// It is not there.
    Absent,
}

/// A version, and on how many nodes it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// Role.
    pub role: String,
    /// Version.
    pub version: String,
    /// Nodes.
    pub nodes: usize,
}

/// Counts versions by role.
#[must_use]
pub fn versions<'a>(found: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<Version> {
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for pair in found {
        *counts.entry(pair).or_default() += 1;
    }
    let version = |((role, version), nodes): ((&str, &str), usize)| Version {
        role: role.to_owned(),
        version: version.to_owned(),
        nodes,
    };
    counts.into_iter().map(version).collect()
}

/// A step over time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepBar {
    /// What it did.
    pub title: String,
    /// Node.
    pub node: Option<String>,
    /// Milliseconds since the run began.
    pub start: u64,
    /// When it ended; the last line of the journal where it never did.
    pub end: u64,
    /// Whether it ended well.
    pub ok: bool,
}

/// Steps of a journal over time.
#[must_use]
pub fn bars(lines: &[Line]) -> Vec<StepBar> {
    let Some(began) = lines.first().map(|line| line.at) else { return Vec::new() };
    let millis = |at: Timestamp| u64::try_from(at.duration_since(began).as_millis()).unwrap_or_default();
    let last = lines.last().map_or(0, |line| millis(line.at));
    let mut bars: Vec<StepBar> = Vec::new();
    // Step -> its bar while it runs.
    let mut open: BTreeMap<&str, usize> = BTreeMap::new();
    for line in lines {
        let (step, ok) = match &line.entry {
            Entry::StepStarted { step, node, title, .. } => {
                open.insert(step.as_str(), bars.len());
                let (node, title) = (node.clone(), title.clone());
                bars.push(StepBar { title, node, start: millis(line.at), end: last, ok: false });
                continue;
            }
            Entry::StepFinished { step, .. } => (step, true),
            Entry::StepFailed { step, .. } => (step, false),
            Entry::RunStarted { .. } | Entry::RunFinished { .. } => continue,
        };
        if let Some(bar) = open.remove(step.as_str()) {
            (bars[bar].end, bars[bar].ok) = (millis(line.at), ok);
        }
    }
    bars
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::StepId;

    #[test]
    fn a_step_that_never_ended_lasts_until_the_last_line() {
        let at = |milliseconds: i64| Timestamp::from_millisecond(1_000_000 + milliseconds).unwrap();
        let started = |step: &str| Entry::StepStarted {
            step: StepId::from(step),
            node: Some("demo-app-1".to_owned()),
            title: step.to_owned(),
            attempt: 1,
        };
        let lines = [
            Line { at: at(0), entry: started("a") },
            Line { at: at(200), entry: started("b") },
            Line { at: at(900), entry: Entry::StepFinished { step: StepId::from("a"), changed: 1, elapsed_ms: 900 } },
        ];
        let bars = bars(&lines);
        assert_eq!((bars[0].start, bars[0].end, bars[0].ok), (0, 900, true));
        assert_eq!((bars[1].start, bars[1].end, bars[1].ok), (200, 900, false));
    }

    #[test]
    fn versions_are_counted_by_role() {
        let found = [("postgres", "15.14"), ("redis", "7.0.15"), ("postgres", "15.14"), ("postgres", "15.13")];
        let versions = versions(found.into_iter());
        let told: Vec<_> = versions.iter().map(|one| (one.version.as_str(), one.nodes)).collect();
        assert_eq!(told, [("15.13", 1), ("15.14", 2), ("7.0.15", 1)]);
    }
}
