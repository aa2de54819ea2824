//! `runs`.

use super::{Failure, Output, Target};
use crate::{
    exit,
    session::{self, Session},
    view,
};

/// Arguments of `runs`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    target: Target,
}

/// Lists runs, the latest first.
pub fn run(args: Args, output: &Output) -> Result<u8, Failure> {
    let session = Session::open(&args.target.request()?)?;
    let runs = session.runs().list(session.active_run()?.as_deref()).map_err(session::Error::from)?;
    if output.json() {
        output.document(&runs)?;
        return Ok(exit::DONE);
    }
    if runs.is_empty() {
        output.print("nothing was run yet\n")?;
        return Ok(exit::DONE);
    }
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table.set_header(["RUN", "WHAT", "BY", "STARTED", "TOOK", "RESULT", "STEPS"]);
    for run in &runs {
        table.add_row([
            run.id.to_string(),
            run.command.clone(),
            run.by.clone(),
            run.started.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
            view::duration(u64::try_from(run.duration.as_millis()).unwrap_or(u64::MAX)),
            format!("{:?}", run.state).to_lowercase(),
            format!("{}/{}", run.done, run.total),
        ]);
    }
    output.print(&format!("{table}\n"))?;
    Ok(exit::DONE)
}
