//! Resolve: environment, architecture and roles become nodes.

use std::collections::{BTreeMap, BTreeSet};

use indexmap::IndexMap;
use serde_json::Value;

use super::{
    expression::Facts,
    model::{CloudBalancer, Machine, Node, Topology},
    wiring,
};
use crate::{
    catalog::{Role, StackSpec},
    environment::{Balancer, Environment, NodeGroup, ProviderKind, ReferenceArchitecture, ReferenceGroup},
};

/// Zones that nodes are spread over; providers map them to the zones they have.
const ZONES: u32 = 3;

/// All that a topology is made of.
pub struct Input<'a> {
    /// What the user wrote, checked.
    pub environment: &'a Environment,
    /// The reference architecture it names.
    pub reference: Option<&'a ReferenceArchitecture>,
    /// The stack.
    pub stack: &'a StackSpec,
    /// The stack's roles.
    pub roles: &'a BTreeMap<String, Role>,
    /// Node group -> names of machines that exist already (`provider: static`).
    pub machines: Option<&'a IndexMap<String, Vec<String>>>,
}

/// Why an environment cannot be resolved. The environment's own checks find nearly all of these first, with places.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// A role that the stack does not have.
    #[error("node group `{group}` asks for role `{role}`, which stack `{stack}` does not have")]
    UnknownRole {
        /// Group.
        group: String,
        /// Role.
        role: String,
        /// Stack.
        stack: String,
    },
    /// No nodes at all.
    #[error("the environment has no nodes")]
    Empty,
    /// Two machines of one name.
    #[error("two nodes are called `{0}`")]
    DuplicateName(String),
    /// A `when` expression that cannot be evaluated.
    #[error("port `{port}` of role `{role}`: {reason}")]
    Expression {
        /// Role.
        role: String,
        /// Port.
        port: String,
        /// What is wrong.
        reason: String,
    },
}

