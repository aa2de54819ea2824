//! A passthrough network load balancer: an unmanaged instance group in each zone, a health check, a backend service, a
//! forwarding rule. Five of Google's resources, one of the blueprint's.

use std::collections::{BTreeMap, BTreeSet};

use google_cloud_compute_v1::model::{
    Backend, BackendService, ForwardingRule, HealthCheck, InstanceGroup, InstanceGroupsAddInstancesRequest,
    InstanceGroupsListInstancesRequest, InstanceGroupsRemoveInstancesRequest, InstanceReference, TCPHealthCheck,
    backend, backend_service, forwarding_rule, health_check,
};
use google_cloud_gax::paginator::ItemPaginator as _;
use serde_json::{Value, json};

use super::{
    compute::{At, act, handle, last, remove},
    fault::Fault,
    labels, machines, names,
    shape::SUBNET,
};
use crate::provider::{
    Condition, ProviderError, Resource,
    cloud::{Found, Making, blueprint::kind, permanent, tags},
};

/// Ports that one forwarding rule takes at most.
const PORTS: usize = 5;

/// What a balancer is made of, as far as it is there.
#[derive(Debug, Default)]
struct Parts {
    rule: Option<ForwardingRule>,
    service: Option<BackendService>,
    check: Option<HealthCheck>,
    /// Zone -> handles of the members.
    groups: BTreeMap<String, BTreeSet<String>>,
}

fn ports(resource: &Resource) -> Vec<u64> {
    let ports = resource.attributes.get("ports").and_then(Value::as_array);
    ports.into_iter().flatten().filter_map(Value::as_u64).collect()
}

