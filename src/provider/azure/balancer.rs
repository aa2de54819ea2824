//! The cloud's balancer at the door: Standard, with a probe for each port, sending to the nodes' addresses.

use serde_json::{Value, json};

use super::{
    Azure,
    azure_mgmt::{
        network::{self, Balancer, BalancingRule, Front, Part, Pool, PoolMember, Probe, PublicAddress, Sku, Tracked},
        resources::Reference,
    },
    error::failed,
    firewall::tags_of_part,
    names::{arm, last},
    network::list,
};
use crate::provider::{
    ProviderError,
    cloud::{Making, permanent},
};

const FRONT: &str = "front";
const POOL: &str = "door";

impl Azure {
    pub(super) async fn make_balancer(&self, making: Making<'_>) -> Result<String, ProviderError> {
        let doing = format!("make {}", making.resource.id);
        let id = self.id_of(arm::BALANCER, &making.resource.id);
        let address = self.id_of(arm::ADDRESS, &making.resource.id);
        let properties = PublicAddress { allocation: "Static".to_owned(), ip_address: None };
        let tags = tags_of_part(making.tags, &making.resource.id);
        self.put_tracked(&doing, &address, &tags, properties, Sku::standard()).await?;
        let network = making.book.need(&doing, "network")?;
        let mut members = Vec::new();
        for target in list(making.resource.attributes.get("targets")) {
            let machine = making.book.need(&doing, target)?;
            members.push(self.member(&doing, last(&machine), &network).await?);
        }
        let front = Reference::to(format!("{id}/frontendIPConfigurations/{FRONT}"));
        let pool = Reference::to(format!("{id}/backendAddressPools/{POOL}"));
        let ports = ports(making.resource.attributes.get("ports"));
        let rule = |port: &u16| BalancingRule {
            protocol: "Tcp".to_owned(),
            frontend_port: *port,
            backend_port: *port,
            front: front.clone(),
            backend_address_pool: pool.clone(),
            probe: Reference::to(format!("{id}/probes/tcp-{port}")),
            idle_timeout_in_minutes: 15,
            enable_tcp_reset: true,
        };
        let probe =
            |port: &u16| Probe { protocol: "Tcp".to_owned(), port: *port, interval_in_seconds: 5, request_path: None };
        let properties = Balancer {
            fronts: vec![Part::new(FRONT, Front { public: Some(Reference::to(address)), ..Front::default() })],
            backend_address_pools: vec![Part::new(POOL, Pool { load_balancer_backend_addresses: members })],
            probes: ports.iter().map(|port| Part::new(format!("tcp-{port}"), probe(port))).collect(),
            load_balancing_rules: ports.iter().map(|port| Part::new(format!("tcp-{port}"), rule(port))).collect(),
        };
        self.put_tracked(&doing, &id, making.tags, properties, Sku::standard()).await
    }

    /// A machine's place in the pool, by its address.
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

    /// Attributes of a balancer that is there, in the blueprint's words.
    pub(super) fn balancer_attributes(&self, balancer: &Balancer) -> serde_json::Map<String, Value> {
        let mut ports: Vec<u16> =
            balancer.load_balancing_rules.iter().map(|rule| rule.properties.frontend_port).collect();
        ports.sort_unstable();
        let members =
            balancer.backend_address_pools.iter().flat_map(|pool| &pool.properties.load_balancer_backend_addresses);
        let mut targets: Vec<String> = members.map(|member| format!("node/{}", member.name)).collect();
        targets.sort();
        let attributes = json!({ "ports": ports, "targets": targets, "public": true });
        attributes.as_object().cloned().unwrap_or_default()
    }
}

fn ports(value: Option<&Value>) -> Vec<u16> {
    let all = value.and_then(Value::as_array).into_iter().flatten();
    all.filter_map(|port| u16::try_from(port.as_u64()?).ok()).collect()
}
