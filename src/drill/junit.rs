//! Drills as JUnit's XML, for CI systems.

use std::fmt::Write as _;

use super::{DrillReport, Drilled, Verdict, report::seconds};
use crate::markup;

/// One test case per drill, and one for what was answered in all of them.
#[must_use]
pub fn junit(drilled: &Drilled) -> String {
    let failed = |report: &&DrillReport| report.verdict == Verdict::Failed;
    let not_made = |report: &&DrillReport| matches!(report.verdict, Verdict::Skipped | Verdict::Interrupted);
    let failures = drilled.drills.iter().filter(failed).count() + usize::from(!drilled.lost.is_empty());
    let skipped = drilled.drills.iter().filter(not_made).count() + drilled.left.len();
    let cases = drilled.drills.len() + drilled.left.len() + 1;
    let name = escape(&format!("refarch drill {}", drilled.environment));
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n<testsuite name=\"{name}\" tests=\"{cases}\" \
         failures=\"{failures}\" errors=\"0\" skipped=\"{skipped}\">\n"
    );
    for report in &drilled.drills {
        let time = format!("{:.1}", (report.lasted + report.healed.unwrap_or_default()) as f64 / 1000.0);
        let _ = writeln!(text, "<testcase classname=\"{name}\" name=\"{}\" time=\"{time}\">", escape(&report.name));
        let reasons = escape(&report.reasons.join("\n"));
        match report.verdict {
            Verdict::Passed => {}
            Verdict::Failed => {
                let first = escape(report.reasons.first().map_or("", String::as_str));
                let _ = writeln!(text, "<failure message=\"{first}\">{reasons}</failure>");
            }
            Verdict::Skipped => {
                let _ = writeln!(text, "<skipped message=\"{reasons}\"/>");
            }
            Verdict::Interrupted => text.push_str("<skipped message=\"interrupted\"/>\n"),
        }
        let again: Vec<String> = report
            .during
            .iter()
            .map(|(kind, phase)| match phase.again {
                Some(again) => format!("{kind} again after {}", seconds(again)),
                None => format!("{kind} not while it lasted"),
            })
            .collect();
        let out = format!(
            "{}\nexpected: {}\n{}\n{}",
            report.fault,
            report.expect,
            again.join(", "),
            report.failures.join("\n")
        );
        let _ = writeln!(text, "<system-out>{}</system-out>\n</testcase>", escape(&out));
    }
    for left in &drilled.left {
        let _ = writeln!(
            text,
            "<testcase classname=\"{name}\" name=\"{}\"><skipped message=\"not reached\"/></testcase>",
            escape(left)
        );
    }
    let _ = writeln!(text, "<testcase classname=\"{name}\" name=\"nothing answered is lost\">");
    if !drilled.lost.is_empty() {
        let _ = writeln!(
            text,
            "<failure message=\"{} lost\">{}</failure>",
            drilled.lost.len(),
            escape(&drilled.lost.join("\n"))
        );
    }
    let _ = writeln!(
        text,
        "<system-out>{} looked for</system-out>\n</testcase>\n</testsuite>\n</testsuites>",
        drilled.audited
    );
    text
}

/// Text as XML's: without signs that XML does not allow at all.
fn escape(text: &str) -> String {
    let allowed = |sign: &char| !sign.is_control() || matches!(sign, '\n' | '\t');
    markup::escape(&text.chars().filter(allowed).collect::<String>())
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    #[test]
    fn a_ci_system_sees_every_drill_and_why_one_failed() {
        let spec = |name: &str| {
            serde_json::from_value(serde_json::json!({
                "name": name, "fault": "a node dies", "expect": "another takes over", "on": {"which": "first"}, "machine": "stop",
            }))
            .unwrap()
        };
        let passed =
            DrillReport { lasted: 9500, healed: Some(4000), ..DrillReport::new(&spec("one"), Timestamp::UNIX_EPOCH) };
        let failed = DrillReport {
            verdict: Verdict::Failed,
            reasons: vec!["write: answered <never> & \"late\"".to_owned()],
            ..DrillReport::new(&spec("two"), Timestamp::UNIX_EPOCH)
        };
        let skipped =
            DrillReport::skipped(&spec("three"), Timestamp::UNIX_EPOCH, "this kernel has no netem".to_owned());
        let drilled = Drilled {
            run: "r".to_owned(),
            environment: "demo".to_owned(),
            drills: vec![passed, failed, skipped],
            left: vec!["four".to_owned()],
            audited: 812,
            lost: Vec::new(),
            interrupted: 0,
            exit_code: 3,
        };
        let text = junit(&drilled);
        assert!(text.contains("tests=\"5\" failures=\"1\" errors=\"0\" skipped=\"2\""), "{text}");
        assert!(
            text.contains("name=\"one\" time=\"13.5\">\n<system-out>a node dies\nexpected: another takes over"),
            "{text}"
        );
        assert!(text.contains("<failure message=\"write: answered &lt;never&gt; &amp; &quot;late&quot;\">"), "{text}");
        assert!(text.contains("<skipped message=\"this kernel has no netem\"/>"), "{text}");
        assert!(text.contains("name=\"four\"><skipped message=\"not reached\"/>"), "{text}");
    }
}
