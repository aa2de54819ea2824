//! `plan`.

use std::path::PathBuf;

use super::{Failure, Output, Target, bundle::FromBundle};
use crate::{
    exit,
    session::{Session, Survey},
    view::{self, PlanStyle},
};

/// Arguments of `plan`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    target: Target,
    /// Show how files differ
    #[arg(long)]
    diff: bool,
    /// Save the plan; `apply FILE` does exactly that, or refuses
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Exit code 2 when there is something to do
    #[arg(long)]
    detailed_exitcode: bool,
    /// Make this node anew; may be repeated
    #[arg(long, value_name = "NODE")]
    replace: Vec<String>,
    /// With the newest image for machines to come, instead of the one that was pinned
    #[arg(long, conflicts_with_all = ["out", "offline"])]
    newer_image: bool,
    /// Plan as if nothing were there yet, without asking the provider or a node
    #[arg(long, conflicts_with_all = ["out", "replace"])]
    offline: bool,
    /// Show only what was changed behind refarch's back, not what the environment file asks for
    #[arg(long, conflicts_with_all = ["out", "replace", "offline", "infrastructure", "newer_image"])]
    refresh_only: bool,
    /// Machines and what they stand on alone; no node is looked at
    #[arg(long)]
    infrastructure: bool,
    #[command(flatten)]
    bundle: FromBundle,
}

/// Shows what an apply would do; changes nothing.
pub async fn run(args: Args, output: &Output) -> Result<u8, Failure> {
    let request = args.target.request()?;
    let session = match args.offline {
        true => args.bundle.open(&request, output)?,
        false => args.bundle.enter(&request, output).await?,
    };
    if args.refresh_only {
        return drift(&session, &args, output).await;
    }
    if args.newer_image {
        super::apply::newer_images(&session, output).await?;
    }
    let plan = match (args.offline, args.infrastructure) {
        (true, false) => session.plan_from_nothing().await?,
        (true, true) => session.plan_from_nothing().await?.infrastructure_only(),
        (false, true) => session.survey_infrastructure(&args.replace).await?.plan,
        (false, false) => look(&session, &args, output).await?.plan,
    };
    if output.json() {
        output.document(&plan)?;
    } else {
        output.print(&view::plan_text(&plan, PlanStyle { color: output.color(), diff: args.diff }))?;
    }
    if let Some(file) = &args.out {
        session.save_plan(&plan, file)?;
    }
    Ok(if args.detailed_exitcode && !plan.is_empty() { exit::CHANGES } else { exit::DONE })
}

async fn drift(session: &Session, args: &Args, output: &Output) -> Result<u8, Failure> {
    let drift = session.drift(&look(session, args, output).await?)?;
    if output.json() {
        output.document(&drift)?;
    } else {
        output.print(&view::drift_text(&drift, PlanStyle { color: output.color(), diff: args.diff }))?;
    }
    Ok(if args.detailed_exitcode && !drift.plan.is_empty() { exit::CHANGES } else { exit::DONE })
}

async fn look(session: &Session, args: &Args, output: &Output) -> Result<Survey, Failure> {
    let reach = session.reach().await?;
    let (events, viewing) = output.start();
    let survey = session.survey(&reach, &args.replace, &events).await;
    drop(events);
    viewing.finish().await;
    Ok(survey?)
}
