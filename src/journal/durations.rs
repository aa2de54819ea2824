//! How long steps took before, to tell how long they will take.

use std::{collections::BTreeMap, time::Duration};

use crate::plan::{Step, StepId};

/// Durations of past steps: of the very step where it is known, else of its kind.
#[derive(Debug, Clone, Default)]
pub struct Durations {
    steps: BTreeMap<StepId, Duration>,
    titles: BTreeMap<String, Mean>,
    all: Mean,
}

#[derive(Debug, Clone, Copy, Default)]
struct Mean {
    sum: Duration,
    count: u32,
}

impl Mean {
    fn add(&mut self, value: Duration) {
        self.sum += value;
        self.count += 1;
    }

    fn get(self) -> Option<Duration> {
        self.sum.checked_div(self.count)
    }
}

impl Durations {
    /// Takes note of a step that ended well. The last note of a step counts.
    pub fn note(&mut self, step: &StepId, title: &str, elapsed: Duration) {
        self.steps.insert(step.clone(), elapsed);
        self.titles.entry(title.to_owned()).or_default().add(elapsed);
        self.all.add(elapsed);
    }

    /// What the step will take, if anything is known: the same step before, else steps with its title, else any.
    #[must_use]
    pub fn of(&self, step: &Step) -> Option<Duration> {
        let same = self.steps.get(&step.id).copied();
        same.or_else(|| self.titles.get(&step.title).and_then(|mean| mean.get())).or_else(|| self.all.get())
    }
}
