//! Networks, security groups, addresses, interfaces, balancers. Bodies hold what is used; `null` is left out on the way.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::resources::Reference;

/// api-version of everything here.
pub const VERSION: &str = "2026-03-01";

/// A resource with a region and tags, around what is particular to it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tracked<P> {
    /// Id. Never sent.
    #[serde(skip_serializing)]
    pub id: String,
    /// Name. Never sent.
    #[serde(skip_serializing)]
    pub name: String,
    /// For `If-Match`. Never sent in a body.
    #[serde(skip_serializing)]
    pub etag: Option<String>,
    /// Region.
    pub location: String,
    /// Tags.
    pub tags: BTreeMap<String, String>,
    /// `Standard`, where there are kinds.
    pub sku: Option<Sku>,
    /// Zones.
    pub zones: Option<Vec<String>>,
    /// What is particular.
    pub properties: P,
}

/// Kind of a thing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Sku {
    /// Its name.
    pub name: String,
}

impl Sku {
    /// The only kind of address, balancer and gateway that is not retired.
    #[must_use]
    pub fn standard() -> Option<Self> {
        Some(Self { name: "Standard".to_owned() })
    }
}

/// A named part of a resource.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Part<P> {
    /// Id. Never sent.
    #[serde(skip_serializing)]
    pub id: String,
    /// Name.
    pub name: String,
    /// Zones, where such a part has some.
    pub zones: Option<Vec<String>>,
    /// What it is.
    pub properties: P,
}

impl<P: Default> Part<P> {
    /// A part.
    #[must_use]
    pub fn new(name: impl Into<String>, properties: P) -> Self {
        Self { id: String::new(), name: name.into(), zones: None, properties }
    }
}

/// A virtual network.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Network {
    /// Its ranges.
    pub address_space: AddressSpace,
    /// Its subnets.
    pub subnets: Vec<Part<Subnet>>,
}

/// Ranges.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AddressSpace {
    /// Each as `10.0.0.0/16`.
    pub address_prefixes: Vec<String>,
}

/// A subnet.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Subnet {
    /// Its range.
    pub address_prefix: Option<String>,
    /// Its ranges, where there are several.
    pub address_prefixes: Option<Vec<String>>,
    /// Who may come in.
    pub network_security_group: Option<Reference>,
    /// The way out.
    pub nat_gateway: Option<Reference>,
    /// Whether machines without a public address get out without a gateway; Azure ends that for new networks.
    pub default_outbound_access: Option<bool>,
}

/// An application security group: a name for interfaces that rules can use.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApplicationGroup {}

/// A network security group.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SecurityGroup {
    /// Its rules.
    pub security_rules: Vec<Part<Rule>>,
}

/// A rule.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Rule {
    /// For people.
    pub description: Option<String>,
    /// `Tcp`, `Udp`, `*`.
    pub protocol: String,
    /// `Allow` or `Deny`.
    pub access: String,
    /// `Inbound` or `Outbound`.
    pub direction: String,
    /// 100 to 4096, the lowest first.
    pub priority: u32,
    /// `*`.
    pub source_port_range: String,
    /// Who, as one range or service tag.
    pub source_address_prefix: Option<String>,
    /// Who, as several ranges.
    pub source_address_prefixes: Option<Vec<String>>,
    /// Who, by name.
    pub source_application_security_groups: Option<Vec<Reference>>,
    /// Port or ports.
    pub destination_port_range: String,
    /// To whom, as one range or service tag.
    pub destination_address_prefix: Option<String>,
    /// To whom, by name.
    pub destination_application_security_groups: Option<Vec<Reference>>,
}

/// A NAT gateway.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NatGateway {
    /// What those behind it come from.
    pub public_ip_addresses: Vec<Reference>,
    /// Minutes until a quiet connection is forgotten.
    pub idle_timeout_in_minutes: u32,
}

