//! SVG: one self-contained picture, light and dark.

use std::fmt::Write as _;

use super::{
    layout::{BOX_WIDTH, HEAD, LINE, LINES, Place, layout},
    model::{Group, Picture},
};
use crate::markup::escape;

const MARGIN: f64 = 36.0;
const TITLE: f64 = 74.0;
// Colours are written out, because programs other than browsers know no CSS variables.
const STYLE: &str = "\
svg{font-family:system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif}\
.paper{fill:#fff}.title{font-size:22px;font-weight:600}.title,.name,.node{fill:#1d2733}\
.sub,.count,.note,.label{fill:#5d6b7a}.sub{font-size:13px}.name{font-size:13px;font-weight:600}\
.count{font-size:12px;text-anchor:end}.node{font-size:12px}.note{font-size:12px;font-style:italic}\
.box{fill:#f5f7f9;stroke:#ccd4dc}.head{fill:#e4eaf0}.data .box{stroke:#8fb8e6}.data .head{fill:#e3effc}\
.way{fill:none;stroke:#9aa7b4;stroke-width:1.4}.tip{fill:#9aa7b4}\
.label{font-size:10.5px;text-anchor:middle;paint-order:stroke;stroke:#fff;stroke-width:4px;stroke-linejoin:round}\
@media(prefers-color-scheme:dark){\
.paper{fill:#12171d}.title,.name,.node{fill:#e6ebf0}.sub,.count,.note,.label{fill:#98a6b4}.label{stroke:#12171d}\
.box{fill:#1b232c;stroke:#35414d}.head{fill:#26313c}.data .box{stroke:#3d6da3}.data .head{fill:#17304d}\
.way{stroke:#66737f}.tip{fill:#66737f}}";

/// Draws a picture.
#[must_use]
pub fn svg(picture: &Picture) -> String {
    let places = layout(picture);
    let common: Vec<&Group> = picture.boxes.iter().filter(|group| group.common).collect();
    let strip = if common.is_empty() { 0.0 } else { 40.0 + f64::from(u32::try_from(common.len()).unwrap_or(1)) * 62.0 };
    let width = places.width + 2.0 * MARGIN;
    let height = TITLE + places.height + strip + MARGIN;
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = write!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" \
         height=\"{height:.0}\" role=\"img\">\n<title>{}</title>\n<style>{STYLE}</style>\n\
         <defs><marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" \
         orient=\"auto\"><path class=\"tip\" d=\"M0 0L8 4L0 8z\"/></marker></defs>\n\
         <rect class=\"paper\" width=\"100%\" height=\"100%\"/>\n\
         <text class=\"title\" x=\"{MARGIN}\" y=\"34\">{}</text>\n<text class=\"sub\" x=\"{MARGIN}\" y=\"55\">{}</text>\n",
        escape(&picture.title),
        escape(&picture.title),
        escape(&picture.subtitle)
    );
    let _ = writeln!(out, "<g transform=\"translate({MARGIN} {TITLE})\">");
    for points in places.ways.iter().filter(|points| !points.is_empty()) {
        let _ = writeln!(out, "<path class=\"way\" marker-end=\"url(#tip)\" d=\"{}\"/>", path(points));
    }
    for (group, place) in picture.boxes.iter().zip(&places.boxes) {
        if let Some(place) = place {
            draw_box(&mut out, group, *place);
        }
    }
    let mut written: Vec<(f64, f64, &str)> = Vec::new();
    for (link, points) in picture.links.iter().zip(&places.ways) {
        if points.len() < 2 {
            continue;
        }
        // Beside the end, where the ways of a box have drawn apart.
        let (x, y) = near_end(points);
        for (index, label) in link.labels.iter().enumerate() {
            let y = y - 5.0 + 12.0 * f64::from(u32::try_from(index).unwrap_or(0));
            let Some(y) = free(&written, x, y, label) else { continue };
            written.push((x, y, label));
            let _ = writeln!(out, "<text class=\"label\" x=\"{x:.1}\" y=\"{y:.1}\">{}</text>", escape(label));
        }
    }
    let mut y = places.height + 40.0;
    for group in common {
        draw_common(&mut out, group, y, places.width);
        y += 62.0;
    }
    out.push_str("</g>\n</svg>\n");
    out
}

