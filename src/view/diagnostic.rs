//! Diagnostics for people: what, where with the line itself, and what to do.

use console::Style;

use crate::diagnostic::{Diagnostic, Place, Severity, Sources, tally};

/// Narrowest text that is still worth wrapping.
const NARROWEST: usize = 40;

/// All diagnostics with snippets, and a last line that counts them. `width` is that of the terminal in columns.
#[must_use]
pub fn render(diagnostics: &[Diagnostic], sources: &Sources, width: usize, color: bool) -> String {
    let view = View { width: width.max(NARROWEST), color };
    let mut text: String = diagnostics.iter().map(|one| view.one(one, sources) + "\n").collect();
    if !diagnostics.is_empty() {
        text.push_str(&tally(diagnostics));
        text.push('\n');
    }
    text
}

/// The same as JSON: a list of objects.
#[must_use]
pub fn json(diagnostics: &[Diagnostic]) -> serde_json::Value {
    serde_json::to_value(diagnostics).unwrap_or_default()
}

struct View {
    width: usize,
    color: bool,
}

impl View {
    fn paint(&self, style: Style, text: &str) -> String {
        style.force_styling(self.color).apply_to(text).to_string()
    }

    fn one(&self, diagnostic: &Diagnostic, sources: &Sources) -> String {
        let (word, style) = match diagnostic.severity {
            Severity::Error => ("error", Style::new().red().bold()),
            Severity::Warning => ("warning", Style::new().yellow().bold()),
        };
        let mut lines = self.wrap(word, &style, &clean(&diagnostic.message));
        if let Some(place) = &diagnostic.place {
            let arrow = self.paint(Style::new().blue(), "  -->");
            let snippet = sources.get(&place.source).and_then(|text| snippet(place, text));
            lines.push(match place.line {
                0 => format!("{arrow} {}", clean(&place.source)),
                line => format!("{arrow} {}:{line}:{}", clean(&place.source), place.column),
            });
            lines.extend(snippet.iter().flat_map(|snippet| self.snippet(snippet, &style)));
        }
        if let Some(hint) = &diagnostic.hint {
            lines.extend(self.wrap("hint", &Style::new().green(), &clean(hint)));
        }
        lines.join("\n") + "\n"
    }

    fn snippet(&self, snippet: &Snippet, style: &Style) -> Vec<String> {
        let number = snippet.line.map_or(String::new(), |line| line.to_string());
        let room = self.width.saturating_sub(number.len() + 4).max(20);
        let (text, start, length) = crop(snippet, room);
        let bar = |number: &str| {
            let margin = format!(" {number:>width$} |", width = snippet.line.map_or(0, |_| number.len()).max(1));
            self.paint(Style::new().blue(), &margin)
        };
        let blank = " ".repeat(number.len());
        let carets = self.paint(style.clone(), &"^".repeat(length));
        vec![bar(&blank), format!("{} {text}", bar(&number)), format!("{} {}{carets}", bar(&blank), " ".repeat(start))]
    }

    /// `word: text`, wrapped with the text's further lines below its first.
    fn wrap(&self, word: &str, style: &Style, text: &str) -> Vec<String> {
        let indent = word.len() + 2;
        let mut lines: Vec<String> = vec![String::new()];
        for part in text.split(' ') {
            let line = lines.last_mut().expect("there is a first line");
            let long = indent + console::measure_text_width(line) + 1 + console::measure_text_width(part) > self.width;
            if line.is_empty() {
                line.push_str(part);
            } else if long {
                lines.push(part.to_owned());
            } else {
                line.push(' ');
                line.push_str(part);
            }
        }
        let painted = self.paint(style.clone(), &format!("{word}:"));
        let first = |index| if index == 0 { format!("{painted} ") } else { " ".repeat(indent) };
        lines.iter().enumerate().map(|(index, line)| first(index) + line).collect()
    }
}

struct Snippet {
    line: Option<usize>,
    text: String,
    /// Columns before the span.
    start: usize,
    /// Columns of the span, at least one.
    length: usize,
}

fn snippet(place: &Place, text: &str) -> Option<Snippet> {
    if place.line == 0 && place.length == 0 {
        return None;
    }
    let offset = place.offset.min(text.len());
    let before = text.get(..offset)?;
    let start = before.rfind('\n').map_or(0, |at| at + 1);
    let line = text[start..].lines().next().unwrap_or("");
    let inside = (offset - start).min(line.len());
    let span = line.get(inside..(inside + place.length).min(line.len())).unwrap_or("");
    Some(Snippet {
        line: (place.line > 0).then_some(place.line),
        text: clean(line),
        start: console::measure_text_width(&clean(line.get(..inside)?)),
        length: console::measure_text_width(&clean(span.trim_end())).max(1),
    })
}

