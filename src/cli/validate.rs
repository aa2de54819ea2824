//! `refarch validate`: is the file good?

use serde_json::json;

use super::environment::{EnvironmentArgs, Screen, Stacks};
use crate::{diagnostic::tally, exit, view};

/// Check an environment file; nothing is touched
#[derive(Debug, Clone, clap::Args)]
pub struct ValidateArgs {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub environment: EnvironmentArgs,
}

/// Loads the environment and says what is wrong with it, or what it is. Returns the exit code.
#[allow(clippy::print_stdout)]
pub fn run(args: &ValidateArgs, stacks: Stacks<'_>, screen: &Screen) -> u8 {
    let loaded = match args.environment.load(stacks) {
        Ok(loaded) => loaded,
        Err(faults) => {
            screen.diagnostics(&faults.diagnostics, &faults.sources);
            return exit::ENVIRONMENT;
        }
    };
    let environment = &loaded.environment;
    if screen.json {
        println!("{}", json!({ "environment": environment, "diagnostics": view::diagnostic::json(&loaded.warnings) }));
        return exit::DONE;
    }
    screen.diagnostics(&loaded.warnings, &loaded.sources);
    let size = environment.architecture.map_or(String::new(), |size| format!("{size}, "));
    let noted = if loaded.warnings.is_empty() { String::new() } else { format!(" ({})", tally(&loaded.warnings)) };
    let file = args.environment.file.display();
    println!(
        "{file}: valid{noted}: environment {}, {size}stack {} on {}",
        environment.name, environment.stack, environment.provider
    );
    exit::DONE
}
