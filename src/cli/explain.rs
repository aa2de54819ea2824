//! `refarch explain KEY`: what a key is for and where its value comes from.

use std::{
    io::{self, Write},
    path::PathBuf,
};

use serde_json::json;

use super::environment::{EnvironmentArgs, OverrideArgs, Screen, Stacks};
use crate::{
    environment::{self, Loaded, Stack},
    exit,
};

/// Tell what a key is for and where its value comes from
#[derive(Debug, Clone, clap::Args)]
pub struct ExplainArgs {
    /// An environment file, where values are wanted, and a key such as nodes.app.count
    #[arg(required = true, num_args = 1..=2, value_names = ["ENVIRONMENT", "KEY"])]
    pub words: Vec<String>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub overrides: OverrideArgs,
}

impl ExplainArgs {
    /// What is to be explained.
    #[must_use]
    pub fn subject(&self) -> &str {
        self.words.last().map_or("", String::as_str)
    }

    /// The environment that it is asked of: named first, or by `REFARCH_ENVIRONMENT`.
    #[must_use]
    pub fn environment(&self) -> Option<EnvironmentArgs> {
        let named = (self.words.len() > 1).then(|| PathBuf::from(&self.words[0]));
        let file = named.or_else(|| std::env::var_os("REFARCH_ENVIRONMENT").map(PathBuf::from))?;
        Some(EnvironmentArgs { file, overrides: self.overrides.clone() })
    }
}

/// Explains a key. Returns the exit code.
///
/// # Errors
/// When standard output cannot be written.
pub fn run(args: &ExplainArgs, stacks: Stacks<'_>, screen: &Screen) -> io::Result<u8> {
    let loaded = match args.environment().map(|environment| environment.load(stacks)).transpose() {
        Ok(loaded) => loaded,
        Err(faults) => {
            screen.diagnostics(&faults.diagnostics, &faults.sources);
            return Ok(exit::ENVIRONMENT);
        }
    };
    key(args.subject(), loaded.as_ref(), stacks, screen)
}

/// Explains a key of an environment that is loaded already. Returns the exit code.
///
/// # Errors
/// When standard output cannot be written.
#[allow(clippy::print_stderr)]
pub fn key(key: &str, loaded: Option<&Loaded>, stacks: Stacks<'_>, screen: &Screen) -> io::Result<u8> {
    let stack = loaded.map_or(Stack::default(), |loaded| loaded.environment.stack);
    match environment::explain(key, loaded, stacks(stack).ok().as_ref()) {
        Ok(explanation) if screen.json => writeln!(io::stdout().lock(), "{}", json!(explanation))?,
        Ok(explanation) => write!(io::stdout().lock(), "{explanation}")?,
        Err(unknown) => {
            eprintln!("error: {unknown}\nhint: {}", unknown.hint);
            return Ok(exit::USAGE);
        }
    }
    Ok(exit::DONE)
}
