//! The calls of AWS, as the shared layer asks for them.

use std::collections::BTreeMap;

use futures_util::future::BoxFuture;
use serde_json::Value;

use super::{
    AwsOptions, balancer, bucket,
    client::{Clients, Connection},
    error::failed,
    firewall, identity, key, list, look, machine, network,
    place::Places,
    prices, tag,
};
use crate::{
    cost::PriceTable,
    event::StepLog,
    provider::{
        Expiring, FieldChange, Finding, Mutability, ProviderError, Resource, ResourceId, Stranger,
        cloud::{
            Answer, Book, Cloud, CloudOptions, Found, Launch, LaunchError, MachineState, Making,
            blueprint::kind,
            options::NetworkOptions,
            permanent,
            record::Image,
            tags::{self, Tags},
            waits::{Pace, Waits},
        },
    },
    topology::Topology,
};

/// The agent that the tunnel ends at, where the image has none.
const AGENT: &str = r#"
if ! command -v amazon-ssm-agent >/dev/null && ! [ -e /snap/bin/amazon-ssm-agent ]; then
    case $(dpkg --print-architecture) in arm64) kind=debian_arm64 ;; *) kind=debian_amd64 ;; esac
    file=$(mktemp --suffix=.deb)
    url=https://s3.amazonaws.com/ec2-downloads-windows/SSMAgent/latest/$kind/amazon-ssm-agent.deb
    if command -v curl >/dev/null; then curl -fsSLo "$file" "$url"; else wget -qO "$file" "$url"; fi
    dpkg -i "$file"
    rm -f "$file"
fi
"#;

/// One environment's view of AWS.
#[derive(Debug)]
pub struct Aws {
    pub(super) options: CloudOptions,
    pub(super) aws: AwsOptions,
    connection: Connection,
    pub(super) places: Places,
    waits: Waits<MachineState>,
}

impl Aws {
    /// Asks nobody yet.
    #[must_use]
    pub fn new(options: CloudOptions, aws: AwsOptions) -> Self {
        let places = Places::new(options.clone());
        Self { options, aws, connection: Connection::default(), places, waits: Waits::new(Pace::default()) }
    }

    pub(super) async fn clients(&self) -> Result<&Clients, ProviderError> {
        self.connection.get(&self.aws, self.options.region.as_deref()).await
    }

    async fn make_now(&self, making: Making<'_>) -> Result<String, ProviderError> {
        let clients = self.clients().await?;
        match making.resource.kind.as_str() {
            kind::NETWORK => network::network(clients, &making).await,
            kind::SUBNET => network::subnet(clients, &self.places, &making).await,
            kind::GATEWAY => network::gateway(clients, &making).await,
            kind::ADDRESS => network::address(clients, &making).await,
            kind::NAT => network::nat(clients, &making).await,
            kind::ROUTES => network::routes(clients, &making).await,
            kind::FIREWALL => firewall::create(clients, &making).await,
            kind::RULES => firewall::set_rules(clients, &making).await,
            kind::KEY => key::create(clients, &self.options, &making).await,
            kind::BUCKET => bucket::create(clients, &self.options, &self.aws, &making).await,
            kind::IDENTITY => identity::create(clients, &self.options, &self.aws, &making).await,
            kind::BALANCER => balancer::create(clients, &self.options, &making).await,
            other => Err(permanent(format!("make {}", making.resource.id), format!("AWS has no {other}"), None)),
        }
    }

