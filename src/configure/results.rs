//! Reads what a program says.

use super::resource::{ItemResult, Outcome};

/// The byte that begins a message; everything before it on a line is output of a command.
const MARK: char = '\u{1e}';

/// A line of a program's output, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// Something for the log.
    Output(String),
    /// Resource of this number is being worked on.
    Doing(usize, String),
    /// The node waits for an upload from this byte on, or for what the name says.
    Send(usize, u64, String),
    /// Content of a file that differs.
    Present(usize, Vec<u8>),
    /// What came of a resource.
    Outcome(usize, Outcome, String),
}

/// Splits one line into output and message. What cannot be understood is output.
#[must_use]
pub fn parse_line(line: &str) -> Vec<Message> {
    let Some((before, message)) = line.split_once(MARK) else {
        return vec![Message::Output(line.to_owned())];
    };
    let mut messages = Vec::new();
    if !before.is_empty() {
        messages.push(Message::Output(before.to_owned()));
    }
    messages.push(parse_message(message).unwrap_or_else(|| Message::Output(message.to_owned())));
    messages
}

fn parse_message(message: &str) -> Option<Message> {
    let mut words = message.splitn(3, ' ');
    let number = words.next()?.parse().ok()?;
    let kind = words.next()?;
    let rest = words.next().unwrap_or_default();
    Some(match kind {
        "doing" => Message::Doing(number, rest.to_owned()),
        "send" => {
            let (from, what) = rest.split_once(' ').unwrap_or((rest, ""));
            Message::Send(number, from.parse().ok()?, what.to_owned())
        }
        "present" => Message::Present(number, decode(rest)?),
        "ok" => Message::Outcome(number, Outcome::Ok, rest.to_owned()),
        "changed" => Message::Outcome(number, Outcome::Changed, rest.to_owned()),
        "failed" => Message::Outcome(number, Outcome::Failed, rest.to_owned()),
        _ => return None,
    })
}

/// Gathers messages of a program into one result per resource.
#[derive(Debug)]
pub struct Collector {
    results: Vec<ItemResult>,
    said: Vec<bool>,
    /// Output since the last result: what the resource at hand printed.
    recent: Vec<String>,
    /// The same for the resource that failed first.
    failure: Option<(usize, Vec<String>)>,
}

/// Lines of output kept for a message.
const RECENT: usize = 40;

impl Collector {
    /// For resources with these identities, in the order of the program.
    #[must_use]
    pub fn new(ids: impl Iterator<Item = String>) -> Self {
        let results: Vec<ItemResult> =
            ids.map(|id| ItemResult { id, outcome: Outcome::Skipped, detail: String::new(), present: None }).collect();
        Self { said: vec![false; results.len()], results, recent: Vec::new(), failure: None }
    }

    /// Takes one message in. A number that no resource has is ignored.
    pub fn take(&mut self, message: Message) {
        match message {
            Message::Output(line) => {
                if self.recent.len() == RECENT {
                    self.recent.remove(0);
                }
                self.recent.push(line);
            }
            Message::Doing(..) | Message::Send(..) => {}
            Message::Present(number, content) => {
                if let (Some(result), Ok(text)) = (self.results.get_mut(number), String::from_utf8(content)) {
                    result.present = Some(text);
                }
            }
            Message::Outcome(number, outcome, detail) => {
                let output = std::mem::take(&mut self.recent);
                let Some(result) = self.results.get_mut(number) else { return };
                result.outcome = outcome;
                result.detail = detail;
                self.said[number] = true;
                if outcome == Outcome::Failed && self.failure.is_none() {
                    self.failure = Some((number, output));
                }
            }
        }
    }

    /// Resources decided so far.
    #[must_use]
    pub fn done(&self) -> usize {
        self.said.iter().filter(|said| **said).count()
    }

    /// Identity of a resource.
    #[must_use]
    pub fn id(&self, number: usize) -> Option<&str> {
        self.results.get(number).map(|result| result.id.as_str())
    }

    /// The first resource that failed, and what it printed.
    #[must_use]
    pub fn failure(&self) -> Option<(usize, &ItemResult, &[String])> {
        let (number, output) = self.failure.as_ref()?;
        Some((*number, self.results.get(*number)?, output))
    }

    /// Output that no result followed.
    #[must_use]
    pub fn recent(&self) -> &[String] {
        &self.recent
    }

    /// One result per resource; what was never mentioned is skipped.
    #[must_use]
    pub fn into_results(self) -> Vec<ItemResult> {
        self.results
    }
}

/// Base64 without line breaks, as `base64 -w0` writes it.
fn decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut count) = (0u32, 0u32);
    for character in text.trim_end_matches('=').bytes() {
        let value = match character {
            b'A'..=b'Z' => character - b'A',
            b'a'..=b'z' => character - b'a' + 26,
            b'0'..=b'9' => character - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = (bits << 6 | u32::from(value)) & 0xff_ffff;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count & 0xff) as u8);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_after_unfinished_output_is_found() {
        let messages = parse_line("no line break\u{1e}3 changed content, mode 644 -> 0600");
        assert_eq!(
            messages,
            [
                Message::Output("no line break".to_owned()),
                Message::Outcome(3, Outcome::Changed, "content, mode 644 -> 0600".to_owned())
            ]
        );
    }

    #[test]
    fn garbage_is_output() {
        for line in ["", "plain", "1 ok", "\u{1e}x ok", "\u{1e}1 fine", "\u{1e}1 present ***"] {
            let messages = parse_line(line);
            assert!(matches!(messages.as_slice(), [Message::Output(_)]), "{line:?}: {messages:?}");
        }
    }

    #[test]
    fn what_was_not_mentioned_is_skipped_and_unknown_numbers_are_ignored() {
        let mut collector = Collector::new(["a", "b", "c"].into_iter().map(str::to_owned));
        for line in ["\u{1e}0 ok ", "why", "\u{1e}1 failed broken", "\u{1e}9 ok "] {
            for message in parse_line(line) {
                collector.take(message);
            }
        }
        assert_eq!(collector.failure().unwrap().2, ["why"]);
        assert_eq!(collector.done(), 2);
        let outcomes: Vec<Outcome> = collector.into_results().iter().map(|result| result.outcome).collect();
        assert_eq!(outcomes, [Outcome::Ok, Outcome::Failed, Outcome::Skipped]);
    }

    #[test]
    fn base64() {
        assert_eq!(decode("").unwrap(), b"");
        assert_eq!(decode("YQ==").unwrap(), b"a");
        assert_eq!(decode("YWI=").unwrap(), b"ab");
        assert_eq!(decode("w6QK/+8=").unwrap(), [0xc3, 0xa4, 0x0a, 0xff, 0xef]);
    }
}
