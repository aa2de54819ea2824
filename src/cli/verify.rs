//! `verify`.

use std::io::Write as _;

use super::{Failure, Output, Target};
use crate::{exit, session::Session, view};

/// Arguments of `verify`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    target: Target,
}

/// Proves the whole paths; the result is the exit code.
pub async fn run(args: Args, output: &Output) -> Result<u8, Failure> {
    let session = Session::open(&args.target.request()?)?;
    let reach = session.reach().await?;
    let (events, view) = output.start();
    let results = session.verify(&reach, &events).await;
    drop(events);
    view.finish().await;
    let results = results?;
    let text = if output.json() { view::json(&results) } else { view::checks(&results, output.color()) };
    let _ = std::io::stdout().write_all(text.as_bytes());
    Ok(if results.iter().all(|result| result.ok) { exit::DONE } else { exit::CHECKS_FAILED })
}