    async fn change_now(
        &self,
        making: Making<'_>,
        handle: &str,
        fields: &[FieldChange],
        log: &StepLog,
    ) -> Result<(), ProviderError> {
        let clients = self.clients().await?;
        let doing = format!("change {}", making.resource.id);
        match making.resource.kind.as_str() {
            kind::RULES => firewall::set_rules(clients, &making).await.map(drop),
            kind::ROUTES => network::set_routes(clients, &doing, &making, handle).await,
            kind::KEY => key::replace(clients, &self.options, &making).await.map(drop),
            kind::BUCKET => bucket::set(clients, &self.aws, handle, &doing).await,
            kind::IDENTITY => identity::create(clients, &self.options, &self.aws, &making).await.map(drop),
            kind::BALANCER => balancer::set(clients, &self.options, &making, handle).await,
            kind::INSTANCE | kind::BASTION => machine::change(clients, &self.aws, &making, handle, fields, log).await,
            other => Err(permanent(doing, format!("a {other} cannot be changed"), None)),
        }
    }

    async fn remove_now(&self, kind: &str, handle: &str, id: &str, log: &StepLog) -> Result<(), ProviderError> {
        let clients = self.clients().await?;
        match kind {
            kind::INSTANCE | kind::BASTION => machine::remove(clients, &self.waits, handle, id).await,
            kind::RULES => firewall::clear(clients, handle).await,
            kind::KEY => key::remove(clients, &self.options).await,
            kind::BUCKET => bucket::remove(clients, handle, log).await,
            kind::IDENTITY => identity::remove(clients, handle).await,
            kind::BALANCER => balancer::remove(clients, &self.options, handle, id).await,
            _ => network::remove(clients, kind, handle, id).await,
        }
    }

    async fn strangers_now(&self, missing: &[Resource]) -> Result<Vec<Stranger>, ProviderError> {
        let clients = self.clients().await?;
        let own = self.options.environment.as_str();
        let mut found = Vec::new();
        // In a network of the environment's own nobody else has anything.
        let shared = !matches!(self.options.network, NetworkOptions::Create { .. });
        let network = if shared { self.places.known(clients).await?.remove("network") } else { None };
        let mut machines = Vec::new();
        for resource in missing {
            let name = tags::name(own, &resource.id);
            match resource.kind.as_str() {
                kind::KEY => found.extend(key::look_for(clients, own).await?),
                kind::IDENTITY => found.extend(identity::look_for(clients, own).await?),
                kind::BALANCER => found.extend(balancer::look_for(clients, own, &resource.id).await?),
                kind::BUCKET => found.extend(bucket::look_for(clients, &self.options, &resource.id).await?),
                kind::FIREWALL => {
                    if let Some(vpc) = &network {
                        found.extend(firewall::look_for(clients, own, vpc, &resource.id, &name).await?);
                    }
                }
                kind::INSTANCE | kind::BASTION => machines.push((resource.id.as_str(), name)),
                _ => {}
            }
        }
        let machines: Vec<(&str, &str)> = machines.iter().map(|(id, name)| (*id, name.as_str())).collect();
        found.extend(machine::strangers(clients, own, &machines).await?);
        Ok(found)
    }

    async fn environments_now(&self) -> Result<Vec<Expiring>, ProviderError> {
        let clients = self.clients().await?;
        let doing = "list the environments";
        let pages =
            clients.ec2.describe_tags().filters(tag::by("key", &[tags::ENVIRONMENT, tags::EXPIRES, tags::OWNER]));
        let all: Vec<_> = pages
            .into_paginator()
            .items()
            .send()
            .try_collect()
            .await
            .map_err(|error| failed(doing, "ec2:DescribeTags", &error))?;
        let mut of: BTreeMap<&str, BTreeMap<&str, &str>> = BTreeMap::new();
        for one in &all {
            if let (Some(id), Some(key), Some(value)) = (one.resource_id(), one.key(), one.value()) {
                of.entry(id).or_default().insert(key, value);
            }
        }
        let mut environments: BTreeMap<String, Expiring> = BTreeMap::new();
        for tags in of.values() {
            let Some(name) = tags.get(tags::ENVIRONMENT) else { continue };
            let entry = environments.entry((*name).to_owned()).or_insert_with(|| Expiring {
                environment: (*name).to_owned(),
                owner: None,
                expires: None,
                resources: 0,
            });
            entry.resources += 1;
            entry.owner = entry.owner.take().or_else(|| tags.get(tags::OWNER).map(|owner| (*owner).to_owned()));
            let own: Tags = tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
            // The latest counts: nothing is destroyed while a part of it may live.
            entry.expires = entry.expires.max(tags::expires(&own));
        }
        Ok(environments.into_values().collect())
    }
}

