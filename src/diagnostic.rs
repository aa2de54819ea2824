//! Everything that is wrong with a file, with its place. Knows nothing of a terminal.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Texts that places point into, by the source's name.
pub type Sources = BTreeMap<String, String>;

/// One thing to say about what the user wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong: a lower-case fragment without a full stop.
    pub message: String,
    /// Key path: `nodes.consul.count`.
    pub path: String,
    /// Where it was written.
    pub place: Option<Place>,
    /// What to do.
    pub hint: Option<String>,
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Nothing will be done.
    Error,
    /// It will be done, but somebody should know.
    Warning,
}

/// A place in what the user wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// File as the user named it, or `environment variable X`, or `--set x=y`.
    pub source: String,
    /// Line from 1; 0 where the source has none.
    pub line: usize,
    /// Column from 1.
    pub column: usize,
    /// Bytes from the start of the source.
    pub offset: usize,
    /// Length in bytes.
    pub length: usize,
}

impl Diagnostic {
    /// An error at a key path.
    #[must_use]
    pub fn error(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { severity: Severity::Error, message: message.into(), path: path.into(), place: None, hint: None }
    }

    /// A warning at a key path.
    #[must_use]
    pub fn warning(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, message: message.into(), path: path.into(), place: None, hint: None }
    }

    /// The same with a hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same with a place.
    #[must_use]
    pub fn at(mut self, place: Option<Place>) -> Self {
        self.place = place;
        self
    }
}

/// Everything that is wrong, with the texts that it points into.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Faults {
    /// At least one of them is an error.
    pub diagnostics: Vec<Diagnostic>,
    /// What the places point into.
    #[serde(skip)]
    pub sources: Sources,
}

impl std::fmt::Display for Faults {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&tally(&self.diagnostics))
    }
}

impl std::error::Error for Faults {}

/// `2 errors, 1 warning`.
#[must_use]
pub fn tally(diagnostics: &[Diagnostic]) -> String {
    let count = |severity, word: &str| match diagnostics.iter().filter(|one| one.severity == severity).count() {
        0 => None,
        1 => Some(format!("1 {word}")),
        many => Some(format!("{many} {word}s")),
    };
    let parts = [count(Severity::Error, "error"), count(Severity::Warning, "warning")];
    let parts: Vec<_> = parts.into_iter().flatten().collect();
    if parts.is_empty() { "no faults".to_owned() } else { parts.join(", ") }
}

/// Puts them in the order in which a reader meets them, each once: by source in this order, then by place.
pub fn sort(diagnostics: &mut Vec<Diagnostic>, sources: &[String]) {
    let key = |one: &Diagnostic| {
        let place = one.place.as_ref();
        let rank = |place: &Place| sources.iter().position(|source| *source == place.source).unwrap_or(sources.len());
        let source = place.map(rank);
        (source, place.map(|place| (place.source.clone(), place.line, place.offset)))
    };
    diagnostics.sort_by_key(key);
    let mut seen: Vec<(String, Option<Place>)> = Vec::new();
    diagnostics.retain(|one| {
        let this = (one.message.clone(), one.place.clone());
        let new = !seen.contains(&this);
        seen.push(this);
        new
    });
}
