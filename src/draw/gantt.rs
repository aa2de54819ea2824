//! A run as a Gantt chart in SVG: one self-contained picture, light and dark.

use std::fmt::Write as _;

use crate::{
    markup::{escape, shortened},
    timeline::{Bar, Kind, Outcome, Timeline},
};

const MARGIN: f64 = 28.0;
/// Width of the names of nodes.
const NAMES: f64 = 190.0;
/// Width of the line of time.
const TIME: f64 = 1000.0;
const ROW: f64 = 20.0;
const BAR: f64 = 14.0;
const TOP: f64 = 132.0;
/// Width of a letter in a bar; a label that does not fit is left out.
const LETTER: f64 = 5.7;
/// Longest names shown whole.
const NAME: usize = 28;

// Colours are written out, because programs other than browsers know no CSS variables.
const STYLE: &str = "\
svg{font-family:system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif}\
.paper{fill:#fff}.title{font-size:20px;font-weight:600}.title,.row,.cell{fill:#1d2733}.row,.cell{font-size:12px}\
.sub,.tick,.head{fill:#5d6b7a}.sub{font-size:13px}.tick,.head{font-size:11px}.end{text-anchor:end}.mid{text-anchor:middle}\
.grid{stroke:#e3e8ed}.band{fill:#f6f8fa}.way{fill:none;stroke:#c2410c;stroke-width:1.2}.cut{stroke:#7c3aed;stroke-dasharray:4 3}\
.m{fill:#8db5e2}.w{fill:#d5dbe2}.c{fill:#8cc5a2}.t{fill:#c3b0e8}.x{fill:#dc5b57}.u{fill:#f2c879}.p{fill:#ecdcae}\
.on{stroke:#c2410c;stroke-width:2}.in{font-size:10px;fill:#1d2733}\
@media(prefers-color-scheme:dark){\
.paper{fill:#12171d}.title,.row,.cell{fill:#e6ebf0}.sub,.tick,.head{fill:#98a6b4}.grid{stroke:#28323c}.band{fill:#171e26}\
.m{fill:#3d6da3}.w{fill:#3a4653}.c{fill:#33734f}.t{fill:#6c56a3}.x{fill:#b8423e}.u{fill:#8a6420}.p{fill:#5d5024}\
.way{stroke:#fb923c}.on{stroke:#fb923c}.cut{stroke:#a78bfa}.in{fill:#e6ebf0}}";

