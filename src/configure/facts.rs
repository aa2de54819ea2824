//! What templates see, computed once per environment and shared by all nodes.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt,
    net::IpAddr,
    path::PathBuf,
    sync::Arc,
};

use minijinja::{
    Error, ErrorKind, Value,
    value::{Enumerator, Object, Serde},
};

use super::inputs::{Inputs, RenderError};
use crate::{
    catalog::{Check, Protocol},
    topology::{CloudBalancer, Leg, Node},
};

/// Where an edge begins outside the environment.
const USERS: &str = "users";
/// Index that stands for [`USERS`].
const OUTSIDE: u32 = u32::MAX;

/// Facts of one environment.
pub(super) struct Facts {
    pub(super) environment: Value,
    pub(super) nodes: Value,
    pub(super) by_role: Value,
    pub(super) all_settings: Value,
    pub(super) ca_certificate: Option<String>,
    pub(super) has: Value,
    pub(super) port: Value,
    pub(super) folder: Option<PathBuf>,
    settings: HashMap<String, Value>,
    known: Vec<NodeFacts>,
    index: HashMap<String, u32>,
    members: BTreeMap<String, Vec<u32>>,
    ways: Vec<Way>,
    outgoing: Vec<Vec<u32>>,
    incoming: Vec<Vec<u32>>,
    /// `role.port` by number.
    targets: Vec<Target>,
    /// Service name -> number of its target.
    services: BTreeMap<String, u32>,
}

struct NodeFacts {
    /// A balancer of the cloud, no node.
    cloud: bool,
    name: Arc<str>,
    address: Arc<str>,
    roles: BTreeSet<String>,
    value: Value,
}

/// An edge with numbers instead of names.
struct Way {
    from: u32,
    to: u32,
    port: u16,
    protocol: Protocol,
    target: u32,
    leg: Leg,
    check: Option<Check>,
    udp: bool,
}

struct Target {
    name: String,
    role: String,
    /// Number in `role.yaml`; none where the stack does not know the port.
    port: Option<u16>,
    /// Balancers that may stand before it.
    through: Vec<String>,
}

impl fmt::Debug for Facts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Facts").field("nodes", &self.known.len()).finish_non_exhaustive()
    }
}

impl Facts {
    pub(super) fn new(inputs: &Inputs<'_>) -> Result<Self, RenderError> {
        let topology = inputs.topology;
        let mut known = Vec::with_capacity(topology.nodes.len());
        let mut index = HashMap::with_capacity(topology.nodes.len());
        let mut members: BTreeMap<String, Vec<u32>> =
            inputs.catalog.roles.keys().map(|role| (role.clone(), Vec::new())).collect();
        for (number, node) in (0u32..).zip(&topology.nodes) {
            let address = inputs.addresses.get(&node.name).ok_or_else(|| RenderError::NoAddress(node.name.clone()))?;
            known.push(NodeFacts::new(node, address));
            index.insert(node.name.clone(), number);
            for role in &node.roles {
                members.entry(role.clone()).or_default().push(number);
            }
        }
        // Reached as nodes are, and listed nowhere among them.
        let nodes: Vec<Value> = known.iter().map(|node: &NodeFacts| node.value.clone()).collect();
        for balancer in &topology.balancers {
            let host = inputs.addresses.get(&balancer.name);
            let host = host.ok_or_else(|| RenderError::NoAddress(balancer.name.clone()))?;
            index.insert(balancer.name.clone(), u32::try_from(known.len()).unwrap_or(OUTSIDE));
            known.push(NodeFacts::of_balancer(balancer, host));
        }
        for list in members.values_mut() {
            list.sort_by(|a, b| topology.nodes[*a as usize].name.cmp(&topology.nodes[*b as usize].name));
        }
        let values = |list: &[u32]| list.iter().map(|number| known[*number as usize].value.clone()).collect::<Vec<_>>();
        let by_role: BTreeMap<String, Value> =
            members.iter().map(|(role, list)| (role.clone(), Value::from(values(list)))).collect();
        let settings = settings(inputs);
        let mut facts = Self {
            environment: environment(inputs),
            nodes: nodes.into(),
            by_role: Value::from_object(Roles(by_role)),
            all_settings: Value::from_object(Roles(settings.iter().map(|(k, v)| (k.clone(), v.clone())).collect())),
            ca_certificate: inputs.secrets.ca_certificate(),
            has: has_function(&members),
            port: port_function(inputs),
            folder: inputs.folder.map(std::path::Path::to_owned),
            settings,
            outgoing: vec![Vec::new(); known.len()],
            incoming: vec![Vec::new(); known.len()],
            known,
            index,
            members,
            ways: Vec::with_capacity(topology.edges.len()),
            targets: Vec::new(),
            services: BTreeMap::new(),
        };
        facts.connect(inputs);
        Ok(facts)
    }

