//! `graph`.

use std::path::PathBuf;

use super::{Failure, Target, output};
use crate::{
    draw::{self, Picture},
    exit,
    session::Session,
};

/// Arguments of `graph`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    target: Target,
    /// Language of the picture
    #[arg(long, value_enum, default_value_t = Kind::Svg)]
    format: Kind,
    /// File to write instead of standard output
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Kind {
    /// A picture for a browser
    Svg,
    /// A Mermaid flowchart
    Mermaid,
    /// Graphviz
    Dot,
}

/// Draws the topology; offline.
pub fn run(args: Args) -> Result<u8, Failure> {
    let session = Session::open(&args.target.request()?)?;
    let picture = Picture::of(session.topology());
    let text = match args.format {
        Kind::Svg => draw::svg(&picture),
        Kind::Mermaid => draw::mermaid(&picture),
        Kind::Dot => draw::dot(&picture),
    };
    match args.out {
        Some(file) => std::fs::write(&file, text)
            .map_err(|error| Failure::new(exit::FAILED, format!("{}: {error}", file.display())))?,
        None => output::print(text.as_bytes())?,
    }
    Ok(exit::DONE)
}
