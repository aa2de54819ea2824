//! How long the rest of a run will take: the schedule is played through with what steps took before.

use std::{cmp::Reverse, collections::BinaryHeap, time::Duration};

use super::schedule::Schedule;
use crate::{journal::Durations, plan::Plan};

/// Time from now until the schedule ends if nothing fails; none while nothing is known about any duration.
/// `running` are the steps that run, with the time since each of them began.
pub(super) fn remaining(
    plan: &Plan,
    schedule: &Schedule<'_>,
    running: impl IntoIterator<Item = (usize, Duration)>,
    concurrency: usize,
    durations: &Durations,
) -> Option<Duration> {
    let mut schedule = schedule.clone();
    let takes = |i: usize| durations.of(&plan.steps[i]);
    let mut ends: BinaryHeap<Reverse<(Duration, usize)>> = BinaryHeap::new();
    for (i, since) in running {
        ends.push(Reverse((takes(i)?.saturating_sub(since), i)));
    }
    let mut now = Duration::ZERO;
    loop {
        while ends.len() < concurrency
            && let Some(i) = schedule.next()
        {
            ends.push(Reverse((now + takes(i)?, i)));
        }
        let Some(Reverse((end, i))) = ends.pop() else { return Some(now) };
        now = end;
        schedule.done(i);
    }
}
