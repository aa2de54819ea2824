//! Nodes that go for good: what they do last, and whether they may.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join_all;

use super::{Error, Reach, Session};
use crate::{
    catalog::{Role, embedded},
    configure::{Moment, Task},
    drill, exit,
    journal::read_applied,
    plan::{self, Action, Downtime, Leaving, Plan},
    provider::{Change, Condition, Host, Live, diff::Difference},
    remote::shell::quote,
};

/// Nodes that go, with all that is needed to take their leave.
#[derive(Default)]
pub(super) struct Parting {
    /// Node -> what its roles do.
    pub tasks: BTreeMap<String, Vec<Task>>,
    /// Node -> how to reach it.
    pub hosts: BTreeMap<String, Host>,
    /// Node -> its roles.
    roles: BTreeMap<String, Vec<String>>,
    /// Nodes whose data others have.
    keeps_data: BTreeSet<String>,
    /// Nodes of which nothing is known any more.
    unknown: Vec<String>,
}

impl Session {
    /// What nodes that go for good do before, and what is left out because they do not answer.
    ///
    /// # Errors
    /// When a node must not go: nothing was changed.
    pub(super) async fn leaving(
        &self,
        reach: &Reach,
        difference: &Difference,
        live: &[Live],
    ) -> Result<(Leaving, Vec<String>), Error> {
        let going: BTreeSet<String> = difference
            .changes
            .iter()
            .filter_map(|change| match change {
                Change::Delete { live } => live.node.clone(),
                Change::Replace { resource, .. } => resource.node.clone(),
                _ => None,
            })
            .collect();
        let replaced = |node: &String| self.topology.node(node).is_some();
        let gone: BTreeSet<String> = going.iter().filter(|node| !replaced(node)).cloned().collect();
        let moves = self.moves(&gone, live).await?;
        if going.is_empty() {
            return Ok((Leaving { moves, ..Leaving::default() }, Vec::new()));
        }
        let there: BTreeSet<&String> = live.iter().filter_map(|live| live.node.as_ref()).collect();
        let stay: BTreeSet<String> = there.into_iter().filter(|node| !going.contains(*node)).cloned().collect();
        let runs = |node: &String| {
            live.iter().any(|live| live.node.as_ref() == Some(node) && live.condition == Condition::Good)
        };
        let (answering, silent): (BTreeSet<String>, BTreeSet<String>) = going.iter().cloned().partition(runs);
        let mut parting = self.parting(&answering, &going).await?;
        self.with_nobody_left(&mut parting, &stay);
        self.may_go(reach, &parting).await?;
        let notes = silent
            .iter()
            .map(|node| format!("{node} does not run: it goes without taking its leave"))
            .chain(parting.unknown.iter().map(|node| {
                format!("{node} goes without taking its leave: nothing is known of what it was, its group is not in the file")
            }))
            .collect();
        let staying = self.tasks(&self.addresses(&reach.hosts))?;
        Ok((Leaving { parting: parting.tasks, staying, keeps_data: parting.keeps_data, moves }, notes))
    }

    /// Roles that go with all their nodes.
    ///
    /// # Errors
    /// Where data would have to change its node: nothing carries it there.
    async fn moves(&self, gone: &BTreeSet<String>, live: &[Live]) -> Result<Vec<Downtime>, Error> {
        let there: BTreeSet<&String> = live.iter().filter_map(|live| live.node.as_ref()).collect();
        let mut before = read_applied(&self.workspace.applied())?.roles();
        before.retain(|node, _| there.contains(node));
        if gone.iter().any(|node| !before.contains_key(node)) {
            // Another laptop: what a node of that name carries in the architecture that has one.
            for (node, roles) in self.parting(gone, gone).await?.roles {
                before.entry(node).or_insert_with(|| roles.into_iter().collect());
            }
        }
        let moved = plan::moved(&before, &self.topology, &self.catalog.roles);
        let (refused, lost): (Vec<_>, Vec<_>) = moved.into_iter().partition(|moved| !moved.to.is_empty());
        if refused.is_empty() {
            return Ok(lost.iter().map(|moved| moved.downtime(&self.topology)).collect());
        }
        let reasons: Vec<String> = refused.iter().map(plan::Moved::reason).collect();
        let file = self.file().display();
        let message = format!("nothing was changed: {}", reasons.join("; "));
        let backs_up = |role: &Role| role.backup.as_ref().is_some_and(|spec| spec.source.is_some());
        let way = match self.catalog.roles.values().any(backs_up) {
            true => format!("`refarch migrate {file} SECOND` carries the data over"),
            false => "take the data there with the product's own backup and restore".to_owned(),
        };
        let hint = format!(
            "set {file} back to what is there; write a second file with another `name` and the new size, and {way}. Where \
             nothing of it matters, `refarch destroy {file}` and apply"
        );
        Err(Error::refused(exit::FAILED, message, Some(&hint)))
    }

