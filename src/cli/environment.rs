//! Arguments of every verb that takes an environment.

use std::path::PathBuf;

use serde_json::json;

use crate::{
    diagnostic::{Diagnostic, Faults, Sources},
    environment::{self, LoadRequest, Loaded, Stack, StackFacts},
    view,
};

/// Looks up the roles of a stack; an error says in one fragment why there are none.
pub type Stacks<'a> = &'a dyn Fn(Stack) -> Result<StackFacts, String>;

/// Which environment, and what to change in it for this one call.
#[derive(Debug, Clone, clap::Args)]
pub struct EnvironmentArgs {
    /// Environment file
    #[arg(value_name = "ENVIRONMENT", env = "REFARCH_ENVIRONMENT")]
    pub file: PathBuf,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub overrides: OverrideArgs,
}

/// Changes to an environment for one call.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct OverrideArgs {
    /// Set a key of the environment, for example nodes.app.count=4; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub sets: Vec<String>,
}

/// How results and errors are shown.
#[derive(Debug, Clone, Copy)]
pub struct Screen {
    /// One JSON document on standard output instead of text.
    pub json: bool,
    /// Columns for errors.
    pub width: usize,
    /// Whether errors are colored.
    pub color: bool,
}

impl Screen {
    /// As standard error is: its width, and colors where it is a terminal and `NO_COLOR` is not set.
    #[must_use]
    pub fn detect(json: bool) -> Self {
        let terminal = console::Term::stderr();
        let width = terminal.size_checked().map_or(100, |(_, columns)| usize::from(columns));
        Self { json, width, color: console::colors_enabled_stderr() }
    }

    /// Shows diagnostics: as text on standard error, or as JSON on standard output.
    #[allow(clippy::print_stdout, clippy::print_stderr)]
    pub fn diagnostics(&self, diagnostics: &[Diagnostic], sources: &Sources) {
        if self.json {
            println!("{}", json!({ "diagnostics": view::diagnostic::json(diagnostics) }));
        } else if !diagnostics.is_empty() {
            eprint!("{}", view::diagnostic::render(diagnostics, sources, self.width, self.color));
        }
    }
}

impl EnvironmentArgs {
    /// Loads the environment with this process's variables.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn load(&self, stacks: Stacks<'_>) -> Result<Loaded, Faults> {
        environment::load(&LoadRequest {
            file: &self.file,
            sets: &self.overrides.sets,
            // A variable that is not text cannot set a key.
            variables: std::env::vars_os()
                .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
                .collect(),
            stacks,
            providers: &environment::compiled_providers(),
        })
    }
}
