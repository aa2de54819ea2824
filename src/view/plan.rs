//! A plan as text: grouped by node, a reason for every step, differences of files where asked for.

use std::fmt::Write as _;

use console::Style;

use super::plain::count;
use crate::{
    plan::{Action, Counts, DowntimeKind, Drift, Plan, Risk, Step},
    provider::Change,
};

/// How a plan is shown.
#[derive(Debug, Clone, Copy, Default)]
pub struct PlanStyle {
    /// With colours.
    pub color: bool,
    /// With the differences of files.
    pub diff: bool,
}

/// The plan as a person reads it.
#[must_use]
pub fn plan_text(plan: &Plan, style: PlanStyle) -> String {
    let mut out = String::new();
    if plan.is_empty() {
        let _ = writeln!(out, "{}: nothing to do, everything is as the environment file says", plan.environment);
        notes(&mut out, plan);
        return out;
    }
    steps(&mut out, plan, style);
    downtime(&mut out, plan);
    notes(&mut out, plan);
    let _ = writeln!(out, "{}", summary(plan));
    if let Some(money) = &plan.money {
        out.push_str(&super::money_change(money));
    }
    out
}

/// What changed behind refarch's back, as a person reads it.
#[must_use]
pub fn drift_text(drift: &Drift, style: PlanStyle) -> String {
    let Drift { plan, expected } = drift;
    let mut out = String::new();
    if plan.is_empty() {
        let _ = writeln!(out, "{}: nothing changed behind refarch's back", plan.environment);
    }
    steps(&mut out, plan, style);
    notes(&mut out, plan);
    if !expected.is_empty() {
        let steps = count(expected.len(), "step");
        let _ = writeln!(out, "note: besides, the environment file or this refarch asks for {steps}: `refarch plan`");
    }
    if !plan.is_empty() {
        // A step without differences is about the machine itself.
        let things: usize = plan.steps.iter().map(|step| step.changes.len().max(1)).sum();
        let things = count(things, "thing");
        let _ = writeln!(
            out,
            "{}: {things} changed behind refarch's back; `refarch apply` puts it right",
            plan.environment
        );
    }
    out
}

fn steps(out: &mut String, plan: &Plan, style: PlanStyle) {
    let mut nodes: Vec<Option<&str>> = Vec::new();
    for step in &plan.steps {
        let node = step.node.as_deref();
        if !nodes.contains(&node) {
            nodes.push(node);
        }
    }
    for node in nodes {
        let heading = node.unwrap_or(&plan.environment);
        let _ = writeln!(out, "{}", paint(style, Style::new().bold(), heading));
        for step in plan.steps.iter().filter(|step| step.node.as_deref() == node) {
            write_step(out, step, style);
        }
        out.push('\n');
    }
}

/// One line that says how much it is.
#[must_use]
pub fn summary(plan: &Plan) -> String {
    let Counts { create, start, update, replace, delete, configure, task, .. } = plan.counts();
    let mut parts = Vec::new();
    for (count, what) in [
        (create, "to create"),
        (start, "to start"),
        (update, "to change"),
        (replace, "to replace"),
        (delete, "to remove"),
        (configure, "stages to configure"),
        (task, "tasks of roles"),
    ] {
        if count > 0 {
            parts.push(format!("{count} {what}"));
        }
    }
    let risk = match plan.risk() {
        Risk::DataLoss => "; destroys data",
        _ => "",
    };
    format!("{}: {} steps ({}{risk})", plan.environment, plan.steps.len(), parts.join(", "))
}

fn downtime(out: &mut String, plan: &Plan) {
    for down in plan.downtime.iter().filter(|down| down.kind != DowntimeKind::InTurn) {
        let what = if down.kind == DowntimeKind::Down { "downtime" } else { "moves" };
        let _ = writeln!(out, "{what}: {} ({}): {}", down.role, down.nodes.join(", "), down.why);
    }
    let turns = plan.downtime.iter().filter(|down| down.kind == DowntimeKind::InTurn);
    let turns: Vec<String> = turns.map(|down| format!("{} ({})", down.role, count(down.nodes.len(), "node"))).collect();
    if !turns.is_empty() {
        let _ = writeln!(out, "in turn, a few nodes at a time: {}", turns.join(", "));
    }
}

fn notes(out: &mut String, plan: &Plan) {
    for unreachable in &plan.unreachable {
        let _ = writeln!(out, "note: {} does not answer: {}", unreachable.node, unreachable.error);
    }
    for note in &plan.notes {
        let _ = writeln!(out, "note: {note}");
    }
}

fn write_step(out: &mut String, step: &Step, style: PlanStyle) {
    let (symbol, color) = match &step.action {
        Action::Infrastructure(Change::Create { .. }) => ("+", Style::new().green()),
        Action::Infrastructure(Change::Start { .. }) => (">", Style::new().green()),
        Action::Infrastructure(Change::Update { .. }) => ("~", Style::new().yellow()),
        Action::Infrastructure(Change::Replace { .. }) => ("±", Style::new().red()),
        Action::Infrastructure(Change::Delete { .. }) => ("-", Style::new().red()),
        Action::Locate | Action::AwaitNode => (".", Style::new().dim()),
        Action::Configure { .. } => ("~", Style::new().yellow()),
        Action::Task { .. } => ("!", Style::new().cyan()),
        Action::Drill { .. } => ("!", Style::new().red()),
    };
    let risk = match step.risk {
        Risk::None => "",
        Risk::Restart => " [restart]",
        Risk::Disruption => " [users notice]",
        Risk::DataLoss => " [destroys data]",
    };
    let _ = writeln!(
        out,
        "  {} {:<26}{} {}",
        paint(style, color, symbol),
        step.title,
        paint(style, Style::new().red(), risk),
        paint(style, Style::new().dim(), &step.reason)
    );
    let new = step.changes.iter().all(|change| change.detail == "new");
    if new && !style.diff {
        return;
    }
    for change in &step.changes {
        let hidden = if change.secret { " (content is secret)" } else { "" };
        let _ = writeln!(out, "      {}: {}{hidden}", change.item, change.detail);
        if let Some(diff) = change.diff.as_ref().filter(|_| style.diff) {
            for line in diff.lines() {
                let color = match line.as_bytes().first() {
                    Some(b'+') => Style::new().green(),
                    Some(b'-') => Style::new().red(),
                    _ => Style::new().dim(),
                };
                let _ = writeln!(out, "        {}", paint(style, color, line));
            }
        }
    }
}

fn paint(style: PlanStyle, with: Style, text: &str) -> String {
    if style.color && !text.is_empty() { with.force_styling(true).apply_to(text).to_string() } else { text.to_owned() }
}
