//! The `refarch` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(refarch::cli::main())
}
