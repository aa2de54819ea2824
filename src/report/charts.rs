//! Latency and failures of a drill over time.

use std::{collections::BTreeSet, fmt::Write as _};

use crate::{drill::DrillReport, markup::escape};

const WIDTH: f64 = 1040.0;
const LEFT: f64 = 46.0;
const RIGHT: f64 = 24.0;
/// Where the failures stand, above the latencies.
const FAILURES: f64 = 30.0;
const TOP: f64 = 44.0;
const HEIGHT: f64 = 190.0;
const BOTTOM: f64 = 24.0;
/// Latencies shown, in milliseconds: each ten times the one before takes the same height.
const FASTEST: f64 = 5.0;
const SLOWEST: f64 = 30_000.0;
/// Kinds that have a colour of their own in the style sheet.
const KINDS: [&str; 5] = ["write", "read", "job", "push", "clone"];

/// The chart of a drill, with its legend; empty where nothing was seen.
pub(super) fn chart(report: &DrillReport) -> String {
    let (Some(first), Some(last)) = (report.chart.first(), report.chart.last()) else { return String::new() };
    let (from, to) = (first.at.min(0), last.at.max(1) + 500);
    let x = |at: i64| LEFT + (at - from) as f64 / (to - from) as f64 * (WIDTH - LEFT - RIGHT);
    let y = |took: u64| {
        let share = ((took as f64).clamp(FASTEST, SLOWEST) / FASTEST).ln() / (SLOWEST / FASTEST).ln();
        HEIGHT - BOTTOM - share * (HEIGHT - BOTTOM - TOP)
    };
    let mut out = format!(
        "<div class=\"wide\"><svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"Latency and failures of {}\">",
        escape(&report.name)
    );
    let lasted = i64::try_from(report.lasted).unwrap_or_default();
    let (begin, end) = (x(0), x(lasted.min(to)).max(x(0) + 2.0));
    let bottom = HEIGHT - BOTTOM;
    let _ = write!(
        out,
        "<rect class=\"fault\" x=\"{begin:.1}\" y=\"14\" width=\"{:.1}\" height=\"{:.1}\"/>\
         <text x=\"{:.1}\" y=\"11\">fault</text>",
        end - begin,
        bottom - 14.0,
        begin
    );
    for (took, label) in [(10, "10 ms"), (100, "0.1 s"), (1000, "1 s"), (10_000, "10 s")] {
        let line = y(took);
        let _ = write!(
            out,
            "<path class=\"axis\" d=\"M{LEFT} {line:.1}H{:.1}\"/><text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>",
            WIDTH - RIGHT,
            LEFT - 6.0,
            line + 4.0
        );
    }
    let step = [5000, 10_000, 20_000, 30_000, 60_000, 120_000, 300_000]
        .into_iter()
        .find(|step| (to - from) / step <= 14)
        .unwrap_or(600_000);
    let mut tick = from.div_euclid(step) * step;
    while tick <= to {
        if tick >= from {
            let _ = write!(
                out,
                "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{} s</text>",
                x(tick),
                HEIGHT - 8.0,
                tick / 1000
            );
        }
        tick += step;
    }
    let kinds: BTreeSet<&str> = report
        .chart
        .iter()
        .flat_map(|bucket| bucket.slowest.keys().chain(bucket.failed.keys()))
        .map(String::as_str)
        .collect();
    for kind in KINDS.iter().filter(|kind| kinds.contains(**kind)) {
        let mut points = String::new();
        for bucket in &report.chart {
            if let Some(took) = bucket.slowest.get(*kind) {
                let _ = write!(points, "{:.1},{:.1} ", x(bucket.at + 250), y(*took));
            }
        }
        let _ = write!(out, "<polyline points=\"{}\" style=\"stroke:var(--{kind})\"/>", points.trim_end());
    }
    for bucket in &report.chart {
        let failed: usize = bucket.failed.values().sum();
        if failed > 0 {
            let height = (failed as f64 * 3.0).clamp(4.0, 16.0);
            let _ = write!(
                out,
                "<rect class=\"failed\" x=\"{:.1}\" y=\"{:.1}\" width=\"4\" height=\"{height:.1}\"><title>{failed} failed</title></rect>",
                x(bucket.at + 250) - 2.0,
                FAILURES + 4.0 - height
            );
        }
    }
    out.push_str("</svg></div><div class=\"legend\">");
    for kind in KINDS.iter().filter(|kind| kinds.contains(**kind)) {
        let _ = write!(out, "<span><b style=\"background:var(--{kind})\"></b>{kind}, slowest success</span>");
    }
    out.push_str("<span><b class=\"tick\"></b>failed requests</span><span><b class=\"box\"></b>while the fault lasted</span></div>");
    out
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::drill::Bucket;

    #[test]
    fn a_chart_shows_latencies_failures_and_the_fault() {
        let spec = serde_json::from_value(serde_json::json!({
            "name": "a<b", "fault": "", "expect": "", "on": {"which": "first"}, "machine": "stop",
        }))
        .unwrap();
        let bucket = |at: i64, took: u64, failed: usize| Bucket {
            at,
            slowest: [("write".to_owned(), took)].into(),
            failed: if failed > 0 { [("read".to_owned(), failed)].into() } else { Default::default() },
        };
        let report = DrillReport {
            chart: vec![bucket(-5000, 20, 0), bucket(500, 9000, 2), bucket(30_000, 25, 0)],
            lasted: 12_000,
            ..DrillReport::new(&spec, Timestamp::UNIX_EPOCH)
        };
        let svg = chart(&report);
        assert!(svg.contains("a&lt;b"), "{svg}");
        assert_eq!(svg.matches("<polyline").count(), 2, "one for each kind seen");
        assert!(svg.contains("2 failed") && svg.contains("class=\"fault\""), "{svg}");
        assert!(!svg.contains("NaN"), "{svg}");
        assert_eq!(chart(&DrillReport::new(&spec, Timestamp::UNIX_EPOCH)), "");
    }
}
