//! The cloud's balancers: Standard, at the door with a public address, between the nodes with one of the subnet's. A rule
//! and a probe for each service; nodes are behind by their addresses.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{
    Azure,
    azure_mgmt::{
        network::{self, Balancer, BalancingRule, Front, Part, Pool, PoolMember, Probe, PublicAddress, Sku, Tracked},
        resources::Reference,
    },
    error::failed,
    firewall::tags_of_part,
    list::{Listed, resource_of},
    names::{arm, last},
};
use crate::provider::{
    ProviderError, ResourceId,
    cloud::{Book, Making, balance::Service, permanent},
};

const FRONT: &str = "front";
/// Zones that a front inside is served from: Azure takes all of a region's or none, and a region has three or none.
const ZONES: [&str; 3] = ["1", "2", "3"];
/// Seconds between two of a probe's questions: the least that Azure takes.
const INTERVAL: u32 = 5;

impl Azure {
    pub(super) async fn make_balancer(&self, making: Making<'_>) -> Result<String, ProviderError> {
        let doing = format!("make {}", making.resource.id);
        let id = self.id_of(arm::BALANCER, &making.resource.id);
        let services = Service::all(making.resource);
        if let Some((one, other)) = same_behind(&services) {
            let message = format!("ports {one} and {other} lead to one port of the same nodes, which Azure refuses");
            let hint = "use HAProxy nodes: `cloud.internal_balancer: haproxy`";
            return Err(permanent(doing, message, Some(hint)));
        }
        let front = match making.resource.attributes.get("public") {
            Some(Value::Bool(false)) => self.inside(&doing, &id, making).await?,
            _ => self.outside(&doing, making).await?,
        };
        let network = making.book.need(&doing, "network")?;
        let mut members = BTreeMap::new();
        for node in services.iter().flat_map(|service| &service.nodes).collect::<BTreeSet<_>>() {
            let machine = making.book.need(&doing, node)?;
            members.insert(node.clone(), self.member(&doing, last(&machine), &network).await?);
        }
        self.put_tracked(&doing, &id, making.tags, balancer(&id, front, &services, &members), Sku::standard()).await
    }

    /// A front with a public address, which goes with the balancer.
    async fn outside(&self, doing: &str, making: Making<'_>) -> Result<Part<Front>, ProviderError> {
        let address = self.id_of(arm::ADDRESS, &making.resource.id);
        let properties = PublicAddress { allocation: "Static".to_owned(), ip_address: None };
        let tags = tags_of_part(making.tags, &making.resource.id);
        self.put_tracked(doing, &address, &tags, properties, Sku::standard()).await?;
        Ok(Part::new(FRONT, Front { public: Some(Reference::to(address)), ..Front::default() }))
    }

    /// A front with an address of the nodes' own network. What it has it keeps: the nodes know it.
    async fn inside(&self, doing: &str, id: &str, making: Making<'_>) -> Result<Part<Front>, ProviderError> {
        let there: Option<Tracked<Balancer>> =
            self.client.get(id, network::VERSION).await.map_err(|error| failed(doing, &error))?;
        let known = there.and_then(|there| there.properties.fronts.into_iter().next()).map(|front| front.properties);
        let (subnet, private) = match known {
            Some(Front { subnet: Some(subnet), private, .. }) => (subnet, private),
            _ => {
                let private = making.book.handle("subnet/private-1");
                let subnet = private.map_or_else(|| making.book.need(doing, "subnet/public-1"), Ok)?;
                (Reference::to(subnet), None)
            }
        };
        let allocation = Some("Dynamic".to_owned());
        let front = Front { public: None, subnet: Some(subnet), allocation, private };
        let zones = (!self.azure.availability_sets).then(|| ZONES.map(str::to_owned).to_vec());
        Ok(Part { zones, ..Part::new(FRONT, front) })
    }

