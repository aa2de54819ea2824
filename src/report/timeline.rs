//! The steps of a run over time.

use std::fmt::Write as _;

use super::StepBar;
use crate::markup::{escape, shortened};

const WIDTH: f64 = 1040.0;
const RIGHT: f64 = 26.0;
const ROW: f64 = 17.0;
/// Width of a letter, as wide as fonts of that size have it.
const LETTER: f64 = 7.2;
/// Letters of a name that are shown.
const LETTERS: usize = 70;

/// A line per node, a bar per step; steps that concern no node have a line each.
pub(super) fn timeline(steps: &[StepBar]) -> String {
    let Some(end) = steps.iter().map(|step| step.end).max().filter(|end| *end > 0) else { return String::new() };
    let mut rows: Vec<(&str, Vec<&StepBar>)> = Vec::new();
    for step in steps {
        let name = step.node.as_deref().unwrap_or(&step.title);
        match rows.iter_mut().find(|(row, _)| *row == name) {
            Some((_, bars)) => bars.push(step),
            None => rows.push((name, vec![step])),
        }
    }
    let longest = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or_default();
    let left = longest.min(LETTERS) as f64 * LETTER + 10.0;
    let x = |at: u64| left + at as f64 / end as f64 * (WIDTH - left - RIGHT);
    let height = rows.len() as f64 * ROW + 26.0;
    let mut out = format!("<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"Steps over time\">");
    let step =
        [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800].into_iter().find(|step| end / 1000 / step <= 12).unwrap_or(3600);
    let mut tick = 0;
    while tick * 1000 <= end {
        let _ = write!(
            out,
            "<path class=\"axis\" d=\"M{0:.1} 0V{1:.1}\"/><text x=\"{0:.1}\" y=\"{2:.1}\" text-anchor=\"middle\">{tick} s</text>",
            x(tick * 1000),
            height - 20.0,
            height - 6.0
        );
        tick += step;
    }
    for (number, (name, bars)) in rows.iter().enumerate() {
        let y = number as f64 * ROW + 2.0;
        let _ = write!(
            out,
            "<text class=\"name\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            left - 8.0,
            y + 11.0,
            escape(&shortened(name, LETTERS))
        );
        for bar in bars {
            let class = if bar.ok { "ok" } else { "notok" };
            let seconds = (bar.end - bar.start) as f64 / 1000.0;
            let _ = write!(
                out,
                "<rect class=\"{class}\" x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" rx=\"2\"><title>{}: {seconds:.1} s</title></rect>",
                x(bar.start),
                y + 1.0,
                (x(bar.end) - x(bar.start) - 1.0).max(1.5),
                ROW - 5.0,
                escape(&bar.title)
            );
        }
    }
    out.push_str("</svg>");
    out
}
