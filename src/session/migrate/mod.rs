//! Moving an environment's data into another one: what must hold before, what goes along, and how far it is.

mod check;
mod record;
mod source;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

pub use record::MigrationRecord;

use super::{Error, Reach, Request, Session};
use crate::{
    configure::{Moment, Task},
    drill, exit,
    journal::{RunId, RunState},
    plan::{self, Plan, Source},
    provider::Condition,
    shared::Freshness,
};

/// Two environments, open: one whose data moves, and the one that it moves into.
pub struct Migration {
    /// Whose data moves.
    pub from: Session,
    /// Where it goes.
    pub to: Session,
}

/// Where a move goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// From its beginning. What was done already is looked at and left.
    Begin,
    /// The restore that was begun is finished.
    GoOn,
    /// Everything is restored: what is left is to prove it.
    Prove,
}

impl Turn {
    /// After a restore that came so far, from an environment that nobody has worked on since.
    fn after(restore: Option<RunState>) -> Self {
        match restore {
            Some(RunState::Done) => Self::Prove,
            Some(_) => Self::GoOn,
            // It was written down that it would begin, and it did not.
            None => Self::Begin,
        }
    }
}

impl Migration {
    /// Opens both, and refuses what cannot be moved. Touches nothing.
    ///
    /// # Errors
    /// When a file has faults, or the two do not fit each other.
    pub async fn open(from: &Request, to: &Request) -> Result<Self, Error> {
        let (from, to) = (Session::enter(from, Freshness::Needed).await?, Session::enter(to, Freshness::Needed).await?);
        let migration = Self { from, to };
        check::fit(&migration.from, &migration.to)?;
        Ok(migration)
    }

    /// Name of the environment whose data moves.
    #[must_use]
    pub fn from_name(&self) -> &str {
        &self.from.topology.environment
    }

    /// Name of the environment that it moves into.
    #[must_use]
    pub fn to_name(&self) -> &str {
        &self.to.topology.environment
    }

    /// How far the move is; begun now where it was not, or where one before it was done. Needs both locks.
    ///
    /// # Errors
    /// When another environment is on its way into this one, or the provider does not answer.
    pub async fn record(&self) -> Result<MigrationRecord, Error> {
        if let Some(record) = self.to.migration_record()?.filter(|record| record.done.is_none()) {
            if record.from == self.from_name() {
                // Whoever worked on it otherwise meanwhile may have let users in.
                let others = self.to.runs().list(None)?.into_iter().any(|run| {
                    run.started >= record.began
                        && !run.command.starts_with("migrate")
                        && record.restore.as_ref() != Some(&run.id)
                });
                return Ok(MigrationRecord { fresh: record.fresh && !others, ..record });
            }
            let (to, other) = (self.to_name(), &record.from);
            let message = format!("the data of `{other}` is on its way into `{to}`");
            let hint = format!(
                "finish that move, or remove `{to}` and begin anew: `refarch destroy {}`",
                self.to.file().display()
            );
            return Err(Error::refused(exit::FAILED, message, Some(&hint)));
        }
        Ok(MigrationRecord {
            from: self.from_name().to_owned(),
            began: Timestamp::now(),
            fresh: !self.is_there().await?,
            last_backup: None,
            stopped: None,
            restore: None,
            done: None,
        })
    }

