//! From a plan and a journal to a line of time.

use std::collections::HashMap;

use jiff::Timestamp;

use super::{
    critical,
    model::{Bar, Kind, Outcome, Pause, Timeline},
};
use crate::{
    journal::{Entry, Line},
    plan::{Action, Plan, Step, StepId},
};

/// The line of time of a run. A run that goes on is shown as far as its journal goes.
#[must_use]
pub fn build(run: &str, plan: &Plan, journal: &[Line]) -> Timeline {
    let started = journal.first().map_or(Timestamp::UNIX_EPOCH, |line| line.at);
    let steps: HashMap<&StepId, &Step> = plan.steps.iter().map(|step| (&step.id, step)).collect();
    let mut reader = Reader { steps, ..Reader::default() };
    let mut last = started;
    for line in journal {
        // The clock of a machine may be set back while it works.
        let passed = millis(last, line.at);
        if matches!(line.entry, Entry::RunStarted { .. }) {
            if reader.begun {
                reader.pauses.push(Pause { at_ms: reader.now, length_ms: passed });
            }
            reader.running.clear();
            reader.begun = true;
        } else {
            reader.now += passed;
        }
        last = last.max(line.at);
        reader.take(&line.entry);
        for bar in reader.running.values() {
            reader.bars[*bar].end_ms = reader.now;
        }
    }
    let Reader { bars, pauses, now, .. } = reader;
    let mut timeline = Timeline {
        run: run.to_owned(),
        environment: plan.environment.clone(),
        verb: plan.verb,
        started,
        elapsed_ms: now,
        pauses,
        bars,
        path: Vec::new(),
        bound: None,
    };
    timeline.path = critical::path(plan, &timeline.bars);
    for link in &timeline.path {
        timeline.bars[link.bar].critical = true;
    }
    timeline.bound = critical::bound(plan, &timeline.bars);
    timeline
}

#[derive(Default)]
struct Reader<'a> {
    steps: HashMap<&'a StepId, &'a Step>,
    begun: bool,
    now: u64,
    pauses: Vec<Pause>,
    bars: Vec<Bar>,
    /// Step -> its attempt that has not ended.
    running: HashMap<StepId, usize>,
}

impl Reader<'_> {
    fn take(&mut self, entry: &Entry) {
        match entry {
            Entry::StepStarted { step, node, title, attempt } => {
                self.running.insert(step.clone(), self.bars.len());
                self.bars.push(Bar {
                    step: step.clone(),
                    node: node.clone(),
                    title: title.clone(),
                    kind: self.steps.get(step).map_or(Kind::Task, |step| kind(&step.action)),
                    attempt: *attempt,
                    begin_ms: self.now,
                    end_ms: self.now,
                    outcome: Outcome::Unfinished,
                    critical: false,
                });
            }
            Entry::StepFinished { step, changed, .. } => self.end(step, Outcome::Done { changed: *changed }),
            Entry::StepFailed { step, error, .. } => self.end(step, Outcome::Failed { error: error.clone() }),
            Entry::RunStarted { .. } | Entry::RunFinished { .. } => {}
        }
    }

    fn end(&mut self, step: &StepId, outcome: Outcome) {
        if let Some(bar) = self.running.remove(step) {
            self.bars[bar].end_ms = self.now;
            self.bars[bar].outcome = outcome;
        }
    }
}

fn kind(action: &Action) -> Kind {
    match action {
        Action::Infrastructure(_) | Action::Locate => Kind::Infrastructure,
        Action::AwaitNode => Kind::Wait,
        Action::Configure { .. } => Kind::Configure,
        Action::Task { .. } => Kind::Task,
    }
}

/// Whole milliseconds between two moments, counted so that the parts of a time add up to it.
fn millis(from: Timestamp, to: Timestamp) -> u64 {
    u64::try_from(to.as_millisecond() - from.as_millisecond()).unwrap_or_default()
}
