//! What came of drills, for people.

use std::fmt::Write as _;

use console::Style;

use super::{count, duration};
use crate::drill::{DrillReport, Drilled, Phase, Verdict};

/// Kinds of request with a column of their own.
const KINDS: [&str; 3] = ["write", "read", "job"];

/// A table, then for each drill what was not as expected, then the sum.
#[must_use]
pub fn drills(drilled: &Drilled, color: bool) -> String {
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table.set_header(["DRILL", "WRITES AGAIN", "READS AGAIN", "JOBS AGAIN", "FAILED", "LOST", "HEALED", "RESULT"]);
    for report in &drilled.drills {
        table.add_row(row(report, color));
    }
    let mut text = format!("{table}\n");
    for report in drilled.drills.iter().filter(|report| !report.reasons.is_empty()) {
        let _ = writeln!(text, "{}: {}", report.name, report.fault);
        if report.verdict == Verdict::Failed {
            let _ = writeln!(text, "  expected: {}", report.expect);
        }
        for reason in &report.reasons {
            let _ = writeln!(text, "  {reason}");
        }
    }
    if !drilled.left.is_empty() {
        let _ = writeln!(text, "left: {}", drilled.left.join(", "));
    }
    let lost = match drilled.lost.len() {
        0 => "none lost".to_owned(),
        lost => format!("{lost} LOST: {}", drilled.lost.join("; ")),
    };
    let _ = writeln!(text, "{} that were answered, looked for at the end: {lost}", count(drilled.audited, "thing"));
    if drilled.interrupted > 0 {
        let _ = writeln!(text, "{} times nobody asked: the connection to the users' node broke", drilled.interrupted);
    }
    text
}

fn row(report: &DrillReport, color: bool) -> Vec<String> {
    let (word, style) = match report.verdict {
        Verdict::Passed => ("passed", Style::new().green()),
        Verdict::Failed => ("FAILED", Style::new().red().bold()),
        Verdict::Skipped => ("skipped", Style::new().dim()),
        Verdict::Interrupted => ("interrupted", Style::new().yellow()),
    };
    let word = if color { style.force_styling(true).apply_to(word).to_string() } else { word.to_owned() };
    if report.verdict == Verdict::Skipped {
        let mut row = vec![report.name.clone()];
        row.extend(std::iter::repeat_n("-".to_owned(), 6));
        row.push(word);
        return row;
    }
    let again = |kind: &str| match report.during.get(kind) {
        Some(Phase { again: Some(0), .. }) => "no outage".to_owned(),
        Some(Phase { again: Some(again), .. }) => duration(*again),
        Some(Phase { again: None, .. }) => "not meanwhile".to_owned(),
        None => "-".to_owned(),
    };
    let failed: usize = report.failed.values().sum();
    let mut row = vec![report.name.clone()];
    row.extend(KINDS.map(again));
    row.push(format!("{failed}/{}", report.requests));
    row.push(format!("{}/{}", report.lost.len(), report.audited));
    row.push(report.healed.map_or_else(|| "no".to_owned(), duration));
    row.push(word);
    row
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_reader_sees_at_once_what_users_noticed() {
        let spec = serde_json::from_value(json!({
            "name": "redis-primary-killed", "fault": "Redis' primary dies", "expect": "a replica is promoted",
            "on": {"which": "first"}, "machine": "stop",
        }))
        .unwrap();
        let mut report = DrillReport::new(&spec, Timestamp::UNIX_EPOCH);
        report.during.insert("write".to_owned(), Phase { again: Some(0), gap: 300 });
        report.during.insert("job".to_owned(), Phase { again: Some(7300), gap: 7000 });
        report.failed.insert("job".to_owned(), 2);
        (report.requests, report.audited, report.healed) = (340, 120, Some(12_000));
        report.verdict = Verdict::Failed;
        report.reasons = vec!["job: worked again 7.3 s after the fault, later than 5.0 s".to_owned()];
        let skipped = DrillReport::skipped(&spec, Timestamp::UNIX_EPOCH, "this kernel has no netem".to_owned());
        let drilled = Drilled {
            run: "r".to_owned(),
            environment: "demo".to_owned(),
            drills: vec![report, skipped],
            left: Vec::new(),
            audited: 400,
            lost: Vec::new(),
            interrupted: 0,
            exit_code: 3,
        };
        let text = drills(&drilled, false);
        let lines: Vec<String> =
            text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        assert_eq!(
            lines,
            [
                "DRILL WRITES AGAIN READS AGAIN JOBS AGAIN FAILED LOST HEALED RESULT",
                "redis-primary-killed no outage - 7.3 s 2/340 0/120 12.0 s FAILED",
                "redis-primary-killed - - - - - - skipped",
                "redis-primary-killed: Redis' primary dies",
                "expected: a replica is promoted",
                "job: worked again 7.3 s after the fault, later than 5.0 s",
                "redis-primary-killed: Redis' primary dies",
                "this kernel has no netem",
                "400 things that were answered, looked for at the end: none lost",
            ]
        );
    }
}
