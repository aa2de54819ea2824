//! Results of checks as text.

use std::fmt::Write as _;

use console::style;

use crate::{
    provider::{Finding, Verdict},
    verify::CheckResult,
};

/// Results of whole-path checks; those of one check that held on several nodes together, hints below those that failed.
#[must_use]
pub fn checks(results: &[CheckResult], color: bool) -> String {
    let mut out = String::new();
    let width = results.iter().map(|result| result.name.len()).max().unwrap_or_default();
    for group in results.chunk_by(|one, next| one.name == next.name && one.ok && next.ok) {
        let first = &group[0];
        let mark = style(if first.ok { "ok  " } else { "FAIL" }).force_styling(color);
        let mark = if first.ok { mark.green() } else { mark.red().bold() };
        let longest = group.iter().map(|result| result.elapsed_ms).max().unwrap_or_default();
        let samples = match group.iter().find(|result| result.held != result.taken) {
            Some(result) => format!("{} of {} samples held", result.held, result.taken),
            None => {
                format!("held {}", if first.held == 1 { "once".to_owned() } else { format!("{} times", first.held) })
            }
        };
        let place = if group.len() == 1 { first.node.clone() } else { format!("{} nodes", group.len()) };
        let _ = writeln!(out, "{mark} {:<width$}  {}", first.name, first.proves);
        let same = group.iter().all(|result| result.found == first.found);
        for result in group.iter().take(if same { 1 } else { group.len() }) {
            let node = if same { String::new() } else { format!("{}: ", result.node) };
            let found = style(format!("{node}{}", result.found)).force_styling(color).dim();
            let _ = writeln!(out, "     {:<width$}  {found}", "");
        }
        let took = format!("{samples} on {place}, {:.1} s", seconds(longest));
        let _ = writeln!(out, "     {:<width$}  {}", "", style(took).force_styling(color).dim());
        if let Some(hint) = &first.hint {
            let _ = writeln!(out, "     {:<width$}  hint: {hint}", "");
        }
    }
    let failed = results.iter().filter(|result| !result.ok).count();
    let _ = match failed {
        0 => writeln!(out, "all {} checks hold", results.len()),
        _ => writeln!(out, "{failed} of {} checks failed", results.len()),
    };
    out
}

/// Findings of `check`, one line each.
#[must_use]
pub fn findings(findings: &[Finding], color: bool) -> String {
    let mut out = String::new();
    let width = findings.iter().map(|finding| finding.name.len()).max().unwrap_or_default();
    for finding in findings {
        let mark = match finding.verdict {
            Verdict::Pass => style("ok  ").green(),
            Verdict::Warn => style("warn").yellow(),
            Verdict::Fail => style("FAIL").red().bold(),
        };
        let _ = writeln!(out, "{} {:<width$}  {}", mark.force_styling(color), finding.name, finding.found);
        if let Some(hint) = &finding.hint {
            let _ = writeln!(out, "     {:<width$}  hint: {hint}", "");
        }
    }
    out
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds of a check are few")]
fn seconds(milliseconds: u64) -> f64 {
    milliseconds as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(name: &str, node: &str, found: &str, held: u32, taken: u32) -> CheckResult {
        let ok = held >= 2;
        CheckResult {
            name: name.to_owned(),
            proves: format!("{name} works."),
            node: node.to_owned(),
            ok,
            found: found.to_owned(),
            held,
            taken,
            elapsed_ms: 1240 + u64::from(taken),
            hint: (!ok).then(|| format!("look at {name}")),
        }
    }

    #[test]
    fn a_check_that_held_everywhere_is_one_line_and_one_that_failed_has_its_own() {
        let results = [
            result("write", "app-1", "read back 7", 2, 2),
            result("pool", "pgbouncer-1", "goes to postgres-1", 2, 2),
            result("pool", "pgbouncer-2", "goes to postgres-1", 2, 4),
            result("pool", "pgbouncer-3", "no answer", 0, 9),
            result("ports", "redis-1", "3 closed", 2, 2),
            result("ports", "redis-2", "4 closed", 2, 2),
        ];
        assert_eq!(
            checks(&results, false),
            "\
ok   write  write works.
            read back 7
            held 2 times on app-1, 1.2 s
ok   pool   pool works.
            goes to postgres-1
            2 of 4 samples held on 2 nodes, 1.2 s
FAIL pool   pool works.
            no answer
            0 of 9 samples held on pgbouncer-3, 1.2 s
            hint: look at pool
ok   ports  ports works.
            redis-1: 3 closed
            redis-2: 4 closed
            held 2 times on 2 nodes, 1.2 s
1 of 6 checks failed
"
        );
        assert!(checks(&results[..1], false).ends_with("all 1 checks hold\n"));
        assert!(checks(&results[..1], true).starts_with("\u{1b}[32mok  \u{1b}[0m"));
    }

    #[test]
    fn what_was_found_wanting_says_what_to_do() {
        let finding = |verdict, name: &str, hint: Option<&str>| Finding {
            name: name.to_owned(),
            verdict,
            found: "24 GB".to_owned(),
            hint: hint.map(str::to_owned),
        };
        assert_eq!(
            findings(
                &[finding(Verdict::Pass, "memory", None), finding(Verdict::Fail, "engine", Some("start it"))],
                false
            ),
            "ok   memory  24 GB\nFAIL engine  24 GB\n             hint: start it\n"
        );
    }
}
