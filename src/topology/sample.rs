//! Topologies for unit tests: nothing in them but what a test asks for.

use super::{Machine, Node, Topology};

impl Node {
    /// A node of the environment `demo` that carries these roles.
    pub(crate) fn sample(name: &str, group: &str, ordinal: u32, roles: &[&str]) -> Self {
        Self {
            name: name.to_owned(),
            group: group.to_owned(),
            ordinal,
            roles: roles.iter().map(|role| (*role).to_owned()).collect(),
            zone: 1,
            machine: Machine::default(),
            data_bearing: false,
            object_storage: false,
            reason: String::new(),
        }
    }
}

impl Topology {
    /// The environment `demo` of these nodes, without edges.
    pub(crate) fn sample(nodes: Vec<Node>) -> Self {
        Self {
            environment: "demo".to_owned(),
            stack: "sandbox".to_owned(),
            provider: "local".to_owned(),
            architecture: None,
            external_url: String::new(),
            domain: String::new(),
            purpose: "test".to_owned(),
            nodes,
            balancers: Vec::new(),
            edges: Vec::new(),
            services: Default::default(),
            settings: Default::default(),
            omitted: Default::default(),
        }
    }
}
