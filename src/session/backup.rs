//! Backups of an environment: what its roles do for them, what there is, and the way back.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Error, Reach, Session};
use crate::{
    configure::{Moment, Task},
    exit,
    plan::{self, Plan, Verb},
    remote::{Program, Remote as _},
};

/// A backup that is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Backup {
    /// Node that it was made on, or that was asked for it.
    pub node: String,
    /// Role.
    pub role: String,
    /// What it is.
    #[serde(flatten)]
    pub entry: BackupEntry,
}

/// What a role tells of one backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupEntry {
    /// `full`, `incr`, `repositories`, `secrets`.
    pub kind: String,
    /// In the words of the program that made it.
    pub id: String,
    /// When it was complete, in seconds since 1970.
    pub at: i64,
    /// Size in the object storage, where that is known.
    pub bytes: Option<u64>,
}

/// What one node lists of one role, or why it cannot.
pub(super) struct List {
    pub(super) node: String,
    pub(super) role: String,
    pub(super) entries: Result<Vec<BackupEntry>, String>,
}

impl Session {
    /// What the roles do for backups on each node.
    pub(super) fn backup_tasks(&self, reach: &Reach) -> Result<BTreeMap<String, Vec<Task>>, Error> {
        self.with_backups(self.tasks(&self.addresses(&reach.hosts))?)
    }

    /// The same tasks, where they are those of an environment that has backups.
    pub(super) fn with_backups(
        &self,
        tasks: BTreeMap<String, Vec<Task>>,
    ) -> Result<BTreeMap<String, Vec<Task>>, Error> {
        if tasks.values().flatten().any(|task| task.moment == Moment::Backup) {
            return Ok(tasks);
        }
        let hint = "set `settings.backup.endpoint` and `settings.backup.bucket` in the environment file, and apply it; \
                    `refarch explain settings.backup` lists what can be set";
        let stack = &self.topology.stack;
        if self.catalog.roles.values().all(|role| role.backup.as_ref().is_none_or(|spec| spec.now.is_none())) {
            let message = format!("this environment has no backups: stack `{stack}` cannot make any yet");
            return Err(Error::refused(exit::FAILED, message, None));
        }
        Err(Error::refused(exit::FAILED, "this environment has no backups", Some(hint)))
    }

    /// The plan of a backup: `full`, or `incr` for what changed since the last one.
    ///
    /// # Errors
    /// When the environment has no backups.
    pub fn plan_backup(&self, reach: &Reach, kind: &str) -> Result<Plan, Error> {
        Ok(plan::backup(&self.topology, &self.backup_tasks(reach)?, kind))
    }

    /// The plan that restores the newest backups beside the live data and reads them.
    ///
    /// # Errors
    /// When the environment has no backups.
    pub fn plan_backup_check(&self, reach: &Reach) -> Result<Plan, Error> {
        Ok(plan::verify_backups(&self.topology, &self.backup_tasks(reach)?))
    }

    /// The plan that goes back to `at`, or to the newest backup.
    ///
    /// # Errors
    /// When the environment has no backups, or the time has not come yet.
    pub fn plan_restore(&self, reach: &Reach, at: Option<Timestamp>) -> Result<Plan, Error> {
        if at.is_some_and(|at| at > Timestamp::now()) {
            return Err(Error::refused(exit::USAGE, "nobody can go back to a time that has not come yet", None));
        }
        // As PostgreSQL and date(1) both read it.
        let target = at.map(|at| at.strftime("%Y-%m-%d %H:%M:%S%.6f+00").to_string());
        Ok(plan::restore(&self.topology, &self.backup_tasks(reach)?, target.as_deref()))
    }

    /// What there is, the oldest first; and what could not be asked, each with the reason.
    ///
    /// # Errors
    /// When the environment has no backups.
    pub async fn backups(&self, reach: &Reach) -> Result<(Vec<Backup>, Vec<String>), Error> {
        let (mut found, mut silent) = (Vec::new(), Vec::new());
        for List { node, role, entries } in self.lists(reach, |_| Some(String::new())).await? {
            match entries {
                Ok(entries) => found.extend(entries.into_iter().map(|entry| Backup {
                    node: node.clone(),
                    role: role.clone(),
                    entry,
                })),
                Err(why) => silent.push(format!("{node}, {role}: {why}")),
            }
        }
        found.sort_by_key(|backup| backup.entry.at);
        Ok((found, silent))
    }

    /// What every node lists; `before` is shell text before a role's own, and nothing for a role that is not asked.
    pub(super) async fn lists(
        &self,
        reach: &Reach,
        before: impl Fn(&Task) -> Option<String>,
    ) -> Result<Vec<List>, Error> {
        let mut lists = Vec::new();
        for (node, tasks) in self.backup_tasks(reach)? {
            for task in tasks.iter().filter(|task| task.moment == Moment::List) {
                let Some(before) = before(task) else { continue };
                let entries = self.ask(reach, &node, task, &before).await;
                lists.push(List { node: node.clone(), role: task.role.clone(), entries });
            }
        }
        Ok(lists)
    }

    async fn ask(&self, reach: &Reach, node: &str, task: &Task, before: &str) -> Result<Vec<BackupEntry>, String> {
        let host = reach.hosts.get(node).ok_or("it is not there")?;
        let program = Program {
            command: "sh -s".to_owned(),
            stdin: format!("{before}{}", task.run).into_bytes(),
            root: true,
            deadline: Duration::from_secs(120),
        };
        let output = reach.remote.run(host, program, &|_| {}).await.map_err(|error| error.to_string())?;
        if output.code != Some(0) {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(said.lines().last().unwrap_or("it could not be listed").to_owned());
        }
        let lines = String::from_utf8_lossy(&output.stdout).into_owned();
        let parse = |line: &str| serde_json::from_str(line).map_err(|error| format!("`{line}`: {error}"));
        lines.lines().filter(|line| !line.trim().is_empty()).map(parse).collect()
    }

    /// What tasks of a run are told, as shell text before their own.
    pub(super) fn told(&self, plan: &Plan) -> Result<String, Error> {
        let to = plan.to.as_deref().unwrap_or_default();
        // A restore ends with a full backup: the chain of the old ones belongs to another past.
        let (kind, target) = match plan.verb {
            Verb::Backup => (to, ""),
            Verb::Restore => ("full", to),
            Verb::Verify => ("", ""),
            Verb::Apply | Verb::Upgrade | Verb::Destroy | Verb::Drill => return Ok(String::new()),
        };
        let good = |c: char| c.is_ascii_alphanumeric() || " .:+-".contains(c);
        if !format!("{kind}{target}").chars().all(good) {
            return Err(Error::refused(exit::FAILED, format!("`{to}` is neither a time nor a kind of backup"), None));
        }
        // Encrypted for the user's identity, so it may travel as it is. Armor has no character that ends the text.
        let secrets = std::fs::read_to_string(self.workspace.secrets()).unwrap_or_default();
        let source = plan.source.as_ref().map_or("", |source| source.environment.as_str());
        Ok(format!(
            "export REFARCH_KIND='{kind}' REFARCH_TARGET='{target}' REFARCH_SOURCE='{source}'\n\
             REFARCH_SECRETS=$(cat <<'END_OF_SECRETS'\n{}\nEND_OF_SECRETS\n)\n",
            secrets.trim_end()
        ))
    }
}
