//! The parts of the page.

use std::fmt::Write as _;

use super::{Health, NodeHealth, Page, charts::chart};
use crate::{
    drill::{DrillReport, Drilled, Phase, Verdict},
    journal::RunState,
    markup::escape,
    plan::{Plan, Risk},
    view::{cost_notes, cost_rows, count, duration, money_change},
};

/// Name, result and figures.
pub(super) fn head(out: &mut String, page: &Page<'_>) {
    let (topology, run) = (page.topology, page.run);
    let (word, class) = match run.state {
        RunState::Done => ("done", "good"),
        RunState::Running => ("running", "warn"),
        RunState::Stopped => ("stopped", "warn"),
        RunState::Interrupted => ("interrupted", "warn"),
        RunState::Failed => ("failed", "bad"),
    };
    let size = topology.architecture.as_deref().unwrap_or("own size");
    let _ = write!(
        out,
        "<h1>{}</h1>\n<p><span class=\"pill {class}\">{word}</span> &nbsp;<code>{}</code> by {}, {}, run <code>{}</code></p>\n\
         <p class=\"soft\">{} of stack {} on {}, {}, {}</p>\n<div class=\"tiles\">",
        escape(&topology.environment),
        escape(&run.command),
        escape(&run.by),
        run.started.strftime("%Y-%m-%d %H:%M UTC"),
        run.id,
        escape(size),
        escape(&topology.stack),
        escape(&topology.provider),
        count(topology.nodes.len(), "node"),
        escape(&topology.external_url)
    );
    let took = u64::try_from(run.duration.as_millis()).unwrap_or(u64::MAX);
    let mut tile = |value: &str, what: &str, class: &str| {
        let _ = write!(
            out,
            "<div class=\"tile\"><b class=\"{class}\">{}</b><span>{}</span></div>",
            escape(value),
            escape(what)
        );
    };
    tile(&duration(took), "from first to last line", "");
    tile(&format!("{}/{}", run.done, run.total), "steps done", if run.done == run.total { "good" } else { "warn" });
    if let Some(drilled) = page.drilled {
        let made = drilled.drills.iter().filter(|report| report.verdict != Verdict::Skipped);
        let passed = made.clone().filter(|report| report.verdict == Verdict::Passed).count();
        let class = if passed == made.clone().count() { "good" } else { "bad" };
        tile(&format!("{passed}/{}", made.count()), "drills passed", class);
        let lost = drilled.lost.len();
        tile(
            &lost.to_string(),
            &format!("lost of {} answered", drilled.audited),
            if lost == 0 { "good" } else { "bad" },
        );
    }
    match &page.health {
        Some(nodes) => {
            let good = nodes.iter().filter(|node| node.health == Health::Good).count();
            tile(
                &format!("{good}/{}", nodes.len()),
                "nodes healthy now",
                if good == nodes.len() { "good" } else { "bad" },
            );
        }
        None => tile("-", "nodes were not asked", ""),
    }
    out.push_str("</div>\n");
}

/// A table of all drills, and a card with a chart for each that was made.
pub(super) fn drills(out: &mut String, drilled: &Drilled) {
    out.push_str(
        "<h2>Drills</h2>\n<div class=\"wide\"><table><tr><th>Drill</th><th>Result</th><th class=\"n\">Writes again</th>\
         <th class=\"n\">Reads again</th><th class=\"n\">Jobs again</th><th class=\"n\">Failed requests</th>\
         <th class=\"n\">Lost</th><th class=\"n\">Healed by itself</th></tr>\n",
    );
    for report in &drilled.drills {
        let failed: usize = report.failed.values().sum();
        let skipped = report.verdict == Verdict::Skipped;
        let cell = |text: String| format!("<td class=\"n\">{}</td>", if skipped { "" } else { text.as_str() });
        let _ = writeln!(
            out,
            "<tr><td>{}</td><td>{}</td>{}{}{}{}{}{}</tr>",
            escape(&report.name),
            pill(report.verdict),
            cell(again(report, "write")),
            cell(again(report, "read")),
            cell(again(report, "job")),
            cell(format!("{failed} of {}", report.requests)),
            cell(report.lost.len().to_string()),
            cell(report.healed.map_or_else(|| "no".to_owned(), duration)),
        );
    }
    out.push_str("</table></div>\n");
    if !drilled.left.is_empty() {
        let _ = writeln!(out, "<p class=\"warn\">Left: {}</p>", escape(&drilled.left.join(", ")));
    }
    for lost in &drilled.lost {
        let _ = writeln!(out, "<p class=\"bad\">Lost: {}</p>", escape(lost));
    }
    for report in &drilled.drills {
        card(out, report);
    }
}

fn card(out: &mut String, report: &DrillReport) {
    let _ = write!(
        out,
        "<div class=\"card\"><div class=\"head\"><h3>{}</h3>{}<span class=\"soft\">{}</span></div>\n\
         <p>{}. <span class=\"soft\">Expected: {}.</span></p>\n",
        escape(&report.name),
        pill(report.verdict),
        escape(&nodes_hit(&report.nodes)),
        escape(&report.fault),
        escape(&report.expect)
    );
    if !report.reasons.is_empty() {
        let class = if report.verdict == Verdict::Failed { "bad" } else { "soft" };
        let _ = write!(out, "<ul class=\"{class}\">");
        for reason in &report.reasons {
            let _ = write!(out, "<li>{}</li>", escape(reason));
        }
        out.push_str("</ul>\n");
    }
    out.push_str(&chart(report));
    if !report.failures.is_empty() {
        let failed: usize = report.failed.values().sum();
        let _ = write!(out, "<details><summary>{}</summary><ul>", count(failed, "failed request"));
        for failure in &report.failures {
            let _ = write!(out, "<li>{}</li>", escape(failure));
        }
        out.push_str("</ul></details>");
    }
    out.push_str("</div>\n");
}

