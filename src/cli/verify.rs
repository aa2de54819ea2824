//! `verify`.

use super::{Failure, Output, Target};
use crate::{exit, shared::Freshness, view};

/// Arguments of `verify`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    target: Target,
}

/// Proves the whole paths; the result is the exit code.
pub async fn run(args: Args, output: &Output) -> Result<u8, Failure> {
    let session = super::enter(&args.target.request()?, Freshness::Wanted).await?;
    let reach = session.reach().await?;
    let (events, viewing) = output.start();
    let results = session.verify(&reach, &events).await;
    drop(events);
    viewing.finish().await;
    let results = results?;
    let code = if results.iter().all(|result| result.ok) { exit::DONE } else { exit::CHECKS_FAILED };
    if output.json() {
        output.document(&serde_json::json!({"checks": results, "exit_code": code}))?;
    } else {
        output.print(&view::checks(&results, output.color()))?;
    }
    Ok(code)
}
