//! What holds for any plan.

use std::time::Duration;

use proptest::prelude::*;
use refarch::{
    engine::{ErrorClass, Options, StopSignal, execute},
    event::Events,
    plan::Plan,
};

use crate::fake::{Fake, Memory, Script, jumping, plan, step};

/// Of every step: which earlier steps it needs (as bits), its node, milliseconds, failing attempts.
pub type Shape = Vec<(u64, u8, u16, u8)>;

pub fn shapes() -> impl Strategy<Value = Shape> {
    prop::collection::vec(
        (any::<u64>().prop_map(|bits| bits & bits.rotate_left(7)), 0..6_u8, 0..3000_u16, 0..3_u8),
        1..40,
    )
}

pub fn build(shape: &Shape, fails: impl Fn(usize, u8) -> Vec<ErrorClass>) -> (Plan, Fake) {
    let mut fake = Fake::default();
    let mut steps = Vec::new();
    for (i, (bits, node, takes, failures)) in shape.iter().enumerate() {
        let needs: Vec<String> =
            (0..i.min(64)).filter(|need| bits >> need & 1 == 1).map(|need| format!("s{need}")).collect();
        let node = (*node > 0).then(|| format!("n{node}"));
        steps.push(step(&format!("s{i}"), node.as_deref(), &needs));
        let script = Script { takes: Duration::from_millis((*takes).into()), fails: fails(i, *failures) };
        fake.scripts.insert(format!("s{i}").into(), script);
    }
    // The engine must not lean on the order of the list.
    steps.reverse();
    (plan(steps), fake)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_step_runs_once_after_its_needs(shape in shapes(), limit in 1..8_usize) {
        let (plan, fake) = build(&shape, |_, failures| vec![ErrorClass::Transient; failures.into()]);
        let options = Options { concurrency: limit, ..Options::default() };
        let (events, _receiver) = Events::channel();
        let mut journal = Memory::default();
        let report = jumping(execute(&plan, &fake, options, &events, &mut journal, StopSignal::never()));
        let seen = fake.seen.lock().unwrap();
        prop_assert!(seen.faults.is_empty(), "{:?}", seen.faults);
        prop_assert_eq!((report.done, report.exit_code()), (plan.steps.len(), 0));
        prop_assert!(seen.most <= limit);
        for (i, (_, _, _, failures)) in shape.iter().enumerate() {
            prop_assert_eq!(seen.attempts[&format!("s{i}").into()], usize::from(*failures) + 1);
        }
    }

    #[test]
    fn a_failure_keeps_back_exactly_what_needs_it(shape in shapes(), broken in any::<prop::sample::Index>()) {
        let broken = broken.index(shape.len());
        let (plan, fake) = build(&shape, |i, _| if i == broken { vec![ErrorClass::Permanent] } else { vec![] });
        let (events, _receiver) = Events::channel();
        let mut journal = Memory::default();
        let report = jumping(execute(&plan, &fake, Options::default(), &events, &mut journal, StopSignal::never()));
        let mut reach = vec![false; shape.len()];
        reach[broken] = true;
        for (i, (bits, ..)) in shape.iter().enumerate() {
            reach[i] |= (0..i.min(64)).any(|need| bits >> need & 1 == 1 && reach[need]);
        }
        let seen = fake.seen.lock().unwrap();
        prop_assert!(seen.faults.is_empty(), "{:?}", seen.faults);
        for (i, reached) in reach.iter().enumerate() {
            prop_assert_eq!(seen.done.contains(&format!("s{i}").into()), !reached, "s{}", i);
        }
        prop_assert_eq!(report.blocked.len() + 1, reach.iter().filter(|reached| **reached).count());
        prop_assert_eq!((report.failed.len(), report.left.len(), report.exit_code()), (1, 0, 1));
    }
}
