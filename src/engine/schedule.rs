//! Which step may run next. Knows no time, so that a run can be played through beforehand.

use std::{
    cmp::Reverse,
    collections::{BTreeSet, HashMap, HashSet},
    time::Duration,
};

use crate::plan::{Plan, StepId};

/// What has become of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Something it needs has not ended.
    Waiting,
    /// Nothing it needs is left.
    Ready,
    /// Begun.
    Running,
    /// Ended well, now or in an earlier run.
    Done,
    /// Failed.
    Failed,
    /// Needs the step with this index, which failed.
    Blocked(usize),
}

/// The steps of a plan and how far they are.
#[derive(Clone)]
pub(super) struct Schedule<'a> {
    nodes: Vec<Option<&'a str>>,
    states: Vec<State>,
    missing: Vec<usize>,
    dependents: Vec<Vec<usize>>,
    /// Time from the step's start to the end of the longest way that begins with it.
    way: Vec<Duration>,
    /// By the longest way first, then in plan order.
    ready: BTreeSet<(Reverse<Duration>, usize)>,
    busy: HashSet<&'a str>,
}

impl<'a> Schedule<'a> {
    /// A schedule in which `finished` steps are done. The plan must be valid.
    pub(super) fn new(plan: &'a Plan, finished: &BTreeSet<StepId>, weight: impl Fn(usize) -> Duration) -> Self {
        let count = plan.steps.len();
        let index: HashMap<&StepId, usize> = plan.steps.iter().enumerate().map(|(i, step)| (&step.id, i)).collect();
        let mut missing = vec![0; count];
        let mut dependents = vec![Vec::new(); count];
        let mut states = vec![State::Waiting; count];
        for (i, step) in plan.steps.iter().enumerate() {
            if finished.contains(&step.id) {
                states[i] = State::Done;
            }
            let needs: BTreeSet<usize> = step.needs.iter().filter_map(|need| index.get(need).copied()).collect();
            for need in needs {
                dependents[need].push(i);
                missing[i] += usize::from(!finished.contains(&plan.steps[need].id));
            }
        }
        let nodes = plan.steps.iter().map(|step| step.node.as_deref()).collect();
        let way = longest_ways(&dependents, weight);
        let mut schedule =
            Self { nodes, states, missing, dependents, way, ready: BTreeSet::new(), busy: HashSet::new() };
        for i in 0..count {
            schedule.offer(i);
        }
        schedule
    }

    /// Begins the most urgent step whose node is free.
    pub(super) fn next(&mut self) -> Option<usize> {
        let key = *self.ready.iter().find(|(_, i)| self.nodes[*i].is_none_or(|node| !self.busy.contains(node)))?;
        self.ready.remove(&key);
        let i = key.1;
        self.states[i] = State::Running;
        self.busy.extend(self.nodes[i]);
        Some(i)
    }

    /// The step ended well.
    pub(super) fn done(&mut self, i: usize) {
        self.release(i);
        self.states[i] = State::Done;
        for dependent in self.dependents[i].clone() {
            self.missing[dependent] -= 1;
            self.offer(dependent);
        }
    }

    /// The step failed: everything that needs it, directly or not, is blocked. Returns how many steps that are.
    pub(super) fn failed(&mut self, i: usize) -> usize {
        self.release(i);
        self.states[i] = State::Failed;
        let mut reach = self.dependents[i].clone();
        let mut blocked = 0;
        while let Some(next) = reach.pop() {
            if self.states[next] == State::Waiting {
                self.states[next] = State::Blocked(i);
                blocked += 1;
                reach.extend(&self.dependents[next]);
            }
        }
        blocked
    }

    pub(super) fn states(&self) -> &[State] {
        &self.states
    }

    fn release(&mut self, i: usize) {
        if let Some(node) = self.nodes[i] {
            self.busy.remove(node);
        }
    }

    fn offer(&mut self, i: usize) {
        if self.states[i] == State::Waiting && self.missing[i] == 0 {
            self.states[i] = State::Ready;
            self.ready.insert((Reverse(self.way[i]), i));
        }
    }
}

/// For every step its own weight and that of the heaviest chain of steps that wait for it.
fn longest_ways(dependents: &[Vec<usize>], weight: impl Fn(usize) -> Duration) -> Vec<Duration> {
    let mut needs_left = vec![0_usize; dependents.len()];
    for dependent in dependents.iter().flatten() {
        needs_left[*dependent] += 1;
    }
    let mut order: Vec<usize> = (0..dependents.len()).filter(|i| needs_left[*i] == 0).collect();
    let mut at = 0;
    while let Some(i) = order.get(at).copied() {
        at += 1;
        for dependent in &dependents[i] {
            needs_left[*dependent] -= 1;
            if needs_left[*dependent] == 0 {
                order.push(*dependent);
            }
        }
    }
    let mut way = vec![Duration::ZERO; dependents.len()];
    for i in order.into_iter().rev() {
        let after = dependents[i].iter().map(|dependent| way[*dependent]).max().unwrap_or_default();
        way[i] = weight(i) + after;
    }
    way
}