    fn connect(&mut self, inputs: &Inputs<'_>) {
        let mut numbers: HashMap<String, u32> = HashMap::new();
        for edge in &inputs.topology.edges {
            let number = |name: &str| if name == USERS { Some(OUTSIDE) } else { self.index.get(name).copied() };
            let (Some(from), Some(to)) = (number(&edge.from), number(&edge.to)) else { continue };
            let target = target(inputs, &mut self.targets, &mut numbers, &edge.service);
            let place = u32::try_from(self.ways.len()).unwrap_or(OUTSIDE);
            self.ways.push(Way {
                from,
                to,
                port: edge.port,
                protocol: edge.protocol,
                target,
                leg: edge.leg,
                check: edge.check.clone(),
                udp: edge.udp,
            });
            if let Some(list) = self.outgoing.get_mut(from as usize) {
                list.push(place);
            }
            if let Some(list) = self.incoming.get_mut(to as usize) {
                list.push(place);
            }
        }
        for (service, provider) in &inputs.topology.services {
            let number = target(inputs, &mut self.targets, &mut numbers, provider);
            self.services.insert(service.clone(), number);
        }
    }

    pub(super) fn number(&self, node: &str) -> Option<u32> {
        self.index.get(node).copied()
    }

    pub(super) fn node(&self, number: u32) -> Value {
        self.known[number as usize].value.clone()
    }

    pub(super) fn settings(&self, role: &str) -> Value {
        self.settings.get(role).cloned().unwrap_or_default()
    }

    /// How the node reaches a service.
    pub(super) fn service(&self, node: u32, name: &str) -> Result<Value, Error> {
        let number = *self.services.get(name).ok_or_else(|| {
            let known: Vec<&str> = self.services.keys().map(String::as_str).collect();
            let message = format!("this environment has no service `{name}`; it has {}", known.join(", "));
            Error::new(ErrorKind::InvalidOperation, message)
        })?;
        let target = &self.targets[number as usize];
        let leaving = |leg: Leg| {
            let ways = self.outgoing[node as usize].iter().map(|place| &self.ways[*place as usize]);
            ways.filter(move |way| way.target == number && way.leg == leg)
        };
        let mut reached: Vec<(u32, u16)> = leaving(Leg::Front).map(|way| (way.to, way.port)).collect();
        let through = reached.first().and_then(|(first, _)| {
            let roles = &self.known[*first as usize].roles;
            target.through.iter().find(|role| roles.contains(*role)).cloned()
        });
        if reached.is_empty() {
            reached = leaving(Leg::Direct).map(|way| (way.to, way.port)).collect();
        }
        if reached.is_empty() {
            let port = target.port.ok_or_else(|| {
                let message = format!("service `{name}` leads to `{}`, which the stack does not have", target.name);
                Error::new(ErrorKind::InvalidOperation, message)
            })?;
            let providers = self.members.get(&target.role).map(Vec::as_slice).unwrap_or_default();
            reached = providers.iter().map(|node| (*node, port)).collect();
        }
        reached.sort_by(|a, b| self.known[a.0 as usize].name.cmp(&self.known[b.0 as usize].name));
        reached.dedup_by_key(|(node, _)| *node);
        let hosts: Vec<Value> = reached.iter().map(|(node, _)| self.address(*node)).collect();
        let nodes: Vec<Value> = reached.iter().map(|(node, _)| self.node(*node)).collect();
        let host = hosts.first().cloned().unwrap_or_default();
        let port = reached.first().map(|(_, port)| *port).or(target.port);
        Ok(pairs([
            ("hosts", Value::from(hosts)),
            ("host", host),
            ("port", Value::from(port)),
            ("provider", Value::from(target.name.as_str())),
            ("through", Value::from(through)),
            ("nodes", Value::from(nodes)),
        ]))
    }

