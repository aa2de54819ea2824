//! Where a drill is made.

use futures_util::future::join_all;

use super::conduct::Conduct;
use crate::{
    catalog::{DrillSpec, Which},
    drill::run,
    provider::Host,
    session::Error,
};

/// Where a drill is made.
pub(super) enum Place<'a> {
    /// Groups of nodes: each group at once, one group after the other.
    On(Vec<Vec<&'a Host>>),
    /// It is not made, for this reason.
    Skip(String),
}

impl Conduct<'_> {
    /// Where a drill is made, or why it is not.
    pub(super) async fn places(&self, drill: &DrillSpec) -> Result<Place<'_>, Error> {
        let topology = &self.session.topology;
        if !self.renderer.holds(drill.when.as_deref())? {
            let why = drill.because.clone().unwrap_or_else(|| "this environment does not have it".to_owned());
            return Ok(Place::Skip(why));
        }
        let target = &drill.on;
        let role = target.roles.iter().find(|role| topology.has_role(role));
        let fits = |node: &&crate::topology::Node| {
            (target.roles.is_empty() || role.is_some_and(|role| node.has(role)))
                && target.zone.is_none_or(|zone| node.zone == zone)
        };
        let hosts: Vec<&Host> =
            topology.nodes.iter().filter(fits).filter_map(|node| self.reach.hosts.get(&node.name)).collect();
        if hosts.len() < target.least.max(1) {
            let what = target.roles.first().map_or("", String::as_str);
            return Ok(Place::Skip(format!("needs {} nodes {what}, there are {}", target.least.max(1), hosts.len())));
        }
        let chosen = match target.which {
            Which::All => vec![hosts],
            Which::Turns => hosts.into_iter().map(|host| vec![host]).collect(),
            Which::First => vec![vec![hosts[0]]],
            Which::Leader | Which::Follower | Which::Where => {
                let wanted = target.which != Which::Follower;
                let answers = join_all(hosts.iter().map(|host| async move {
                    let question = self.question(drill, host, role)?;
                    Ok::<_, Error>(run(&self.reach.remote, host, "asking", question).await.is_ok())
                }))
                .await
                .into_iter()
                .collect::<Result<Vec<bool>, Error>>()?;
                match hosts.iter().zip(answers).find(|(_, answer)| *answer == wanted) {
                    Some((host, _)) => vec![vec![*host]],
                    None => return Ok(Place::Skip("no node is the one that is meant".to_owned())),
                }
            }
        };
        if let Some(possible) = &drill.possible {
            let host = chosen[0][0];
            let text = self.renderer.node_text(&host.node, possible)?;
            if let Err(trouble) = run(&self.reach.remote, host, "asking", text).await {
                let why = match trouble {
                    crate::drill::Trouble::Failed { said, .. } => said,
                    other => other.to_string(),
                };
                return Ok(Place::Skip(why));
            }
        }
        Ok(Place::On(chosen))
    }

    fn question(&self, drill: &DrillSpec, host: &Host, role: Option<&String>) -> Result<String, Error> {
        if let Some(text) = &drill.on.question {
            return Ok(self.renderer.node_text(&host.node, text)?);
        }
        let leaders = self.renderer.questions(&host.node)?.leaders;
        let own = leaders.into_iter().find(|(own, _)| Some(own) == role);
        Ok(own.map_or_else(|| "false".to_owned(), |(_, text)| text))
    }
}
