//! Pictures of a scripted run: resumed after a pause, with an attempt that failed and a step that was broken off.

#![allow(clippy::unwrap_used)] // a test that cannot go on ends here

use std::{fs, path::Path};

use jiff::{SignedDuration, Timestamp};
use refarch::{
    draw,
    journal::{Entry, Line},
    operator::Operator,
    plan::{Action, Plan, Risk, Step, Verb},
    timeline::{self, Timeline},
};

/// id, node, title, needs. The sort of work follows from the id.
const STEPS: [(&str, &str, &str, &str); 9] = [
    ("resource/network", "", "create network", ""),
    ("resource/image", "", "create image", ""),
    ("await/demo-db-1", "demo-db-1", "wait until it answers", "resource/network resource/image"),
    ("await/demo-app-1", "demo-app-1", "wait until it answers", "resource/network resource/image"),
    ("await/demo-app-10", "demo-app-10", "wait until it answers", "resource/network resource/image"),
    ("configure/demo-db-1/db", "demo-db-1", "configure db", "await/demo-db-1"),
    ("configure/demo-app-1/app", "demo-app-1", "configure app", "await/demo-app-1 configure/demo-db-1/db"),
    ("configure/demo-app-10/app", "demo-app-10", "configure app", "await/demo-app-10 configure/demo-db-1/db"),
    ("configure/demo-app-1/web", "demo-app-1", "configure web <first>", "await/demo-app-1"),
];

/// Milliseconds, what, step; after a failure whether it is tried again, after a begin the attempt.
const JOURNAL: &str = "
0 run
40 begin resource/network 1
41 begin resource/image 1
900 end resource/network 1
5000 end resource/image 1
5001 begin await/demo-db-1 1
5002 begin await/demo-app-1 1
5003 begin await/demo-app-10 1
6100 end await/demo-db-1 0
6101 begin configure/demo-db-1/db 1
6200 end await/demo-app-1 0
6201 begin configure/demo-app-1/web 1
6900 end await/demo-app-10 0
9000 fail configure/demo-db-1/db again
10000 begin configure/demo-db-1/db 2
14500 end configure/demo-app-1/web 3
16000 end configure/demo-db-1/db 12
16001 begin configure/demo-app-1/app 1
16100 begin configure/demo-app-10/app 1
20000 end configure/demo-app-1/app 4
7220000 run
7220100 begin configure/demo-app-10/app 1
7224100 end configure/demo-app-10/app 4
7226000 over
";

fn plan() -> Plan {
    let step = |(id, node, title, needs): (&str, &str, &str, &str)| Step {
        id: id.into(),
        node: (!node.is_empty()).then(|| node.to_owned()),
        title: title.to_owned(),
        reason: "scripted".to_owned(),
        needs: needs.split_whitespace().map(Into::into).collect(),
        risk: Risk::None,
        action: if id.starts_with("configure/") {
            Action::Configure { role: "r".to_owned() }
        } else {
            Action::AwaitNode
        },
        changes: Vec::new(),
    };
    let steps = STEPS.into_iter().map(step).collect();
    Plan {
        environment: "demo".to_owned(),
        verb: Verb::Apply,
        to: None,
        steps,
        notes: vec![],
        unreachable: vec![],
        infrastructure_only: false,
        source: None,
        downtime: Vec::new(),
        money: None,
    }
}

fn journal() -> Vec<Line> {
    let start: Timestamp = "2026-11-25T10:00:00.0004Z".parse().unwrap();
    let line = |line: &str| {
        let words: Vec<&str> = line.split(' ').collect();
        let step = || words[2].into();
        let entry = match words[1] {
            "run" => Entry::RunStarted {
                verb: "apply".to_owned(),
                command: "apply demo".to_owned(),
                operator: Operator::current(),
                version: "0.1.0".to_owned(),
                total: STEPS.len(),
            },
            "begin" => {
                let (_, node, title, _) = STEPS.iter().find(|(id, ..)| *id == words[2]).unwrap();
                let node = (!node.is_empty()).then(|| (*node).to_owned());
                Entry::StepStarted {
                    step: step(),
                    node,
                    title: (*title).to_owned(),
                    attempt: words[3].parse().unwrap(),
                }
            }
            "end" => Entry::StepFinished { step: step(), changed: words[3].parse().unwrap(), elapsed_ms: 0 },
            "fail" => Entry::StepFailed { step: step(), error: "no <answer>".to_owned(), again: true },
            _ => Entry::RunFinished { exit: 0 },
        };
        Line { at: start + SignedDuration::from_millis(words[0].parse().unwrap()), entry }
    };
    JOURNAL.trim().lines().map(line).collect()
}

fn scripted() -> Timeline {
    timeline::build("20261125-1000-k3f9", &plan(), &journal())
}

fn compare(name: &str, found: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/timeline").join(name);
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(&path, found).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert!(expected == found, "{} differs (UPDATE_EXPECT=1 rewrites):\n{found}", path.display());
}

#[test]
fn as_text() {
    compare("resumed.txt", &draw::gantt_text(&scripted(), 100));
}

#[test]
fn as_a_picture() {
    compare("resumed.svg", &draw::gantt(&scripted()));
}

#[test]
fn time_that_nobody_worked_in_is_cut_out() {
    let timeline = scripted();
    assert_eq!((timeline.pauses.len(), timeline.pauses[0].at_ms), (1, 20_000));
    assert_eq!(timeline.pauses[0].length_ms, 7_200_000);
    assert_eq!(timeline.elapsed_ms, 26_000);
    assert_eq!(timeline.worked_ms(), 24_100);
}

#[test]
fn a_journal_without_steps_is_an_empty_picture() {
    let timeline = timeline::build("x", &plan(), &journal()[..1]);
    assert_eq!((timeline.bound, timeline.path.len(), timeline.elapsed_ms), (None, 0, 0));
    assert!(draw::gantt(&timeline).contains("no step was begun"));
    assert!(draw::gantt_text(&timeline, 80).contains("no step was begun"));
}
