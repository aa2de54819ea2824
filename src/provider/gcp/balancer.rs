//! Passthrough network load balancers: a health check, a backend service, a forwarding rule. Three of Google's resources,
//! one of the blueprint's. The nodes behind are in groups that several balancers may share ([`super::members`]).

use std::collections::BTreeMap;

use google_cloud_compute_v1::model::{
    Backend, BackendService, ForwardingRule, HTTPHealthCheck, HealthCheck, TCPHealthCheck, backend, backend_service,
    forwarding_rule, health_check,
};
use google_cloud_gax::paginator::ItemPaginator as _;
use serde_json::{Value, json};

use super::{
    compute::{At, act, last, remove},
    fault::Fault,
    labels, names, network,
    shape::SUBNET,
};
use crate::provider::{
    Condition, ProviderError, Resource,
    cloud::{Book, Found, Making, balance::Service, blueprint::kind, permanent, tags},
};

/// Ports that one forwarding rule takes at most.
const PORTS: usize = 5;

/// What a balancer is made of, as far as it is there.
#[derive(Debug, Default)]
struct Parts {
    rule: Option<ForwardingRule>,
    service: Option<BackendService>,
    check: Option<HealthCheck>,
}

fn text<'a>(resource: &'a Resource, attribute: &str) -> Option<&'a str> {
    resource.attributes.get(attribute).and_then(Value::as_str)
}

/// Port and path that a health check asks at.
fn question(check: &HealthCheck) -> (u16, Option<String>) {
    let number = |port: Option<i32>| port.and_then(|port| u16::try_from(port).ok()).unwrap_or_default();
    match &check.http_health_check {
        Some(http) => (number(http.port), http.request_path.clone()),
        None => (number(check.tcp_health_check.as_ref().and_then(|tcp| tcp.port)), None),
    }
}

fn asks(check: HealthCheck, service: &Service) -> HealthCheck {
    let port = i32::from(service.asked);
    match &service.path {
        Some(path) => check
            .set_type(health_check::Type::Http)
            .set_http_health_check(HTTPHealthCheck::new().set_port(port).set_request_path(path)),
        None => check.set_type(health_check::Type::Tcp).set_tcp_health_check(TCPHealthCheck::new().set_port(port)),
    }
}

