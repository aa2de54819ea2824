//! The screen of `watch`: every node, the latest run, and what changed. Pure: a look in, cells out.

use std::collections::BTreeMap;

use jiff::Timestamp;
use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    style::{Color, Modifier, Style},
    text::{Line, Span},
    widgets::Paragraph,
};

use super::duration;
use crate::watch::{Change, Health, History, Look, NodeLook, RunLook, Strip, Turn};

/// Columns that the health of a node gets at most, before the line of time.
const SAYS: usize = 38;

/// What is shown, and how.
#[derive(Debug)]
pub struct Screen<'a> {
    /// Looks taken.
    pub history: &'a History,
    /// Why the last look could not be taken.
    pub trouble: Option<&'a str>,
    /// Now.
    pub now: Timestamp,
    /// Where the reader is.
    pub place: &'a Place,
    /// Whether to use colours.
    pub color: bool,
}

/// Where the reader is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// First node that is shown.
    pub top: usize,
    /// Only nodes that are not healthy.
    pub only_ill: bool,
    /// No more looks are taken.
    pub paused: bool,
}

impl Screen<'_> {
    /// Draws it; returns how many nodes fit at once.
    pub fn draw(&self, frame: &mut Frame<'_>) -> usize {
        let area = frame.area();
        let Some(look) = self.history.last() else {
            let text = self.trouble.map_or_else(|| "looking …".to_owned(), |trouble| format!("cannot look: {trouble}"));
            frame.render_widget(Paragraph::new(text), area);
            return 0;
        };
        let head = self.head(look, area.width);
        let groups = self.groups(look, area.width);
        let changes = (area.height / 4).clamp(3, 12) + 1;
        let height = |lines: &[Line]| u16::try_from(lines.len()).unwrap_or(area.height);
        let [top, map, table, news, keys] = Layout::vertical([
            Constraint::Length(height(&head)),
            Constraint::Length(height(&groups).min(area.height / 4) + 2),
            Constraint::Min(2),
            Constraint::Length(changes + 1),
            Constraint::Length(1),
        ])
        .areas(area);
        frame.render_widget(Paragraph::new(head), top);
        frame.render_widget(Paragraph::new(groups), Rect { y: map.y + 1, height: map.height.saturating_sub(1), ..map });
        let shown = self.table(frame, look, table);
        self.news(frame, news);
        frame.render_widget(Paragraph::new(self.keys()).style(self.dim()), keys);
        shown
    }

    fn head(&self, look: &Look, width: u16) -> Vec<Line<'static>> {
        let healthy = look.healthy();
        let all = look.nodes.len();
        let count = if healthy == all { self.good() } else { self.bad() };
        let age = u64::try_from(self.now.duration_since(look.at).as_secs()).unwrap_or_default();
        let paused = if self.place.paused { ", paused" } else { "" };
        let left = [
            Span::styled(format!(" {} ", look.environment), self.strong()),
            Span::raw(format!(" {}   ", look.kind.join(" · "))),
            Span::styled(format!("{healthy} of {all} nodes healthy"), count),
        ];
        let took = look.took_ms as f64 / 1000.0;
        let right = format!("{}, took {took:.1} s, {age} s ago{paused} ", clock(look.at));
        let mut lines = vec![spread(left.into(), Span::styled(right, self.dim()), width)];
        if let Some(trouble) = self.trouble {
            lines.push(Line::styled(format!(" cannot look: {trouble}"), self.bad()));
        }
        for fault in &look.faults {
            lines.push(Line::styled(format!(" broken by a drill: {fault}"), self.warn()));
        }
        match &look.run {
            Some(run) => lines.extend(self.run(run, width)),
            None => lines.push(Line::styled(" nothing was run yet", self.dim())),
        }
        // A run says who works on it.
        if let Some(holder) = &look.holder
            && look.run.as_ref().is_none_or(|run| run.state != "running")
        {
            lines.push(Line::raw(format!(" locked by {holder}")));
        }
        lines
    }

    fn run(&self, run: &RunLook, width: u16) -> Vec<Line<'static>> {
        let is_running = run.state == "running";
        let style = match run.state.as_str() {
            "running" => self.warn(),
            "done" => self.good(),
            _ => self.bad(),
        };
        let mut line = vec![
            Span::raw(format!(" {} by {}: ", run.command, run.by)),
            Span::styled(run.state.clone(), style),
            Span::raw(format!(", {} of {} steps, {}", run.done, run.total, duration(run.elapsed_ms))),
        ];
        if !is_running {
            line.push(Span::styled(format!(", began {}", moment(run.started)), self.dim()));
            return vec![Line::from(line)];
        }
        line.push(Span::raw("  "));
        let used: usize = line.iter().map(Span::width).sum();
        let columns = usize::from(width).saturating_sub(used + 1).min(40);
        let full = (columns * run.done).checked_div(run.total).unwrap_or_default();
        line.push(Span::styled("━".repeat(full), self.good()));
        line.push(Span::styled("─".repeat(columns - full), self.dim()));
        let on = |(node, title): &(Option<String>, String)| match node {
            Some(node) => format!("{title} on {node}"),
            None => title.clone(),
        };
        let now: Vec<String> = run.running.iter().map(on).collect();
        vec![Line::from(line), Line::styled(format!(" now: {}", now.join(", ")), self.dim())]
    }

    /// The whole environment as marks, group by group.
    fn groups(&self, look: &Look, width: u16) -> Vec<Line<'static>> {
        let mut lines: Vec<Vec<Span>> = vec![vec![]];
        let mut used = 0;
        for members in look.nodes.chunk_by(|one, next| one.group == next.group) {
            let name = members.first().map(|node| node.group.as_str()).unwrap_or_default();
            let wide = name.len() + members.len() + 4;
            if used > 0 && used + wide > usize::from(width) {
                lines.push(vec![]);
                used = 0;
            }
            used += wide;
            let line = lines.last_mut().expect("there is a first line");
            line.push(Span::raw(format!(" {name} ")));
            line.extend(members.iter().map(|node| self.mark(node.health)));
            line.push(Span::raw("  "));
        }
        lines.into_iter().map(Line::from).collect()
    }

    fn table(&self, frame: &mut Frame<'_>, look: &Look, area: Rect) -> usize {
        let chosen: Vec<&NodeLook> =
            look.nodes.iter().filter(|node| !self.place.only_ill || node.health != Health::Good).collect();
        let rows = usize::from(area.height.saturating_sub(1));
        let top = self.place.top.min(chosen.len().saturating_sub(rows));
        let names = look.nodes.iter().map(|node| node.node.len()).max().unwrap_or_default().max(4);
        let states = look.nodes.iter().map(|node| node.state.chars().count()).max().unwrap_or_default();
        let says = chosen.iter().map(|node| node.says.chars().count()).max().unwrap_or_default().clamp(7, SAYS);
        let lane = usize::from(area.width).saturating_sub(names + says + states + 9).min(80);
        let node = match (chosen.len(), chosen.len().min(top + rows)) {
            (all, last) if top > 0 || last < all => format!("NODE {}-{last} of {all}", top + 1),
            _ => "NODE".to_owned(),
        };
        let mut strips: BTreeMap<&str, Vec<&Strip>> = BTreeMap::new();
        // Of a run that works on the environment as a whole there is nothing to see on nodes.
        let on_nodes = |run: &&RunLook| run.state == "running" && run.strips.iter().any(|strip| strip.node.is_some());
        let run = look.run.as_ref().filter(on_nodes);
        for strip in run.iter().flat_map(|run| &run.strips) {
            if let Some(node) = &strip.node {
                strips.entry(node).or_default().push(strip);
            }
        }
        let title = run.map_or_else(|| "DETAILS".to_owned(), |run| format!("THIS RUN, {}", duration(run.elapsed_ms)));
        let header = format!("   {node:names$}  {:says$}  {:states$}  {title}", "HEALTH", "STATE");
        let mut lines = vec![Line::styled(header, self.dim())];
        if chosen.is_empty() {
            lines.push(Line::styled("   every node is healthy", self.good()));
        }
        for node in chosen.into_iter().skip(top).take(rows) {
            let style = if node.health == Health::Good { Style::new() } else { self.tone(node.health) };
            let mut line = vec![
                Span::raw(" "),
                self.mark(node.health),
                Span::raw(format!(" {:names$}  ", node.node)),
                Span::styled(format!("{:says$}  ", shortened(&node.says, says)), style),
                Span::styled(format!("{:states$}  ", node.state), self.strong()),
            ];
            match run {
                Some(run) => {
                    let pieces = strips.get(node.node.as_str()).map(Vec::as_slice).unwrap_or_default();
                    line.extend(self.lane(pieces, run, lane));
                }
                None => line.push(Span::styled(node.details.clone(), self.dim())),
            }
            lines.push(Line::from(line));
        }
        frame.render_widget(Paragraph::new(lines), area);
        rows
    }

    /// A node's part of the run, as a line of time.
    fn lane(&self, strips: &[&Strip], run: &RunLook, width: usize) -> Vec<Span<'static>> {
        let column = |ms: u64| {
            let column = u128::from(ms) * width as u128 / u128::from(run.elapsed_ms.max(1));
            usize::try_from(column).unwrap_or(width).min(width)
        };
        let mut cells = vec![(' ', Style::new()); width];
        for strip in strips {
            let is_now = strip.to_ms >= run.elapsed_ms;
            let style = if strip.failed {
                self.bad()
            } else if is_now {
                self.warn()
            } else {
                self.good()
            };
            let letter = if strip.failed {
                '×'
            } else if is_now {
                '╌'
            } else {
                '━'
            };
            let from = column(strip.from_ms).min(width.saturating_sub(1));
            // Something short is seen all the same.
            let to = column(strip.to_ms).max(from + 1).min(width);
            cells[from.min(to)..to].fill((letter, style));
        }
        let same = cells.chunk_by(|one, next| one == next);
        same.map(|piece| Span::styled(piece.iter().map(|(letter, _)| letter).collect::<String>(), piece[0].1)).collect()
    }

    fn news(&self, frame: &mut Frame<'_>, area: Rect) {
        let mut lines = vec![Line::raw(""), Line::styled("   WHAT CHANGED", self.dim())];
        let fits = usize::from(area.height.saturating_sub(2));
        let mut latest: Vec<&Change> = self.history.changes().rev().take(fits).collect();
        latest.reverse();
        if latest.is_empty() {
            lines.push(Line::styled("   nothing since you began to watch", self.dim()));
        }
        for change in latest {
            let (mark, style) = match change.turn {
                Turn::Better => ("●", self.good()),
                Turn::Worse => ("▲", self.bad()),
                Turn::Other => ("·", Style::new()),
            };
            lines.push(Line::from(vec![
                Span::styled(format!(" {mark} "), style),
                Span::styled(format!("{}  ", clock(change.at)), self.dim()),
                Span::raw(change.text.clone()),
            ]));
        }
        frame.render_widget(Paragraph::new(lines), area);
    }

    fn keys(&self) -> String {
        let ill = if self.place.only_ill { "a all nodes" } else { "u only unhealthy nodes" };
        let pause = if self.place.paused { "space go on" } else { "space pause" };
        format!(" q quit   ↑↓ scroll   {ill}   {pause}   r look now   times are UTC")
    }

    fn mark(&self, health: Health) -> Span<'static> {
        let mark = match health {
            Health::Good => "●",
            Health::Ill => "▲",
            Health::Gone => "✖",
        };
        Span::styled(mark, self.tone(health))
    }

    fn tone(&self, health: Health) -> Style {
        match health {
            Health::Good => self.good(),
            Health::Ill => self.warn(),
            Health::Gone => self.bad(),
        }
    }

    fn ink(&self, color: Color) -> Style {
        if self.color { Style::new().fg(color) } else { Style::new() }
    }

    fn good(&self) -> Style {
        self.ink(Color::Green)
    }

    fn warn(&self) -> Style {
        self.ink(Color::Yellow)
    }

    fn bad(&self) -> Style {
        self.ink(Color::Red)
    }

    fn strong(&self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    fn dim(&self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }
}

fn clock(at: Timestamp) -> String {
    at.strftime("%H:%M:%S").to_string()
}

fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M").to_string()
}

fn shortened(text: &str, columns: usize) -> String {
    if text.chars().count() <= columns {
        return text.to_owned();
    }
    text.chars().take(columns.saturating_sub(1)).chain(['…']).collect()
}

/// One thing to the left and one to the right; where there is no room for both, the left one.
fn spread(mut left: Vec<Span<'static>>, right: Span<'static>, width: u16) -> Line<'static> {
    let used: usize = left.iter().map(Span::width).sum();
    if let Some(gap) = usize::from(width).checked_sub(used + right.width() + 1) {
        left.push(Span::raw(" ".repeat(gap + 1)));
        left.push(right);
    }
    Line::from(left)
}

#[cfg(test)]
#[path = "watch_tests.rs"]
mod tests;
