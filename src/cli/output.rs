//! How results are shown, the same for every verb.

use std::io::{IsTerminal as _, Write as _};

use tokio::{sync::mpsc::UnboundedReceiver, task::JoinHandle};

use super::Failure;
use crate::{
    event::{Event, Events},
    view::{self, Style},
};

/// Global options of the output.
#[derive(Debug, Clone, clap::Args)]
pub struct Output {
    /// How to show what happens [default: human on a terminal, else plain]
    #[arg(long, value_enum, global = true, env = "REFARCH_OUTPUT")]
    output: Option<Format>,
}

/// A way to show results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Redrawn progress and colours, for a person at a terminal
    Human,
    /// A line per event
    Plain,
    /// One JSON document
    Json,
    /// A JSON object per event, a line each
    Jsonl,
}

/// A view that is showing a run.
pub struct Viewing(JoinHandle<()>);

impl Viewing {
    /// Waits until everything sent has been shown. All senders must be gone.
    pub async fn finish(self) {
        // A view that panicked has nothing more to show.
        let _ = self.0.await;
    }
}

impl Output {
    /// The format: the one asked for, else what standard error is good for.
    #[must_use]
    pub fn format(&self) -> Format {
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb") || std::env::var_os("CI").is_some();
        self.output.unwrap_or(if std::io::stderr().is_terminal() && !dumb { Format::Human } else { Format::Plain })
    }

    /// Whether a program reads the results.
    #[must_use]
    pub fn json(&self) -> bool {
        matches!(self.format(), Format::Json | Format::Jsonl)
    }

    /// Whether standard output takes colours.
    #[must_use]
    pub fn color(&self) -> bool {
        self.format() == Format::Human && console::colors_enabled()
    }

    /// Starts a view.
    #[must_use]
    pub fn start(&self) -> (Events, Viewing) {
        let (events, receiver) = Events::channel();
        (events, self.watch(receiver))
    }

    /// Starts a view of these events.
    #[must_use]
    pub fn watch(&self, events: UnboundedReceiver<Event>) -> Viewing {
        let style = match self.format() {
            Format::Human => Style::Human,
            Format::Plain => Style::Plain,
            Format::Jsonl => Style::Jsonl,
            Format::Json => Style::Silent,
        };
        Viewing(tokio::spawn(view::show(events, style)))
    }

    /// Reports a failure on standard error (for programs, as JSON on standard output) and returns its exit code.
    pub fn failure(&self, failure: &Failure) -> u8 {
        let mut screen = std::io::stderr();
        if self.json() {
            let document = serde_json::json!({
                "error": failure.message, "hint": failure.hint, "exit_code": failure.code,
                "diagnostics": view::diagnostic::json(&failure.faults.diagnostics),
            });
            let _ = writeln!(std::io::stdout(), "{document}");
            return failure.code;
        }
        if !failure.faults.diagnostics.is_empty() {
            let width = console::Term::stderr().size_checked().map_or(100, |(_, columns)| usize::from(columns));
            let color = console::colors_enabled_stderr();
            let text = view::diagnostic::render(&failure.faults.diagnostics, &failure.faults.sources, width, color);
            let _ = write!(screen, "{text}");
        }
        if !failure.message.is_empty() {
            let _ = writeln!(screen, "error: {}", failure.message);
        }
        if let Some(hint) = &failure.hint {
            let _ = writeln!(screen, "hint: {hint}");
        }
        failure.code
    }

    /// Prints data on standard output.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn print(&self, text: &str) -> Result<(), Failure> {
        print(text.as_bytes())
    }

    /// Prints one JSON document on standard output.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn document(&self, value: &impl serde::Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string(value)
            .map_err(|error| Failure::new(crate::exit::FAILED, format!("no JSON: {error}")))?;
        self.print(&format!("{text}\n"))
    }
}

/// Prints data on standard output. A reader that closed its end (`| head`) has seen enough: that is no failure.
///
/// # Errors
/// When it cannot be written for another reason.
pub fn print(data: &[u8]) -> Result<(), Failure> {
    let mut screen = std::io::stdout().lock();
    match screen.write_all(data).and_then(|()| screen.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::new(crate::exit::FAILED, format!("standard output: {error}")))
        }
        _ => Ok(()),
    }
}