    /// Where all nodes of a role go, there is nobody to hand anything over to, and nobody has its data.
    fn with_nobody_left(&self, parting: &mut Parting, stay: &BTreeSet<String>) {
        let stays = |role: &str| self.topology.with_role(role).any(|node| stay.contains(&node.name));
        let data = |role: &String| self.catalog.roles.get(role).is_some_and(|role| role.data_bearing);
        let roles = &parting.roles;
        parting
            .keeps_data
            .retain(|node| roles.get(node).into_iter().flatten().filter(|role| data(role)).all(|role| stays(role)));
        for tasks in parting.tasks.values_mut() {
            tasks.retain(|task| {
                let leave = self.catalog.roles.get(&task.role).and_then(|role| role.leave.as_ref());
                match task.moment {
                    Moment::Part => stays(&task.role) || !leave.is_some_and(|leave| leave.keeps_data),
                    Moment::Drainable | Moment::Drain => stays(&task.role),
                    // Where it is drained first, it is not as it will be yet.
                    Moment::Possible => !stays(&task.role) || leave.is_some_and(|leave| leave.drain.is_none()),
                    _ => true,
                }
            });
        }
    }

    /// The nodes that a plan makes take their leave.
    pub(super) async fn parting_of(&self, plan: &Plan) -> Result<Parting, Error> {
        let mut parts = BTreeSet::new();
        let mut going = BTreeSet::new();
        for step in &plan.steps {
            match &step.action {
                Action::Task { moment: Moment::Part | Moment::Drain, .. } => parts.extend(step.node.clone()),
                Action::Infrastructure(Change::Delete { .. } | Change::Replace { .. }) => {
                    going.extend(step.node.clone());
                }
                _ => {}
            }
        }
        self.parting(&parts, &going).await
    }

    /// What nodes do last, as the environment was while it had them. Besides them, all of `going` go.
    async fn parting(&self, nodes: &BTreeSet<String>, going: &BTreeSet<String>) -> Result<Parting, Error> {
        let mut parting = Parting::default();
        let mut before: Option<Self> = None;
        let gone: Vec<(&String, (String, u32))> = nodes
            .iter()
            .filter(|node| self.topology.node(node).is_none())
            .filter_map(|node| Some((node, self.place(node)?)))
            .collect();
        if !gone.is_empty() {
            let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
            for (_, (group, ordinal)) in &gone {
                let count = counts.entry(group).or_default();
                *count = (*count).max(*ordinal);
            }
            let sets: Vec<String> =
                counts.iter().map(|(group, count)| format!("nodes.{group}.count={count}")).collect();
            // With the groups that the file does not have any more, or of another size. A file that cannot be read as it
            // was says nothing about what was there.
            let sizes = embedded::reference_sizes().into_iter().map(|size| Some(format!("architecture={size}")));
            before = std::iter::once(None).chain(sizes).find_map(|size| {
                let mut request = self.request.clone();
                request.sets.extend(size);
                request.sets.extend(sets.iter().cloned());
                let session = Self::open(&request).ok()?;
                gone.iter().all(|(node, _)| session.topology.node(node).is_some()).then_some(session)
            });
        }
        for node in nodes {
            let session = if self.topology.node(node).is_some() { Some(self) } else { before.as_ref() };
            let Some(session) = session.filter(|session| session.topology.node(node).is_some()) else {
                parting.unknown.push(node.clone());
                continue;
            };
            session.part(node, &mut parting).await?;
            for task in parting.tasks.get_mut(node).into_iter().flatten() {
                self.told_who_drains(node, task, going);
            }
        }
        Ok(parting)
    }

