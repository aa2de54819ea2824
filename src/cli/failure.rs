//! What a verb reports when it did not end well.

use crate::{diagnostic::Faults, exit, session};

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
    pub faults: Faults,
}

impl Failure {
    /// A failure with a message.
    #[must_use]
    pub fn new(code: u8, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: None, faults: Faults::default() }
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

impl From<session::Error> for Failure {
    fn from(error: session::Error) -> Self {
        let (code, hint) = (error.code(), error.hint());
        match error {
            session::Error::Environment(faults) => Self { code, message: String::new(), hint, faults },
            error => Self { code, message: error.to_string(), hint, faults: Faults::default() },
        }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::new(exit::FAILED, error.to_string())
    }
}
