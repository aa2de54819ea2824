//! Everything that is wrong with a file, with its place. Knows nothing of a terminal.

use serde::{Deserialize, Serialize};

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
