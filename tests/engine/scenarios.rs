//! `tests/scenarios/*.txt`: a script above the line `---`, the whole transcript below it.
//!
//! `UPDATE_EXPECT=1` writes the transcripts anew. A script has one word at the start of each line:
//! `limit N`, `attempts N`, `finished STEP`, `history STEP SECONDSs`, `stop SECONDSs`, and
//! `step ID [node=N] [needs=A,B] [takes=SECONDSs] [fails=transient,permanent,…]`.

use std::{fmt::Write as _, fs, path::Path, time::Duration};

use refarch::{
    engine::{ErrorClass, Options, Report, StopHandle, execute},
    event::{Event, Events},
    journal::Entry,
    plan::{Step, StepId},
};
use tokio::time::Instant;

use crate::fake::{Fake, Memory, Script, jumping, plan, step};

#[derive(Default)]
struct Scenario {
    options: Options,
    steps: Vec<Step>,
    fake: Fake,
    stops: Vec<Duration>,
}

#[test]
fn transcripts() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let mut paths: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(!paths.is_empty());
    let mut wrong = String::new();
    for path in paths {
        let text = fs::read_to_string(&path).unwrap();
        let (script, expected) = text.split_once("---\n").unwrap_or((&text, ""));
        let found = transcript(parse(script));
        if found == expected {
            continue;
        }
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            fs::write(&path, format!("{script}---\n{found}")).unwrap();
        } else {
            let diff = similar::TextDiff::from_lines(expected, found.as_str()).unified_diff().to_string();
            writeln!(wrong, "{}:\n{diff}", path.display()).unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

fn parse(script: &str) -> Scenario {
    let mut scenario = Scenario::default();
    for line in script.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["limit", limit] => scenario.options.concurrency = limit.parse().unwrap(),
            ["attempts", attempts] => scenario.options.attempts = attempts.parse().unwrap(),
            ["finished", id] => {
                scenario.options.finished.insert(id.into());
                scenario.fake.seen.lock().unwrap().done.insert(id.into());
            }
            ["history", id, took] => {
                scenario.options.durations.note(&StepId::from(id), &format!("do {id}"), seconds(took));
            }
            ["stop", when] => scenario.stops.push(seconds(when)),
            ["step", id, ref rest @ ..] => {
                let value = |key: &str| rest.iter().find_map(|word| word.strip_prefix(key)?.strip_prefix('='));
                let list = |key| value(key).map_or(vec![], |list| list.split(',').map(str::to_owned).collect());
                let known = ["node", "needs", "takes", "fails"];
                assert!(rest.iter().all(|word| known.iter().any(|key| word.starts_with(key))), "{line}");
                let class = |word: String| match word.as_str() {
                    "transient" => ErrorClass::Transient,
                    "permanent" => ErrorClass::Permanent,
                    _ => panic!("{line}"),
                };
                let script = Script {
                    takes: value("takes").map_or(Duration::from_secs(1), seconds),
                    fails: list("fails").into_iter().map(class).collect(),
                };
                scenario.fake.scripts.insert(id.into(), script);
                scenario.steps.push(step(id, value("node"), &list("needs")));
            }
            _ => panic!("not understood: {line}"),
        }
    }
    scenario
}

fn seconds(text: &str) -> Duration {
    Duration::from_secs_f64(text.strip_suffix('s').unwrap().parse().unwrap())
}

fn transcript(scenario: Scenario) -> String {
    let plan = plan(scenario.steps);
    let mut journal = Memory::default();
    let (lines, report) = jumping(async {
        let (events, mut receiver) = Events::channel();
        let (handle, stop) = StopHandle::new();
        let start = Instant::now();
        for when in scenario.stops {
            let handle = handle.clone();
            tokio::spawn(async move {
                tokio::time::sleep_until(start + when).await;
                handle.ask("interrupted");
            });
        }
        let watch = tokio::spawn(async move {
            let mut lines = String::new();
            while let Some(event) = receiver.recv().await {
                writeln!(lines, "{:7.3}  {}", start.elapsed().as_secs_f64(), tell(&event)).unwrap();
            }
            lines
        });
        let report = execute(&plan, &scenario.fake, scenario.options, &events, &mut journal, stop).await;
        drop(events);
        (watch.await.unwrap(), report)
    });
    assert_eq!(scenario.fake.seen.lock().unwrap().faults, Vec::<String>::new());
    let entries: Vec<String> = journal.entries.iter().map(note).collect();
    format!("{lines}journal: {}\n{}", entries.join(", "), sum_up(&report))
}

fn tell(event: &Event) -> String {
    let on = |node: &Option<String>| node.as_ref().map_or(String::new(), |node| format!(" on {node}"));
    match event {
        Event::RunStarted { total, .. } => format!("run of {total}"),
        Event::StepStarted { step, node, attempt, .. } => format!("begin {step}{} ({attempt})", on(node)),
        Event::StepOutput { step, line, .. } => format!("      {step}: {line}"),
        Event::StepFinished { step, elapsed_ms, .. } => format!("end   {step} after {elapsed_ms} ms"),
        Event::StepRetried { step, error, wait_ms, .. } => format!("again {step} in {wait_ms} ms: {error}"),
        Event::StepFailed { step, error, hint, .. } => {
            format!("FAIL  {step}: {error}; hint: {}", hint.as_deref().unwrap_or("-"))
        }
        Event::Estimate { remaining_ms } => format!("      {remaining_ms} ms left"),
        Event::Note { text } => format!("note  {text}"),
        Event::Stopping => "STOP".to_owned(),
        other => format!("{other:?}"),
    }
}

fn note(entry: &Entry) -> String {
    match entry {
        Entry::StepStarted { step, attempt, .. } => format!("{step}>{attempt}"),
        Entry::StepFinished { step, .. } => format!("{step}+"),
        Entry::StepFailed { step, again: true, .. } => format!("{step}~"),
        Entry::StepFailed { step, .. } => format!("{step}!"),
        other => format!("{other:?}"),
    }
}

fn sum_up(report: &Report) -> String {
    let failed: Vec<_> = report.failed.iter().map(|failed| failed.step.as_str()).collect();
    let blocked: Vec<_> =
        report.blocked.iter().map(|blocked| format!("{} (by {})", blocked.step, blocked.because)).collect();
    let left: Vec<_> = report.left.iter().map(|step| step.as_str()).collect();
    format!(
        "report: {} of {} done, {} changed, {:.3} s, exit {}\n\
         failed: [{}]  blocked: [{}]  left: [{}]  stopped: {}  abandoned: {}\n",
        report.done,
        report.total,
        report.changed,
        report.elapsed.as_secs_f64(),
        report.exit_code(),
        failed.join(", "),
        blocked.join(", "),
        left.join(", "),
        report.stopped.as_deref().unwrap_or("-"),
        report.abandoned,
    )
}
