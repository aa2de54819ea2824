//! `lock`.

use super::{
    Failure, Output,
    target::{Target, TargetOption},
};
use crate::{
    exit, lock,
    session::{self, Session},
};

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
pub fn run(args: Args, output: &Output) -> Result<u8, Failure> {
    let session = Session::open(&Target::from(args.target).request()?)?;
    let path = session.workspace().lock();
    let (lease, verb) = match args.what {
        What::Status => (lock::status(&path), "held"),
        What::Break => (lock::break_lock(&path), "taken away; it was held"),
    };
    let lease = lease.map_err(session::Error::from)?;
    if output.json() {
        output.document(&lease)?;
        return Ok(exit::DONE);
    }
    output.print(&match lease {
        None => "nobody has the lock\n".to_owned(),
        Some(lease) => format!(
            "{verb} by {} for `{}` since {}, last seen {}{}\n",
            lease.holder,
            lease.command,
            lease.since,
            lease.heartbeat,
            if lease.is_expired(jiff::Timestamp::now()) { " (expired)" } else { "" }
        ),
    })?;
    Ok(exit::DONE)
}
