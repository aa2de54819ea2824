//! `migrate`.

use std::{collections::BTreeSet, io::Write as _, path::PathBuf};

use jiff::Timestamp;

use super::{
    Failure, Output,
    apply::{self, RunArgs, Work, carry_out, consent, preflight, take_lock, under_lock},
    backup,
    target::{Layers, Target},
};
use crate::{
    engine::StopSignal,
    event::Event,
    exit,
    journal::RunId,
    plan::Plan,
    session::{self, Held, Migration, MigrationRecord, Reach, Session, Turn},
    view,
};

/// Arguments of `migrate`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Environment file of what is there; it stays, and takes no more work from users
    #[arg(value_name = "FROM")]
    from: PathBuf,
    /// Environment file of what its data moves into; made first where it is not there
    #[arg(value_name = "TO")]
    to: PathBuf,
    /// Folder of roles to use instead of those in the binary
    #[arg(long, value_name = "DIR", env = "REFARCH_ROLES")]
    roles: Option<PathBuf>,
    #[command(flatten)]
    run: RunArgs,
}

/// Moves an environment's data into another one. The same command again goes on where it stopped.
pub async fn run(args: Args, output: &Output) -> Result<u8, Failure> {
    let request = |file: &PathBuf| {
        let layers = Layers { sets: Vec::new(), roles: args.roles.clone() };
        Target { file: Some(file.clone()), layers }.request()
    };
    let migration = Migration::open(&request(&args.from)?, &request(&args.to)?).await?;
    [&migration.from, &migration.to].into_iter().for_each(super::enter::say);
    let (first, second) = locks(&migration, &args.run).await?;
    let moving = Moving { migration: &migration, args: &args.run, output };
    let (from, mut record, turn) = moving.look().await?;
    moving.agree(&from, &record, turn).await?;
    migration.keep(&record)?;
    let code = under_lock(first, async |stop| {
        under_lock(second, async |other| moving.steps(&from, &mut record, turn, [stop, other]).await).await
    })
    .await??;
    match code {
        Ok(exit::DONE) => moving.done(&from, &record).await,
        code => {
            if !output.json() {
                let _ = writeln!(
                    std::io::stderr(),
                    "the move is not done; the same command goes on: refarch migrate {} {}\n{}",
                    args.from.display(),
                    args.to.display(),
                    moving.state(&record)
                );
            }
            code
        }
    }
}

/// Both locks, always in the same order: two moves in opposite directions do not wait for each other.
async fn locks(migration: &Migration, args: &RunArgs) -> Result<(Held, Held), Failure> {
    let Migration { from, to } = migration;
    let command = format!("migrate {} {}", migration.from_name(), migration.to_name());
    let mut both = [from, to];
    both.sort_by_key(|session| session.workspace().lock());
    Ok((
        take_lock(both[0], &command, None, args.lock_wait).await?,
        take_lock(both[1], &command, None, args.lock_wait).await?,
    ))
}

struct Moving<'a> {
    migration: &'a Migration,
    args: &'a RunArgs,
    output: &'a Output,
}

