//! `lock`.

use super::{
    Failure, Output,
    target::{Target, TargetOption},
};
use crate::{exit, shared::Freshness};

/// Arguments of `lock`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    target: TargetOption,
    /// What to do
    #[arg(value_enum, default_value_t = What::Status)]
    what: What,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum What {
    /// Who has it, since when, for what
    Status,
    /// Take it away; a run that has it stops
    Break,
}

/// Shows or breaks the lock.
pub async fn run(args: Args, output: &Output) -> Result<u8, Failure> {
    let session = super::enter(&Target::from(args.target).request()?, Freshness::Unneeded).await?;
    let (found, verb) = match args.what {
        What::Status => (session.holder().await?, "held"),
        What::Break => (session.break_lock().await?, "taken away; it was held"),
    };
    if output.json() {
        output.document(&found.map(|(lease, _)| lease))?;
        return Ok(exit::DONE);
    }
    output.print(&match found {
        None => "nobody has the lock\n".to_owned(),
        Some((lease, is_gone)) => format!(
            "{verb} by {} for `{}` since {}, last seen {}{}\n",
            lease.holder,
            lease.command,
            lease.since,
            lease.heartbeat,
            if is_gone { " (expired)" } else { "" }
        ),
    })?;
    Ok(exit::DONE)
}
