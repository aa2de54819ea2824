//! Where each value came from.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Architecture,
    layers::Layer as Source,
    source::whole_file,
    structure::join,
    tree::{Branch, Span, Tree},
};
use crate::diagnostic::Place;

/// A source of keys, lowest first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layer {
    /// The node groups of a reference architecture.
    Reference(Architecture),
    /// The environment file.
    File(String),
    /// `<stem>.local.yaml` beside it.
    LocalFile(String),
    /// An environment variable.
    Variable(String),
    /// A `--set` argument.
    Set(String),
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reference(size) => write!(f, "reference architecture {size}"),
            Self::File(name) | Self::LocalFile(name) => f.write_str(name),
            Self::Variable(name) => write!(f, "environment variable {name}"),
            Self::Set(argument) => write!(f, "--set {argument}"),
        }
    }
}

/// One source that gives a key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Origin {
    /// The source.
    pub layer: Layer,
    /// What it says; null takes the key back to its default.
    pub value: Value,
    /// Where the key is written; none in a reference architecture.
    pub key: Option<Place>,
    /// Where the value is written; of a map, where its key is.
    pub place: Option<Place>,
}

impl Origin {
    /// `environment.yaml:3:7`, or the source alone where it has no lines.
    #[must_use]
    pub fn label(&self) -> String {
        match &self.place {
            Some(place) if place.line > 0 => format!("{}:{}:{}", place.source, place.line, place.column),
            _ => self.layer.to_string(),
        }
    }
}

/// Where every key of an environment came from.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    file: String,
    origins: BTreeMap<String, Vec<Origin>>,
}

impl Provenance {
    pub(crate) fn new(file: &str, layers: &[Source]) -> Self {
        let mut this = Self { file: file.to_owned(), origins: BTreeMap::new() };
        for layer in layers {
            this.add(layer, &layer.tree, "");
        }
        this
    }

    fn add(&mut self, layer: &Source, tree: &Tree, path: &str) {
        let source = layer.kind.to_string();
        let place = |span: Span| (span != Span::default()).then(|| span.place(&source));
        for entry in tree.entries() {
            let own = join(path, &entry.key);
            let value = entry.value.value();
            let written = if entry.value.span.length == 0 || value.is_object() { entry.span } else { entry.value.span };
            let origin = Origin { layer: layer.kind.clone(), value, key: place(entry.span), place: place(written) };
            self.origins.entry(own.clone()).or_default().push(origin);
            if let Branch::List(items) = &entry.value.branch {
                for (index, item) in items.iter().enumerate() {
                    let place = place(item.span).or_else(|| place(written));
                    let origin = Origin { layer: layer.kind.clone(), value: item.value(), key: place.clone(), place };
                    self.origins.entry(format!("{own}.{index}")).or_default().push(origin);
                }
            }
            self.add(layer, &entry.value, &own);
        }
    }

    /// Every source that gives a key, the winning one last.
    #[must_use]
    pub fn origins(&self, path: &str) -> &[Origin] {
        self.origins.get(path).map_or(&[], Vec::as_slice)
    }

    /// The source whose value counts.
    #[must_use]
    pub fn winner(&self, path: &str) -> Option<&Origin> {
        self.origins(path).last().filter(|origin| !origin.value.is_null())
    }

    /// Where the value of a key is written; of the nearest key above it where nobody wrote it.
    #[must_use]
    pub fn place(&self, path: &str) -> Place {
        self.nearest(path, |origin| origin.place.clone())
    }

    /// Where a key itself is written.
    #[must_use]
    pub fn key_place(&self, path: &str) -> Place {
        self.nearest(path, |origin| origin.key.clone())
    }

    fn nearest(&self, path: &str, pick: impl Fn(&Origin) -> Option<Place>) -> Place {
        let origins = self.origins(path);
        if let Some(place) = origins.iter().rev().find_map(&pick) {
            return place;
        }
        if origins.iter().any(|origin| matches!(origin.layer, Layer::Reference(_))) && path != "architecture" {
            return self.place("architecture");
        }
        match path.rsplit_once('.') {
            Some((above, _)) => self.key_place(above),
            None => whole_file(&self.file),
        }
    }
}