impl Moving<'_> {
    /// Looks at both, and refuses before anything changes.
    async fn look(&self) -> Result<(Reach, MigrationRecord, Turn), Failure> {
        let Self { migration, output, .. } = self;
        preflight(&migration.to, output).await?;
        let from = migration.from.reach().await?;
        let record = migration.record().await?;
        let turn = migration.turn(&record, &from).await?;
        if turn == Turn::Begin {
            migration.ready(&from).await?;
        }
        Ok((from, record, turn))
    }

    /// Tells what comes, and asks. Whatever the other environment holds already needs a consent of its own.
    async fn agree(&self, from: &Reach, record: &MigrationRecord, turn: Turn) -> Result<(), Failure> {
        let Self { migration, args, output } = self;
        let to = migration.to.reach().await?;
        let stop = migration.last_backup(from)?;
        let restore = migration.restore(&to)?;
        if !record.fresh && turn != Turn::Prove {
            consent(&restore, &RunArgs { yes: true, ..(*args).clone() }, output, false)?;
        }
        if !output.json() {
            output.print(&self.outline(&stop, record, turn))?;
        }
        if args.yes { Ok(()) } else { apply::ask() }
    }

    fn outline(&self, stop: &Plan, record: &MigrationRecord, turn: Turn) -> String {
        let Migration { from, to } = self.migration;
        let (a, b) = (self.migration.from_name(), self.migration.to_name());
        let kind = |session: &Session| {
            let topology = session.topology();
            let size = topology.architecture.clone().map_or_else(String::new, |size| format!("{size}, "));
            format!("{size}{}, {}", view::count(topology.nodes.len(), "node"), topology.provider)
        };
        let mut text = format!("the data of {a} ({}) moves into {b} ({})\n", kind(from), kind(to));
        if turn == Turn::Begin {
            let carried = self.migration.carries().join(", ");
            let made = if record.fresh { "is made" } else { "is brought up to date; what it holds is replaced" };
            text.push_str(&format!("  {b:<16} {made}, with these secrets of {a}: {carried}\n"));
            text.push_str(&format!("  {a:<16} is backed up while users work, and {b} proves that it can read that\n"));
            for down in &stop.downtime {
                text.push_str(&format!("  {a:<16} {}: {}: {}\n", down.role, down.why, down.nodes.join(", ")));
            }
            text.push_str(&format!("  {a:<16} the last backup; users are served again when their name leads to {b}\n"));
        }
        if turn != Turn::Prove {
            text.push_str(&format!("  {b:<16} restores it, and makes a backup of its own\n"));
        }
        text.push_str(&format!("  {b:<16} is proven\n"));
        text
    }

    async fn steps(
        &self,
        from: &Reach,
        record: &mut MigrationRecord,
        turn: Turn,
        [first, stop]: [StopSignal; 2],
    ) -> Result<u8, Failure> {
        let Self { migration, output, .. } = self;
        let (a, b) = (migration.from_name(), migration.to_name());
        let asked = || first.asked().is_some() || stop.asked().is_some();
        macro_rules! well {
            ($code:expr) => {
                match $code {
                    exit::DONE if !asked() => {}
                    exit::DONE => return Ok(exit::STOPPED),
                    code => return Ok(code),
                }
            };
        }
        if turn == Turn::Begin {
            let carried = migration.carry()?;
            if !carried.is_empty() && !output.json() {
                let _ = writeln!(std::io::stderr(), "{b} has these secrets of {a} now: {}", carried.join(", "));
            }
            well!(self.apply(&format!("migrate: make {b} what its file says"), &stop).await?);
            let plan = migration.from.plan_backup(from, "incr")?;
            well!(self.work(&migration.from, from, &plan, "migrate: back up while users work", &stop).await?);
            let to = migration.to.reach().await?;
            migration.within_reach(&to).await?;
            if asked() {
                return Ok(exit::STOPPED);
            }
            // From here on what was restored before, if anything was, is out of date.
            *record = MigrationRecord { last_backup: None, restore: None, ..record.clone() };
            record.stopped = Some(Timestamp::now());
            migration.keep(record)?;
            let plan = migration.last_backup(from)?;
            let began = Timestamp::now().as_second();
            let id = migration.from.runs().new_id();
            well!(self.begin(&migration.from, from, &plan, id.clone(), "migrate: stop and back up", &stop).await?);
            well!(backup::proven(&migration.from, from, began, output).await?);
            record.last_backup = Some(id);
            migration.keep(record)?;
        }
        let to = migration.to.reach().await?;
        match (turn, &record.restore) {
            (Turn::Prove, _) => {}
            (Turn::GoOn, Some(id)) => {
                let resumed = migration.to.take_up(id, &format!("migrate {a} {b}"))?;
                let work = Work {
                    plan: &resumed.plan,
                    run: resumed.run,
                    finished: resumed.finished,
                    concurrency: self.args.concurrency,
                    stop: stop.clone(),
                };
                well!(carry_out(&migration.to, &to, work, false, output).await?);
            }
            _ => {
                let plan = migration.restore(&to)?;
                let id = migration.to.runs().new_id();
                record.restore = Some(id.clone());
                migration.keep(record)?;
                well!(self.begin(&migration.to, &to, &plan, id, &format!("migrate: restore {a}"), &stop).await?);
            }
        }
        // From here on it holds data that somebody would miss.
        record.fresh = false;
        migration.keep(record)?;
        well!(self.apply(&format!("migrate: prove {b}"), &stop).await?);
        record.done = Some(Timestamp::now());
        migration.keep(record)?;
        Ok(exit::DONE)
    }

    async fn work(
        &self,
        session: &Session,
        reach: &Reach,
        plan: &Plan,
        title: &str,
        stop: &StopSignal,
    ) -> Result<u8, Failure> {
        self.begin(session, reach, plan, session.runs().new_id(), title, stop).await
    }

    async fn begin(
        &self,
        session: &Session,
        reach: &Reach,
        plan: &Plan,
        id: RunId,
        title: &str,
        stop: &StopSignal,
    ) -> Result<u8, Failure> {
        let run = session.begin(id, plan, title)?;
        let concurrency = self.args.concurrency;
        let work = Work { plan, run, finished: BTreeSet::new(), concurrency, stop: stop.clone() };
        carry_out(session, reach, work, false, self.output).await
    }

    /// Makes the other environment what its file says, and proves it, also where there is nothing to change.
    async fn apply(&self, title: &str, stop: &StopSignal) -> Result<u8, Failure> {
        let (session, output) = (&self.migration.to, self.output);
        let reach = session.reach().await?;
        let (events, viewing) = output.start();
        events.send(Event::Note { text: title.to_owned() });
        let survey = session.survey(&reach, &[], &events).await;
        drop(events);
        viewing.finish().await;
        let survey = survey?;
        session.note_settled(&survey)?;
        consent(&survey.plan, &RunArgs { yes: true, ..self.args.clone() }, output, false)?;
        session.provider().keep_images().map_err(session::Error::from)?;
        let run = session.begin(session.runs().new_id(), &survey.plan, title)?;
        let concurrency = self.args.concurrency;
        let work = Work { plan: &survey.plan, run, finished: BTreeSet::new(), concurrency, stop: stop.clone() };
        carry_out(session, &reach, work, true, output).await
    }

    /// How things stand where the move stopped.
    fn state(&self, record: &MigrationRecord) -> String {
        let (a, file) = (self.migration.from_name(), self.migration.from.file().display());
        match record.stopped {
            None => format!("{a} serves as before"),
            Some(_) => format!("{a} takes no more work from users; `refarch apply {file}` lets it, and ends the move"),
        }
    }

    /// What is left to people.
    async fn done(&self, from: &Reach, record: &MigrationRecord) -> Result<u8, Failure> {
        let Self { migration, output, .. } = self;
        let Migration { from: old, to: new } = migration;
        let (a, b) = (migration.from_name(), migration.to_name());
        let asleep = migration.still(from).await?.is_empty();
        let stopped = record.stopped.map(|at| at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()).unwrap_or_default();
        if output.json() {
            output.document(&serde_json::json!({
                "from": a, "to": b, "stopped": record.stopped, "done": record.done, "from_is_quiet": asleep,
                "next": [format!("refarch destroy {}", old.file().display())],
                "go_back": format!("refarch apply {}", old.file().display()),
            }))?;
            return Ok(exit::DONE);
        }
        let url = &new.topology().external_url;
        let before = &old.topology().external_url;
        let named = if url == before { url.clone() } else { format!("{url}, and not {before} any more") };
        let (old, new) = (old.file().display(), new.file().display());
        output.print(&format!(
            "all that {a} had when it was stopped ({stopped}) is in {b}, and proven there\n\
             Left to you  users come to {named}: let that name lead to {b} (`refarch status {new}` has the addresses)\n\
             {:13}{b} has an authority of its own: whoever trusts that of {a} needs /etc/refarch/ca.crt of a node of {b}\n\
             {:13}then remove {a}: refarch destroy {old}\n\
             Go back      refarch apply {old}  ({a} serves again, without what was written to {b} since)\n",
            "", ""
        ))?;
        Ok(exit::DONE)
    }
}
