//! The network: ranges, subnets, addresses, the way out.

use serde_json::{Value, json};

use super::{
    Azure,
    azure_mgmt::{
        AzureError, Condition,
        network::{self, AddressSpace, NatGateway, Network, PublicAddress, Sku, Subnet, Tracked},
        resources::Reference,
    },
    error::failed,
    names::arm,
};
use crate::provider::{
    ProviderError,
    cloud::{Making, tags::Tags},
};

/// How often something is written again after somebody else changed it in between.
pub(super) const RACES: usize = 10;

impl Azure {
    pub(super) async fn make_network(&self, making: Making<'_>) -> Result<String, ProviderError> {
        let doing = format!("make {}", making.resource.id);
        let id = self.id_of(arm::NETWORK, &making.resource.id);
        let range = text(&making, "cidr")?;
        // Subnets that are there already stay: a PUT without them would remove them.
        let there: Option<Tracked<Network>> =
            self.client.get(&id, network::VERSION).await.map_err(|error| failed(&doing, &error))?;
        let subnets = there.map(|there| there.properties.subnets).unwrap_or_default();
        let properties = Network { address_space: AddressSpace { address_prefixes: vec![range] }, subnets };
        self.put_tracked(&doing, &id, making.tags, properties, None).await
    }

    /// A subnet is a resource of its own below its network, and has no tags.
    pub(super) async fn make_subnet(&self, making: Making<'_>) -> Result<String, ProviderError> {
        let doing = format!("make {}", making.resource.id);
        let id = self.subnet_id(&making.resource.id);
        let range = text(&making, "cidr")?;
        self.write_subnet(&doing, &id, |subnet| {
            subnet.address_prefix = Some(range.clone());
            subnet.default_outbound_access = Some(false);
        })
        .await?;
        Ok(id)
    }

    /// Sends a subnet's traffic through its NAT gateway.
    pub(super) async fn make_route(&self, making: Making<'_>) -> Result<String, ProviderError> {
        let doing = format!("make {}", making.resource.id);
        let gateway = making.book.need(&doing, &text(&making, "default")?)?;
        let subnets: Vec<&str> = list(making.resource.attributes.get("subnets"));
        let mut last = String::new();
        for subnet in subnets {
            last = making.book.need(&doing, subnet)?;
            self.write_subnet(&doing, &last, |subnet| subnet.nat_gateway = Some(Reference::to(gateway.clone())))
                .await?;
        }
        Ok(last)
    }

    /// Takes a subnet's way out away.
    pub(super) async fn remove_route(&self, doing: &str, subnet: &str) -> Result<(), ProviderError> {
        let there: Option<Value> =
            self.client.get(subnet, network::VERSION).await.map_err(|error| failed(doing, &error))?;
        if there.is_none() {
            return Ok(());
        }
        self.write_subnet(doing, subnet, |subnet| subnet.nat_gateway = None).await
    }

    /// Reads, changes and writes a subnet. All of a network's subnets share its etag, so that two who write at once are
    /// told so, and the second looks again.
    async fn write_subnet(&self, doing: &str, id: &str, change: impl Fn(&mut Subnet)) -> Result<(), ProviderError> {
        let mut last = None;
        for _ in 0..RACES {
            let there: Option<network::Part<Subnet>> =
                self.client.get(id, network::VERSION).await.map_err(|error| failed(doing, &error))?;
            let mut subnet = there.map(|there| there.properties).unwrap_or_default();
            change(&mut subnet);
            let body = json!({ "properties": subnet });
            match self.client.put(id, network::VERSION, &body, Condition::Always).await {
                Ok(_) => return Ok(()),
                Err(error) if error.is_busy() || error.status == 412 => last = Some(error),
                Err(error) => return Err(failed(doing, &error)),
            }
        }
        let error = last.unwrap_or_else(|| AzureError::new("AnotherOperationInProgress", "the network never rests"));
        Err(failed(doing, &error))
    }

    pub(super) async fn make_address(&self, making: Making<'_>) -> Result<String, ProviderError> {
        let doing = format!("make {}", making.resource.id);
        let id = self.id_of(arm::ADDRESS, &making.resource.id);
        let properties = PublicAddress { allocation: "Static".to_owned(), ip_address: None };
        self.put_tracked(&doing, &id, making.tags, properties, Sku::standard()).await
    }

    pub(super) async fn make_nat(&self, making: Making<'_>) -> Result<String, ProviderError> {
        let doing = format!("make {}", making.resource.id);
        let id = self.id_of(arm::NAT, &making.resource.id);
        let address = making.book.need(&doing, &text(&making, "address")?)?;
        let properties = NatGateway { public_ip_addresses: vec![Reference::to(address)], idle_timeout_in_minutes: 10 };
        self.put_tracked(&doing, &id, making.tags, properties, Sku::standard()).await
    }

    /// PUTs something with a region and tags; returns its id.
    pub(super) async fn put_tracked<P: serde::Serialize + Send + Sync>(
        &self,
        doing: &str,
        id: &str,
        tags: &Tags,
        properties: P,
        sku: Option<Sku>,
    ) -> Result<String, ProviderError> {
        let body = Tracked {
            id: String::new(),
            name: String::new(),
            etag: None,
            location: self.location()?,
            tags: tags.clone(),
            sku,
            zones: None,
            properties,
        };
        self.own_or_free(doing, id, network::VERSION).await?;
        self.client.put(id, network::VERSION, &body, Condition::Always).await.map_err(|error| failed(doing, &error))?;
        Ok(id.to_owned())
    }
}

/// A text attribute that a resource must have.
pub(super) fn text(making: &Making<'_>, attribute: &str) -> Result<String, ProviderError> {
    let value = making.resource.attributes.get(attribute).and_then(Value::as_str);
    value.map(str::to_owned).ok_or_else(|| {
        let doing = format!("make {}", making.resource.id);
        crate::provider::cloud::permanent(doing, format!("the plan gives no `{attribute}`"), None)
    })
}

/// A list of texts.
pub(super) fn list(value: Option<&Value>) -> Vec<&str> {
    value.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
}
