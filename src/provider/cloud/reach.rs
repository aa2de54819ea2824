//! Who may reach whom: the topology's ways, folded into rules per node group. Only who needs it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use serde_json::Value;

use super::options::{Access, CloudOptions};
use crate::{
    provider::Resource,
    topology::{Leg, Topology, wiring::USERS},
};

/// SSH, which is for those who look after the environment.
const SSH: u16 = 22;

/// Ports that somebody may reach.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rule {
    /// UDP, else TCP.
    pub udp: bool,
    /// First port.
    pub first: u16,
    /// Last port.
    pub last: u16,
    /// Who.
    pub from: Source,
}

/// Who may reach a port.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// Nodes of a group, or `everyone`, or `bastion`: whoever has the firewall of that name.
    Firewall(String),
    /// A network.
    Range(String),
}

/// Name of the firewall that every node has.
pub const EVERYONE: &str = "everyone";
/// Name of the firewall of the cloud's balancer.
pub const BALANCER: &str = "balancer";
/// Name of the bastion and of its firewall.
pub const BASTION: &str = "bastion";

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let protocol = if self.udp { "udp" } else { "tcp" };
        write!(f, "{protocol}/{}", self.first)?;
        if self.last != self.first {
            write!(f, "-{}", self.last)?;
        }
        match &self.from {
            Source::Firewall(name) => write!(f, " from {name}"),
            Source::Range(range) => write!(f, " from {range}"),
        }
    }
}

impl Rule {
    /// The rules of a resource, wanted or there.
    #[must_use]
    pub fn all(resource: &Resource) -> Vec<Self> {
        let texts = resource.attributes.get("rules").and_then(Value::as_array);
        texts.into_iter().flatten().filter_map(|text| Self::parse(text.as_str()?)).collect()
    }

    /// Reads what [`fmt::Display`] writes; none where it is something else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (what, from) = text.split_once(" from ")?;
        let (protocol, ports) = what.split_once('/')?;
        let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
        let from = match from.contains('/') {
            true => Source::Range(from.to_owned()),
            false => Source::Firewall(from.to_owned()),
        };
        let udp = match protocol {
            "tcp" => false,
            "udp" => true,
            _ => return None,
        };
        Some(Self { udp, first: first.parse().ok()?, last: last.parse().ok()?, from })
    }
}

/// Nodes that users come to: those in front of everything.
#[must_use]
pub fn door(topology: &Topology) -> BTreeSet<&str> {
    let users = || topology.edges.iter().filter(|edge| edge.from == USERS && edge.port != SSH);
    let front: BTreeSet<&str> = users().filter(|edge| edge.leg == Leg::Front).map(|edge| edge.to.as_str()).collect();
    match front.is_empty() {
        true => users().map(|edge| edge.to.as_str()).collect(),
        false => front,
    }
}

/// Ports at the door that users come to, with how many there are.
#[must_use]
pub fn door_ports(topology: &Topology) -> BTreeSet<u16> {
    let door = door(topology);
    let users = topology.edges.iter().filter(|edge| edge.from == USERS && edge.port != SSH);
    users.filter(|edge| door.contains(edge.to.as_str())).map(|edge| edge.port).collect()
}