    /// What a balancer node listens on for others, and the servers behind.
    pub(super) fn listeners(&self, node: u32) -> Value {
        let mut servers: BTreeMap<u32, Vec<&Way>> = BTreeMap::new();
        for way in self.outgoing[node as usize].iter().map(|place| &self.ways[*place as usize]) {
            if way.leg == Leg::Back {
                servers.entry(way.target).or_default().push(way);
            }
        }
        let mut fronts: BTreeMap<(u32, u16), (Protocol, bool)> = BTreeMap::new();
        for way in self.incoming[node as usize].iter().map(|place| &self.ways[*place as usize]) {
            if way.leg == Leg::Front {
                let front = fronts.entry((way.target, way.port)).or_insert((way.protocol, false));
                front.1 |= way.from == OUTSIDE;
            }
        }
        let mut listeners: Vec<(String, Value)> = Vec::new();
        for ((target, listen), (protocol, users)) in &fronts {
            let Some(ways) = servers.get(target) else { continue };
            let provider = &self.targets[*target as usize];
            let several = fronts.keys().filter(|(other, _)| other == target).count() > 1;
            let base = provider.name.replace('.', "-");
            let name = if several { format!("{base}-{listen}") } else { base };
            let mut behind: Vec<(&Arc<str>, &Way)> =
                ways.iter().map(|way| (&self.known[way.to as usize].name, *way)).collect();
            behind.sort_by(|a, b| a.0.cmp(b.0));
            let servers: Vec<Value> = behind
                .iter()
                .map(|(server, way)| {
                    pairs([
                        ("name", Value::from(server.as_ref())),
                        ("address", self.address(way.to)),
                        ("port", Value::from(way.port)),
                    ])
                })
                .collect();
            let check = ways.iter().find_map(|way| way.check.as_ref());
            let listener = pairs([
                ("name", Value::from(name.as_str())),
                ("provider", Value::from(provider.name.as_str())),
                ("listen", Value::from(*listen)),
                ("protocol", Value::from(Serde(protocol))),
                ("check", check.map_or_else(|| Value::from(()), |check| Value::from(Serde(check)))),
                ("servers", Value::from(servers)),
                ("users", Value::from(*users)),
            ]);
            listeners.push((name, listener));
        }
        listeners.sort_by(|a, b| a.0.cmp(&b.0));
        Value::from(listeners.into_iter().map(|(_, listener)| listener).collect::<Vec<_>>())
    }

    /// Who may reach the node.
    pub(super) fn allowed(&self, node: u32) -> Value {
        let mut ports: BTreeMap<u16, (u32, bool, BTreeSet<Option<IpAddr>>)> = BTreeMap::new();
        for way in self.incoming[node as usize].iter().map(|place| &self.ways[*place as usize]) {
            let (_, udp, sources) = ports.entry(way.port).or_insert((way.target, false, BTreeSet::new()));
            *udp |= way.udp;
            sources.insert(match self.known.get(way.from as usize) {
                // A cloud's balancer comes with addresses that nobody knows before, or with those of whom it serves; who
                // may use it, the cloud's own firewall says.
                Some(from) if !from.cloud => from.address.parse::<IpAddr>().ok(),
                _ => None,
            });
        }
        let list: Vec<Value> = ports
            .into_iter()
            .map(|(port, (target, udp, sources))| {
                let sources: Vec<Value> = sources
                    .into_iter()
                    .map(|source| source.map_or_else(|| Value::from("any"), |ip| Value::from(ip.to_string())))
                    .collect();
                pairs([
                    ("port", Value::from(port)),
                    ("name", Value::from(self.targets[target as usize].name.as_str())),
                    ("udp", Value::from(udp)),
                    ("sources", Value::from(sources)),
                ])
            })
            .collect();
        Value::from(list)
    }

    fn address(&self, node: u32) -> Value {
        Value::from(self.known[node as usize].address.as_ref())
    }
}

impl NodeFacts {
    fn of_balancer(balancer: &CloudBalancer, host: &str) -> Self {
        let value = pairs([("name", Value::from(balancer.name.as_str())), ("address", Value::from(host))]);
        let (name, roles) = (balancer.name.as_str().into(), BTreeSet::from([balancer.role.clone()]));
        Self { cloud: true, name, address: host.into(), roles, value }
    }

