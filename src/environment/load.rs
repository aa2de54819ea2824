//! From a file's name to a checked environment.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Read,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use super::{
    Environment, ProviderKind, ReferenceArchitecture, Stack,
    checks::{self, Context, StackFacts},
    layers::{self, Layer},
    provenance::Provenance,
    schema::Rule,
    source,
    structure::{self, Outcome},
};
use crate::{
    catalog::reference,
    diagnostic::{self, Diagnostic, Faults, Severity, Sources},
};

/// What to load, and what to hold it against.
pub struct LoadRequest<'a> {
    /// The environment file.
    pub file: &'a Path,
    /// `key=value` of each `--set`, in order.
    pub sets: &'a [String],
    /// The process's variables; those that set no key are passed over.
    pub variables: BTreeMap<String, String>,
    /// The roles of a stack; an error says in one fragment why this build has none.
    pub stacks: &'a dyn Fn(Stack) -> Result<StackFacts, String>,
    /// Providers of this build.
    pub providers: &'a [ProviderKind],
}

/// An environment without errors.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// What the user wishes, all layers merged.
    pub environment: Environment,
    /// The reference architecture it stands on.
    pub reference: Option<ReferenceArchitecture>,
    /// Where each value came from.
    pub provenance: Provenance,
    /// What somebody should know.
    pub warnings: Vec<Diagnostic>,
    /// What the places of warnings point into.
    pub sources: Sources,
}

/// Reads, layers and checks an environment. Reads files, changes nothing.
///
/// # Errors
/// Every fault of every layer at once, in the order of the sources.
pub fn load(request: &LoadRequest<'_>) -> Result<Loaded, Faults> {
    let mut sources = Sources::new();
    let mut outcome = Outcome::default();
    let file = request.file.display().to_string();

    let (mut layers, complete) = read_layers(request, &mut sources, &mut outcome.faults);
    for layer in &mut layers {
        layer.tree = structure::check(&layer.tree, &layer.kind.to_string(), &mut outcome);
    }
    let order: Vec<String> = layers.iter().map(|layer| layer.kind.to_string()).collect();
    let Outcome { faults: mut diagnostics, dropped } = outcome;
    if !complete {
        // Without the whole file, every further complaint would be a guess.
        return Err(faults(diagnostics, sources, &order));
    }

    let reference = layers::architecture(&layers).map(reference::load);
    if let Some(reference) = &reference {
        layers.insert(0, Layer::reference(reference));
    }
    let provenance = Provenance::new(&file, &layers);
    let merged = match layers::merge(&layers) {
        Ok(merged) => merged,
        Err(error) => {
            diagnostics.push(Diagnostic::error("", format!("the layers do not fit together: {error}")));
            return Err(faults(diagnostics, sources, &order));
        }
    };
    match deserialize(merged, &dropped, &provenance, &mut diagnostics) {
        Ok((environment, missing)) => {
            let facts = (request.stacks)(environment.stack);
            let folder = request.file.parent().unwrap_or(Path::new("")).to_owned();
            let exists = |name: &str| folder.join(name).is_file();
            let read = |name: &str| std::fs::read_to_string(folder.join(name)).map_err(|error| error.to_string());
            let head = |name: &str| {
                let mut bytes = Vec::new();
                let file = std::fs::File::open(folder.join(name));
                let read = file.and_then(|file| file.take(checks::HEAD).read_to_end(&mut bytes));
                read.map(|_| bytes).map_err(|error| error.to_string())
            };
            let context = Context {
                environment: &environment,
                reference: reference.as_ref(),
                stack: facts.as_ref().map_err(String::as_str),
                providers: request.providers,
                exists: &exists,
                read: &read,
                head: &head,
                provenance: &provenance,
                unknown: &dropped.union(&missing).cloned().collect(),
            };
            diagnostics.extend(checks::check(&context));
            if diagnostics.iter().all(|one| one.severity != Severity::Error) {
                diagnostic::sort(&mut diagnostics, &order);
                return Ok(Loaded { environment, reference, provenance, warnings: diagnostics, sources });
            }
        }
        Err(error) => {
            diagnostics.push(Diagnostic::error("", format!("not an environment: {error}")));
        }
    }
    Err(faults(diagnostics, sources, &order))
}