fn draw_box(out: &mut String, group: &Group, place: Place) {
    let Place { x, y, height } = place;
    let class = if group.data_bearing { "data" } else { "group" };
    let _ = write!(
        out,
        "<g class=\"{class}\"><rect class=\"box\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{BOX_WIDTH}\" \
         height=\"{height:.1}\" rx=\"8\"/><path class=\"head\" d=\"M{:.1} {:.1}h{BOX_WIDTH_IN}v{HEAD}h-{BOX_WIDTH_IN}z\"/>\
         <text class=\"name\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
        x + 1.0,
        y + 4.0,
        x + 12.0,
        y + 23.0,
        escape(&group.name)
    );
    if group.name != "users" {
        let _ = write!(
            out,
            "<text class=\"count\" x=\"{:.1}\" y=\"{:.1}\">× {}</text>",
            x + BOX_WIDTH - 12.0,
            y + 23.0,
            group.lines.len()
        );
    }
    let mut line_y = y + HEAD + 18.0;
    for line in group.lines.iter().take(LINES) {
        let _ = write!(out, "<text class=\"node\" x=\"{:.1}\" y=\"{line_y:.1}\">{}</text>", x + 12.0, escape(line));
        line_y += LINE;
    }
    if group.lines.len() > LINES {
        let more = group.lines.len() - LINES;
        let _ = write!(out, "<text class=\"note\" x=\"{:.1}\" y=\"{line_y:.1}\">and {more} more</text>", x + 12.0);
    }
    out.push_str("</g>\n");
}

const BOX_WIDTH_IN: f64 = BOX_WIDTH - 2.0;

/// A group that serves everybody: a bar below the picture.
fn draw_common(out: &mut String, group: &Group, y: f64, width: f64) {
    let class = if group.data_bearing { "data" } else { "group" };
    let names = group.lines.join("   ");
    let _ = writeln!(
        out,
        "<g class=\"{class}\"><rect class=\"box\" x=\"0\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"48\" rx=\"8\"/>\
         <text class=\"name\" x=\"12\" y=\"{:.1}\">{} × {}</text><text class=\"note\" x=\"12\" y=\"{:.1}\">{}</text>\
         <text class=\"node\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text></g>",
        y + 20.0,
        escape(&group.name),
        group.lines.len(),
        y + 37.0,
        escape(group.note.as_deref().unwrap_or_default()),
        width - 12.0,
        y + 29.0,
        escape(&names)
    );
}

/// A smooth line through the points: level at each of them.
fn path(points: &[(f64, f64)]) -> String {
    let mut out = String::new();
    let mut last = points[0];
    let _ = write!(out, "M{:.1} {:.1}", last.0, last.1);
    for &(x, y) in &points[1..] {
        let middle = (last.0 + x) / 2.0;
        let _ = write!(out, "C{middle:.1} {:.1} {middle:.1} {y:.1} {x:.1} {y:.1}", last.1);
        last = (x, y);
    }
    out
}

/// Where a label lies on no other, at its place or below; none where its neighbour says the same.
fn free(written: &[(f64, f64, &str)], x: f64, mut y: f64, label: &str) -> Option<f64> {
    let near = |y: f64| written.iter().find(move |(other, at, _)| (other - x).abs() < 70.0 && (at - y).abs() < 11.0);
    while let Some((_, at, text)) = near(y) {
        if *text == label {
            return None;
        }
        y = at + 12.0;
    }
    Some(y)
}

fn near_end(points: &[(f64, f64)]) -> (f64, f64) {
    let (end, before) = (points[points.len() - 1], points[points.len() - 2]);
    let side = if end.0 > before.0 { -1.0 } else { 1.0 };
    (end.0 + side * 42.0, end.1)
}