/// The part of a long line that shows the span.
fn crop(snippet: &Snippet, room: usize) -> (String, usize, usize) {
    let width = console::measure_text_width(&snippet.text);
    if width <= room {
        return (snippet.text.clone(), snippet.start, snippet.length.min(room));
    }
    // A third of the room stays for what is before the span.
    let skip = if snippet.start + snippet.length < room { 0 } else { snippet.start.saturating_sub(room / 3) };
    let mut column = 0;
    let mut text = String::new();
    for letter in snippet.text.chars() {
        let wide = console::measure_text_width(letter.encode_utf8(&mut [0; 4]));
        if column >= skip && column + wide < skip + room {
            text.push(letter);
        }
        column += wide;
    }
    let text = if skip > 0 {
        "…".to_owned() + text.get(text.chars().next().map_or(0, char::len_utf8)..).unwrap_or("")
    } else {
        text
    };
    let text = if skip + room < width { text + "…" } else { text };
    (text, snippet.start - skip, snippet.length.min(room - (snippet.start - skip).min(room - 1)))
}

/// Text that cannot move the cursor or change a terminal's state; tabs become single spaces, as columns count them.
fn clean(text: &str) -> String {
    without_passwords(text)
        .chars()
        .map(|letter| match letter {
            '\t' | '\n' | '\r' => ' ',
            letter if letter.is_control() => '\u{fffd}',
            // Marks that turn the direction of text around.
            '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
            letter => letter,
        })
        .collect()
}

/// `https://user:password@host` with stars for the password, as wide as it was.
fn without_passwords(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        shown.push_str(before);
        let authority = after.split(['/', ' ', '"', '\'']).next().unwrap_or("");
        rest = after;
        if let Some((user, _)) = authority.rsplit_once('@')
            && let Some((name, password)) = user.split_once(':')
        {
            shown.push_str(name);
            shown.push(':');
            shown.push_str(&"*".repeat(console::measure_text_width(password)));
            rest = &after[user.len()..];
        }
    }
    shown + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str, offset: usize, length: usize) -> (Sources, Diagnostic) {
        let line = text[..offset].matches('\n').count() + 1;
        let column = offset - text[..offset].rfind('\n').map_or(0, |at| at + 1) + 1;
        let place = Place { source: "f.yaml".to_owned(), line, column, offset, length };
        (Sources::from([("f.yaml".to_owned(), text.to_owned())]), Diagnostic::error("k", "bad").at(Some(place)))
    }

    #[test]
    fn the_caret_stands_below_wide_letters_and_tabs() {
        let (sources, one) = at("a: 1\nb: '漢字'\tx\n", 5 + 12, 1);
        let text = render(&[one], &sources, 80, false);
        assert!(text.contains(" 2 | b: '漢字' x\n   |           ^\n"), "{text}");
    }

    #[test]
    fn a_long_line_is_cropped_around_the_span() {
        let line = format!("{}HERE{}", "x".repeat(300), "y".repeat(300));
        let (sources, one) = at(&line, 300, 4);
        let text = render(&[one], &sources, 60, false);
        let caret = text.lines().find(|line| line.contains('^')).unwrap();
        let shown = text.lines().find(|line| line.contains("HERE")).unwrap();
        assert!(text.lines().all(|line| line.chars().count() <= 60), "{text}");
        let column = shown.chars().collect::<Vec<_>>().windows(4).position(|four| four == ['H', 'E', 'R', 'E']);
        assert_eq!(column, caret.find("^^^^"), "{text}");
    }

    #[test]
    fn escapes_in_a_file_do_not_reach_the_terminal() {
        let (sources, one) = at("a: \u{1b}[31mred\n", 3, 3);
        assert!(!render(&[one], &sources, 80, false).contains('\u{1b}'));
    }

    #[test]
    fn a_password_in_a_url_is_starred() {
        assert_eq!(without_passwords("a https://u:p@ss@h/x http://b"), "a https://u:****@h/x http://b");
    }

    #[test]
    fn color_changes_nothing_but_color() {
        let (sources, one) = at("a: 1\n", 3, 1);
        let one = one.hint("h");
        let plain = render(std::slice::from_ref(&one), &sources, 80, false);
        let colored = render(&[one], &sources, 80, true);
        assert_ne!(plain, colored);
        assert_eq!(console::strip_ansi_codes(&colored), plain);
    }
}
