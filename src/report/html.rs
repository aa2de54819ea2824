//! The page as a whole.

use std::fmt::Write as _;

use base64::Engine as _;

use super::{Page, sections, style::STYLE, timeline::timeline};
use crate::markup::escape;

/// The page: one file, no script, nothing from elsewhere.
#[must_use]
pub fn page(page: &Page<'_>) -> String {
    let name = escape(&page.topology.environment);
    let mut out = format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">\n\
         <title>{name}: {}</title>\n<style>{STYLE}</style></head><body>\n",
        escape(&page.run.command)
    );
    sections::head(&mut out, page);
    if let Some(drilled) = page.drilled {
        sections::drills(&mut out, drilled);
    }
    sections::nodes(&mut out, page);
    let picture = base64::engine::general_purpose::STANDARD.encode(&page.picture);
    let _ = writeln!(
        out,
        "<details open><summary>Who talks to whom</summary><div class=\"wide picture\"><img alt=\"Topology of {name}\" \
         src=\"data:image/svg+xml;base64,{picture}\"></div></details>"
    );
    let steps = timeline(&page.steps);
    if !steps.is_empty() {
        let _ = writeln!(out, "<h2>Timeline</h2><div class=\"wide\">{steps}</div>");
    }
    sections::plan(&mut out, page.plan);
    sections::versions(&mut out, page);
    sections::cost(&mut out, page);
    let _ = write!(
        out,
        "<p class=\"soft\">Made by refarch {} on {}.</p>\n</body></html>\n",
        env!("CARGO_PKG_VERSION"),
        page.made.strftime("%Y-%m-%d %H:%M UTC")
    );
    out
}
