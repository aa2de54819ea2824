//! What a verb reports when it did not end well.

use crate::{diagnostic::Diagnostic, exit};

/// A verb that did not end well: the exit code, and what to tell the user.
#[derive(Debug)]
pub struct Failure {
    /// Exit code, one of [`crate::exit`].
    pub code: u8,
    /// What happened; empty where all has been said already.
    pub message: String,
    /// What to do next.
    pub hint: Option<String>,
    /// Faults of files, with their places.
    pub diagnostics: Vec<Diagnostic>,
}

impl Failure {
    /// A failure with a message.
    #[must_use]
    pub fn new(code: u8, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: None, diagnostics: Vec::new() }
    }

    /// Faults of what the user wrote.
    #[must_use]
    pub fn diagnostics(diagnostics: Vec<Diagnostic>) -> Self {
        Self { code: exit::ENVIRONMENT, message: String::new(), hint: None, diagnostics }
    }

    /// A call that cannot be understood.
    #[must_use]
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(exit::USAGE, message)
    }

    /// The same with a hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}
