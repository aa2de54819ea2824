//! `validate`.

use super::{Failure, Output, Target, apply::warn};
use crate::{diagnostic::tally, exit, session::Session, view};

/// Arguments of `validate`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    target: Target,
}

/// Checks an environment file, up to its nodes; touches nothing.
pub fn run(args: Args, output: &Output) -> Result<u8, Failure> {
    let session = Session::open(&args.target.request()?)?;
    let (loaded, topology) = (session.loaded(), session.topology());
    if output.json() {
        output.document(&serde_json::json!({
            "environment": loaded.environment,
            "diagnostics": view::diagnostic::json(&loaded.warnings),
        }))?;
        return Ok(exit::DONE);
    }
    warn(&session, output);
    let size = topology.architecture.as_ref().map_or(String::new(), |size| format!("{size}, "));
    let noted = if loaded.warnings.is_empty() { String::new() } else { format!(" ({})", tally(&loaded.warnings)) };
    output.print(&format!(
        "{}: valid{noted}: environment {}, {size}{}, stack {} on {}\n",
        session.file().display(),
        topology.environment,
        view::count(topology.nodes.len(), "node"),
        topology.stack,
        topology.provider
    ))?;
    Ok(exit::DONE)
}
