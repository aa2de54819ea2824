//! What a picture shows: node groups as boxes, and the ways between them.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    catalog::Protocol,
    topology::{Edge, Topology, wiring::USERS},
};

/// A topology boiled down to what a person wants to see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// Heading.
    pub title: String,
    /// Second line.
    pub subtitle: String,
    /// Boxes; the first is `users` where anybody outside may come in.
    pub boxes: Vec<Group>,
    /// Ways between different boxes.
    pub links: Vec<Link>,
}

/// A node group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Name of the group.
    pub name: String,
    /// Lines inside the box: node names without the environment's.
    pub lines: Vec<String>,
    /// Whether losing a node loses data.
    pub data_bearing: bool,
    /// Serves every node (monitoring, discovery): drawn below the rest, without single ways.
    pub common: bool,
    /// What a common group does for the rest.
    pub note: Option<String>,
}

/// A way from one group to another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Link {
    /// Index of the group that connects.
    pub from: usize,
    /// Index of the group that is connected to.
    pub to: usize,
    /// What and where: `postgres 6432`.
    pub labels: BTreeSet<String>,
}

impl Picture {
    /// The picture of a topology.
    #[must_use]
    pub fn of(topology: &Topology) -> Self {
        let mut boxes: Vec<Group> = Vec::new();
        let mut group_of: BTreeMap<&str, usize> = BTreeMap::new();
        if topology.edges.iter().any(|edge| edge.from == USERS) {
            group_of.insert(USERS, 0);
            boxes.push(Group {
                name: USERS.to_owned(),
                lines: vec![topology.domain.clone()],
                data_bearing: false,
                common: false,
                note: None,
            });
        }
        let prefix = format!("{}-", topology.environment);
        for node in &topology.nodes {
            let index = boxes.iter().position(|group| group.name == node.group).unwrap_or_else(|| {
                boxes.push(Group {
                    name: node.group.clone(),
                    lines: Vec::new(),
                    data_bearing: node.data_bearing,
                    common: false,
                    note: None,
                });
                boxes.len() - 1
            });
            boxes[index].lines.push(node.name.strip_prefix(&prefix).unwrap_or(&node.name).to_owned());
            group_of.insert(&node.name, index);
        }
        for balancer in &topology.balancers {
            group_of.insert(&balancer.name, boxes.len());
            boxes.push(Group {
                name: balancer.role.clone(),
                lines: vec!["the cloud's balancer".to_owned()],
                data_bearing: false,
                common: false,
                note: None,
            });
        }
        mark_common(topology, &group_of, &mut boxes);
        // What every machine offers is no way of this picture in particular, and gossip goes between all agents.
        let base = topology.nodes.first().and_then(|node| node.roles.first());
        let hidden = |edge: &Edge| {
            matches!(edge.protocol, Protocol::Metrics | Protocol::Gossip) || base.is_some_and(|base| base == role(edge))
        };
        let mut links: BTreeMap<(usize, usize), BTreeSet<String>> = BTreeMap::new();
        for edge in &topology.edges {
            let (from, to) = (group_of[edge.from.as_str()], group_of[edge.to.as_str()]);
            if from != to && !boxes[from].common && !boxes[to].common && !hidden(edge) {
                links.entry((from, to)).or_default().insert(format!("{} {}", protocol(edge.protocol), edge.port));
            }
        }
        let plural = if topology.nodes.len() == 1 { "" } else { "s" };
        Self {
            title: topology.environment.clone(),
            subtitle: format!(
                "{}{} node{plural} · stack {} · {}",
                topology.architecture.as_ref().map(|size| format!("{size} · ")).unwrap_or_default(),
                topology.nodes.len(),
                topology.stack,
                topology.provider
            ),
            links: links.into_iter().map(|((from, to), labels)| Link { from, to, labels }).collect(),
            boxes,
        }
    }
}

/// A group that connects to, or is connected from, nearly every other one says nothing in a picture of ways.
fn mark_common(topology: &Topology, group_of: &BTreeMap<&str, usize>, boxes: &mut [Group]) {
    let mut to_metrics: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
    let mut gossips: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
    for edge in &topology.edges {
        let (from, to) = (group_of[edge.from.as_str()], group_of[edge.to.as_str()]);
        if from == to {
            continue;
        }
        match edge.protocol {
            Protocol::Metrics => to_metrics.entry(from).or_default().insert(to),
            Protocol::Gossip
                if topology
                    .node(&edge.to)
                    .is_some_and(|node| node.roles.last().is_some_and(|own| own == role(edge))) =>
            {
                gossips.entry(to).or_default().insert(from)
            }
            _ => continue,
        };
    }
    let half = boxes.len() / 2;
    for (index, others) in to_metrics {
        if others.len() >= half.max(2) {
            boxes[index].common = true;
            boxes[index].note = Some("collects metrics from every node".to_owned());
        }
    }
    // Everybody gossips with everybody; the group that is there for it brought the port itself, the others an agent.
    for (index, others) in gossips {
        if others.len() >= 2 {
            boxes[index].common = true;
            boxes[index].note = Some(format!("discovery and leader election for {} groups", others.len()));
        }
    }
}

/// The role that a way leads to.
fn role(edge: &Edge) -> &str {
    edge.service.split_once('.').map_or(edge.service.as_str(), |(role, _)| role)
}

/// The name of a protocol in a label.
fn protocol(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Tcp => "tcp",
        Protocol::Http => "http",
        Protocol::Https => "https",
        Protocol::Postgres => "postgres",
        Protocol::Redis => "redis",
        Protocol::Git => "git",
        Protocol::Ssh => "ssh",
        Protocol::Gossip => "gossip",
        Protocol::Grpc => "grpc",
        Protocol::Metrics => "metrics",
    }
}
