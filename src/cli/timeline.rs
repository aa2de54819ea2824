//! `timeline`.

use std::path::PathBuf;

use super::{
    Failure, Output,
    target::{Target, TargetOption},
};
use crate::{draw, exit, journal::RunId, session, shared::Freshness, timeline};

/// Columns where there is no terminal.
const COLUMNS: usize = 110;

/// Arguments of `timeline`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    target: TargetOption,
    /// Run to draw [default: the latest]
    id: Option<String>,
    /// Text for a terminal, or a picture for a browser [default: what the ending of FILE says, else text]
    #[arg(long, value_enum)]
    format: Option<Kind>,
    /// File to write instead of standard output
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Kind {
    /// Letters
    Text,
    /// A picture
    Svg,
}

/// Draws a run from its journal; asks nobody.
pub async fn run(args: Args, output: &Output) -> Result<u8, Failure> {
    let session = super::enter(&Target::from(args.target).request()?, Freshness::Wanted).await?;
    let runs = session.runs();
    let id = match args.id {
        Some(id) => RunId::from(id),
        None => match runs.list(None).map_err(session::Error::from)?.into_iter().next() {
            Some(run) => run.id,
            None => return Err(Failure::new(exit::FAILED, "nothing was run yet")),
        },
    };
    let (plan, journal) = runs.load(&id).map_err(session::Error::from)?;
    let timeline = timeline::build(id.as_str(), &plan, &journal);
    let is_svg = |file: &PathBuf| file.extension().is_some_and(|extension| extension == "svg");
    let kind = args.format.unwrap_or(if args.out.as_ref().is_some_and(is_svg) { Kind::Svg } else { Kind::Text });
    let text = match kind {
        Kind::Svg => draw::gantt(&timeline),
        Kind::Text if output.json() => {
            output.document(&timeline)?;
            return Ok(exit::DONE);
        }
        Kind::Text => {
            let columns = console::Term::stdout().size_checked().map_or(COLUMNS, |(_, columns)| usize::from(columns));
            draw::gantt_text(&timeline, columns)
        }
    };
    match args.out {
        Some(file) => std::fs::write(&file, text)
            .map_err(|error| Failure::new(exit::FAILED, format!("{}: {error}", file.display())))?,
        None => output.print(&text)?,
    }
    Ok(exit::DONE)
}
