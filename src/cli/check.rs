//! `check`.

use super::{Failure, Output, Target};
use crate::{exit, provider::Verdict, shared::Freshness, view};

/// Arguments of `check`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    target: Target,
}

/// Looks whether the place is ready; changes nothing.
pub async fn run(args: Args, output: &Output) -> Result<u8, Failure> {
    let session = super::enter(&args.target.request()?, Freshness::Needed).await?;
    let findings = session.provider().preflight(session.topology()).await;
    if output.json() {
        output.document(&findings)?;
    } else {
        output.print(&view::findings(&findings, output.color()))?;
    }
    let bad = findings.iter().any(|finding| finding.verdict == Verdict::Fail);
    Ok(if bad { exit::CHECKS_FAILED } else { exit::DONE })
}
