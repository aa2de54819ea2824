//! What a cloud environment has: network, rules, identity, machines, addresses, balancers, buckets. The same for every
//! cloud; a cloud leaves out what it does not know and adds what only it has ([`super::Cloud::shape`]). Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{
    balance::{self, Service},
    options::{Access, CloudOptions, NatOptions, NetworkOptions},
    reach::{self, BASTION, EVERYONE, Source},
};
use crate::{
    provider::{Resource, ResourceId},
    topology::{Node, Topology},
};

/// Zones where the file names none.
const ZONES: usize = 3;

/// Kinds of resources, in the order in which they are made.
pub mod kind {
    /// The network.
    pub const NETWORK: &str = "network";
    /// A subnet in one zone.
    pub const SUBNET: &str = "subnet";
    /// Way to the internet.
    pub const GATEWAY: &str = "internet gateway";
    /// An address that stays.
    pub const ADDRESS: &str = "address";
    /// Way out for private nodes.
    pub const NAT: &str = "NAT gateway";
    /// Where a subnet's traffic goes.
    pub const ROUTES: &str = "route table";
    /// Who may come in; has its rules beside it.
    pub const FIREWALL: &str = "security group";
    /// What a firewall lets in.
    pub const RULES: &str = "security rules";
    /// The environment's SSH key.
    pub const KEY: &str = "key pair";
    /// A bucket.
    pub const BUCKET: &str = "bucket";
    /// What the nodes may do.
    pub const IDENTITY: &str = "identity";
    /// Keeps machines of one zone apart.
    pub const PLACEMENT: &str = "placement policy";
    /// A node.
    pub const INSTANCE: &str = "instance";
    /// The cloud's own way to the nodes, where it is a thing of its own.
    pub const TUNNEL: &str = "tunnel";
    /// A machine that forwards SSH.
    pub const BASTION: &str = "bastion";
    /// A disk that no machine has any more.
    pub const DISK: &str = "disk";
    /// Who is behind balancers of the cloud.
    pub const MEMBERS: &str = "instance groups";
    /// A balancer of the cloud.
    pub const BALANCER: &str = "balancer";
    /// That an account may use a service at all, where a cloud wants that said once.
    pub const REGISTRATION: &str = "resource provider";
    /// What everything else is in, where a cloud has such a thing.
    pub const GROUP: &str = "resource group";
    /// What keeps machines close together.
    pub const PROXIMITY: &str = "placement group";
    /// What spreads machines over racks, where a region has no zones.
    pub const SET: &str = "availability set";
    /// What holds buckets, where a cloud has such a thing.
    pub const STORE: &str = "storage account";
    /// A machine's way into the network, where it can be without its machine.
    pub const INTERFACE: &str = "network interface";

    /// All of them, in the order in which they are made.
    pub const ORDER: [&str; 24] = [
        REGISTRATION,
        GROUP,
        PROXIMITY,
        NETWORK,
        GATEWAY,
        SUBNET,
        ADDRESS,
        NAT,
        ROUTES,
        FIREWALL,
        RULES,
        KEY,
        STORE,
        BUCKET,
        IDENTITY,
        DISK,
        SET,
        PLACEMENT,
        INTERFACE,
        TUNNEL,
        BASTION,
        INSTANCE,
        MEMBERS,
        BALANCER,
    ];

    /// Kinds without which one of this kind cannot be, so that they are removed after it.
    #[must_use]
    pub fn stands_on(kind: &str) -> &'static [&'static str] {
        match kind {
            REGISTRATION | GROUP => &[],
            SUBNET | GATEWAY | FIREWALL => &[NETWORK, GROUP],
            ADDRESS => &[GATEWAY, SUBNET, GROUP],
            NAT => &[SUBNET, ADDRESS, GATEWAY, GROUP],
            ROUTES => &[NAT, GATEWAY, SUBNET, NETWORK, GROUP],
            RULES => &[FIREWALL, NETWORK, GROUP],
            BUCKET => &[STORE, GROUP],
            IDENTITY => &[BUCKET, GROUP],
            INTERFACE => &[SUBNET, ADDRESS, FIREWALL, RULES, NETWORK, GROUP],
            BASTION | INSTANCE => {
                &[INTERFACE, SUBNET, ADDRESS, FIREWALL, KEY, IDENTITY, NETWORK, DISK, SET, PLACEMENT, PROXIMITY, GROUP]
            }
            TUNNEL => &[SUBNET, ADDRESS, NETWORK, GROUP],
            MEMBERS => &[NETWORK, GROUP],
            BALANCER => &[SUBNET, ADDRESS, FIREWALL, NETWORK, MEMBERS, GROUP],
            _ => &[GROUP],
        }
    }
}

