//! A run while it goes on: redrawn for people at a terminal, plain lines or JSON lines for everything else.

use std::{
    collections::BTreeMap,
    io::{self, Write},
    time::Duration,
};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use jiff::Timestamp;
use tokio::sync::mpsc::UnboundedReceiver;

use super::plain;
use crate::event::Event;

/// How a run is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Redrawn lines on standard error.
    Human,
    /// A line per event on standard error.
    Plain,
    /// A JSON object per event on standard output.
    Jsonl,
    /// Nothing: the verb prints one document at the end.
    Silent,
}

/// Nodes shown at the same time; more are counted.
const NODES: usize = 12;

/// Shows events until there are no more.
pub async fn show(mut events: UnboundedReceiver<Event>, style: Style) {
    let mut board = (style == Style::Human).then(Board::new);
    let (mut done, mut total, mut sequence) = (0, 0, 0u64);
    while let Some(event) = events.recv().await {
        match &event {
            Event::RunStarted { total: steps, .. } => (done, total) = (0, *steps),
            Event::StepFinished { .. } => done += 1,
            _ => {}
        }
        match (&mut board, style) {
            (Some(board), _) => board.take(&event, done, total),
            (None, Style::Plain) => {
                if let Some(line) = plain::line(&event, done, total) {
                    let time = Timestamp::now().strftime("%H:%M:%S");
                    let _ = writeln!(io::stderr(), "{time} {line}");
                }
            }
            (None, Style::Jsonl) => {
                sequence += 1;
                let _ = writeln!(io::stdout(), "{}", json_line(&event, sequence, Timestamp::now()));
            }
            (None, _) => {}
        }
    }
    if let Some(board) = board {
        board.close();
    }
}

/// An event as one JSON object: time, number, and the event's own fields.
#[must_use]
pub fn json_line(event: &Event, sequence: u64, now: Timestamp) -> serde_json::Value {
    let mut line = serde_json::json!({"ts": now.to_string(), "seq": sequence});
    if let (Some(line), Ok(serde_json::Value::Object(fields))) = (line.as_object_mut(), serde_json::to_value(event)) {
        line.extend(fields);
    }
    line
}

/// The redrawn view: a line per active node, and one for the whole.
struct Board {
    all: MultiProgress,
    whole: Option<ProgressBar>,
    hidden: ProgressBar,
    /// Step -> its line; none while there is no room for one.
    steps: BTreeMap<String, Option<ProgressBar>>,
}

impl Board {
    fn new() -> Self {
        let all = MultiProgress::new();
        let hidden = all.add(ProgressBar::no_length());
        hidden.set_style(style("  {msg:.dim}"));
        Self { all, whole: None, hidden, steps: BTreeMap::new() }
    }

    fn take(&mut self, event: &Event, done: usize, total: usize) {
        match event {
            Event::RunStarted { verb, environment, total, .. } => {
                let whole = self.all.add(ProgressBar::new(*total as u64));
                whole.set_style(
                    style("{prefix} {bar:30.cyan/dim} {pos}/{len} steps  {elapsed}  {msg}").progress_chars("━━─"),
                );
                whole.set_prefix(format!("{verb} {environment}"));
                whole.enable_steady_tick(Duration::from_secs(1));
                self.whole = Some(whole);
            }
            Event::StepStarted { step, node, title, .. } => {
                let shown = self.steps.values().flatten().count();
                let line = (shown < NODES && !self.steps.contains_key(step)).then(|| {
                    let line = self.all.insert(shown, ProgressBar::no_length());
                    line.set_style(style("  {prefix:28} {elapsed:>4}  {msg}"));
                    line.set_prefix(node.clone().unwrap_or_default());
                    line.set_message(title.clone());
                    line.enable_steady_tick(Duration::from_secs(1));
                    line
                });
                if line.is_some() || !self.steps.contains_key(step) {
                    self.steps.insert(step.clone(), line);
                }
            }
            Event::StepProgress { step, done, total, note } => {
                if let Some(Some(line)) = self.steps.get(step) {
                    let count = if *total > 0 { format!("{done}/{total} ") } else { String::new() };
                    line.set_message(format!("{count}{note}"));
                }
            }
            Event::StepFinished { step, .. } => {
                self.end(step);
                if let Some(whole) = &self.whole {
                    whole.set_position(done as u64);
                }
            }
            Event::Estimate { remaining_ms } => {
                if let Some(whole) = &self.whole {
                    whole.set_message(match remaining_ms / 1000 {
                        0 => String::new(),
                        // An estimate: tenths of seconds would claim too much.
                        seconds => format!("about {} left", plain::duration(seconds * 1000).replace(".0 s", " s")),
                    });
                }
            }
            Event::StepFailed { step, .. } => {
                self.end(step);
                self.say(event, done, total);
            }
            Event::StepOutput { .. } => {}
            // What held stands in the table that follows.
            Event::Checked { ok: true, name, .. } => {
                if let Some(whole) = &self.whole {
                    whole.set_message(format!("{name} holds"));
                }
            }
            Event::RunFinished { .. } => {
                if let Some(whole) = &self.whole {
                    whole.finish_and_clear();
                }
                self.say(event, done, total);
            }
            _ => self.say(event, done, total),
        }
        let without_line = self.steps.values().filter(|line| line.is_none()).count();
        self.hidden.set_message(if without_line > 0 { format!("and {without_line} more") } else { String::new() });
    }

    fn end(&mut self, step: &str) {
        if let Some(Some(line)) = self.steps.remove(step) {
            line.finish_and_clear();
            self.all.remove(&line);
        }
    }

    fn say(&self, event: &Event, done: usize, total: usize) {
        if let Some(line) = plain::line(event, done, total) {
            // A terminal that is gone is no reason to stop.
            let _ = self.all.println(line);
        }
    }

    fn close(self) {
        self.hidden.finish_and_clear();
        let _ = self.all.clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the templates are constants that a test reads")
}

#[cfg(test)]
mod tests {
    use super::{Board, json_line};
    use crate::event::Event;

    #[test]
    fn json_lines_carry_time_and_number() {
        let line = json_line(&Event::Stopping, 7, "2026-11-24T01:00:00Z".parse().unwrap());
        assert_eq!(line.to_string(), r#"{"ts":"2026-11-24T01:00:00Z","seq":7,"type":"stopping"}"#);
    }

    #[tokio::test]
    async fn the_board_takes_every_kind_of_event() {
        let mut board = Board::new();
        let step = || "a".to_owned();
        board.take(&Event::RunStarted { run: step(), verb: step(), environment: step(), total: 1 }, 0, 1);
        board.take(&Event::StepStarted { step: step(), node: None, title: step(), attempt: 1 }, 0, 1);
        assert_eq!(board.steps.len(), 1);
        board.take(&Event::StepFinished { step: step(), node: None, title: step(), changed: 0, elapsed_ms: 1 }, 1, 1);
        assert!(board.steps.is_empty());
        board.close();
    }
}
