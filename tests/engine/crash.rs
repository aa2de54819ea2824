//! The process is killed at every record of the journal, and the run taken up again.

use std::time::Duration;

use refarch::{
    engine::{ErrorClass, Options, StopSignal, execute},
    event::Events,
    plan::Plan,
};

use crate::fake::{Fake, Memory, Script, jumping, plan, step};

fn world() -> (Plan, Fake) {
    let needs = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
    let plan = plan(vec![
        step("network", None, &[]),
        step("node-1", Some("n1"), &needs(&["network"])),
        step("node-2", Some("n2"), &needs(&["network"])),
        step("consul-1", Some("n1"), &needs(&["node-1"])),
        step("consul-2", Some("n2"), &needs(&["node-2"])),
        step("app-1", Some("n1"), &needs(&["consul-1", "consul-2"])),
    ]);
    let mut fake = Fake::default();
    for (i, step) in plan.steps.iter().enumerate() {
        let fails = if i == 3 { vec![ErrorClass::Transient] } else { vec![] };
        fake.scripts.insert(step.id.clone(), Script { takes: Duration::from_millis(100 * (i as u64 + 1)), fails });
    }
    (plan, fake)
}

fn run(plan: &Plan, fake: &Fake, journal: &mut Memory) -> refarch::engine::Report {
    let options = Options { finished: journal.finished(), ..Options::default() };
    let (events, _receiver) = Events::channel();
    jumping(execute(plan, fake, options, &events, journal, StopSignal::never()))
}

#[test]
fn a_run_killed_at_any_record_is_completed_by_the_next_one() {
    let (plan, fake) = world();
    let mut whole = Memory::default();
    assert_eq!(run(&plan, &fake, &mut whole).exit_code(), 0);
    // Six steps begin and end, one of them fails once in between.
    assert_eq!(whole.entries.len(), 14);

    for room in 0..whole.entries.len() {
        let (plan, fake) = world();
        let mut journal = Memory { room: Some(room), ..Memory::default() };
        let report = run(&plan, &fake, &mut journal);
        assert!(report.journal_error.is_some() && report.exit_code() == 1, "{room}: {report:?}");
        let recorded = journal.finished();
        let attempts_before = fake.seen.lock().unwrap().attempts.clone();
        // What ended without a record of it is run again: that is why steps are idempotent.
        fake.seen.lock().unwrap().done = recorded.clone();

        journal.room = None;
        let report = run(&plan, &fake, &mut journal);
        let seen = fake.seen.lock().unwrap();
        assert_eq!(seen.faults, Vec::<String>::new(), "{room}");
        assert_eq!((report.exit_code(), report.total), (0, plan.steps.len() - recorded.len()), "{room}");
        assert_eq!(journal.finished().len(), plan.steps.len(), "{room}");
        for step in &recorded {
            assert_eq!(seen.attempts[step], attempts_before[step], "{room}: {step} was run again");
        }
    }
}

#[test]
fn nothing_begins_that_is_not_recorded() {
    for room in 0..14 {
        let (plan, fake) = world();
        let mut journal = Memory { room: Some(room), ..Memory::default() };
        run(&plan, &fake, &mut journal);
        let begun = |entry: &refarch::journal::Entry| matches!(entry, refarch::journal::Entry::StepStarted { .. });
        let recorded = journal.entries.iter().filter(|entry| begun(entry)).count();
        let attempts: usize = fake.seen.lock().unwrap().attempts.values().sum();
        assert!(attempts <= recorded, "{room}: {attempts} attempts, {recorded} recorded");
    }
}