fn faults(mut diagnostics: Vec<Diagnostic>, sources: Sources, order: &[String]) -> Faults {
    diagnostic::sort(&mut diagnostics, order);
    Faults { diagnostics, sources }
}

/// `<stem>.local.<extension>` beside the environment file: one person's or machine's own changes.
#[must_use]
pub fn local_file(file: &Path) -> PathBuf {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    let extension = file.extension().map_or_else(|| "yaml".into(), |extension| extension.to_string_lossy());
    file.with_file_name(format!("{stem}.local.{extension}"))
}

/// All layers but the reference architecture; false where a file could not be read as YAML.
fn read_layers(
    request: &LoadRequest<'_>,
    sources: &mut Sources,
    diagnostics: &mut Vec<Diagnostic>,
) -> (Vec<Layer>, bool) {
    let mut layers = Vec::new();
    let mut complete = true;
    let local = local_file(request.file);
    let files = [(request.file, false), (local.as_path(), true)];
    for (path, is_local) in files.into_iter().filter(|(path, is_local)| !is_local || path.exists()) {
        let name = path.display().to_string();
        let layer = match source::read(path) {
            Ok(text) => Layer::file(path, is_local, text),
            Err(fault) => Err((fault, String::new())),
        };
        match layer {
            Ok(layer) => {
                sources.insert(name.clone(), layer.text.clone());
                if layer.tree.is_null() && !is_local {
                    let fault = Diagnostic::error("", "the file is empty").at(Some(source::whole_file(&name)));
                    diagnostics.push(fault.hint("`refarch init` writes one to start from"));
                    complete = false;
                }
                complete &= layer.tree.is_null() || matches!(layer.tree.branch, super::tree::Branch::Map(_));
                layers.push(layer);
            }
            Err((fault, text)) => {
                sources.insert(name, text);
                diagnostics.push(*fault);
                complete = false;
            }
        }
    }
    let variables = Layer::variables(&request.variables);
    for layer in variables.into_iter().chain(request.sets.iter().map(|set| Layer::set(set))) {
        match layer {
            Ok(layer) => {
                sources.insert(layer.kind.to_string(), layer.text.clone());
                layers.push(layer);
            }
            Err((fault, text)) => {
                sources.extend(fault.place.as_ref().map(|place| (place.source.clone(), text)));
                diagnostics.push(*fault);
            }
        }
    }
    (layers, complete)
}

/// The typed value. Where a required key is missing, a stand-in lets the other checks go on.
fn deserialize(
    mut merged: Value,
    dropped: &BTreeSet<String>,
    provenance: &Provenance,
    diagnostics: &mut Vec<Diagnostic>,
) -> Result<(Environment, BTreeSet<String>), serde_json::Error> {
    let mut missing = BTreeSet::new();
    for key in Rule::root().required() {
        if merged.get(key).is_some() {
            continue;
        }
        if !dropped.contains(key) {
            let rule = Rule::root().child(key);
            let choices = rule.map(Rule::choices).unwrap_or_default();
            let example = choices.first().map_or("demo", |(choice, _)| choice);
            let about = rule.map_or("", Rule::description);
            let about = about.split_once(". ").map_or(about.trim_end_matches('.'), |(first, _)| first).to_lowercase();
            diagnostics.push(
                Diagnostic::error(key, format!("`{key}` is missing: {about}"))
                    .at(Some(provenance.place(key)))
                    .hint(format!("add a line such as `{key}: {example}`")),
            );
        }
        missing.insert(key.to_owned());
        merged[key] = json!(if key == "provider" { "local" } else { "x" });
    }
    Ok((serde_json::from_value(merged)?, missing))
}

/// The providers that this build can use.
#[must_use]
pub fn compiled_providers() -> Vec<ProviderKind> {
    let built = |kind: &ProviderKind| match kind {
        ProviderKind::Local => cfg!(feature = "local"),
        ProviderKind::Static => cfg!(feature = "static"),
        ProviderKind::Aws => cfg!(feature = "aws"),
        ProviderKind::Gcp => cfg!(feature = "gcp"),
        ProviderKind::Azure => cfg!(feature = "azure"),
    };
    ProviderKind::ALL.into_iter().filter(built).collect()
}