impl At<'_> {
    fn scheme(
        &self,
        resource: &Resource,
    ) -> (backend_service::LoadBalancingScheme, forwarding_rule::LoadBalancingScheme) {
        match resource.attributes.get("public").and_then(Value::as_bool) {
            Some(false) => {
                (backend_service::LoadBalancingScheme::Internal, forwarding_rule::LoadBalancingScheme::Internal)
            }
            _ => (backend_service::LoadBalancingScheme::External, forwarding_rule::LoadBalancingScheme::External),
        }
    }

    /// Makes what is missing of a balancer, and its members what they should be.
    pub(super) async fn make_balancer(&self, making: Making<'_>) -> Result<String, ProviderError> {
        let name = names::of(self.environment(), &making.resource.id);
        let doing = format!("make balancer {name}");
        self.make_balancer_named(making, &name, &doing).await?;
        Ok(format!("regions/{}/forwardingRules/{name}", self.region))
    }

    async fn make_balancer_named(&self, making: Making<'_>, name: &str, doing: &str) -> Result<(), ProviderError> {
        let told = |fault: Fault| fault.told(doing);
        let ports = ports(making.resource);
        if ports.is_empty() || ports.len() > PORTS {
            let message = format!("{} ports at the door: one balancer of Google's takes 1 to {PORTS}", ports.len());
            return Err(permanent(doing, message, Some("use HAProxy nodes: `cloud.balancer: haproxy`")));
        }
        let there = self.parts_of(name).await.map_err(told)?;
        let description = labels::description(making.tags);
        let mut wanted: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for target in making.resource.attributes.get("targets").and_then(Value::as_array).into_iter().flatten() {
            let machine = making.book.need(doing, target.as_str().unwrap_or_default())?;
            wanted.entry(machines::parts(&machine).1.to_owned()).or_default().insert(machine.clone());
        }
        let network = self.link(&making.book.need(doing, "network")?);
        for (zone, members) in &wanted {
            if !there.groups.contains_key(zone) {
                let group = InstanceGroup::new().set_name(name).set_description(&description);
                self.fresh_or_there(
                    doing,
                    act!(self, doing, self.clients.groups.insert().set_zone(zone).set_body(group)),
                )?;
            }
            self.members(name, zone, members, there.groups.get(zone), doing).await?;
        }
        for zone in there.groups.keys().filter(|zone| !wanted.contains_key(*zone)) {
            self.members(name, zone, &BTreeSet::new(), there.groups.get(zone), doing).await?;
        }
        let first = i32::try_from(ports[0]).unwrap_or(443);
        if there.check.is_none() {
            let check = HealthCheck::new()
                .set_name(name)
                .set_description(&description)
                .set_type(health_check::Type::Tcp)
                .set_check_interval_sec(5)
                .set_timeout_sec(5)
                .set_tcp_health_check(TCPHealthCheck::new().set_port(first));
            let call = self.clients.checks.insert().set_region(self.region).set_body(check);
            self.fresh_or_there(doing, act!(self, doing, call))?;
        }
        let (scheme, rule_scheme) = self.scheme(making.resource);
        let backends: Vec<Backend> = wanted
            .keys()
            .map(|zone| {
                Backend::new()
                    .set_group(self.link(&format!("zones/{zone}/instanceGroups/{name}")))
                    .set_balancing_mode(backend::BalancingMode::Connection)
            })
            .collect();
        match &there.service {
            None => {
                let service = BackendService::new()
                    .set_name(name)
                    .set_description(&description)
                    .set_load_balancing_scheme(scheme)
                    .set_protocol(backend_service::Protocol::Tcp)
                    .set_health_checks([self.link(&format!("regions/{}/healthChecks/{name}", self.region))])
                    .set_backends(backends);
                let call = self.clients.backends.insert().set_region(self.region).set_body(service);
                self.fresh_or_there(doing, act!(self, doing, call))?;
            }
            Some(service) => {
                let found: BTreeSet<String> =
                    service.backends.iter().filter_map(|one| one.group.as_deref().map(handle)).collect();
                let asked: BTreeSet<String> =
                    backends.iter().filter_map(|one| one.group.as_deref().map(handle)).collect();
                if found != asked {
                    let patch = BackendService::new()
                        .set_backends(backends)
                        .set_fingerprint(service.fingerprint.clone().unwrap_or_default());
                    let call = self.clients.backends.patch().set_region(self.region).set_backend_service(name);
                    act!(self, doing, call.set_body(patch)).map_err(told)?;
                }
            }
        }
        let texts: Vec<String> = ports.iter().map(ToString::to_string).collect();
        if let Some(rule) = &there.rule {
            let mut found = rule.ports.clone();
            found.sort_by_key(|port| port.parse::<u16>().unwrap_or_default());
            if found == texts {
                return Ok(());
            }
            remove!(
                self,
                doing,
                self.clients.forwarding_rules.delete().set_region(self.region).set_forwarding_rule(name)
            )?;
        }
        let mut rule = ForwardingRule::new()
            .set_name(name)
            .set_labels(labels::split(making.tags).0)
            .set_load_balancing_scheme(rule_scheme.clone())
            .set_ip_protocol(forwarding_rule::IPProtocol::Tcp)
            .set_ports(texts)
            .set_backend_service(self.link(&format!("regions/{}/backendServices/{name}", self.region)));
        if rule_scheme == forwarding_rule::LoadBalancingScheme::Internal {
            rule = rule.set_network(&network).set_subnetwork(self.link(&making.book.need(doing, SUBNET)?));
        }
        let call = self.clients.forwarding_rules.insert().set_region(self.region).set_body(rule);
        self.fresh_or_there(doing, act!(self, doing, call))
    }

    /// A part that came to be in between is as good as one that was made; names that others took show up when the
    /// parts are looked at by their descriptions, and are refused there.
    fn fresh_or_there(&self, doing: &str, outcome: Result<(), Fault>) -> Result<(), ProviderError> {
        match outcome {
            Err(fault) if fault.exists() => {
                let hint = "it may be somebody else's: remove it, or give the environment another name";
                Err(permanent(doing, fault.message, Some(hint)))
            }
            outcome => outcome.map_err(|fault| fault.told(doing)),
        }
    }

    async fn members(
        &self,
        group: &str,
        zone: &str,
        wanted: &BTreeSet<String>,
        there: Option<&BTreeSet<String>>,
        doing: &str,
    ) -> Result<(), ProviderError> {
        let none = BTreeSet::new();
        let there = there.unwrap_or(&none);
        let named = |machines: Vec<&String>| -> Vec<InstanceReference> {
            let link = |machine: &String| self.link(&format!("zones/{zone}/instances/{}", machines::parts(machine).0));
            machines.into_iter().map(|machine| InstanceReference::new().set_instance(link(machine))).collect()
        };
        let new = named(wanted.difference(there).collect());
        if !new.is_empty() {
            let body = InstanceGroupsAddInstancesRequest::new().set_instances(new);
            let call = self.clients.groups.add_instances().set_zone(zone).set_instance_group(group).set_body(body);
            act!(self, doing, call).map_err(|fault| fault.told(doing))?;
        }
        let old = named(there.difference(wanted).collect());
        if !old.is_empty() {
            let body = InstanceGroupsRemoveInstancesRequest::new().set_instances(old);
            let call = self.clients.groups.remove_instances().set_zone(zone).set_instance_group(group).set_body(body);
            act!(self, doing, call).map_err(|fault| fault.told(doing))?;
        }
        Ok(())
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
        let mut groups = self.clients.groups.aggregated_list().set_project(self.project).by_item();
        while let Some(scope) = groups.next().await {
            for group in scope?.1.instance_groups {
                let (name, zone) = (group.name.clone().unwrap_or_default(), group.zone.clone().unwrap_or_default());
                let zone = last(&zone).to_owned();
                if own(group.description.as_deref()) && zone.starts_with(self.region) {
                    let members = self.members_of(&name, &zone).await?;
                    all.entry(name).or_default().groups.insert(zone, members);
                }
            }
        }
        Ok(all)
    }

    async fn members_of(&self, group: &str, zone: &str) -> Result<BTreeSet<String>, Fault> {
        let mut found = BTreeSet::new();
        let mut members = self
            .clients
            .groups
            .list_instances()
            .set_project(self.project)
            .set_zone(zone)
            .set_instance_group(group)
            .set_body(InstanceGroupsListInstancesRequest::new())
            .by_item();
        while let Some(member) = members.next().await {
            if let Some(instance) = member?.instance {
                found.insert(machines::handle(last(&instance), zone));
            }
        }
        Ok(found)
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
            let mut ports: Vec<u64> =
                parts.rule.iter().flat_map(|rule| &rule.ports).filter_map(|port| port.parse().ok()).collect();
            ports.sort_unstable();
            let whole = parts.service.is_some() && parts.check.is_some();
            let members = parts.groups.values().flatten().map(|machine| machines::parts(machine).0);
            let mut targets: Vec<String> = members.map(|name| format!("node/{name}")).collect();
            targets.sort();
            let public = parts
                .rule
                .as_ref()
                .map(|rule| rule.load_balancing_scheme != Some(forwarding_rule::LoadBalancingScheme::Internal));
            let attributes = [
                // Without a service and a check behind it, nothing is served.
                ("ports", json!(if whole { ports } else { Vec::new() })),
                ("targets", json!(targets)),
                ("public", public.map_or(Value::Null, Value::from)),
            ];
            Found {
                id: tags.get(tags::RESOURCE).cloned().unwrap_or_else(|| "balancer/external".to_owned()),
                kind: kind::BALANCER,
                handle: format!("regions/{}/forwardingRules/{name}", self.region),
                tags,
                attributes: attributes
                    .into_iter()
                    .filter(|(_, value)| !value.is_null())
                    .map(|(key, value)| (key.to_owned(), value))
                    .collect(),
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
        for zone in there.groups.keys() {
            remove!(self, &doing, self.clients.groups.delete().set_zone(zone).set_instance_group(name))?;
        }
        Ok(())
    }
}