/// A public address.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PublicAddress {
    /// `Static`: what `Standard` addresses are.
    #[serde(rename = "publicIPAllocationMethod")]
    pub allocation: String,
    /// The address itself. Never sent.
    #[serde(skip_serializing)]
    pub ip_address: Option<String>,
}

/// A network interface.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Interface {
    /// Its addresses.
    pub ip_configurations: Vec<Part<IpConfiguration>>,
    /// The machine that has it. Never sent.
    #[serde(skip_serializing)]
    pub virtual_machine: Option<Reference>,
    /// Who may come in.
    pub network_security_group: Option<Reference>,
}

/// Addresses of an interface.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct IpConfiguration {
    /// Subnet.
    pub subnet: Reference,
    /// `Dynamic` or `Static`.
    #[serde(rename = "privateIPAllocationMethod")]
    pub allocation: String,
    /// Address inside.
    #[serde(rename = "privateIPAddress")]
    pub private: Option<String>,
    /// Address outside.
    #[serde(rename = "publicIPAddress")]
    pub public: Option<Reference>,
    /// Names that rules know it by.
    pub application_security_groups: Vec<Reference>,
    /// Balancers that send to it.
    pub load_balancer_backend_address_pools: Vec<Reference>,
}

/// A load balancer.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Balancer {
    /// Where it listens.
    #[serde(rename = "frontendIPConfigurations")]
    pub fronts: Vec<Part<Front>>,
    /// Whom it sends to.
    pub backend_address_pools: Vec<Part<Pool>>,
    /// How it asks.
    pub probes: Vec<Part<Probe>>,
    /// What goes where.
    pub load_balancing_rules: Vec<Part<BalancingRule>>,
}

/// Where a balancer listens.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Front {
    /// Outside.
    #[serde(rename = "publicIPAddress")]
    pub public: Option<Reference>,
    /// Inside.
    pub subnet: Option<Reference>,
    /// `Dynamic`, inside: Azure chooses the address once, and the balancer keeps it.
    #[serde(rename = "privateIPAllocationMethod")]
    pub allocation: Option<String>,
    /// Address inside.
    #[serde(rename = "privateIPAddress")]
    pub private: Option<String>,
}

/// An Azure Bastion.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BastionHost {
    /// Where it is.
    pub ip_configurations: Vec<Part<BastionPlace>>,
    /// Whether programs may come through it, and not only Azure's portal.
    pub enable_tunneling: bool,
}

/// Where an Azure Bastion is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BastionPlace {
    /// Its own subnet, called `AzureBastionSubnet`.
    pub subnet: Reference,
    /// Address outside.
    #[serde(rename = "publicIPAddress")]
    pub public: Reference,
    /// `Dynamic`.
    #[serde(rename = "privateIPAllocationMethod")]
    pub allocation: String,
}

/// Whom a balancer sends to.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Pool {
    /// By address.
    pub load_balancer_backend_addresses: Vec<Part<PoolMember>>,
}

/// One whom a balancer sends to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PoolMember {
    /// Address inside.
    pub ip_address: String,
    /// Network that it is in.
    pub virtual_network: Reference,
}

/// How a balancer asks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Probe {
    /// `Tcp`, `Http` or `Https`.
    pub protocol: String,
    /// Port.
    pub port: u16,
    /// Seconds between two questions, 5 or more.
    pub interval_in_seconds: u32,
    /// Path of an HTTP question.
    pub request_path: Option<String>,
}

/// What goes where.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BalancingRule {
    /// `Tcp`.
    pub protocol: String,
    /// Port outside.
    pub frontend_port: u16,
    /// Port of the servers.
    pub backend_port: u16,
    /// Where it listens.
    #[serde(rename = "frontendIPConfiguration")]
    pub front: Reference,
    /// Whom it sends to.
    pub backend_address_pool: Reference,
    /// How it asks.
    pub probe: Reference,
    /// Minutes until a quiet connection is forgotten.
    pub idle_timeout_in_minutes: u32,
    /// Whether a forgotten connection is told so.
    pub enable_tcp_reset: bool,
}