/// Draws a line of time.
#[must_use]
pub fn gantt(timeline: &Timeline) -> String {
    let rows = rows(timeline);
    let scale = Scale { whole: timeline.elapsed_ms.max(1) };
    let bottom = TOP + ROW * float(rows.len());
    let table = bottom + 58.0;
    let (width, height) = (NAMES + TIME + 2.0 * MARGIN, table + 18.0 * float(timeline.path.len()) + MARGIN);
    let title = format!("{} {}", timeline.verb, timeline.environment);
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = write!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" \
         height=\"{height:.0}\" role=\"img\">\n<title>{title}: timeline of run {run}</title>\n<style>{STYLE}</style>\n\
         <rect class=\"paper\" width=\"100%\" height=\"100%\"/>\n\
         <text class=\"title\" x=\"{MARGIN}\" y=\"36\">{title}</text>\n",
        title = escape(&title),
        run = escape(&timeline.run),
    );
    for (line, y) in super::gantt_text::summary(timeline).iter().zip([57, 75]) {
        let _ = writeln!(out, "<text class=\"sub\" x=\"{MARGIN}\" y=\"{y}\">{}</text>", escape(line));
    }
    legend(&mut out);
    axis(&mut out, &rows, scale, bottom);
    if timeline.worked_ms() < timeline.elapsed_ms && !timeline.bars.is_empty() {
        let (x, end) = (scale.x(timeline.worked_ms()), scale.x(timeline.elapsed_ms));
        let _ = writeln!(
            out,
            "<rect class=\"p\" x=\"{x:.1}\" y=\"{TOP}\" width=\"{:.1}\" height=\"{:.1}\" opacity=\".5\">\
             <title>proof of the whole paths, {}</title></rect>",
            end - x,
            bottom - TOP,
            seconds(timeline.elapsed_ms - timeline.worked_ms())
        );
    }
    for pause in &timeline.pauses {
        let x = scale.x(pause.at_ms);
        let _ = writeln!(
            out,
            "<path class=\"cut\" d=\"M{x:.1} {TOP}V{bottom:.1}\"><title>nobody worked on it for {}</title></path>",
            seconds(pause.length_ms)
        );
    }
    let mut places = vec![(0.0, 0.0, 0.0); timeline.bars.len()];
    for (number, row) in rows.iter().enumerate() {
        let y = TOP + ROW * float(number) + (ROW - BAR) / 2.0;
        for index in &row.bars {
            let bar = &timeline.bars[*index];
            let (from, to) = (scale.x(bar.begin_ms), scale.x(bar.end_ms));
            places[*index] = (from, to, y + BAR / 2.0);
            draw_bar(&mut out, bar, from, (to - from).max(1.0), y);
        }
    }
    for pair in timeline.path.windows(2) {
        let ((_, from, y), (to, _, to_y)) = (places[pair[0].bar], places[pair[1].bar]);
        let _ = writeln!(out, "<path class=\"way\" d=\"M{from:.1} {y:.1}V{to_y:.1}H{to:.1}\"/>");
    }
    path_table(&mut out, timeline, table);
    out.push_str("</svg>\n");
    out
}

/// A line of the chart: attempts that do not overlap.
struct Row {
    name: String,
    bars: Vec<usize>,
}

/// One row for each node; what concerns no node may overlap and takes as many as it needs.
fn rows(timeline: &Timeline) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for (node, bars) in timeline.lanes() {
        let first = rows.len();
        for bar in bars {
            let begin = timeline.bars[bar].begin_ms;
            let free = rows[first..]
                .iter_mut()
                .find(|row| row.bars.last().is_none_or(|last| timeline.bars[*last].end_ms <= begin));
            match free {
                Some(row) => row.bars.push(bar),
                None => {
                    let name = if rows.len() == first { node.unwrap_or("environment") } else { "" };
                    rows.push(Row { name: shortened(name, NAME), bars: vec![bar] });
                }
            }
        }
    }
    rows
}

#[derive(Clone, Copy)]
struct Scale {
    whole: u64,
}

impl Scale {
    fn x(self, ms: u64) -> f64 {
        MARGIN + NAMES + TIME * milliseconds(ms) / milliseconds(self.whole)
    }
}

fn axis(out: &mut String, rows: &[Row], scale: Scale, bottom: f64) {
    for (number, row) in rows.iter().enumerate() {
        let y = TOP + ROW * float(number);
        if number % 2 == 0 {
            let width = NAMES + TIME;
            let _ =
                writeln!(out, "<rect class=\"band\" x=\"{MARGIN}\" y=\"{y:.1}\" width=\"{width}\" height=\"{ROW}\"/>");
        }
        let _ = writeln!(
            out,
            "<text class=\"row\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            MARGIN + 4.0,
            y + 14.0,
            escape(&row.name)
        );
    }
    let step = super::gantt_text::tick(scale.whole, 12);
    for at in (0..=scale.whole / step).map(|number| number * step) {
        let x = scale.x(at);
        let _ = writeln!(
            out,
            "<path class=\"grid\" d=\"M{x:.1} {TOP}V{bottom:.1}\"/><text class=\"tick mid\" x=\"{x:.1}\" y=\"{:.1}\">{}</text>",
            TOP - 6.0,
            seconds(at)
        );
    }
}

