//! YAML with the place of every key and value.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_saphyr::{DuplicateKeyPolicy, Location, Spanned};

use crate::diagnostic::{Diagnostic, Place};

/// Part of a source.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Span {
    /// Line from 1; 0: unknown.
    pub line: usize,
    /// Column from 1, in characters.
    pub column: usize,
    /// Bytes from the start.
    pub offset: usize,
    /// Bytes.
    pub length: usize,
}

/// A value with its place.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tree {
    /// Where it is written.
    pub span: Span,
    /// What it is.
    pub branch: Branch,
}

/// What a [`Tree`] is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Branch {
    /// Null, boolean, number or text.
    Scalar(Value),
    /// `- a`.
    List(Vec<Tree>),
    /// `key: value`, in the order of the source, repeated keys included.
    Map(Vec<Entry>),
}

/// A key with its value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    /// The key.
    pub key: String,
    /// Where the key is written.
    pub span: Span,
    /// The value.
    pub value: Tree,
}

impl Tree {
    /// Reads one YAML document. The place of a fault names `source`.
    pub fn parse(text: &str, source: &str) -> Result<Self, Box<Diagnostic>> {
        let options = serde_saphyr::options! {
            duplicate_keys: DuplicateKeyPolicy::PassThrough,
            strict_booleans: true,
            with_snippet: false,
        };
        serde_saphyr::from_str_with_options::<Self>(text, options).map_err(|error| {
            let place = error.location().map(|location| Span::in_text(location, text).place(source));
            Box::new(syntax_fault(&error, text).at(place))
        })
    }

    /// A scalar without a place.
    pub fn scalar(value: Value) -> Self {
        Self { span: Span::default(), branch: Branch::Scalar(value) }
    }

    /// Whether nothing is there.
    pub fn is_null(&self) -> bool {
        matches!(&self.branch, Branch::Scalar(Value::Null))
    }

    /// The entries, none where it is not a map.
    pub fn entries(&self) -> &[Entry] {
        match &self.branch {
            Branch::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The value without places; of a repeated key the first.
    pub fn value(&self) -> Value {
        match &self.branch {
            Branch::Scalar(value) => value.clone(),
            Branch::List(items) => items.iter().map(Self::value).collect(),
            Branch::Map(entries) => {
                let mut map = serde_json::Map::new();
                for entry in entries {
                    map.entry(entry.key.clone()).or_insert_with(|| entry.value.value());
                }
                Value::Object(map)
            }
        }
    }
}

impl Span {
    /// A place that the parser gives by line and column only.
    fn in_text(location: Location, text: &str) -> Self {
        let span = Self::from(location);
        let Some((start, line)) = lines(text).nth(span.line.saturating_sub(1)) else { return span };
        let before: usize = line.chars().take(span.column.saturating_sub(1)).map(char::len_utf8).sum();
        let length = usize::from(before < line.len()).max(span.length);
        Self { offset: start + before, length: length.min(line.len() - before), ..span }
    }

    /// The place in a source.
    pub fn place(self, source: &str) -> Place {
        Place {
            source: source.to_owned(),
            line: self.line,
            column: self.column,
            offset: self.offset,
            length: self.length,
        }
    }
}

impl From<Location> for Span {
    fn from(location: Location) -> Self {
        let small = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        let span = location.span();
        Self {
            line: small(location.line()),
            column: small(location.column()),
            offset: small(span.byte_offset().unwrap_or(0)),
            length: small(span.byte_len().unwrap_or(0)),
        }
    }
}

/// What the parser found, in our words where newcomers meet it.
fn syntax_fault(error: &serde_saphyr::Error, text: &str) -> Diagnostic {
    use serde_saphyr::Error;
    match error.without_snippet() {
        Error::MultipleDocuments { .. } => Diagnostic::error("", "more than one YAML document")
            .hint("keep one environment in a file: remove the `---` line and what follows it"),
        Error::UnknownAnchor { .. } => Diagnostic::error("", "an alias names an anchor that is not defined before it")
            .hint("put text with a leading `*` in quotes"),
        Error::Budget { .. } | Error::AliasReplayLimitExceeded { .. } | Error::AliasExpansionLimitExceeded { .. } => {
            Diagnostic::error("", "too deep or too large to be an environment file")
        }
        other => {
            let message = other.to_string();
            let message = message.lines().next().unwrap_or("unreadable");
            // The place is shown beside the message already.
            let message = message.rsplit_once(" at line ").map_or(message, |(before, _)| before);
            let fault = Diagnostic::error("", format!("not valid YAML: {message}"));
            if has_tab_indent(text) { fault.hint("indent with spaces: YAML does not allow tabs") } else { fault }
        }
    }
}

/// Lines with their offsets.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.split_inclusive('\n').scan(0, |offset, line| {
        let start = *offset;
        *offset += line.len();
        Some((start, line.trim_end_matches(['\n', '\r'])))
    })
}

fn has_tab_indent(text: &str) -> bool {
    text.lines().any(|line| line.chars().take_while(|letter| letter.is_whitespace()).any(|letter| letter == '\t'))
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Branch>::deserialize(deserializer)?;
        Ok(Self { span: spanned.referenced.into(), branch: spanned.value })
    }
}

impl<'de> Deserialize<'de> for Branch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(BranchVisitor)
    }
}

struct BranchVisitor;

impl<'de> Visitor<'de> for BranchVisitor {
    type Value = Branch;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }
    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Branch, E> {
        Ok(Branch::Scalar(value.into()))
    }
    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Branch, E> {
        Ok(Branch::Scalar(value.into()))
    }
    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Branch, E> {
        Ok(Branch::Scalar(value.into()))
    }
    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Branch, E> {
        Ok(Branch::Scalar(value.into()))
    }
    fn visit_str<E: de::Error>(self, value: &str) -> Result<Branch, E> {
        Ok(Branch::Scalar(value.into()))
    }
    fn visit_unit<E: de::Error>(self) -> Result<Branch, E> {
        Ok(Branch::Scalar(Value::Null))
    }
    fn visit_none<E: de::Error>(self) -> Result<Branch, E> {
        Ok(Branch::Scalar(Value::Null))
    }
    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Branch, D::Error> {
        Branch::deserialize(deserializer)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Branch, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Branch::List(items))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Branch, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = map.next_key::<Spanned<String>>()? {
            entries.push(Entry { key: key.value, span: key.referenced.into(), value: map.next_value()? });
        }
        Ok(Branch::Map(entries))
    }
}