/// Firewall -> what it lets in. Every group of nodes has an entry, if only an empty one.
#[must_use]
pub fn rules(topology: &Topology, options: &CloudOptions, bastion: bool) -> BTreeMap<String, Vec<Rule>> {
    let mut groups: BTreeMap<&str, &str> =
        topology.nodes.iter().map(|node| (node.name.as_str(), node.group.as_str())).collect();
    let all: BTreeSet<&str> = groups.values().copied().collect();
    // A balancer between the nodes has a firewall of its own, as a group would have.
    groups.extend(topology.balancers.iter().map(|balancer| (balancer.name.as_str(), balancer.role.as_str())));
    let door = door(topology);
    let ranges = |ranges: &[ipnet::IpNet]| -> Vec<Source> {
        ranges.iter().map(|range| Source::Range(range.to_string())).collect()
    };
    // Firewall, protocol, port -> who.
    let mut open: BTreeMap<(&str, bool, u16), BTreeSet<Source>> = BTreeMap::new();
    let mut inside: BTreeMap<(&str, bool, u16), BTreeSet<&str>> = BTreeMap::new();
    for edge in &topology.edges {
        let Some(to) = groups.get(edge.to.as_str()) else { continue };
        let protocols = if edge.udp { &[false, true][..] } else { &[false] };
        for udp in protocols.iter().copied() {
            let key = (*to, udp, edge.port);
            match groups.get(edge.from.as_str()) {
                // A machine reaches itself whatever its firewall says.
                Some(_) if edge.from == edge.to => {}
                Some(from) => {
                    inside.entry(key).or_default().insert(from);
                }
                None if edge.port == SSH => open.entry(key).or_default().extend(ssh_sources(options, bastion)),
                None if door.contains(edge.to.as_str()) => {
                    let through = vec![Source::Firewall(BALANCER.to_owned())];
                    let sources = if options.balancer { through } else { ranges(&options.allowed) };
                    open.entry(key).or_default().extend(sources);
                }
                None => {
                    let sources = match bastion {
                        true => vec![Source::Firewall(BASTION.to_owned())],
                        false => ranges(&options.admins),
                    };
                    open.entry(key).or_default().extend(sources);
                }
            }
        }
    }
    for (key, from) in inside {
        let sources = open.entry(key).or_default();
        match from.len() > 1 && from == all {
            true => sources.extend([Source::Firewall(EVERYONE.to_owned())]),
            false => sources.extend(from.into_iter().map(|group| Source::Firewall(group.to_owned()))),
        }
    }
    let every: BTreeSet<&str> = groups.values().copied().collect();
    let mut rules: BTreeMap<String, Vec<Rule>> = every.iter().map(|group| ((*group).to_owned(), Vec::new())).collect();
    for ((group, udp, port), sources) in open {
        let into = rules.entry(group.to_owned()).or_default();
        for from in sources {
            match into
                .iter_mut()
                .find(|rule| rule.udp == udp && rule.from == from && rule.last.checked_add(1) == Some(port))
            {
                Some(rule) => rule.last = port,
                None => into.push(Rule { udp, first: port, last: port, from }),
            }
        }
    }
    if bastion {
        let admins = ranges(&options.admins).into_iter();
        let rule = |from| Rule { udp: false, first: SSH, last: SSH, from };
        rules.insert(BASTION.to_owned(), admins.map(rule).collect());
    }
    if options.balancer {
        let ports = door_ports(topology).into_iter();
        let rule = |port| {
            ranges(&options.allowed).into_iter().map(move |from| Rule { udp: false, first: port, last: port, from })
        };
        rules.insert(BALANCER.to_owned(), ports.flat_map(rule).collect());
    }
    for rules in rules.values_mut() {
        rules.sort();
    }
    rules
}

fn ssh_sources(options: &CloudOptions, bastion: bool) -> Vec<Source> {
    match options.access {
        Access::Bastion if bastion => vec![Source::Firewall(BASTION.to_owned())],
        Access::Bastion | Access::Public => {
            options.admins.iter().map(|range| Source::Range(range.to_string())).collect()
        }
        Access::Tunnel => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_read_back() {
        for text in ["tcp/22 from bastion", "udp/8300-8302 from consul", "tcp/443 from 0.0.0.0/0", "tcp/1 from ::/0"] {
            assert_eq!(Rule::parse(text).unwrap().to_string(), text);
        }
        for text in ["", "tcp/22", "icmp/1 from a", "tcp/x from a"] {
            assert_eq!(Rule::parse(text), None, "{text}");
        }
    }
}
