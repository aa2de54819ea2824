//! `upgrade`.

use std::collections::BTreeSet;

use super::{
    Failure, Output, Target,
    apply::{RunArgs, Work, carry_out, consent, take_lock, under_lock, warn},
    bundle::FromBundle,
};
use crate::{
    event::Event,
    exit,
    view::{self, PlanStyle},
};

/// Arguments of `upgrade`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    run: RunArgs,
    /// Version to upgrade to [default: the environment file's]
    #[arg(long, value_name = "VERSION")]
    to: Option<String>,
    /// Show the order in which nodes would be upgraded, and end
    #[arg(long)]
    plan: bool,
    #[command(flatten)]
    bundle: FromBundle,
}

/// Brings the product to another version, node by node, while the others serve.
pub async fn run(args: Args, output: &Output) -> Result<u8, Failure> {
    let opened = args.bundle.enter(&args.target.request()?, output).await?;
    let own = opened.version()?;
    let to = args.to.unwrap_or_else(|| own.clone());
    let session = opened.at_version(&to)?;
    warn(&session, output);
    let command = format!("upgrade {} --to {to}", session.topology().environment);
    let id = session.runs().new_id();
    let lock = take_lock(&session, &command, Some(&id), args.run.lock_wait).await?;
    let reach = session.reach().await?;
    let (events, viewing) = output.start();
    events.send(Event::Note { text: format!("looking at {}", view::count(session.topology().nodes.len(), "node")) });
    let plan = session.survey_upgrade(&reach, &events).await;
    let checks = match &plan {
        Ok(_) if !args.plan => {
            events.send(Event::Note { text: "proving that the environment can be upgraded".to_owned() });
            session.verify_before_upgrade(&reach, &events).await
        }
        _ => Ok(Vec::new()),
    };
    drop(events);
    viewing.finish().await;
    let (plan, checks) = (plan?, checks?);
    if args.plan {
        match output.json() {
            true => output.document(&plan)?,
            false => output.print(&view::plan_text(&plan, PlanStyle { color: output.color(), diff: false }))?,
        }
        return Ok(exit::DONE);
    }
    if checks.iter().any(|check| !check.ok) {
        if !output.json() {
            output.print(&view::checks(&checks, output.color()))?;
        }
        return Err(Failure::new(
            exit::CHECKS_FAILED,
            "the environment is not fit to be upgraded; nothing was changed",
        )
        .hint("mend what does not hold above, and do the same again"));
    }
    consent(&plan, &args.run, output, false)?;

    let run = session.begin(id, &plan, &command)?;
    let outcome = under_lock(lock, async |stop| {
        let work = Work { plan: &plan, run, finished: BTreeSet::new(), concurrency: args.run.concurrency, stop };
        carry_out(&session, &reach, work, true, output).await
    })
    .await?;
    if own != to && matches!(outcome, Ok(exit::DONE)) && !output.json() {
        let setting = session.catalog().stack.product.as_ref().map_or("", |product| &product.version);
        let file = session.file().display();
        output.print(&format!("Write `{setting}: \"{to}\"` below `settings` of {file}: it still says {own}.\n"))?;
    }
    outcome
}
