//! Who reaches whom, on which port, through which balancer, with which check: derived from the roles' ports.

use std::collections::BTreeMap;

use super::{
    Name,
    expression::Facts,
    model::{Edge, Leg, Topology},
    resolve::ResolveError,
};
use crate::catalog::{PortSpec, Reach, Role, StackSpec};

/// Name of the world outside in `from` and in [`Edge::from`].
pub const USERS: &str = "users";
/// `from` of a port that every node may reach.
pub const ALL: &str = "all";

/// Which port stands behind each of the stack's service names: the first whose role the environment has.
///
/// # Errors
/// A port's `when` that cannot be evaluated.
pub fn services(
    stack: &StackSpec,
    roles: &BTreeMap<String, Role>,
    topology: &Topology,
    facts: &Facts<'_>,
) -> Result<BTreeMap<String, String>, ResolveError> {
    let mut found = BTreeMap::new();
    for (name, candidates) in &stack.services {
        for candidate in candidates {
            let Some((role, port)) = candidate.split_once('.') else { continue };
            let Some(spec) = roles.get(role).and_then(|role| role.ports.iter().find(|spec| spec.name == port)) else {
                continue;
            };
            if topology.has_role(role) && open(role, spec, facts)? {
                found.insert(name.clone(), candidate.clone());
                break;
            }
        }
    }
    Ok(found)
}

/// Every way that traffic takes, sorted.
///
/// # Errors
/// A port's `when` that cannot be evaluated.
pub fn edges(
    roles: &BTreeMap<String, Role>,
    topology: &Topology,
    facts: &Facts<'_>,
) -> Result<Vec<Edge>, ResolveError> {
    let mut ways = Ways::new(topology);
    for (name, role) in roles {
        let servers: Vec<usize> = carriers(topology, name);
        if servers.is_empty() {
            continue;
        }
        for port in &role.ports {
            if !open(name, port, facts)? {
                continue;
            }
            for reach in &port.from {
                let spared = |other: &String| topology.has_role(other) || balanced_by(topology, port, other);
                let open = reach.unless.as_ref().is_none_or(|other| !spared(other));
                if open && !beyond(topology, port, reach) {
                    ways.add(topology, name, port, reach, &servers);
                }
            }
        }
    }
    Ok(ways.sorted())
}

/// Indexes of the nodes that carry a role.
fn carriers(topology: &Topology, role: &str) -> Vec<usize> {
    topology.nodes.iter().enumerate().filter(|(_, node)| node.has(role)).map(|(index, _)| index).collect()
}

/// Indexes among the names of ways: of the nodes that carry a role, and of the cloud's balancer that stands in their place.
fn standing(topology: &Topology, role: &str) -> Vec<usize> {
    let mut found = carriers(topology, role);
    let balancers = topology.balancers.iter().enumerate().filter(|(_, balancer)| balancer.role == role);
    found.extend(balancers.map(|(index, _)| topology.nodes.len() + index));
    found
}

/// Whether a way leads over a balancer of the cloud that cannot listen where the role wants it to.
fn beyond(topology: &Topology, port: &PortSpec, reach: &Reach) -> bool {
    let through = reach.through.as_deref().filter(|role| !topology.has_role(role));
    let balancer = through.and_then(|role| topology.balancer(role));
    balancer.is_some_and(|balancer| !balancer.translates && reach.listen.is_some_and(|listen| listen != port.port))
}

/// Whether a balancer of the cloud in place of a role leads to the port.
fn balanced_by(topology: &Topology, port: &PortSpec, role: &str) -> bool {
    let over = |reach: &&Reach| reach.through.as_deref() == Some(role) && !beyond(topology, port, reach);
    topology.balancer(role).is_some() && port.from.iter().any(|reach| over(&reach))
}

fn open(role: &str, port: &PortSpec, facts: &Facts<'_>) -> Result<bool, ResolveError> {
    facts.holds(role, port.when.as_deref()).map_err(|reason| ResolveError::Expression {
        role: role.to_owned(),
        port: port.name.clone(),
        reason,
    })
}

/// Ways while they are gathered: a thousand nodes have a hundred thousand, so names are shared, and compared by rank.
struct Ways {
    /// Every node's name in the topology's order, then those of the cloud's balancers, then that of the world outside, each with its place among all names.
    names: Vec<(Name, u32)>,
    found: Vec<(u64, Edge)>,
}

impl Ways {
    fn new(topology: &Topology) -> Self {
        let balancers = topology.balancers.iter().map(|balancer| balancer.name.as_str());
        let texts: Vec<&str> =
            topology.nodes.iter().map(|node| node.name.as_str()).chain(balancers).chain([USERS]).collect();
        let mut order: Vec<usize> = (0..texts.len()).collect();
        order.sort_by_key(|index| texts[*index]);
        let mut names: Vec<(Name, u32)> = texts.iter().map(|text| (Name::from(*text), 0)).collect();
        for (rank, index) in (0u32..).zip(order) {
            names[index].1 = rank;
        }
        Self { names, found: Vec::new() }
    }

    fn add(&mut self, topology: &Topology, role: &str, port: &PortSpec, reach: &Reach, servers: &[usize]) {
        let service = Name::from(format!("{role}.{}", port.name).as_str());
        let mut way = |from: usize, to: usize, number: u16, leg: Leg| {
            let [(from, first), (to, second)] = [&self.names[from], &self.names[to]];
            let edge = Edge {
                from: from.clone(),
                to: to.clone(),
                port: number,
                protocol: port.protocol,
                service: service.clone(),
                leg,
                check: if leg == Leg::Front { None } else { port.check.clone() },
                udp: port.udp,
            };
            self.found.push((u64::from(*first) << 32 | u64::from(*second), edge));
        };
        let outside = self.names.len() - 1;
        let clients: Vec<usize> = match reach.role.as_str() {
            USERS => vec![outside],
            ALL => (0..topology.nodes.len()).collect(),
            client => standing(topology, client),
        };
        let balancers: Vec<usize> = reach.through.iter().flat_map(|balancer| standing(topology, balancer)).collect();
        for client in &clients {
            for balancer in &balancers {
                way(*client, *balancer, reach.listen.unwrap_or(port.port), Leg::Front);
            }
            if balancers.is_empty() {
                for server in servers {
                    // A peer does not need a way to itself; a client on the same machine does.
                    if server != client || !(reach.role == role || reach.role == ALL) {
                        way(*client, *server, port.port, Leg::Direct);
                    }
                }
            }
        }
        if !clients.is_empty() {
            for balancer in &balancers {
                for server in servers {
                    way(*balancer, *server, port.port, Leg::Back);
                }
            }
        }
    }

    fn sorted(mut self) -> Vec<Edge> {
        self.found.sort_unstable_by(|(a, one), (b, other)| a.cmp(b).then_with(|| one.cmp(other)));
        let mut edges: Vec<Edge> = self.found.into_iter().map(|(_, edge)| edge).collect();
        edges.dedup();
        edges
    }
}
