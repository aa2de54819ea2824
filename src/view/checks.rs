//! Results of checks as text.

use std::fmt::Write as _;

use console::style;

use crate::{
    provider::{Finding, Verdict},
    verify::CheckResult,
};

/// Results of whole-path checks, one line each, hints below those that failed.
#[must_use]
pub fn checks(results: &[CheckResult], color: bool) -> String {
    let mut out = String::new();
    let width = results.iter().map(|result| result.name.len()).max().unwrap_or_default();
    for result in results {
        let mark = style(if result.ok { "ok  " } else { "FAIL" }).force_styling(color);
        let mark = if result.ok { mark.green() } else { mark.red().bold() };
        let _ = writeln!(
            out,
            "{mark} {:<width$}  {}  {:.1} s, {} of {} samples held on {}",
            result.name,
            result.proves,
            seconds(result.elapsed_ms),
            result.held,
            result.taken,
            result.node
        );
        let _ = writeln!(out, "     {:<width$}  {}", "", style(&result.found).force_styling(color).dim());
        if let Some(hint) = &result.hint {
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
