//! What a run waited for, and what it could not have been faster than.

use std::collections::{BTreeMap, HashMap};

use super::model::{Bar, Because, Bound, Limit, Link, Outcome};
use crate::plan::{Plan, Step, StepId};

/// The chain of attempts that led to the last end: each was released by the one before it.
pub(super) fn path(plan: &Plan, bars: &[Bar]) -> Vec<Link> {
    let steps: HashMap<&StepId, &Step> = plan.steps.iter().map(|step| (&step.id, step)).collect();
    let mut path = Vec::new();
    let mut next = (0..bars.len()).max_by_key(|bar| (bars[*bar].end_ms, *bar));
    while let Some(bar) = next {
        let needs = steps.get(&bars[bar].step).map_or(&[][..], |step| &step.needs);
        let before = released_by(bars, bar, needs);
        let since = before.map_or(0, |(index, _)| bars[index].end_ms);
        let because = before.map_or(Because::Ready, |(_, because)| because);
        path.push(Link { bar, because, waited_ms: bars[bar].begin_ms - since });
        next = before.map(|(index, _)| index);
    }
    path.reverse();
    path
}

/// The attempt whose end an attempt waited for last. Attempts are in the order of their beginning.
fn released_by(bars: &[Bar], bar: usize, needs: &[StepId]) -> Option<(usize, Because)> {
    let at = &bars[bar];
    let earlier = bars[..bar].iter().enumerate().rev().filter(|(_, other)| other.end_ms <= at.begin_ms);
    if at.attempt > 1 {
        return earlier.into_iter().find(|(_, other)| other.step == at.step).map(|(index, _)| (index, Because::Retry));
    }
    let mut found: Option<(usize, Because)> = None;
    for (index, other) in earlier {
        // The attempt of a run that was broken off, and resumed.
        let because = if other.step == at.step {
            Because::Retry
        } else if needs.contains(&other.step) && matches!(other.outcome, Outcome::Done { .. }) {
            Because::Need
        } else if other.node.is_some() && other.node == at.node {
            Because::Node
        } else {
            continue;
        };
        // Of two that ended together the one that is needed counts.
        let rank = |index: usize, because: Because| (bars[index].end_ms, because == Because::Need);
        if found.is_none_or(|(best, why)| rank(index, because) > rank(best, why)) {
            found = Some((index, because));
        }
    }
    found
}

/// The least time for the steps that ended, each as long as all its attempts were.
pub(super) fn bound(plan: &Plan, bars: &[Bar]) -> Option<Bound> {
    let mut took: HashMap<&StepId, u64> = HashMap::new();
    let mut nodes: BTreeMap<&str, u64> = BTreeMap::new();
    for bar in bars {
        *took.entry(&bar.step).or_default() += bar.took_ms();
        if let Some(node) = &bar.node {
            *nodes.entry(node).or_default() += bar.took_ms();
        }
    }
    let mut ends: HashMap<&StepId, u64> = HashMap::new();
    // Steps mostly follow what they need; going over them again until nothing moves serves those that do not.
    loop {
        let mut moved = false;
        for step in &plan.steps {
            let Some(own) = took.get(&step.id) else { continue };
            let end = own + step.needs.iter().filter_map(|need| ends.get(need)).max().copied().unwrap_or_default();
            moved |= ends.insert(&step.id, end) != Some(end);
        }
        if !moved {
            break;
        }
    }
    let chain = ends.values().max().copied()?;
    let node = nodes.values().max().copied().unwrap_or_default();
    let (ms, limit) = if node > chain { (node, Limit::Node) } else { (chain, Limit::Chain) };
    Some(Bound { ms, limit })
}
