//! `completion` and `man`.

use clap::CommandFactory;
use clap_complete::Shell;

use super::{Cli, Failure, output};
use crate::exit;

/// Arguments of `completion`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Shell
    shell: Shell,
}

/// Prints a completion script.
pub fn run(args: &Args) -> Result<u8, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "refarch", &mut script);
    output::print(&script)?;
    Ok(exit::DONE)
}

/// Prints the manual page.
pub fn man() -> Result<u8, Failure> {
    let mut page = Vec::new();
    clap_mangen::Man::new(Cli::command())
        .render(&mut page)
        .map_err(|error| Failure::new(exit::FAILED, format!("the manual page cannot be made: {error}")))?;
    output::print(&page)?;
    Ok(exit::DONE)
}