fn draw_bar(out: &mut String, bar: &Bar, x: f64, width: f64, y: f64) {
    let on = if bar.critical { " on" } else { "" };
    let what = match &bar.outcome {
        Outcome::Done { changed } => format!("{changed} changed"),
        Outcome::Failed { error } => format!("failed: {error}"),
        Outcome::Unfinished => "not finished".to_owned(),
    };
    let again = if bar.attempt > 1 { format!(", attempt {}", bar.attempt) } else { String::new() };
    let _ = write!(
        out,
        "<rect class=\"{}{on}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{BAR}\" rx=\"2\">\
         <title>{}{}{again}: {} to {}, {what}</title></rect>",
        class(bar),
        escape(&bar.node.as_ref().map(|node| format!("{node} ")).unwrap_or_default()),
        escape(&bar.title),
        seconds(bar.begin_ms),
        seconds(bar.end_ms),
        what = escape(&what),
    );
    let label = bar.title.strip_prefix("configure ").unwrap_or(&bar.title);
    if float(label.len()) * LETTER + 6.0 < width {
        let _ = write!(out, "<text class=\"in\" x=\"{:.1}\" y=\"{:.1}\">{}</text>", x + 3.0, y + 10.5, escape(label));
    }
    out.push('\n');
}

fn class(bar: &Bar) -> &'static str {
    match (&bar.outcome, bar.kind) {
        (Outcome::Failed { .. }, _) => "x",
        (Outcome::Unfinished, _) => "u",
        (_, Kind::Infrastructure) => "m",
        (_, Kind::Wait) => "w",
        (_, Kind::Configure) => "c",
        (_, Kind::Task) => "t",
    }
}

fn legend(out: &mut String) {
    let mut x = MARGIN;
    for (class, text) in [
        ("m", "machines and networks"),
        ("w", "wait until it answers"),
        ("c", "configure"),
        ("t", "task of an upgrade"),
        ("x", "failed"),
        ("u", "not finished"),
        ("p", "proof"),
        ("w on", "on the critical path"),
    ] {
        let _ = writeln!(
            out,
            "<rect class=\"{class}\" x=\"{x:.1}\" y=\"88\" width=\"14\" height=\"11\" rx=\"2\"/>\
             <text class=\"tick\" x=\"{:.1}\" y=\"98\">{text}</text>",
            x + 19.0
        );
        x += 44.0 + float(text.len()) * 5.9;
    }
}

fn path_table(out: &mut String, timeline: &Timeline, top: f64) {
    let columns = [(MARGIN + 60.0, " end"), (MARGIN + 130.0, " end"), (MARGIN + 200.0, " end"), (MARGIN + 220.0, "")];
    let mut row = |class: &str, y: f64, cells: &[String]| {
        for ((x, end), cell) in columns.iter().chain([&(MARGIN + 430.0, ""), &(MARGIN + 700.0, "")]).zip(cells) {
            let _ = writeln!(out, "<text class=\"{class}{end}\" x=\"{x:.1}\" y=\"{y:.1}\">{}</text>", escape(cell));
        }
    };
    let head = ["at", "took", "waited", "critical path", "", "after"].map(str::to_owned);
    row("head", top - 18.0, &head);
    for (number, link) in timeline.path.iter().enumerate() {
        let bar = &timeline.bars[link.bar];
        let cells = [
            seconds(bar.begin_ms),
            seconds(bar.took_ms()),
            super::gantt_text::waiting(link.waited_ms),
            shortened(bar.node.as_deref().unwrap_or("environment"), NAME),
            bar.title.clone(),
            super::gantt_text::because(link.because).to_owned(),
        ];
        row("cell", top + 18.0 * float(number), &cells);
    }
}

pub(super) fn seconds(ms: u64) -> String {
    match ms {
        0..600_000 => format!("{}.{} s", ms / 1000, ms % 1000 / 100),
        _ => format!("{} min", ms / 60_000),
    }
}

fn float(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}

fn milliseconds(ms: u64) -> f64 {
    f64::from(u32::try_from(ms).unwrap_or(u32::MAX))
}
