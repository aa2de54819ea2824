//! A run as a Gantt chart of letters, for a terminal.

use std::{collections::HashSet, fmt::Write as _};

use super::gantt::seconds;
use crate::timeline::{Because, Kind, Limit, Outcome, Timeline};

/// Draws a line of time, so many columns wide.
#[must_use]
pub fn gantt_text(timeline: &Timeline, columns: usize) -> String {
    let mut out = format!("{} {}\n", timeline.verb, timeline.environment);
    for line in summary(timeline) {
        let _ = writeln!(out, "{line}");
    }
    let lanes = timeline.lanes();
    let names = lanes.iter().map(|(node, _)| node.map_or(11, str::len)).max().unwrap_or_default();
    let width = columns.saturating_sub(names + 2).max(20);
    if !lanes.is_empty() {
        let _ = writeln!(out, "\n{:names$}  {}", "", axis(timeline.elapsed_ms, width));
    }
    for (node, bars) in lanes {
        let mut line = vec![' '; width];
        for index in bars {
            let bar = &timeline.bars[index];
            let (from, to) = (place(bar.begin_ms, timeline, width), place(bar.end_ms, timeline, width));
            let letter = match (&bar.outcome, bar.kind) {
                (Outcome::Failed { .. }, _) => 'x',
                (Outcome::Unfinished, _) => '?',
                _ if bar.critical => '#',
                (_, Kind::Infrastructure) => '+',
                (_, Kind::Wait) => '.',
                (_, Kind::Configure) => '=',
                (_, Kind::Task) => '~',
            };
            // Something short is seen all the same.
            for cell in &mut line[from.min(width - 1)..to.max(from + 1).min(width)] {
                if *cell != '#' || letter == 'x' {
                    *cell = letter;
                }
            }
        }
        let line: String = line.into_iter().collect();
        let _ = writeln!(out, "{:names$}  {}", node.unwrap_or("environment"), line.trim_end());
    }
    if !timeline.path.is_empty() {
        out.push_str(
            "\n# critical path  = configure  + machines and networks  . wait until it answers  ~ task  x failed  \
             ? not finished\n\n",
        );
        let _ = writeln!(out, "{:>9}  {:>9}  {:>9}  critical path", "at", "took", "waited");
    }
    for link in &timeline.path {
        let bar = &timeline.bars[link.bar];
        let waited = waiting(link.waited_ms);
        let _ = writeln!(
            out,
            "{:>9}  {:>9}  {waited:>9}  {:names$}  {} ({})",
            seconds(bar.begin_ms),
            seconds(bar.took_ms()),
            bar.node.as_deref().unwrap_or("environment"),
            bar.title,
            because(link.because),
        );
    }
    out
}

/// What a reader wants to know first.
pub(super) fn summary(timeline: &Timeline) -> [String; 2] {
    let nodes = timeline.lanes().iter().filter(|(node, _)| node.is_some()).count();
    let worked = timeline.worked_ms();
    let proof = timeline.elapsed_ms - worked;
    let first = format!(
        "run {} of {}: {} on {}, {} of work{}",
        timeline.run,
        timeline.started.strftime("%Y-%m-%d %H:%M UTC"),
        counted(timeline.bars.iter().map(|bar| &bar.step).collect::<HashSet<_>>().len(), "step"),
        counted(nodes, "node"),
        seconds(worked),
        if proof == 0 { String::new() } else { format!(", {} of proof and end", seconds(proof)) },
    );
    let second = match timeline.bound {
        None => "no step was begun".to_owned(),
        Some(bound) => {
            let limit = match bound.limit {
                Limit::Chain => "the longest chain of steps that need each other",
                Limit::Node => "the node with the most work",
            };
            let over = worked.saturating_sub(bound.ms);
            let percent = (over * 100 + bound.ms / 2).checked_div(bound.ms).unwrap_or_default();
            format!(
                "critical path {} of work and {} of waiting; lower bound {} ({limit}), distance to it {} ({percent} %)",
                seconds(timeline.path_ms()),
                seconds(timeline.waited_ms()),
                seconds(bound.ms),
                seconds(over),
            )
        }
    };
    [first, second]
}

/// What is too short to be told in tenths of a second is left out.
pub(super) fn waiting(ms: u64) -> String {
    if ms < 100 { String::new() } else { seconds(ms) }
}

pub(super) fn because(because: Because) -> &'static str {
    match because {
        Because::Ready => "nothing before it",
        Because::Need => "needs the one above",
        Because::Node => "its node was busy",
        Because::Retry => "tried again",
    }
}

/// Distance of marks on an axis: at most so many of them, at round numbers.
pub(super) fn tick(whole: u64, most: u64) -> u64 {
    let round = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200, 36_000, 360_000];
    let good = round.into_iter().map(|seconds| seconds * 1000).find(|step| whole / step < most);
    good.unwrap_or(whole / most + 1)
}

fn axis(whole: u64, width: usize) -> String {
    let step = tick(whole, (width as u64 / 10).max(2));
    let mut line = String::new();
    for at in (0..=whole / step).map(|number| number * step) {
        let column = usize::try_from(u128::from(at) * width as u128 / u128::from(whole.max(1))).unwrap_or(width);
        let text = format!("{} s", at / 1000);
        if column + text.len() <= width {
            let _ = write!(line, "{:pad$}{text}", "", pad = column.saturating_sub(line.len()));
        }
    }
    line
}

fn place(at: u64, timeline: &Timeline, width: usize) -> usize {
    let column = u128::from(at) * width as u128 / u128::from(timeline.elapsed_ms.max(1));
    usize::try_from(column).unwrap_or(width).min(width)
}

fn counted(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}