impl At<'_> {
    /// Makes what is missing of a balancer, and the rest what it should be.
    pub(super) async fn make_balancer(&self, making: Making<'_>) -> Result<String, ProviderError> {
        let name = names::of(self.environment(), &making.resource.id);
        let doing = format!("make balancer {name}");
        let services = Service::all(making.resource);
        let Some(first) = services.first().filter(|_| services.len() <= PORTS) else {
            let message = format!("{} ports: one balancer of Google's takes 1 to {PORTS}", services.len());
            return Err(permanent(doing, message, Some("use HAProxy nodes: `cloud.balancer: haproxy`")));
        };
        let there = self.parts_of(&name).await.map_err(|fault| fault.told(&doing))?;
        self.make_check(making, &name, first, there.check.as_ref(), &doing).await?;
        self.make_service(making, &name, there.service.as_ref(), &doing).await?;
        self.make_rule(making, &name, &services, there.rule.as_ref(), &doing).await?;
        Ok(format!("regions/{}/forwardingRules/{name}", self.region))
    }

    async fn make_check(
        &self,
        making: Making<'_>,
        name: &str,
        service: &Service,
        there: Option<&HealthCheck>,
        doing: &str,
    ) -> Result<(), ProviderError> {
        let wanted = (service.asked, service.path.clone());
        match there {
            Some(check) if question(check) == wanted => Ok(()),
            Some(_) => {
                let call = self.clients.checks.patch().set_region(self.region).set_health_check(name);
                act!(self, doing, call.set_body(asks(HealthCheck::new(), service))).map_err(|fault| fault.told(doing))
            }
            None => {
                let check = HealthCheck::new()
                    .set_name(name)
                    .set_description(labels::description(making.tags))
                    .set_check_interval_sec(5)
                    .set_timeout_sec(5);
                let call = self.clients.checks.insert().set_region(self.region).set_body(asks(check, service));
                self.fresh(act!(self, doing, call), doing)
            }
        }
    }

    async fn make_service(
        &self,
        making: Making<'_>,
        name: &str,
        there: Option<&BackendService>,
        doing: &str,
    ) -> Result<(), ProviderError> {
        let group = making.book.need(doing, text(making.resource, "members").unwrap_or_default())?;
        let mut backends = Vec::new();
        for zone in self.gcp.zones(self).await? {
            let link = self.link(&format!("zones/{zone}/instanceGroups/{}", last(&group)));
            backends.push(Backend::new().set_group(link).set_balancing_mode(backend::BalancingMode::Connection));
        }
        if let Some(there) = there {
            let ends = |backends: &[Backend]| -> Vec<String> {
                let mut all: Vec<String> =
                    backends.iter().filter_map(|one| Some(super::compute::handle(one.group.as_deref()?))).collect();
                all.sort();
                all
            };
            if ends(&there.backends) == ends(&backends) {
                return Ok(());
            }
            let patch = BackendService::new()
                .set_backends(backends)
                .set_fingerprint(there.fingerprint.clone().unwrap_or_default());
            let call = self.clients.backends.patch().set_region(self.region).set_backend_service(name);
            return act!(self, doing, call.set_body(patch)).map_err(|fault| fault.told(doing));
        }
        let mut service = BackendService::new();
        service = match is_public(making.resource) {
            true => service.set_load_balancing_scheme(backend_service::LoadBalancingScheme::External),
            // A zone's group tells its network only once it has a member.
            false => service
                .set_load_balancing_scheme(backend_service::LoadBalancingScheme::Internal)
                .set_network(self.link(&making.book.need(doing, "network")?)),
        };
        let service = service
            .set_name(name)
            .set_description(labels::description(making.tags))
            .set_protocol(backend_service::Protocol::Tcp)
            .set_health_checks([self.link(&format!("regions/{}/healthChecks/{name}", self.region))])
            .set_backends(backends);
        let call = self.clients.backends.insert().set_region(self.region).set_body(service);
        self.fresh(act!(self, doing, call), doing)
    }

    async fn make_rule(
        &self,
        making: Making<'_>,
        name: &str,
        services: &[Service],
        there: Option<&ForwardingRule>,
        doing: &str,
    ) -> Result<(), ProviderError> {
        let ports: Vec<String> = services.iter().map(|service| service.listen.to_string()).collect();
        if let Some(rule) = there {
            let mut found = rule.ports.clone();
            found.sort_by_key(|port| port.parse::<u16>().unwrap_or_default());
            if found == ports {
                return Ok(());
            }
            let call = self.clients.forwarding_rules.delete().set_region(self.region).set_forwarding_rule(name);
            remove!(self, doing, call.clone())?;
        }
        let public = is_public(making.resource);
        let scheme = match public {
            true => forwarding_rule::LoadBalancingScheme::External,
            false => forwarding_rule::LoadBalancingScheme::Internal,
        };
        let mut rule = ForwardingRule::new()
            .set_name(name)
            .set_labels(labels::split(making.tags).0)
            .set_load_balancing_scheme(scheme)
            .set_ip_protocol(forwarding_rule::IPProtocol::Tcp)
            .set_ports(ports)
            .set_backend_service(self.link(&format!("regions/{}/backendServices/{name}", self.region)));
        if !public {
            let network = self.link(&making.book.need(doing, "network")?);
            rule = rule.set_network(network).set_subnetwork(self.link(&making.book.need(doing, SUBNET)?));
        }
        if let Some(address) = text(making.resource, "address") {
            rule = rule.set_ip_address(self.link(&making.book.need(doing, address)?));
        }
        let call = self.clients.forwarding_rules.insert().set_region(self.region).set_body(rule);
        self.fresh(act!(self, doing, call), doing)
    }

    /// What is there under a name, and was not when all of the environment's was listed, is somebody else's.
    pub(super) fn fresh(&self, outcome: Result<(), Fault>, doing: &str) -> Result<(), ProviderError> {
        match outcome {
            Err(fault) if fault.exists() => {
                let hint = "it may be somebody else's: remove it, or give the environment another name";
                Err(permanent(doing, fault.message, Some(hint)))
            }
            outcome => outcome.map_err(|fault| fault.told(doing)),
        }
    }

    /// The parts of one balancer that are the environment's.
    async fn parts_of(&self, name: &str) -> Result<Parts, Fault> {
        Ok(self.all_parts().await?.remove(name).unwrap_or_default())
    }

    /// Name -> parts, of all the environment's balancers in the region.
    async fn all_parts(&self) -> Result<BTreeMap<String, Parts>, Fault> {
        let mut all: BTreeMap<String, Parts> = BTreeMap::new();
        let own = |description: Option<&str>| {
            labels::described(description).is_some_and(|tags| labels::owned(&tags, self.environment()))
        };
        let mut rules =
            self.clients.forwarding_rules.list().set_project(self.project).set_region(self.region).by_item();
        while let Some(rule) = rules.next().await {
            let rule = rule?;
            if labels::owned(&labels::tags(None, &rule.labels), self.environment()) {
                let name = rule.name.clone().unwrap_or_default();
                all.entry(name).or_default().rule = Some(rule);
            }
        }
        let mut services = self.clients.backends.list().set_project(self.project).set_region(self.region).by_item();
        while let Some(service) = services.next().await {
            let service = service?;
            if own(service.description.as_deref()) {
                let name = service.name.clone().unwrap_or_default();
                all.entry(name).or_default().service = Some(service);
            }
        }
        let mut checks = self.clients.checks.list().set_project(self.project).set_region(self.region).by_item();
        while let Some(check) = checks.next().await {
            let check = check?;
            if own(check.description.as_deref()) {
                let name = check.name.clone().unwrap_or_default();
                all.entry(name).or_default().check = Some(check);
            }
        }
        Ok(all)
    }

    /// The environment's balancers.
    pub(super) async fn balancers(&self) -> Result<Vec<Found>, Fault> {
        let found = |(name, parts): (String, Parts)| {
            let described = [
                parts.service.as_ref().and_then(|one| one.description.clone()),
                parts.check.as_ref().and_then(|one| one.description.clone()),
            ];
            let tags = match &parts.rule {
                Some(rule) => labels::tags(Some(&name), &rule.labels),
                None => described.iter().find_map(|text| labels::described(text.as_deref())).unwrap_or_default(),
            };
            let (asked, path) = parts.check.as_ref().map(question).unwrap_or_default();
            let ports = parts.rule.iter().flat_map(|rule| &rule.ports).filter_map(|port| port.parse::<u16>().ok());
            let service = |port| Service { listen: port, port, asked, path: path.clone(), nodes: Default::default() };
            // Without a service and a check behind it, nothing is served.
            let whole = parts.service.is_some() && parts.check.is_some();
            let services: Vec<Service> = ports.filter(|_| whole).map(service).collect();
            let backend = parts.service.as_ref().and_then(|service| service.backends.first());
            let members = backend.and_then(|backend| self.members_named(last(backend.group.as_deref()?)));
            let mut attributes: BTreeMap<String, Value> =
                [("services".to_owned(), Service::texts(services)), ("members".to_owned(), json!(members))].into();
            if let Some(rule) = &parts.rule {
                let inside = rule.load_balancing_scheme == Some(forwarding_rule::LoadBalancingScheme::Internal);
                attributes.insert("public".to_owned(), json!(!inside));
            }
            Found {
                id: tags.get(tags::RESOURCE).cloned().unwrap_or_else(|| "balancer/external".to_owned()),
                kind: kind::BALANCER,
                handle: format!("regions/{}/forwardingRules/{name}", self.region),
                tags,
                attributes,
                condition: Condition::Good,
                machine: None,
            }
        };
        Ok(self.all_parts().await?.into_iter().map(found).collect())
    }

    /// Removes all parts of a balancer, in the order in which they stand on each other.
    pub(super) async fn remove_balancer(&self, handle: &str) -> Result<(), ProviderError> {
        let name = last(handle);
        let doing = format!("remove balancer {name}");
        let there = self.parts_of(name).await.map_err(|fault| fault.told(&doing))?;
        if there.rule.is_some() {
            let call = self.clients.forwarding_rules.delete().set_region(self.region).set_forwarding_rule(name);
            remove!(self, &doing, call.clone())?;
        }
        if there.service.is_some() {
            let call = self.clients.backends.delete().set_region(self.region).set_backend_service(name);
            remove!(self, &doing, call.clone())?;
        }
        if there.check.is_some() {
            let call = self.clients.checks.delete().set_region(self.region).set_health_check(name);
            remove!(self, &doing, call.clone())?;
        }
        Ok(())
    }

    /// Address of the balancer in place of nodes of a role.
    pub(super) async fn balancer_host(&self, role: &str, book: &Book) -> Result<Option<String>, ProviderError> {
        let Some(handle) = book.handle(&format!("address/{role}")) else { return Ok(None) };
        let there = self.address(&handle).await.map_err(|fault| fault.told("ask for the balancer's address"))?;
        Ok(there.as_ref().and_then(network::number).map(|number| number.to_string()))
    }
}

fn is_public(resource: &Resource) -> bool {
    resource.attributes.get("public") != Some(&json!(false))
}