/// Resolves an environment.
///
/// # Errors
/// [`ResolveError`] where the environment asks for what cannot be.
pub fn resolve(input: &Input<'_>) -> Result<Topology, ResolveError> {
    let environment = input.environment;
    let mut omitted = BTreeMap::new();
    let mut groups: Vec<(String, Wanted<'_>, Vec<String>)> = Vec::new();
    let inner = inner_balancers(input);
    let mut balancers: Vec<CloudBalancer> = Vec::new();
    for (name, wanted) in wanted_groups(input) {
        let mut kept = Vec::new();
        for role in wanted.roles(&name) {
            if let Some(reason) = input.stack.omits.get(&role) {
                omitted.insert(role, reason.clone());
            } else if inner.contains(&role) {
                if wanted.count > 0 && !balancers.iter().any(|balancer| balancer.role == role) {
                    let name = format!("{}-{role}", environment.name);
                    let translates = environment.provider != ProviderKind::Gcp;
                    balancers.push(CloudBalancer { name, role, translates });
                }
            } else if input.roles.contains_key(&role) {
                kept.push(role);
            } else {
                return Err(ResolveError::UnknownRole {
                    group: name,
                    role,
                    stack: environment.stack.name().to_owned(),
                });
            }
        }
        if wanted.count > 0 && !kept.is_empty() {
            groups.push((name, wanted, kept));
        }
    }
    let explicit: BTreeSet<&str> = groups.iter().flat_map(|(_, _, roles)| roles.iter().map(String::as_str)).collect();

    let mut nodes = Vec::new();
    let mut names = BTreeSet::new();
    for (group, wanted, own) in &groups {
        let roles = expand(input, own, &explicit);
        let data_bearing = roles.iter().any(|role| input.roles[role].data_bearing);
        let object_storage = roles.iter().any(|role| input.roles[role].object_storage);
        for ordinal in 1..=wanted.count {
            let name = wanted.name(&environment.name, group, ordinal);
            if !names.insert(name.clone()) {
                return Err(ResolveError::DuplicateName(name));
            }
            nodes.push(Node {
                name,
                group: group.clone(),
                ordinal,
                roles: roles.clone(),
                zone: (ordinal - 1) % ZONES + 1,
                machine: machine(environment, wanted),
                data_bearing,
                object_storage,
                reason: wanted.reason(environment),
            });
        }
    }
    if nodes.is_empty() {
        return Err(ResolveError::Empty);
    }

    let external_url = environment.external_url.clone().unwrap_or_else(|| format!("https://{}.test", environment.name));
    let domain = external_url
        .split_once("://")
        .map_or(external_url.as_str(), |(_, rest)| rest)
        .split(['/', ':'])
        .next()
        .unwrap_or_default()
        .to_owned();
    let topology = Topology {
        environment: environment.name.clone(),
        stack: environment.stack.name().to_owned(),
        provider: environment.provider.name().to_owned(),
        architecture: input.reference.map(|reference| reference.architecture.name().to_owned()),
        external_url,
        domain,
        purpose: environment.purpose.name().to_owned(),
        settings: settings(input, &nodes),
        nodes,
        balancers,
        edges: Vec::new(),
        services: BTreeMap::new(),
        omitted,
    };
    let facts = Facts::new(&topology);
    let services = wiring::services(input.stack, input.roles, &topology, &facts)?;
    let edges = wiring::edges(input.roles, &topology, &facts)?;
    Ok(Topology { services, edges, ..topology })
}

/// Roles that the cloud's balancer plays where the environment asks for it: those that stand between nodes, and never
/// between users and nodes.
fn inner_balancers(input: &Input<'_>) -> BTreeSet<String> {
    let Environment { provider, cloud, .. } = input.environment;
    let on_a_cloud = matches!(provider, ProviderKind::Aws | ProviderKind::Gcp | ProviderKind::Azure);
    if !on_a_cloud || cloud.internal_balancer != Some(Balancer::Cloud) {
        return BTreeSet::new();
    }
    let reaches = || input.roles.values().flat_map(|role| &role.ports).flat_map(|port| &port.from);
    let outer: BTreeSet<&String> =
        reaches().filter(|reach| reach.role == wiring::USERS).filter_map(|reach| reach.through.as_ref()).collect();
    let all = reaches().filter_map(|reach| reach.through.as_ref());
    all.filter(|role| !outer.contains(role)).cloned().collect()
}

/// What is wanted of a node group, from both layers.
struct Wanted<'a> {
    count: u32,
    own: Option<&'a NodeGroup>,
    reference: Option<&'a ReferenceGroup>,
    machines: Option<&'a Vec<String>>,
}

impl Wanted<'_> {
    fn roles(&self, group: &str) -> Vec<String> {
        self.own
            .and_then(|own| own.roles.clone())
            .or_else(|| self.reference.and_then(|reference| reference.roles.clone()))
            .unwrap_or_else(|| vec![group.to_owned()])
    }

    fn name(&self, environment: &str, group: &str, ordinal: u32) -> String {
        self.machines
            .and_then(|names| names.get(ordinal as usize - 1))
            .cloned()
            .unwrap_or_else(|| format!("{environment}-{group}-{ordinal}"))
    }

    fn reason(&self, environment: &Environment) -> String {
        match self.reference {
            Some(reference) => reference.because.clone(),
            None if environment.architecture.is_some() => {
                "the environment file adds this group to the reference architecture".to_owned()
            }
            None => "the environment file asks for it".to_owned(),
        }
    }
}

