//! What a balancer of the cloud leads to: services, each with a port to listen on and the nodes behind it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use serde_json::{Value, json};

use super::reach;
use crate::{
    provider::{Resource, ResourceId},
    topology::{Check, Leg, Topology},
};

/// One port of a balancer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Service {
    /// Port that clients come to.
    pub listen: u16,
    /// Port of the nodes behind.
    pub port: u16,
    /// Port where a node is asked whether it is good.
    pub asked: u16,
    /// Path that is asked for there; none: a connection is enough.
    pub path: Option<String>,
    /// Nodes behind.
    pub nodes: BTreeSet<ResourceId>,
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { listen, port, asked, path, nodes } = self;
        write!(f, "{listen} to {port}, asked at {asked}{}", path.as_deref().unwrap_or_default())?;
        let nodes: Vec<&str> = nodes.iter().map(String::as_str).collect();
        if nodes.is_empty() { Ok(()) } else { write!(f, ": {}", nodes.join(" ")) }
    }
}

impl Service {
    /// Reads what [`fmt::Display`] writes; none where it is something else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (way, nodes) = text.split_once(": ").unwrap_or((text, ""));
        let (ports, asked) = way.split_once(", asked at ")?;
        let (listen, port) = ports.split_once(" to ")?;
        let (asked, path) = match asked.find('/') {
            Some(start) => (&asked[..start], Some(asked[start..].to_owned())),
            None => (asked, None),
        };
        Some(Self {
            listen: listen.parse().ok()?,
            port: port.parse().ok()?,
            asked: asked.parse().ok()?,
            path,
            nodes: nodes.split_whitespace().map(str::to_owned).collect(),
        })
    }

    /// The services of a balancer, wanted or there.
    #[must_use]
    pub fn all(resource: &Resource) -> Vec<Self> {
        let texts = resource.attributes.get("services").and_then(Value::as_array);
        texts.into_iter().flatten().filter_map(|text| Self::parse(text.as_str()?)).collect()
    }

    /// As a balancer's attribute.
    #[must_use]
    pub fn texts(mut services: Vec<Self>) -> Value {
        services.sort();
        json!(services.iter().map(ToString::to_string).collect::<Vec<_>>())
    }
}

/// What the balancer at the door leads to: the nodes there, on the ports that users come to.
#[must_use]
pub fn door(topology: &Topology) -> Vec<Service> {
    let nodes: BTreeSet<ResourceId> = reach::door(topology).iter().map(|node| format!("node/{node}")).collect();
    let service = |port: u16| Service { listen: port, port, asked: port, path: None, nodes: nodes.clone() };
    reach::door_ports(topology).into_iter().map(service).collect()
}

/// What a balancer between the nodes leads to, by the ways over it.
#[must_use]
pub fn between(topology: &Topology, balancer: &str) -> Vec<Service> {
    let mut listens: BTreeMap<&str, BTreeSet<u16>> = BTreeMap::new();
    for edge in topology.edges.iter().filter(|edge| edge.to == balancer && edge.leg == Leg::Front) {
        listens.entry(&edge.service).or_default().insert(edge.port);
    }
    let mut services = Vec::new();
    for (name, listens) in listens {
        let behind = || {
            topology.edges.iter().filter(|edge| edge.from == balancer && edge.leg == Leg::Back && edge.service == name)
        };
        let Some(first) = behind().next() else { continue };
        let (asked, path) = match &first.check {
            Some(Check::Http { port, path }) => (port.unwrap_or(first.port), Some(path.clone())),
            // A cloud speaks no PostgreSQL.
            _ => (first.port, None),
        };
        let nodes: BTreeSet<ResourceId> = behind().map(|edge| format!("node/{}", edge.to)).collect();
        services.extend(listens.into_iter().map(|listen| Service {
            listen,
            port: first.port,
            asked,
            path: path.clone(),
            nodes: nodes.clone(),
        }));
    }
    services.sort();
    services
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_read_back() {
        for text in [
            "6432 to 6432, asked at 6432: node/demo-pgbouncer-1 node/demo-pgbouncer-2",
            "5432 to 5432, asked at 8008/primary: node/demo-postgres-1",
            "80 to 8880, asked at 8880/-/readiness: node/a",
            "443 to 443, asked at 443",
        ] {
            assert_eq!(Service::parse(text).unwrap().to_string(), text);
        }
        for text in ["", "80", "80 to x, asked at 1: a", "80 to 80: a"] {
            assert_eq!(Service::parse(text), None, "{text}");
        }
    }
}
