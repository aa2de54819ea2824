//! `backup`.

use std::{collections::BTreeSet, io::Write as _};

use jiff::Timestamp;

use super::{
    Failure, Output,
    apply::{RunArgs, Work, carry_out, consent, take_lock, under_lock},
    target::{Target, TargetOption},
};
use crate::{
    exit,
    plan::Plan,
    session::{self, Reach, Session},
    shared::Freshness,
};

/// Arguments of `backup`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    target: TargetOption,
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Make a backup, besides those of the schedule
    Now {
        /// All of it, not only what changed since the last one
        #[arg(long)]
        full: bool,
        #[command(flatten)]
        run: RunArgs,
    },
    /// List what there is
    List,
    /// Restore the newest backups beside the live data, read all of it, and remove it again
    Verify {
        #[command(flatten)]
        run: RunArgs,
    },
    /// Put a backup in the live data's place; nothing is touched before it is restored beside it
    Restore {
        /// The time to go back to, `2026-11-25T10:44:42Z` [default: the newest that there is]
        #[arg(long, value_name = "TIME")]
        at: Option<Timestamp>,
        #[command(flatten)]
        run: RunArgs,
    },
}

/// Makes, lists, proves or restores backups.
pub async fn run(args: Args, output: &Output) -> Result<u8, Failure> {
    let session = super::enter(&Target::from(args.target).request()?, Freshness::Needed).await?;
    let reach = session.reach().await?;
    match args.what {
        What::List => list(&session, &reach, output).await,
        What::Now { full, run } => {
            let plan = session.plan_backup(&reach, if full { "full" } else { "incr" })?;
            let run = RunArgs { yes: true, ..run };
            let began = Timestamp::now().as_second();
            let code = carry(&session, &reach, &plan, &run, "backup", false, output).await?;
            if code == exit::DONE { proven(&session, &reach, began, output).await } else { Ok(code) }
        }
        What::Verify { run } => {
            let plan = session.plan_backup_check(&reach)?;
            let run = RunArgs { yes: true, ..run };
            carry(&session, &reach, &plan, &run, "verify backups", false, output).await
        }
        What::Restore { at, run } => {
            let plan = session.plan_restore(&reach, at)?;
            consent(&plan, &run, output, false)?;
            let command = at.map_or_else(|| "restore the newest backup".to_owned(), |at| format!("restore {at}"));
            carry(&session, &reach, &plan, &run, &command, true, output).await
        }
    }
}

async fn carry(
    session: &Session,
    reach: &Reach,
    plan: &Plan,
    args: &RunArgs,
    command: &str,
    verify: bool,
    output: &Output,
) -> Result<u8, Failure> {
    let id = session.runs().new_id();
    let lock = take_lock(session, command, Some(&id), args.lock_wait).await?;
    let run = session.begin(id, plan, command)?;
    under_lock(lock, async |stop| {
        let work = Work { plan, run, finished: BTreeSet::new(), concurrency: args.concurrency, stop };
        carry_out(session, reach, work, verify, output).await
    })
    .await?
}

/// Only the server that leads makes a backup; where it was none of them at that moment, there is no new one.
pub(super) async fn proven(session: &Session, reach: &Reach, began: i64, output: &Output) -> Result<u8, Failure> {
    let (found, silent) = session.backups(reach).await?;
    let roles: BTreeSet<&str> = found.iter().map(|backup| backup.role.as_str()).collect();
    let new = |role: &&&str| found.iter().any(|backup| backup.role == **role && backup.entry.at >= began);
    let missing: Vec<&str> = roles.iter().filter(|role| !new(role)).copied().collect();
    if !missing.is_empty() || !silent.is_empty() || found.is_empty() {
        let missing = if found.is_empty() { "anything".to_owned() } else { missing.join(", ") };
        let why = if silent.is_empty() { String::new() } else { format!(" ({})", silent.join("; ")) };
        return Err(Failure::new(exit::FAILED, format!("there is no new backup of {missing}{why}"))
            .hint("a failover may have been under way: try again, and look at `refarch backup list`"));
    }
    if !output.json() {
        output.print(&table(&found))?;
    }
    Ok(exit::DONE)
}

async fn list(session: &Session, reach: &Reach, output: &Output) -> Result<u8, Failure> {
    let (found, silent) = session.backups(reach).await?;
    if output.json() {
        output.document(&serde_json::json!({ "backups": found, "not_asked": silent }))?;
    } else if found.is_empty() && silent.is_empty() {
        output.print("no backups yet: `refarch backup now` makes one\n")?;
    } else {
        output.print(&table(&found))?;
        for why in &silent {
            let _ = writeln!(std::io::stderr(), "could not be asked: {why}");
        }
    }
    Ok(if silent.is_empty() { exit::DONE } else { exit::FAILED })
}

fn table(found: &[session::Backup]) -> String {
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table.set_header(["COMPLETE", "OF", "KIND", "SIZE", "NODE", "ID"]);
    for backup in found {
        let at = Timestamp::from_second(backup.entry.at).unwrap_or_default();
        table.add_row([
            at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
            backup.role.clone(),
            backup.entry.kind.clone(),
            backup.entry.bytes.map(|bytes| format!("{} kB", bytes.div_ceil(1024))).unwrap_or_default(),
            backup.node.clone(),
            backup.entry.id.clone(),
        ]);
    }
    format!("{table}\n")
}