/// Whether the internet reaches a node at an address of its own.
#[must_use]
pub fn is_public(options: &CloudOptions, door: &BTreeSet<&str>, node: &str) -> bool {
    options.access == Access::Public
        || options.network == NetworkOptions::Default
        || !options.balancer && door.contains(node)
}

/// How many zones the environment spreads over.
#[must_use]
pub fn zones(options: &CloudOptions) -> usize {
    if options.zones.is_empty() { ZONES } else { options.zones.len() }
}

/// A node's zone: the topology's, folded onto those that there are.
#[must_use]
pub fn zone(options: &CloudOptions, node: &Node) -> usize {
    (node.zone.max(1) as usize - 1) % zones(options) + 1
}

/// All of it, each after what it needs. `image` tells the image that a machine type's processor was given, where one
/// is pinned.
#[must_use]
pub fn resources(topology: &Topology, options: &CloudOptions, image: &dyn Fn(&str) -> Option<String>) -> Vec<Resource> {
    Blueprint::new(topology, options, image).resources
}

struct Blueprint<'a> {
    topology: &'a Topology,
    options: &'a CloudOptions,
    image: &'a dyn Fn(&str) -> Option<String>,
    door: BTreeSet<&'a str>,
    resources: Vec<Resource>,
}

impl<'a> Blueprint<'a> {
    fn new(topology: &'a Topology, options: &'a CloudOptions, image: &'a dyn Fn(&str) -> Option<String>) -> Self {
        let door = reach::door(topology);
        let mut new = Self { topology, options, image, door, resources: Vec::new() };
        let private = topology.nodes.iter().any(|node| !is_public(options, &new.door, &node.name));
        let bastion = private && options.access == Access::Bastion;
        new.network(private);
        new.firewalls(bastion);
        new.access();
        if bastion {
            new.bastion();
        }
        new.nodes();
        new.balancer();
        new.inner_balancers();
        new
    }

    fn add(&mut self, id: &str, kind: &str, reason: &str, needs: &[String], attributes: Value) {
        let known: BTreeSet<&str> = self.resources.iter().map(|resource| resource.id.as_str()).collect();
        let needs = needs.iter().filter(|need| known.contains(need.as_str())).cloned().collect();
        let attributes = match attributes {
            Value::Object(map) => map.into_iter().collect(),
            _ => BTreeMap::new(),
        };
        self.resources.push(Resource {
            id: id.to_owned(),
            kind: kind.to_owned(),
            node: None,
            attributes,
            needs,
            data_bearing: false,
            reason: reason.to_owned(),
            shared: false,
        });
    }

    fn network(&mut self, private: bool) {
        let NetworkOptions::Create { range, nat } = self.options.network else { return };
        self.add("network", kind::NETWORK, "the nodes' own", &[], json!({ "cidr": range.to_string() }));
        self.add("gateway", kind::GATEWAY, "the way to and from the internet", &["network".to_owned()], Value::Null);
        // Sixteen equal parts: the public ones from the first on, the private ones from the ninth.
        let parts: Vec<String> =
            range.subnets(range.prefix_len() + 4).into_iter().flatten().map(|part| part.to_string()).collect();
        let zones = zones(self.options).min(8);
        let mut public = Vec::new();
        for zone in 1..=zones {
            let id = format!("subnet/public-{zone}");
            let attributes = json!({ "cidr": parts[zone - 1], "zone": zone, "public": true });
            self.add(&id, kind::SUBNET, "what the internet reaches", &["network".to_owned()], attributes);
            public.push(id);
        }
        let mut needs = vec!["network".to_owned(), "gateway".to_owned()];
        needs.extend(public.clone());
        let attributes = json!({ "default": "gateway", "subnets": public });
        self.add("routes/public", kind::ROUTES, "to the internet and back", &needs, attributes);
        if !private {
            return;
        }
        let ways = match nat {
            NatOptions::Single => 1,
            NatOptions::PerZone => zones,
            NatOptions::None => 0,
        };
        for way in 1..=ways {
            let (id, address, subnet) =
                (format!("nat/{way}"), format!("address/nat-{way}"), format!("subnet/public-{way}"));
            self.add(&address, kind::ADDRESS, "what private nodes come from", &["gateway".to_owned()], Value::Null);
            let needs = ["gateway".to_owned(), address.clone(), subnet.clone(), "routes/public".to_owned()];
            let attributes = json!({ "subnet": subnet, "address": address });
            self.add(&id, kind::NAT, "private nodes fetch packages", &needs, attributes);
        }
        for zone in 1..=zones {
            let id = format!("subnet/private-{zone}");
            let attributes = json!({ "cidr": parts[8 + zone - 1], "zone": zone, "public": false });
            self.add(&id, kind::SUBNET, "nodes that nobody outside reaches", &["network".to_owned()], attributes);
            let way = format!("nat/{}", if ways > 1 { zone } else { 1 });
            let default = if ways > 0 { json!(way) } else { Value::Null };
            let needs = ["network".to_owned(), id.clone(), way];
            let attributes = json!({ "default": default, "subnets": [id] });
            self.add(&format!("routes/private-{zone}"), kind::ROUTES, "out, and not in", &needs, attributes);
        }
    }