fn nodes_hit(nodes: &[String]) -> String {
    match nodes {
        [] => String::new(),
        [one] => format!("on {one}"),
        [first, second] => format!("on {first} and {second}"),
        [first, .., last] => format!("on {} nodes, {first} to {last}", nodes.len()),
    }
}

fn again(report: &DrillReport, kind: &str) -> String {
    match report.during.get(kind) {
        Some(Phase { again: Some(0), .. }) => "no outage".to_owned(),
        Some(Phase { again: Some(again), .. }) => duration(*again),
        Some(Phase { again: None, .. }) => "not meanwhile".to_owned(),
        None => "-".to_owned(),
    }
}

fn pill(verdict: Verdict) -> String {
    let (word, class) = match verdict {
        Verdict::Passed => ("passed", "good"),
        Verdict::Failed => ("failed", "bad"),
        Verdict::Skipped => ("skipped", "soft"),
        Verdict::Interrupted => ("interrupted", "warn"),
    };
    format!("<span class=\"pill {class}\">{word}</span>")
}

/// Every node by group, with its health.
pub(super) fn nodes(out: &mut String, page: &Page<'_>) {
    out.push_str("<h2>Nodes</h2>\n<div class=\"groups\">");
    let mut last = "";
    for node in &page.topology.nodes {
        if node.group != last {
            if !last.is_empty() {
                out.push_str("</div>");
            }
            let _ = write!(out, "<div class=\"group\"><h3>{}</h3>", escape(&node.group));
            last = &node.group;
        }
        let known = page.health.iter().flatten().find(|health| health.node == node.name);
        let (class, word) = match known.map(|known| known.health) {
            Some(Health::Good) => ("good", "healthy"),
            Some(Health::Bad) => ("bad", "not healthy"),
            Some(Health::Absent) => ("absent", "not there"),
            None => ("", "not asked"),
        };
        let detail = known.map(|known: &NodeHealth| known.detail.as_str()).filter(|detail| !detail.is_empty());
        let detail = detail.map_or_else(String::new, |detail| format!(", {}", escape(detail)));
        let _ = write!(
            out,
            "<div class=\"node\"><span class=\"dot {class}\" title=\"{word}\" role=\"img\" aria-label=\"{word}\"></span>\
             <b>{}</b> <i>zone&nbsp;{}{detail}</i></div>",
            escape(&node.name),
            node.zone
        );
    }
    out.push_str("</div></div>\n");
}

/// What was planned.
pub(super) fn plan(out: &mut String, plan: &Plan) {
    let _ = write!(
        out,
        "<h2>Plan</h2>\n<details><summary>{} of {}</summary><table><tr><th>Where</th><th>What</th><th>Why</th></tr>\n",
        count(plan.steps.len(), "step"),
        plan.verb
    );
    for step in &plan.steps {
        let risk = match step.risk {
            Risk::None => "",
            Risk::Restart => " <span class=\"pill warn\">restart</span>",
            Risk::Disruption => " <span class=\"pill warn\">users notice</span>",
            Risk::DataLoss => " <span class=\"pill bad\">destroys data</span>",
        };
        let _ = writeln!(
            out,
            "<tr><td>{}</td><td>{}{risk}</td><td class=\"soft\">{}</td></tr>",
            escape(step.node.as_deref().unwrap_or("")),
            escape(&step.title),
            escape(&step.reason)
        );
    }
    out.push_str("</table></details>\n");
    for note in &plan.notes {
        let _ = writeln!(out, "<p class=\"soft\">Note: {}</p>", escape(note));
    }
}

/// What runs on the nodes.
pub(super) fn versions(out: &mut String, page: &Page<'_>) {
    if page.versions.is_empty() {
        return;
    }
    out.push_str("<h2>Versions</h2>\n<table><tr><th>Role</th><th>Version</th><th class=\"n\">Nodes</th></tr>\n");
    for version in &page.versions {
        let _ = writeln!(
            out,
            "<tr><td>{}</td><td>{}</td><td class=\"n\">{}</td></tr>",
            escape(&version.role),
            escape(&version.version),
            version.nodes
        );
    }
    out.push_str("</table>\n");
}

/// What the environment costs, and what the run's plan said of that.
pub(super) fn cost(out: &mut String, page: &Page<'_>) {
    out.push_str("<h2>Cost</h2>\n");
    match &page.cost {
        Some(estimate) => {
            out.push_str(
                "<div class=\"wide\"><table><tr><th>Group</th><th class=\"n\">Nodes</th><th>Paid for</th>\
                 <th class=\"n\">An hour</th><th class=\"n\">A month</th></tr>\n",
            );
            for [group, nodes, what, hour, month] in cost_rows(estimate) {
                let (group, what) = (escape(&group), escape(&what));
                let _ = writeln!(
                    out,
                    "<tr><td>{group}</td><td class=\"n\">{nodes}</td><td>{what}</td><td class=\"n\">{}</td>\
                     <td class=\"n\">{}</td></tr>",
                    escape(&hour),
                    escape(&month)
                );
            }
            out.push_str("</table></div>\n");
            for note in cost_notes(estimate) {
                let _ = writeln!(out, "<p class=\"soft\">{}</p>", escape(&note));
            }
        }
        None => {
            let provider = escape(&page.topology.provider);
            let _ = writeln!(out, "<p class=\"soft\">Provider {provider} sends no bill that refarch knows of.</p>");
        }
    }
    for line in page.plan.money.iter().flat_map(|money| money_change(money).lines().map(escape).collect::<Vec<_>>()) {
        let _ = writeln!(out, "<p class=\"soft\">As planned: {line}</p>");
    }
}
