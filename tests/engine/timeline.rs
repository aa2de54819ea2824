//! The line of time of a run: what its critical path and its lower bound promise, whatever the plan.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use refarch::{
    engine::{ErrorClass, Options, StopSignal, execute},
    event::Events,
    journal::{Entry, JournalError, Line, Record},
    plan::Plan,
    timeline::{Because, Bound, Limit, Timeline, build},
};
use tokio::time::Instant;

use crate::{
    fake::{Fake, jumping, plan, step},
    properties::{Shape, build as scripted, shapes},
};

/// Keeps lines with the time of the clock that jumps.
struct Journal {
    since: Instant,
    lines: Vec<Line>,
}

impl Record for Journal {
    fn record(&mut self, entry: Entry) -> Result<(), JournalError> {
        let passed = SignedDuration::try_from(self.since.elapsed()).unwrap();
        self.lines.push(Line { at: Timestamp::UNIX_EPOCH + passed, entry });
        Ok(())
    }
}

fn run(plan: &Plan, fake: &Fake, limit: usize) -> Timeline {
    let options = Options { concurrency: limit, ..Options::default() };
    let (events, _receiver) = Events::channel();
    let lines = jumping(async {
        let mut journal = Journal { since: Instant::now(), lines: Vec::new() };
        execute(plan, fake, options, &events, &mut journal, StopSignal::never()).await;
        journal.lines
    });
    build("scripted", plan, &lines)
}

/// Everything that a critical path claims holds for this run.
fn check(plan: &Plan, timeline: &Timeline) -> Result<(), TestCaseError> {
    let bars = &timeline.bars;
    let last = bars[timeline.path.last().unwrap().bar].end_ms;
    prop_assert_eq!(last, timeline.worked_ms(), "it ends where the work ends");
    prop_assert_eq!(
        timeline.path_ms() + timeline.waited_ms(),
        last,
        "nothing of the time is left out or counted twice"
    );
    prop_assert_eq!(timeline.path[0].because, Because::Ready);
    for pair in timeline.path.windows(2) {
        let (before, after) = (&bars[pair[0].bar], &bars[pair[1].bar]);
        prop_assert_eq!(after.begin_ms - before.end_ms, pair[1].waited_ms);
        let needs = &plan.step(&after.step).unwrap().needs;
        match pair[1].because {
            Because::Need => prop_assert!(needs.contains(&before.step)),
            Because::Node => prop_assert!(before.node.is_some() && before.node == after.node),
            Because::Retry => prop_assert!(before.step == after.step && before.attempt + 1 == after.attempt),
            Because::Ready => prop_assert!(false, "only the first one has nothing before it"),
        }
        // Nothing else that it needs ended later.
        for other in bars.iter().filter(|bar| needs.contains(&bar.step)) {
            prop_assert!(pair[1].because == Because::Retry || other.end_ms <= before.end_ms);
        }
    }
    prop_assert!(timeline.bound.unwrap().ms <= timeline.worked_ms());
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_critical_path_explains_every_moment(shape in shapes(), limit in 1..8_usize) {
        let (plan, fake) = scripted(&shape, |_, failures| vec![ErrorClass::Transient; failures.into()]);
        check(&plan, &run(&plan, &fake, limit))?;
    }

    #[test]
    fn without_limits_the_lower_bound_is_met(shape in shapes()) {
        let alone: Shape = shape.into_iter().map(|(bits, _, takes, _)| (bits, 0, takes, 0)).collect();
        let (plan, fake) = scripted(&alone, |_, _| vec![]);
        let timeline = run(&plan, &fake, usize::MAX);
        check(&plan, &timeline)?;
        prop_assert_eq!(timeline.waited_ms(), 0);
        prop_assert_eq!(timeline.bound.unwrap().ms, timeline.worked_ms());
    }
}

#[test]
fn a_node_with_much_work_can_set_the_lower_bound() {
    let plan = plan(vec![step("a", Some("n"), &[]), step("b", Some("n"), &[]), step("c", None, &[])]);
    let mut fake = Fake::default();
    for (id, seconds) in [("a", 2), ("b", 3), ("c", 4)] {
        fake.scripts.entry(id.into()).or_default().takes = Duration::from_secs(seconds);
    }
    let timeline = run(&plan, &fake, 8);
    assert_eq!(timeline.bound, Some(Bound { ms: 5000, limit: Limit::Node }));
    assert_eq!(timeline.path.len(), 2);
    assert_eq!(timeline.path[1].because, Because::Node);
}
