//! Who reaches whom, on which port, through which balancer, with which check: derived from the roles' ports.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    expression::Facts,
    model::{Edge, Leg, Node, Topology},
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
    let mut edges = BTreeSet::new();
    for (name, role) in roles {
        let servers: Vec<&Node> = topology.with_role(name).collect();
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
                    add(&mut edges, topology, name, port, reach, &servers);
                }
            }
        }
    }
    Ok(edges.into_iter().collect())
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

fn add(edges: &mut BTreeSet<Edge>, topology: &Topology, role: &str, port: &PortSpec, reach: &Reach, servers: &[&Node]) {
    let edge = |from: &str, to: &str, number: u16, leg: Leg| Edge {
        from: from.to_owned(),
        to: to.to_owned(),
        port: number,
        protocol: port.protocol,
        service: format!("{role}.{}", port.name),
        leg,
        check: if leg == Leg::Front { None } else { port.check.clone() },
        udp: port.udp,
    };
    let standing = |role: &str| -> Vec<&str> {
        let nodes = topology.nodes.iter().filter(|node| node.has(role)).map(|node| node.name.as_str());
        nodes.chain(topology.balancer(role).map(|balancer| balancer.name.as_str())).collect()
    };
    let clients: Vec<&str> = match reach.role.as_str() {
        USERS => vec![USERS],
        ALL => topology.nodes.iter().map(|node| node.name.as_str()).collect(),
        client => standing(client),
    };
    let balancers: Vec<&str> = reach.through.iter().flat_map(|balancer| standing(balancer)).collect();
    for client in &clients {
        for balancer in &balancers {
            edges.insert(edge(client, balancer, reach.listen.unwrap_or(port.port), Leg::Front));
        }
        if balancers.is_empty() {
            for server in servers {
                // A peer does not need a way to itself; a client on the same machine does.
                if server.name != *client || !(reach.role == role || reach.role == ALL) {
                    edges.insert(edge(client, &server.name, port.port, Leg::Direct));
                }
            }
        }
    }
    if !clients.is_empty() {
        for balancer in &balancers {
            for server in servers {
                edges.insert(edge(balancer, &server.name, port.port, Leg::Back));
            }
        }
    }
}
