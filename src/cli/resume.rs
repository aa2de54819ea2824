//! `resume`.

use super::{
    Failure, Output,
    apply::{RunArgs, Work, carry_out, consent, take_lock, under_lock},
    bundle::FromBundle,
    target::{Target, TargetOption},
};
use crate::{exit, journal::RunId, plan::Verb, session};

/// Arguments of `resume`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    target: TargetOption,
    #[command(flatten)]
    run: RunArgs,
    #[command(flatten)]
    bundle: FromBundle,
    /// Run to finish [default: the latest, if it was not done]
    id: Option<String>,
}

/// Runs the steps of a run's plan that did not end well.
pub async fn run(args: Args, output: &Output) -> Result<u8, Failure> {
    let session = args.bundle.open(&Target::from(args.target).request()?, output)?;
    let unfinished = || match session.runs().latest_unfinished().map_err(session::Error::from)? {
        Some(run) => Ok(run.id),
        None => Err(Failure::new(exit::FAILED, "no run is left to finish").hint("`refarch runs` lists them")),
    };
    let id = match &args.id {
        Some(id) => RunId::from(id.clone()),
        None => unfinished()?,
    };
    let command = format!("resume {id}");
    let lock = take_lock(&session, &command, Some(&id), args.run.lock_wait).await?;
    // Whoever had the lock until now may have finished it, or begun another.
    if args.id.is_none() && unfinished()? != id {
        return Err(Failure::new(exit::FAILED, format!("another run came after {id}"))
            .hint("`refarch runs` lists them; `refarch resume` takes up the latest"));
    }
    let resumed = session.take_up(&id, &command)?;
    if resumed.plan.verb == Verb::Drill {
        return Err(Failure::new(exit::FAILED, format!("run {id} was a drill: there is nothing to take up"))
            .hint("make it again with `refarch drill`; what it broke is mended"));
    }
    session.same_bundle(id.as_str())?;
    // An upgrade is finished with the version that it began for, whatever the file says.
    let session = match (resumed.plan.verb, &resumed.plan.to) {
        (Verb::Upgrade, Some(version)) => session.at_version(version)?,
        _ => session,
    };
    let mut left = resumed.plan.clone();
    left.steps.retain(|step| !resumed.finished.contains(&step.id));
    // The run was consented to when it began; only loss of data is asked for again.
    consent(&left, &RunArgs { yes: true, ..args.run.clone() }, output, false)?;
    let reach = session.reach().await?;
    let proves = matches!(resumed.plan.verb, Verb::Apply | Verb::Upgrade | Verb::Restore);
    let verify = proves && !resumed.plan.infrastructure_only;
    under_lock(lock, async |stop| {
        let work = Work {
            plan: &resumed.plan,
            run: resumed.run,
            finished: resumed.finished,
            concurrency: args.run.concurrency,
            stop,
        };
        carry_out(&session, &reach, work, verify, output).await
    })
    .await?
}