/// Groups of the reference architecture in its order, then those that the environment file adds.
fn wanted_groups<'a>(input: &Input<'a>) -> IndexMap<String, Wanted<'a>> {
    let mut groups: IndexMap<String, Wanted<'a>> = IndexMap::new();
    if let Some(reference) = input.reference {
        for (name, group) in &reference.nodes {
            groups
                .insert(name.clone(), Wanted { count: group.count, own: None, reference: Some(group), machines: None });
        }
    }
    for (name, own) in &input.environment.nodes {
        let wanted =
            groups.entry(name.clone()).or_insert(Wanted { count: 0, own: None, reference: None, machines: None });
        wanted.own = Some(own);
        if let Some(count) = own.count {
            wanted.count = count;
        }
    }
    if let Some(machines) = input.machines {
        for (name, hosts) in machines {
            groups.entry(name.clone()).or_insert(Wanted { count: 0, own: None, reference: None, machines: None });
            groups[name].machines = Some(hosts);
        }
        // Machines that exist are counted, not wished for.
        for wanted in groups.values_mut() {
            wanted.count = wanted.machines.map_or(0, |hosts| u32::try_from(hosts.len()).unwrap_or(u32::MAX));
        }
    }
    groups
}

/// The roles of a node in run order: base, then each role after those that it brings with it.
fn expand(input: &Input<'_>, own: &[String], explicit: &BTreeSet<&str>) -> Vec<String> {
    fn add(role: &str, roles: &BTreeMap<String, Role>, into: &mut Vec<String>, depth: usize) {
        if into.iter().any(|known| known == role) || depth > roles.len() {
            return;
        }
        if let Some(spec) = roles.get(role) {
            for with in &spec.with {
                add(with, roles, into, depth + 1);
            }
            into.push(role.to_owned());
        }
    }
    let mut all = Vec::new();
    add(&input.stack.base, input.roles, &mut all, 0);
    for role in own {
        add(role, input.roles, &mut all, 0);
    }
    all.retain(|role| {
        let spec = &input.roles[role];
        own.contains(role)
            || ((spec.only_with.is_empty() || spec.only_with.iter().any(|other| explicit.contains(other.as_str())))
                && !spec.unless_node_has.iter().any(|other| own.contains(other)))
    });
    all
}

fn machine(environment: &Environment, wanted: &Wanted<'_>) -> Machine {
    let provider = environment.provider.name();
    let own = wanted.own;
    let disk = wanted.reference.and_then(|reference| reference.disks.get(provider));
    Machine {
        vcpu: own.and_then(|own| own.vcpu).or(wanted.reference.map(|reference| reference.vcpu)).unwrap_or(2),
        memory_gb: own
            .and_then(|own| own.memory_gb)
            .or(wanted.reference.map(|reference| reference.memory_gb))
            .unwrap_or(4.0),
        machine_type: own
            .and_then(|own| own.machine_type.clone())
            .or_else(|| wanted.reference.and_then(|reference| reference.machine_types.get(provider).cloned())),
        disk_gb: own.and_then(|own| own.disk_gb).or(disk.map(|disk| disk.size_gb)).unwrap_or(100),
        disk_type: own.and_then(|own| own.disk_type.clone()).or_else(|| disk.map(|disk| disk.kind.clone())),
        disk_iops: own.and_then(|own| own.disk_iops).or(disk.and_then(|disk| disk.iops)),
    }
}

/// The settings of every role that a node carries: the role's defaults, overlaid by the environment's.
fn settings(input: &Input<'_>, nodes: &[Node]) -> BTreeMap<String, BTreeMap<String, Value>> {
    let present: BTreeSet<&String> = nodes.iter().flat_map(|node| &node.roles).collect();
    present
        .into_iter()
        .map(|role| {
            let mut values: BTreeMap<String, Value> =
                input.roles[role].settings.iter().map(|(name, spec)| (name.clone(), spec.default.clone())).collect();
            if let Some(own) = input.environment.settings.get(role) {
                values.extend(own.iter().map(|(name, value)| {
                    let spec = input.roles[role].settings.get(name);
                    (name.clone(), spec.map_or_else(|| value.clone(), |spec| spec.complete(value)))
                }));
            }
            (role.clone(), values)
        })
        .collect()
}