    /// A machine's place in a pool, by its address.
    async fn member(&self, doing: &str, machine: &str, network: &str) -> Result<Part<PoolMember>, ProviderError> {
        let id = self.id(arm::INTERFACE, machine);
        let there: Option<Tracked<network::Interface>> =
            self.client.get(&id, network::VERSION).await.map_err(|error| failed(doing, &error))?;
        let address = there.and_then(|there| there.properties.ip_configurations.into_iter().next()?.properties.private);
        let Some(address) = address else {
            return Err(permanent(
                doing,
                format!("{machine} has no address"),
                Some("`apply` again makes its interface"),
            ));
        };
        let member = PoolMember { ip_address: address, virtual_network: Reference::to(network.to_owned()) };
        Ok(Part::new(machine.to_owned(), member))
    }

    pub(super) async fn remove_balancer(&self, doing: &str, id: &str) -> Result<(), ProviderError> {
        self.client.delete(id, network::VERSION).await.map_err(|error| failed(doing, &error))?;
        let address = self.id(arm::ADDRESS, last(id));
        self.client.delete(&address, network::VERSION).await.map_err(|error| failed(doing, &error))
    }

    /// Address of the balancer in place of nodes of a role.
    pub(super) async fn balancer_address(&self, role: &str, book: &Book) -> Result<Option<String>, ProviderError> {
        let Some(id) = book.handle(&format!("balancer/{role}")) else { return Ok(None) };
        let there: Option<Tracked<Balancer>> = self
            .client
            .get(&id, network::VERSION)
            .await
            .map_err(|error| failed("ask for the balancer's address", &error))?;
        Ok(there.and_then(|there| there.properties.fronts.into_iter().next()?.properties.private))
    }
}

/// Attributes of a balancer that is there, in the blueprint's words. Whoever is in a pool with an address that is not his
/// machine's stands there as that address.
pub(super) fn attributes(balancer: &Balancer, interfaces: &[Listed]) -> BTreeMap<String, Value> {
    let addresses: BTreeMap<&str, &str> = interfaces
        .iter()
        .filter_map(|one| {
            let machine = resource_of(one)?.strip_prefix("interface/")?;
            let address = one.pointer("/properties/ipConfigurations/0/properties/privateIPAddress")?.as_str()?;
            Some((address, machine))
        })
        .collect();
    let node = |member: &Part<PoolMember>| -> ResourceId {
        let address = member.properties.ip_address.as_str();
        addresses.get(address).map_or_else(|| address.to_owned(), |machine| format!("node/{machine}"))
    };
    let pools: BTreeMap<&str, BTreeSet<ResourceId>> = balancer
        .backend_address_pools
        .iter()
        .map(|pool| (pool.name.as_str(), pool.properties.load_balancer_backend_addresses.iter().map(node).collect()))
        .collect();
    let services = balancer.load_balancing_rules.iter().map(|rule| {
        let rule = &rule.properties;
        let probe = balancer.probes.iter().find(|probe| probe.name == last(&rule.probe.id));
        let probe = probe.map(|probe| &probe.properties);
        Service {
            listen: rule.frontend_port,
            port: rule.backend_port,
            asked: probe.map_or(0, |probe| probe.port),
            path: probe.and_then(|probe| probe.request_path.clone()),
            nodes: pools.get(last(&rule.backend_address_pool.id)).cloned().unwrap_or_default(),
        }
    });
    let public = balancer.fronts.first().is_some_and(|front| front.properties.public.is_some());
    BTreeMap::from([("services".to_owned(), Service::texts(services.collect())), ("public".to_owned(), json!(public))])
}

/// Two services on different ports that lead to the same port of the same nodes.
fn same_behind(services: &[Service]) -> Option<(u16, u16)> {
    let mut seen: BTreeMap<(u16, &BTreeSet<ResourceId>), u16> = BTreeMap::new();
    services.iter().find_map(|service| {
        seen.insert((service.port, &service.nodes), service.listen).map(|before| (before, service.listen))
    })
}