impl Cloud for Aws {
    fn name(&self) -> &'static str {
        "aws"
    }

    fn region(&self) -> Option<String> {
        let variable = |name| std::env::var(name).ok().filter(|region| !region.is_empty());
        let named = self.connection.region().or_else(|| self.options.region.clone());
        named.or_else(|| variable("AWS_REGION")).or_else(|| variable("AWS_DEFAULT_REGION"))
    }

    fn shape(&self, mut resource: Resource) -> Option<Resource> {
        // Who brings a profile of their own needs none made.
        if resource.kind == kind::IDENTITY && self.aws.instance_profile.is_some() {
            return None;
        }
        if resource.kind == kind::INSTANCE && self.aws.instance_profile.is_some() {
            resource.attributes.insert("identity".to_owned(), Value::Bool(true));
        }
        if matches!(resource.kind.as_str(), kind::INSTANCE | kind::BASTION) {
            resource.attributes.entry("disk_type".to_owned()).or_insert_with(|| "gp3".into());
        }
        Some(resource)
    }

    fn mutability(&self, _kind: &str, _attribute: &str) -> Option<Mutability> {
        None
    }

    fn architecture(&self, machine_type: &str) -> &'static str {
        machine::architecture(machine_type)
    }

    /// Rules are a part of their group and have none.
    fn tagged(&self, kind: &str) -> bool {
        kind != kind::RULES
    }

    fn tunnel_agent(&self) -> &'static str {
        AGENT
    }

    fn small(&self) -> &'static str {
        "t3.micro"
    }

    fn tunnel(&self, handle: &str) -> Option<String> {
        let mut words = vec!["aws", "ssm", "start-session", "--target", handle];
        words.extend(["--document-name", "AWS-StartSSHSession", "--parameters", "portNumber=%p"]);
        let region = self.region();
        words.extend(region.as_deref().into_iter().flat_map(|region| ["--region", region]));
        words.extend(self.aws.profile.as_deref().into_iter().flat_map(|profile| ["--profile", profile]));
        Some(words.join(" "))
    }

    fn places<'a>(&'a self) -> Answer<'a, BTreeMap<ResourceId, String>> {
        Box::pin(async { self.places.known(self.clients().await?).await })
    }

    fn list<'a>(&'a self) -> Answer<'a, Vec<Found>> {
        Box::pin(async {
            let clients = self.clients().await?;
            self.right_account(clients).await?;
            let known: BTreeMap<String, String> =
                self.places.known(clients).await?.into_iter().map(|(id, handle)| (handle, id)).collect();
            list::list(clients, &self.options, &self.aws, known).await
        })
    }

    fn machines<'a>(&'a self) -> Answer<'a, Vec<Found>> {
        Box::pin(async {
            let filters = vec![tag::filter(tags::ENVIRONMENT, &self.options.environment)];
            let instances = list::instances(self.clients().await?, Some(filters)).await?;
            let own =
                instances.iter().filter(|(one, _)| tag::is_own(&tag::read(one.tags()), &self.options.environment));
            Ok(own.filter_map(|(instance, index)| list::plain(instance, *index)).collect())
        })
    }

    fn states<'a>(&'a self, handles: Vec<String>) -> Answer<'a, BTreeMap<String, MachineState>> {
        Box::pin(async { machine::states(self.clients().await?, handles).await })
    }

    fn image<'a>(&'a self, architecture: &'a str) -> Answer<'a, Image> {
        Box::pin(async move {
            let choice = crate::provider::cloud::options::choice(&self.options.image);
            machine::newest(self.clients().await?, &self.options.image, architecture, choice).await
        })
    }

    fn make<'a>(&'a self, making: Making<'a>, _log: &'a StepLog) -> Answer<'a, String> {
        Box::pin(self.make_now(making))
    }

    fn launch<'a>(&'a self, launch: Launch<'a>) -> BoxFuture<'a, Result<Vec<String>, LaunchError>> {
        Box::pin(async move {
            let clients = self.clients().await.map_err(LaunchError::Other)?;
            machine::launch(clients, &self.places, &self.aws, &launch).await
        })
    }

    fn settle<'a>(&'a self, making: Making<'a>, handle: &'a str) -> Answer<'a, ()> {
        Box::pin(async move { machine::settle(self.clients().await?, &making, handle).await })
    }

    fn start<'a>(&'a self, handle: &'a str) -> Answer<'a, ()> {
        Box::pin(async move { machine::start(self.clients().await?, handle).await })
    }

    fn stop<'a>(&'a self, handle: &'a str) -> Answer<'a, ()> {
        Box::pin(async move { machine::stop(self.clients().await?, handle).await })
    }

    fn cut<'a>(&'a self, handle: &'a str) -> Answer<'a, ()> {
        Box::pin(async move { machine::cut(self.clients().await?, handle).await })
    }

    fn change<'a>(
        &'a self,
        making: Making<'a>,
        handle: &'a str,
        fields: &'a [FieldChange],
        log: &'a StepLog,
    ) -> Answer<'a, ()> {
        Box::pin(self.change_now(making, handle, fields, log))
    }

    fn tag<'a>(&'a self, kind: &'a str, handle: &'a str, tags: &'a Tags) -> Answer<'a, ()> {
        Box::pin(async move { tag::write(self.clients().await?, kind, handle, tags).await })
    }

    fn untag<'a>(&'a self, kind: &'a str, handle: &'a str, keys: &'a [String]) -> Answer<'a, ()> {
        Box::pin(async move { tag::remove(self.clients().await?, kind, handle, keys).await })
    }

    fn remove<'a>(&'a self, kind: &'a str, handle: &'a str, id: &'a str, log: &'a StepLog) -> Answer<'a, ()> {
        Box::pin(self.remove_now(kind, handle, id, log))
    }

    fn strangers<'a>(&'a self, missing: &'a [Resource]) -> Answer<'a, Vec<Stranger>> {
        Box::pin(self.strangers_now(missing))
    }

    fn balancer_host<'a>(&'a self, role: &'a str, book: &'a Book) -> Answer<'a, Option<String>> {
        Box::pin(async move { balancer::host(self.clients().await?, role, book).await })
    }

    fn look<'a>(&'a self, topology: &'a Topology, desired: &'a [Resource]) -> BoxFuture<'a, Vec<Finding>> {
        Box::pin(look::look(self, topology, desired))
    }

    fn host_key<'a>(&'a self, handle: &'a str) -> Answer<'a, Option<String>> {
        Box::pin(async move { machine::host_key(self.clients().await?, handle).await })
    }

    fn ask_prices<'a>(&'a self) -> Answer<'a, PriceTable> {
        Box::pin(async {
            let clients = self.clients().await?;
            prices::ask(&clients.pricing, &clients.region).await
        })
    }

    fn environments<'a>(&'a self) -> Answer<'a, Vec<Expiring>> {
        Box::pin(self.environments_now())
    }
}

impl Aws {
    /// Refuses to touch an account other than the one that the file names.
    pub(super) async fn right_account(&self, clients: &Clients) -> Result<(), ProviderError> {
        let Some(wanted) = &self.aws.account else { return Ok(()) };
        let account = bucket::account(clients).await?;
        if account == *wanted {
            return Ok(());
        }
        let hint = "log in to the right account, or change `aws.account`";
        Err(permanent(
            "look at AWS",
            format!("these are credentials of account {account}, and the file says {wanted}"),
            Some(hint),
        ))
    }
}
