//! `refarch schema`: what an editor checks environment files against.

use super::{Failure, output};
use crate::{environment, exit};

/// Print the JSON Schema of environment files
#[derive(Debug, Clone, clap::Args)]
pub struct SchemaArgs {
    /// Which files: environment, or reference (the architectures that refarch brings along)
    #[arg(value_enum, default_value = "environment")]
    pub of: SchemaOf,
}

/// Which files a schema is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum SchemaOf {
    /// Environment files.
    Environment,
    /// Reference architectures.
    Reference,
}

/// Prints the schema on standard output. Returns the exit code.
///
/// # Errors
/// When standard output cannot be written.
pub fn run(args: &SchemaArgs) -> Result<u8, Failure> {
    let schema = match args.of {
        SchemaOf::Environment => environment::schema(),
        SchemaOf::Reference => environment::reference_schema(),
    };
    output::print(format!("{schema:#}\n").as_bytes())?;
    Ok(exit::DONE)
}