    fn new(node: &Node, address: &str) -> Self {
        let address: Arc<str> = address.into();
        // Memory is given in GB with fractions; templates count in MB.
        let memory_mb = (node.machine.memory_gb * 1024.0).round() as i64;
        let value = pairs([
            ("name", Value::from(node.name.as_str())),
            ("address", Value::from(address.as_ref())),
            ("group", Value::from(node.group.as_str())),
            ("ordinal", Value::from(node.ordinal)),
            ("roles", Value::from(node.roles.iter().map(String::as_str).map(Value::from).collect::<Vec<_>>())),
            ("zone", Value::from(node.zone)),
            ("vcpu", Value::from(node.machine.vcpu)),
            ("memory_mb", Value::from(memory_mb)),
        ]);
        Self {
            cloud: false,
            name: node.name.as_str().into(),
            address,
            roles: node.roles.iter().cloned().collect(),
            value,
        }
    }
}

fn target(inputs: &Inputs<'_>, targets: &mut Vec<Target>, numbers: &mut HashMap<String, u32>, name: &str) -> u32 {
    if let Some(number) = numbers.get(name) {
        return *number;
    }
    let (role, port) = name.split_once('.').unwrap_or((name, ""));
    let spec = inputs.catalog.roles.get(role).and_then(|role| role.ports.iter().find(|spec| spec.name == port));
    let through = spec.map(|spec| spec.from.iter().filter_map(|reach| reach.through.clone()).collect());
    let number = u32::try_from(targets.len()).unwrap_or(OUTSIDE);
    targets.push(Target {
        name: name.to_owned(),
        role: role.to_owned(),
        port: spec.map(|spec| spec.port),
        through: through.unwrap_or_default(),
    });
    numbers.insert(name.to_owned(), number);
    number
}

fn environment(inputs: &Inputs<'_>) -> Value {
    let topology = inputs.topology;
    pairs([
        ("name", Value::from(topology.environment.as_str())),
        ("stack", Value::from(topology.stack.as_str())),
        ("architecture", Value::from(topology.architecture.as_deref())),
        ("provider", Value::from(topology.provider.as_str())),
        ("domain", Value::from(topology.domain.as_str())),
        ("external_url", Value::from(topology.external_url.as_str())),
        ("purpose", Value::from(topology.purpose.as_str())),
    ])
}

fn settings(inputs: &Inputs<'_>) -> HashMap<String, Value> {
    let own = &inputs.topology.settings;
    let roles = inputs.catalog.roles.iter().map(|(name, role)| {
        let mut values: BTreeMap<&str, &serde_json::Value> =
            role.settings.iter().map(|(key, spec)| (key.as_str(), &spec.default)).collect();
        values.extend(own.get(name).into_iter().flatten().map(|(key, value)| (key.as_str(), value)));
        (name.clone(), Value::from(Serde(values)))
    });
    roles.collect()
}

fn has_function(members: &BTreeMap<String, Vec<u32>>) -> Value {
    let present: BTreeMap<String, bool> = members.iter().map(|(role, list)| (role.clone(), !list.is_empty())).collect();
    Value::from_function(move |role: &str| {
        present
            .get(role)
            .copied()
            .ok_or_else(|| Error::new(ErrorKind::InvalidOperation, format!("the stack has no role `{role}`")))
    })
}

fn port_function(inputs: &Inputs<'_>) -> Value {
    let ports: BTreeMap<String, BTreeMap<String, u16>> = inputs
        .catalog
        .roles
        .iter()
        .map(|(name, role)| (name.clone(), role.ports.iter().map(|spec| (spec.name.clone(), spec.port)).collect()))
        .collect();
    Value::from_function(move |role: &str, name: &str| {
        ports
            .get(role)
            .and_then(|ports| ports.get(name))
            .copied()
            .ok_or_else(|| Error::new(ErrorKind::InvalidOperation, format!("the stack has no port `{role}.{name}`")))
    })
}

fn pairs<const N: usize>(pairs: [(&'static str, Value); N]) -> Value {
    Value::from(pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect::<BTreeMap<String, Value>>())
}

/// A map by role that knows every role of the stack and complains of others.
#[derive(Debug)]
struct Roles(BTreeMap<String, Value>);

impl Object for Roles {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.0.get(key.as_str()?).cloned()
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.0.keys().map(|key| Value::from(key.as_str())).collect())
    }
}
