//! Takes secrets out of texts that people will see.

use std::{borrow::Cow, sync::Arc};

use super::Secret;

/// Shorter values are not looked for: they would turn up in innocent words.
const SHORTEST: usize = 6;

/// Replaces every known secret in a text by its name. Cheap to clone.
#[derive(Clone, Default)]
pub struct Redactor(Arc<Vec<(Secret, String)>>);

impl Redactor {
    /// A redactor for these values and their names.
    pub(super) fn new<'a>(values: impl IntoIterator<Item = (&'a str, String)>) -> Self {
        let mut known: Vec<(Secret, String)> = Vec::new();
        for (value, name) in values {
            // Logs come line by line, so a key in PEM must be known by its lines; its first and last are no secret.
            for line in value.lines().map(str::trim).filter(|line| line.len() >= SHORTEST && !line.starts_with("-----"))
            {
                known.push((Secret::new(line.to_owned()), format!("<secret:{name}>")));
            }
        }
        // A value may be part of a longer one: the longer one goes first.
        known.sort_by_key(|(value, _)| std::cmp::Reverse(value.expose().len()));
        Self(Arc::new(known))
    }

    /// Both together.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        let mut known: Vec<_> = self.0.iter().chain(other.0.iter()).cloned().collect();
        known.sort_by_key(|(value, _)| std::cmp::Reverse(value.expose().len()));
        Self(Arc::new(known))
    }

    /// The text without secrets.
    #[must_use]
    pub fn redact<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut clean = Cow::Borrowed(text);
        for (value, replacement) in self.0.iter() {
            if clean.contains(value.expose()) {
                clean = Cow::Owned(clean.replace(value.expose(), replacement));
            }
        }
        clean
    }
}

impl std::fmt::Debug for Redactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Redactor of {} values", self.0.len())
    }
}
