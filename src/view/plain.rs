//! One line per event: for logs, and for terminals that cannot redraw.

use crate::event::Event;

/// The line for an event, without a time; none for events that only a redrawn view shows.
#[must_use]
pub fn line(event: &Event, done: usize, total: usize) -> Option<String> {
    let width = total.to_string().len();
    let count = format!("[{done:>width$}/{total}]");
    let subject = |node: &Option<String>, title: &str| match node {
        Some(node) => format!("{node} {title}"),
        None => title.to_owned(),
    };
    Some(match event {
        Event::RunStarted { run, verb, environment, total } => {
            format!("{verb} {environment}: {total} steps, run {run}")
        }
        Event::Note { text } => text.clone(),
        Event::StepStarted { node, title, attempt, .. } => {
            let again = if *attempt > 1 { format!(" (attempt {attempt})") } else { String::new() };
            format!("{count} {} started{again}", subject(node, title))
        }
        Event::StepFinished { node, title, changed, elapsed_ms, .. } => {
            let changed = match changed {
                0 => "nothing to change".to_owned(),
                1 => "1 change".to_owned(),
                many => format!("{many} changes"),
            };
            format!("{count} {} done in {}, {changed}", subject(node, title), duration(*elapsed_ms))
        }
        Event::StepRetried { node, error, wait_ms, step } => {
            format!("{count} {}: {error}; again in {}", node.as_deref().unwrap_or(step), duration(*wait_ms))
        }
        Event::StepFailed { node, title, error, hint, tail, log, .. } => {
            let mut text = format!("{count} {} FAILED: {error}", subject(node, title));
            let first = tail.len().saturating_sub(20);
            for line in &tail[first..] {
                text.push_str(&format!("\n    | {line}"));
            }
            if let Some(log) = log {
                text.push_str(&format!("\n    log: {log}"));
            }
            if let Some(hint) = hint {
                text.push_str(&format!("\n    hint: {hint}"));
            }
            text
        }
        Event::Checked { name, node, ok, found, elapsed_ms } => format!(
            "{} {name} on {}: {found} ({})",
            if *ok { "holds " } else { "FAILED" },
            node.as_deref().unwrap_or("-"),
            duration(*elapsed_ms)
        ),
        Event::Stopping => "stopping: running steps are finished, no new one starts; again to stop at once".to_owned(),
        Event::RunFinished { done, total, failed, elapsed_ms, .. } => {
            let failed = if *failed > 0 { format!(", {failed} failed") } else { String::new() };
            format!("{done} of {total} steps done{failed} in {}", duration(*elapsed_ms))
        }
        Event::StepProgress { .. } | Event::StepOutput { .. } | Event::Estimate { .. } => return None,
    })
}

/// Milliseconds as people say them: `840 ms`, `12.4 s`, `3 min 05 s`.
#[must_use]
pub fn duration(milliseconds: u64) -> String {
    match milliseconds {
        0..1000 => format!("{milliseconds} ms"),
        1000..60_000 => format!("{}.{} s", milliseconds / 1000, milliseconds % 1000 / 100),
        _ => format!("{} min {:02} s", milliseconds / 60_000, milliseconds / 1000 % 60),
    }
}

/// `1 node`, `23 nodes`.
#[must_use]
pub fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::{duration, line};
    use crate::event::Event;

    #[test]
    fn a_failed_step_shows_its_last_lines_its_log_and_what_to_do() {
        let event = Event::StepFailed {
            step: "configure/demo-redis-1/redis".to_owned(),
            node: Some("demo-redis-1".to_owned()),
            title: "configure redis".to_owned(),
            error: "service redis-server: did not start".to_owned(),
            hint: Some("look at `journalctl -u redis-server` on the node".to_owned()),
            tail: (1..=30).map(|number| format!("line {number}")).collect(),
            log: Some(".refarch/demo/runs/x/output.log".to_owned()),
        };
        let text = line(&event, 3, 112).unwrap();
        assert!(text.starts_with(
            "[  3/112] demo-redis-1 configure redis FAILED: service redis-server: did not start\n    | line 11\n"
        ));
        assert!(text.ends_with(
            "    | line 30\n    log: .refarch/demo/runs/x/output.log\n    hint: look at `journalctl -u redis-server` on the node"
        ));
    }

    #[test]
    fn times_are_said_as_people_say_them() {
        assert_eq!(
            [999, 1000, 12_480, 60_000, 185_000].map(duration),
            ["999 ms", "1.0 s", "12.4 s", "1 min 00 s", "3 min 05 s"]
        );
    }
}