/// The whole balancer. Services with the same nodes behind share a pool.
fn balancer(
    id: &str,
    front: Part<Front>,
    services: &[Service],
    members: &BTreeMap<ResourceId, Part<PoolMember>>,
) -> Balancer {
    let mut pools: BTreeMap<&BTreeSet<ResourceId>, String> = BTreeMap::new();
    for service in services {
        pools.entry(&service.nodes).or_insert_with(|| format!("pool-{}", service.listen));
    }
    let part = |kind: &str, name: &str| Reference::to(format!("{id}/{kind}/{name}"));
    let rule = |service: &Service| {
        let name = format!("port-{}", service.listen);
        let properties = BalancingRule {
            protocol: "Tcp".to_owned(),
            frontend_port: service.listen,
            backend_port: service.port,
            front: part("frontendIPConfigurations", FRONT),
            backend_address_pool: part("backendAddressPools", &pools[&service.nodes]),
            probe: part("probes", &name),
            idle_timeout_in_minutes: 15,
            enable_tcp_reset: true,
        };
        Part::new(name, properties)
    };
    let probe = |service: &Service| {
        let properties = Probe {
            protocol: if service.path.is_some() { "Http" } else { "Tcp" }.to_owned(),
            port: service.asked,
            interval_in_seconds: INTERVAL,
            request_path: service.path.clone(),
        };
        Part::new(format!("port-{}", service.listen), properties)
    };
    let pool = |(nodes, name): (&&BTreeSet<ResourceId>, &String)| {
        let behind = nodes.iter().filter_map(|node| members.get(node).cloned()).collect();
        Part::new(name.clone(), Pool { load_balancer_backend_addresses: behind })
    };
    Balancer {
        fronts: vec![front],
        backend_address_pools: pools.iter().map(pool).collect(),
        probes: services.iter().map(probe).collect(),
        load_balancing_rules: services.iter().map(rule).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn services(texts: &[&str]) -> Vec<Service> {
        texts.iter().map(|text| Service::parse(text).unwrap()).collect()
    }

    fn made(services: &[Service]) -> Balancer {
        let member = |(node, number): (&ResourceId, u8)| {
            let member = PoolMember { ip_address: format!("10.0.0.{number}"), ..PoolMember::default() };
            (node.clone(), Part::new(last(node), member))
        };
        let nodes: BTreeSet<ResourceId> = services.iter().flat_map(|service| service.nodes.clone()).collect();
        let members = nodes.iter().zip(4..).map(member).collect();
        balancer("/lb", Part::new(FRONT, Front::default()), services, &members)
    }

    fn interface(machine: &str, address: &str) -> Value {
        json!({
            "tags": { "refarch-resource": format!("interface/{machine}") },
            "properties": { "ipConfigurations": [{ "properties": { "privateIPAddress": address } }] },
        })
    }

    #[test]
    fn what_was_made_is_read_back() {
        let wanted = services(&[
            "5432 to 5432, asked at 8008/primary: node/pg-1 node/pg-2",
            "6432 to 6432, asked at 6432: node/pool-1",
            "80 to 8880, asked at 8880/-/readiness: node/app-1",
        ]);
        let there = made(&wanted);
        let machines = [("app-1", 4), ("pg-1", 5), ("pg-2", 6), ("pool-1", 7)];
        let interfaces: Vec<Value> =
            machines.iter().map(|(name, number)| interface(name, &format!("10.0.0.{number}"))).collect();
        assert_eq!(attributes(&there, &interfaces)["services"], Service::texts(wanted.clone()));
        // A machine that has another address by now is not behind the balancer.
        let told = attributes(&there, &interfaces[..3])["services"].to_string();
        assert!(told.contains("6432 to 6432, asked at 6432: 10.0.0.7"), "{told}");
    }

    #[test]
    fn the_same_nodes_are_one_pool() {
        let there = made(&services(&["443 to 443, asked at 443: node/a", "80 to 80, asked at 80: node/a"]));
        assert_eq!((there.backend_address_pools.len(), there.probes.len()), (1, 2));
    }

    #[test]
    fn two_ports_for_one_are_refused() {
        let two = services(&["80 to 8880, asked at 8880: node/a", "81 to 8880, asked at 8880: node/a"]);
        assert_eq!(same_behind(&two), Some((80, 81)));
        let apart = services(&["80 to 8880, asked at 8880: node/a", "81 to 8880, asked at 8880: node/b"]);
        assert_eq!(same_behind(&apart), None);
    }
}
