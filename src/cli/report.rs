//! `report`.

use std::path::PathBuf;

use super::{
    Failure, Output,
    target::{Target, TargetOption},
};
use crate::{exit, journal::RunId, session, shared::Freshness, workspace::write_private};

/// Arguments of `report`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    target: TargetOption,
    /// Run [default: the latest]
    run: Option<String>,
    /// File to write
    #[arg(short, long, value_name = "FILE", default_value = "report.html")]
    out: PathBuf,
    /// Ask no node how it is now
    #[arg(long)]
    offline: bool,
}

/// Writes a page about a run.
pub async fn run(args: Args, output: &Output) -> Result<u8, Failure> {
    let session = super::enter(&Target::from(args.target).request()?, Freshness::Wanted).await?;
    let active = session.active_run()?;
    let runs = session.runs().list(active.as_deref()).map_err(session::Error::from)?;
    let wanted = args.run.map(RunId::from);
    let run = runs.into_iter().find(|run| wanted.as_ref().is_none_or(|id| run.id == *id));
    let Some(run) = run else {
        let message = wanted.map_or_else(|| "nothing was run yet".to_owned(), |id| format!("there is no run `{id}`"));
        return Err(Failure::new(exit::FAILED, message).hint("`refarch runs` lists them"));
    };
    let page = session.report(&run, args.offline).await?;
    // What a run did is its owner's to show.
    write_private(&args.out, page.as_bytes()).map_err(session::Error::from)?;
    if !output.json() {
        output.print(&format!("{}: run {} of {}\n", args.out.display(), run.id, session.topology().environment))?;
    }
    Ok(exit::DONE)
}