    /// Writes down how far the move is.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn keep(&self, record: &MigrationRecord) -> Result<(), Error> {
        self.to.keep_migration(record)
    }

    /// Whether the environment that is moved into may hold somebody's data.
    async fn is_there(&self) -> Result<bool, Error> {
        if !self.to.provider.owns_machines() {
            // The machines are there anyway; whether refarch ever configured them, the workspace knows.
            return Ok(self.to.workspace.applied().exists());
        }
        Ok(self.to.provider.observe().await?.iter().any(|live| live.node.is_some()))
    }

    /// Refuses an environment that cannot be read from now: its nodes must run, its backups answer, no rotation be open.
    ///
    /// # Errors
    /// When something of that does not hold. Nothing was changed.
    pub async fn ready(&self, reach: &Reach) -> Result<(), Error> {
        check::runs(&self.from).await?;
        check::settled(&self.from)?;
        check::settled(&self.to)?;
        let (_, silent) = self.from.backups(reach).await?;
        check::answers(self.from_name(), &silent)?;
        check::origins(&self.from, &self.to)
    }

    /// Secrets that go along.
    #[must_use]
    pub fn carries(&self) -> &[String] {
        &self.from.catalog.stack.carries
    }

    /// Takes along the secrets that belong to the data or that users know. Returns those that were others before.
    ///
    /// # Errors
    /// When a store cannot be read or written.
    pub fn carry(&self) -> Result<Vec<String>, Error> {
        let theirs = self.from.stored_secrets()?;
        self.to.workspace.create()?;
        Ok(self.to.stored_secrets()?.carry(self.carries(), &theirs)?)
    }

    /// The plan that sends users away and makes the last backup.
    ///
    /// # Errors
    /// When a role is wrong for a node.
    pub fn last_backup(&self, reach: &Reach) -> Result<Plan, Error> {
        let tasks = self.from.backup_tasks(reach)?;
        Ok(plan::last_backup(&self.from.topology, &self.from.catalog.roles, &tasks))
    }

    /// The plan that fills the other environment.
    ///
    /// # Errors
    /// When a role is wrong for a node.
    pub fn restore(&self, reach: &Reach) -> Result<Plan, Error> {
        let file = std::path::absolute(self.from.file()).unwrap_or_else(|_| self.from.file().to_owned());
        let source = Source { environment: self.from_name().to_owned(), file: file.display().to_string() };
        Ok(plan::restore_from(&self.to.topology, &self.to.backup_tasks(reach)?, source))
    }

    /// Refuses where the nodes of the other environment do not get at the backups, while users still work.
    ///
    /// # Errors
    /// When a node cannot read them, or finds none.
    pub async fn within_reach(&self, reach: &Reach) -> Result<(), Error> {
        let (ways, _) = self.from.ways()?;
        let told = format!("export REFARCH_SOURCE='{}'\n", self.from_name());
        let before = |task: &Task| Some(format!("{told}{}", ways.get(&task.role)?));
        let lists = self.to.lists(reach, before).await?;
        let silent: Vec<String> = lists
            .into_iter()
            .filter_map(|list| match list.entries {
                Ok(entries) if !entries.is_empty() => None,
                Ok(_) => Some(format!("{}, {}: finds none", list.node, list.role)),
                Err(why) => Some(format!("{}, {}: {why}", list.node, list.role)),
            })
            .collect();
        if silent.is_empty() {
            return Ok(());
        }
        let (from, to) = (self.from_name(), self.to_name());
        let message = format!("the nodes of `{to}` cannot read the backups of `{from}`: {}", silent.join("; "));
        let hint = format!("`{from}` serves as before; its object storage must be reachable from there");
        Err(Error::refused(exit::FAILED, message, Some(&hint)))
    }

    /// Where the move goes on. A restore is finished only while nobody has worked on the environment that was left.
    ///
    /// # Errors
    /// When a journal cannot be read.
    pub async fn turn(&self, record: &MigrationRecord, from: &Reach) -> Result<Turn, Error> {
        let (Some(backup), Some(restore)) = (&record.last_backup, &record.restore) else { return Ok(Turn::Begin) };
        if !self.left_alone(backup)? || !self.still(from).await?.is_empty() {
            return Ok(Turn::Begin);
        }
        let state = self.to.runs().list(None)?.into_iter().find(|run| run.id == *restore).map(|run| run.state);
        Ok(Turn::after(state))
    }

    /// Whether the last backup is the last thing that was done to the environment.
    fn left_alone(&self, backup: &RunId) -> Result<bool, Error> {
        Ok(self.from.runs().list(None)?.first().is_some_and(|run| run.id == *backup))
    }

    /// Nodes whose roles take work from users again, or that do not say that they do not.
    ///
    /// # Errors
    /// When a role is wrong for a node, or the provider does not answer.
    pub async fn still(&self, reach: &Reach) -> Result<BTreeSet<String>, Error> {
        let tasks: BTreeMap<String, Vec<Task>> = self.from.backup_tasks(reach)?;
        // A machine that does not run takes no work either.
        let off: BTreeSet<String> = off_duty(&self.from).await?.into_iter().collect();
        let mut awake = BTreeSet::new();
        for (node, tasks) in tasks.into_iter().filter(|(node, _)| !off.contains(node)) {
            for task in tasks.into_iter().filter(|task| task.moment == Moment::Still) {
                let quiet = match reach.hosts.get(&node) {
                    Some(host) => drill::run(&reach.remote, host, "asking", task.run).await.is_ok(),
                    None => false,
                };
                if !quiet {
                    awake.insert(node.clone());
                }
            }
        }
        Ok(awake)
    }
}

/// Nodes of an environment that are not there, or do not run.
async fn off_duty(session: &Session) -> Result<Vec<String>, Error> {
    let live = session.provider.observe().await?;
    let runs = |name: &str| {
        live.iter().any(|live| live.node.as_deref() == Some(name) && matches!(live.condition, Condition::Good))
    };
    let nodes = session.topology.nodes.iter().filter(|node| !runs(&node.name));
    Ok(nodes.map(|node| node.name.clone()).collect())
}

#[cfg(test)]
mod tests;
