//! `destroy`.

use std::{
    collections::BTreeSet,
    io::{BufRead as _, IsTerminal as _, Write as _},
};

use super::{
    Failure, Output, Target,
    apply::{Ended, RunArgs, Work, carry_out, consent, take_lock, under_lock},
};
use crate::{
    exit, session,
    shared::Freshness,
    view::{self, PlanStyle},
};

/// Arguments of `destroy`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    run: RunArgs,
}

/// Removes the environment: machines, network, keys, secrets. What was done stays on record.
pub async fn run(args: Args, output: &Output) -> Result<u8, Failure> {
    let session = super::enter(&args.target.request()?, Freshness::Needed).await?;
    let name = session.topology().environment.clone();
    if !session.provider().owns_machines() {
        return Err(Failure::new(
            exit::FAILED,
            format!("the machines of {name} were there before refarch, which does not remove what it did not make"),
        )
        .hint(format!(
            "reinstall them, or stop what runs on them (`refarch exec --on '*' -- 'systemctl stop ...'`); then remove {}, \
             which holds the environment's keys and secrets",
            session.workspace().root().display()
        )));
    }
    let command = format!("destroy {name}");
    let id = session.runs().new_id();
    let lock = take_lock(&session, &command, Some(&id), args.run.lock_wait).await?;
    let (plan, _) = session.removal().await?;
    if plan.is_empty() {
        // Under the lock, so that everybody's copy loses it.
        session.workspace().remove().map_err(session::Error::from)?;
        super::enter::give_back(lock).await?;
        match output.json() {
            true => output.document(&Ended::nothing(&plan))?,
            false => output.print(&format!("{name}: nothing is there\n"))?,
        }
        return Ok(exit::DONE);
    }
    // By name: first the data, then the whole.
    consent(&plan, &RunArgs { yes: true, ..args.run.clone() }, output, false)?;
    if !args.run.yes {
        output.print(&view::plan_text(&plan, PlanStyle { color: output.color(), diff: false }))?;
        ask(&name)?;
    }
    let run = session.begin(id, &plan, &command)?;
    let reach = session.reach().await?;
    under_lock(lock, async |stop| {
        let work = Work { plan: &plan, run, finished: BTreeSet::new(), concurrency: args.run.concurrency, stop };
        let outcome = carry_out(&session, &reach, work, false, output).await;
        drop(reach);
        if matches!(outcome, Ok(exit::DONE)) {
            session.workspace().remove().map_err(session::Error::from)?;
        }
        outcome
    })
    .await?
}

fn ask(name: &str) -> Result<(), Failure> {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::usage("nobody can be asked here, and there is no `--yes`").hint("add `--yes`"));
    }
    let _ = write!(std::io::stderr(), "This removes the environment. Type its name, {name}: ");
    let _ = std::io::stderr().flush();
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    if answer.trim() == name { Ok(()) } else { Err(Failure::new(exit::FAILED, "nothing was done")) }
}