    fn firewalls(&mut self, bastion: bool) {
        let rules = reach::rules(self.topology, self.options, bastion);
        let network = ["network".to_owned()];
        self.add("firewall/everyone", kind::FIREWALL, "names every node, and lets nobody in", &network, Value::Null);
        for name in rules.keys() {
            let reason = format!("what reaches {name} is what needs it");
            self.add(&format!("firewall/{name}"), kind::FIREWALL, &reason, &network, Value::Null);
        }
        for (name, rules) in rules.iter().filter(|(_, rules)| !rules.is_empty()) {
            let mut needs = BTreeSet::from([format!("firewall/{name}")]);
            needs.extend(rules.iter().filter_map(|rule| match &rule.from {
                Source::Firewall(other) => Some(format!("firewall/{other}")),
                Source::Range(_) => None,
            }));
            let needs: Vec<String> = needs.into_iter().collect();
            let texts: Vec<String> = rules.iter().map(ToString::to_string).collect();
            let reason = "the ways that the roles declare";
            self.add(&format!("rules/{name}"), kind::RULES, reason, &needs, json!({ "rules": texts }));
        }
    }

    fn access(&mut self) {
        self.add("key", kind::KEY, "the environment's own, to log in with", &[], Value::Null);
        let mut buckets = Vec::new();
        for bucket in &self.options.buckets {
            let id = format!("bucket/{bucket}");
            let attributes = json!({ "versioned": true, "encrypted": true, "public_blocked": true });
            self.add(&id, kind::BUCKET, "object storage", &[], attributes);
            if let Some(made) = self.resources.last_mut() {
                made.data_bearing = true;
            }
            buckets.push(id);
        }
        let tunnel = self.options.access == Access::Tunnel;
        let used = self.topology.nodes.iter().any(|node| node.object_storage);
        if tunnel || used && !buckets.is_empty() {
            let reason = "nodes reach object storage without a stored secret";
            let attributes = json!({ "buckets": self.options.buckets, "tunnel": tunnel });
            self.add("identity", kind::IDENTITY, reason, &buckets, attributes);
        }
    }

    fn bastion(&mut self) {
        self.add("address/bastion", kind::ADDRESS, "where the bastion is found", &["gateway".to_owned()], Value::Null);
        let subnet = "subnet/public-1".to_owned();
        let needs: Vec<String> =
            [subnet.as_str(), "routes/public", "address/bastion", "firewall/bastion", "rules/bastion", "key"]
                .map(str::to_owned)
                .to_vec();
        let attributes = json!({
            "group": BASTION, "zone": 1, "subnet": "public", "address": "address/bastion", "firewalls": [BASTION],
            "public_ip": true, "spot": false, "protected": false, "disk_gb": 8,
        });
        self.add("bastion", kind::BASTION, "the only machine that SSH from outside reaches", &needs, attributes);
    }