    /// A node is drained from one that stays, which is told what goes.
    fn told_who_drains(&self, node: &str, task: &mut Task, going: &BTreeSet<String>) {
        if !matches!(task.moment, Moment::Drainable | Moment::Drain) {
            return;
        }
        let leave = self.catalog.roles.get(&task.role).and_then(|role| role.leave.as_ref());
        let Some(drain) = leave.and_then(|leave| leave.drain.as_ref()) else { return };
        let stays = self.topology.with_role(&drain.on).find(|other| !going.contains(&other.name));
        task.on = stays.map(|other| other.name.clone());
        let others: Vec<&str> = going.iter().map(String::as_str).filter(|other| *other != node).collect();
        task.run = format!("REFARCH_NODE={}\nREFARCH_GOING={}\n{}", quote(node), quote(&others.join(" ")), task.run);
    }

    async fn part(&self, node: &str, parting: &mut Parting) -> Result<(), Error> {
        let hosts = self.provider.hosts(&self.topology).await?;
        let hosts: BTreeMap<String, Host> = hosts.into_iter().map(|host| (host.node.clone(), host)).collect();
        let Some(host) = hosts.get(node).cloned() else { return Ok(()) };
        let tasks = self.tasks(&self.addresses(&hosts))?.remove(node).unwrap_or_default();
        let roles = self.topology.node(node).map(|node| node.roles.as_slice()).unwrap_or_default();
        let mut data = roles.iter().filter_map(|role| self.catalog.roles.get(role)).filter(|role| role.data_bearing);
        // A role may leave it to one that it brings along.
        let keeps = |role: &Role| role.leave.as_ref().is_some_and(|leave| leave.keeps_data);
        let brought = |role: &Role| role.with.iter().filter_map(|name| self.catalog.roles.get(name)).any(keeps);
        if data.all(|role| keeps(role) || brought(role)) {
            parting.keeps_data.insert(node.to_owned());
        }
        parting.roles.insert(node.to_owned(), roles.to_vec());
        parting.tasks.insert(node.to_owned(), tasks);
        parting.hosts.insert(node.to_owned(), host);
        Ok(())
    }

    /// Group and number of a node by its name.
    fn place(&self, node: &str) -> Option<(String, u32)> {
        let own = node.strip_prefix(&self.topology.environment)?.strip_prefix('-')?;
        let (group, ordinal) = own.rsplit_once('-')?;
        Some((group.to_owned(), ordinal.parse().ok()?))
    }

    /// Asks every node that goes whether it may.
    async fn may_go(&self, reach: &Reach, parting: &Parting) -> Result<(), Error> {
        let questions = parting.tasks.iter().flat_map(|(node, tasks)| {
            let asked = tasks.iter().filter(|task| matches!(task.moment, Moment::Possible | Moment::Drainable));
            asked.filter_map(move |task| {
                let host = match &task.on {
                    Some(other) => reach.hosts.get(other)?,
                    None => parting.hosts.get(node)?,
                };
                Some((node, host, task))
            })
        });
        let answers = questions.map(|(node, host, task)| async move {
            drill::run(&reach.remote, host, "asking", task.run.clone()).await.map_err(|trouble| (node, task, trouble))
        });
        let refusals: Vec<String> = join_all(answers)
            .await
            .into_iter()
            .filter_map(Result::err)
            .map(|(node, task, trouble)| match trouble {
                drill::Trouble::Failed { said, .. } => format!("{node} cannot leave {}: {said}", task.role),
                other => format!("{node} cannot leave {}, nobody can be asked whether it may: {other}", task.role),
            })
            .collect();
        if refusals.is_empty() {
            return Ok(());
        }
        Err(Error::refused(
            exit::FAILED,
            format!("nothing was changed: {}", refusals.join("; ")),
            Some("mend what is named, or keep the node: set its group's count back"),
        ))
    }
}