    fn nodes(&mut self) {
        for index in 0..self.topology.nodes.len() {
            let node = &self.topology.nodes[index];
            if self.door.contains(node.name.as_str()) && !self.options.balancer {
                let id = format!("address/{}", node.name);
                self.add(&id, kind::ADDRESS, "users come to it", &["gateway".to_owned()], Value::Null);
            }
            self.node(node);
        }
    }

    fn node(&mut self, node: &Node) {
        let options = self.options;
        let public = is_public(options, &self.door, &node.name);
        let zone = zone(options, node);
        let side = if public { "public" } else { "private" };
        let address = format!("address/{}", node.name);
        let group = options.groups.get(&node.group).cloned().unwrap_or_default();
        let has = |id: &str, all: &[Resource]| all.iter().any(|resource| resource.id == id);
        let elastic = has(&address, &self.resources);
        // Who has nothing to do with the buckets gets no identity that may use them.
        let may = options.access == Access::Tunnel || node.object_storage && !options.buckets.is_empty();
        let identity = may && has("identity", &self.resources);
        let mut needs = vec![
            format!("subnet/{side}-{zone}"),
            "firewall/everyone".to_owned(),
            format!("firewall/{}", node.group),
            format!("rules/{}", node.group),
            "key".to_owned(),
            "identity".to_owned(),
            address.clone(),
        ];
        // A machine without its way out cannot fetch what its first start needs.
        needs.push(if public { "routes/public".to_owned() } else { format!("routes/private-{zone}") });
        let mut attributes = json!({
            "group": node.group,
            "roles": node.roles.join(" "),
            "zone": zone,
            "machine_type": node.machine.machine_type,
            "subnet": side,
            "disk_gb": node.machine.disk_gb,
            "firewalls": [EVERYONE, node.group],
            "public_ip": public,
            "address": elastic.then_some(address),
            "identity": identity,
            "protected": options.protection && node.data_bearing,
            "spot": group.spot,
        });
        let mut set = |name: &str, value: Option<Value>| {
            if let (Some(value), Value::Object(map)) = (value, &mut attributes) {
                map.insert(name.to_owned(), value);
            }
        };
        set("disk_type", node.machine.disk_type.clone().map(Value::from));
        set("disk_iops", node.machine.disk_iops.map(Value::from));
        set("disk_throughput", group.throughput.map(Value::from));
        set("image", node.machine.machine_type.as_deref().and_then(self.image).map(Value::from));
        if let Some(disk) = &group.data_disk {
            set("data_gb", Some(disk.size_gb.into()));
            set("data_mount", Some(disk.mount.clone().into()));
            set("data_type", disk.disk_type.clone().or(node.machine.disk_type.clone()).map(Value::from));
            set("data_iops", disk.iops.map(Value::from));
            set("data_throughput", disk.throughput.map(Value::from));
        }
        let id: ResourceId = format!("node/{}", node.name);
        self.add(&id, kind::INSTANCE, &node.reason, &needs, attributes);
        if let Some(made) = self.resources.last_mut() {
            made.node = Some(node.name.clone());
            made.data_bearing = node.data_bearing;
        }
    }

    fn balancer(&mut self) {
        if !self.options.balancer {
            return;
        }
        let mut needs: Vec<String> = self.door.iter().map(|node| format!("node/{node}")).collect();
        needs.extend((1..=zones(self.options)).map(|zone| format!("subnet/public-{zone}")));
        needs.extend(["routes/public", "firewall/balancer", "rules/balancer"].map(str::to_owned));
        let services = Service::texts(balance::door(self.topology));
        let attributes = json!({ "services": services, "public": true });
        self.add("balancer/external", kind::BALANCER, "users come to it", &needs, attributes);
    }

    fn inner_balancers(&mut self) {
        for balancer in &self.topology.balancers {
            let services = balance::between(self.topology, &balancer.name);
            let nodes: BTreeSet<&String> = services.iter().flat_map(|service| &service.nodes).collect();
            let mut needs: Vec<String> = nodes.into_iter().cloned().collect();
            let role = &balancer.role;
            needs.extend((1..=zones(self.options)).map(|zone| format!("subnet/private-{zone}")));
            needs.extend([format!("firewall/{role}"), format!("rules/{role}")]);
            let reason = format!("in place of {role} nodes");
            let attributes = json!({ "services": Service::texts(services), "public": false, "group": role });
            self.add(&format!("balancer/{role}"), kind::BALANCER, &reason, &needs, attributes);
        }
    }
}
