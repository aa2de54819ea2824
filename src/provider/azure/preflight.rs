//! What Azure says before anything is made: who we are, what is registered, which sizes there are, how many.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{
    Azure,
    azure_mgmt::{
        compute::Size,
        network::{self, Network, Tracked},
    },
    balanced::to_itself,
    error::failed,
    names::arm,
    registration::{COMPUTE, NETWORK},
};
use crate::{
    provider::{
        Finding, ProviderError, Resource, Verdict,
        cloud::{
            blueprint::kind,
            options::NetworkOptions,
            quota::{self, Limit, Needs},
        },
    },
    topology::Topology,
};

/// Quota of all CPUs of a region, and of its public addresses.
const ALL_CPUS: &str = "cores";

impl Azure {
    pub(super) async fn findings(&self, topology: &Topology, desired: &[Resource]) -> Vec<Finding> {
        let mut found = Vec::new();
        if let Some(refusal) = self.refusal() {
            found.push(finding("access", Verdict::Fail, refusal, None));
        }
        for (node, role) in to_itself(topology) {
            let what = format!("{node} would reach itself through the balancer in place of {role}, which Azure drops");
            let hint = "give its roles node groups of their own, or use `cloud.internal_balancer: haproxy`";
            found.push(finding("balancer", Verdict::Fail, &what, Some(hint)));
        }
        if !self.subscription_found(&mut found).await {
            return found;
        }
        let region = match self.location() {
            Ok(region) => region,
            Err(error) => {
                found.push(of_error("region", &error));
                return found;
            }
        };
        let missing = self.registrations_found(&mut found).await;
        // What is not registered answers nothing.
        if !missing.contains(&COMPUTE) {
            self.machines_found(&region, desired, &mut found).await;
        }
        if !missing.contains(&NETWORK) {
            self.network_found(&mut found).await;
        }
        found
    }

    async fn machines_found(&self, region: &str, desired: &[Resource], found: &mut Vec<Finding>) {
        match self.sizes_of(region).await {
            Ok(sizes) => {
                self.sizes_found(sizes, region, desired, found);
                self.quotas(sizes, region, desired, found).await;
            }
            Err(error) => found.push(of_error("sizes", &error)),
        }
        match self.newest("x86_64").await {
            Ok(image) => found.push(finding("image", Verdict::Pass, &image.name, None)),
            Err(error) => found.push(of_error("image", &error)),
        }
    }

    /// Who we are, and where. Nothing else can be asked where this fails.
    async fn subscription_found(&self, found: &mut Vec<Finding>) -> bool {
        let doing = "log in to Azure";
        if self.client.scope() == "/subscriptions/" {
            let hint = "set `azure.subscription` in the environment file, or AZURE_SUBSCRIPTION_ID";
            found.push(finding("subscription", Verdict::Fail, "no subscription is named", Some(hint)));
            return false;
        }
        let subscription = match self.client.subscription().await {
            Ok(subscription) => subscription,
            Err(error) => {
                found.push(of_error("login", &failed(doing, &error)));
                return false;
            }
        };
        let Some(subscription) = subscription else {
            let hint = "check `azure.subscription` and AZURE_SUBSCRIPTION_ID, and whether this login may see it";
            found.push(finding("subscription", Verdict::Fail, "this login sees no such subscription", Some(hint)));
            return false;
        };
        if let Some(tenant) = self.azure.tenant.as_deref().filter(|tenant| *tenant != subscription.tenant_id) {
            let what = format!("it belongs to the directory {}, not to {tenant}", subscription.tenant_id);
            let hint = "check `azure.tenant` and `azure.subscription`, or log in to the other directory";
            found.push(finding("subscription", Verdict::Fail, &what, Some(hint)));
            return false;
        }
        let verdict = if subscription.state == "Enabled" { Verdict::Pass } else { Verdict::Fail };
        let what = format!("{} ({})", subscription.display_name, subscription.state);
        found.push(finding("subscription", verdict, &what, None));
        verdict == Verdict::Pass
    }

    /// Gives what is not registered.
    async fn registrations_found(&self, found: &mut Vec<Finding>) -> Vec<&'static str> {
        let mut missing = Vec::new();
        for namespace in self.namespaces() {
            match self.client.registration(namespace).await {
                Ok(Some(known)) if known.is_done() => {}
                Ok(_) => missing.push(namespace),
                Err(error) => {
                    found.push(of_error("resource providers", &failed("look at the resource providers", &error)));
                    return missing;
                }
            }
        }
        if missing.is_empty() {
            found.push(finding("resource providers", Verdict::Pass, "registered", None));
            return missing;
        }
        let what = format!("not registered: {}", missing.join(", "));
        let commands: Vec<String> =
            missing.iter().map(|name| format!("az provider register --namespace {name} --wait")).collect();
        let (verdict, hint) = match self.azure.register_providers {
            true => (Verdict::Warn, "`apply` registers them first, and asks sizes and quotas no sooner".to_owned()),
            false => {
                (Verdict::Fail, format!("once: {}; or write `azure.register_providers: true`", commands.join("; ")))
            }
        };
        found.push(finding("resource providers", verdict, &what, Some(&hint)));
        missing
    }

    /// Sizes of the region, asked once.
    pub(super) async fn sizes_of(&self, region: &str) -> Result<&Vec<Size>, ProviderError> {
        self.sizes
            .get_or_try_init(|| async {
                self.client.sizes(region).await.map_err(|error| failed("look at the sizes", &error))
            })
            .await
    }

    fn sizes_found(&self, sizes: &[Size], region: &str, desired: &[Resource], found: &mut Vec<Finding>) {
        if sizes.is_empty() {
            let what = format!("`{region}` is no region that this subscription can use");
            let hint = "`az account list-locations -o table` lists them";
            found.push(finding("region", Verdict::Fail, &what, Some(hint)));
            return;
        }
        let zoned = sizes.iter().any(|size| size.zones().is_some_and(|zones| !zones.is_empty()));
        if !zoned && !self.azure.availability_sets {
            let what = format!("{region} has no availability zones");
            let hint = "use another region, or `azure.availability_sets: true`";
            found.push(finding("zones", Verdict::Fail, &what, Some(hint)));
        }
        let mut bad = Vec::new();
        for (name, zones) in self.wanted(desired) {
            let stand_ins = self.options.equivalents.get(&name).map_or(0, Vec::len);
            match sizes.iter().find(|size| size.name == name).map(|size| size.zones()) {
                None => bad.push((format!("{name} is not known in {region}"), 0)),
                Some(None) => bad.push((format!("{name} cannot be had in {region} by this subscription"), stand_ins)),
                Some(Some(there)) if zoned && !self.azure.availability_sets => {
                    let lacking: Vec<String> = zones
                        .into_iter()
                        .filter_map(|zone| self.zone_name(zone)?.into_iter().next())
                        .filter(|zone| !there.contains(&zone.as_str()))
                        .collect();
                    if !lacking.is_empty() {
                        bad.push((format!("{name} cannot be had in zone {}", lacking.join(", ")), 1 + stand_ins));
                    }
                }
                Some(Some(_)) => {}
            }
        }
        if bad.is_empty() {
            found.push(finding("sizes", Verdict::Pass, &format!("all can be had in {region}"), None));
        }
        for (what, ways_out) in bad {
            let verdict = if ways_out > 0 { Verdict::Warn } else { Verdict::Fail };
            let hint = "other zones and `cloud.equivalents` are tried in its place; or name another size";
            found.push(finding("sizes", verdict, &what, Some(hint)));
        }
    }

    /// Sizes with the zones that they are wanted in.
    fn wanted(&self, desired: &[Resource]) -> BTreeMap<String, BTreeSet<usize>> {
        let mut wanted: BTreeMap<String, BTreeSet<usize>> = BTreeMap::new();
        for resource in desired.iter().filter(|one| one.kind == kind::INSTANCE || one.kind == kind::BASTION) {
            let zone = resource.attributes.get("zone").and_then(Value::as_u64).unwrap_or(1);
            if let Some(size) = resource.attributes.get("machine_type").and_then(Value::as_str) {
                wanted.entry(size.to_owned()).or_default().insert(zone.max(1) as usize);
            }
        }
        wanted
    }

    /// CPUs by family and in all, less those that the environment has already.
    async fn quotas(&self, sizes: &[Size], region: &str, desired: &[Resource], found: &mut Vec<Finding>) {
        let usages = match self.client.cpu_usages(region).await {
            Ok(usages) => usages,
            Err(error) => return found.push(of_error("quotas", &failed("look at the quotas", &error))),
        };
        let own = self.list_machines(&[], &[], None).await.unwrap_or_default();
        let cpus = |size: &str| {
            let size = sizes.iter().find(|known| known.name == size)?;
            Some((size.family.clone()?, size.can("vCPUs")?.parse::<f64>().ok()?))
        };
        let mut needs = Needs::new();
        let mut add = |size: Option<&Value>| {
            if let Some((family, count)) = size.and_then(Value::as_str).and_then(cpus) {
                *needs.entry(family).or_default() += count;
                *needs.entry(ALL_CPUS.to_owned()).or_default() += count;
            }
        };
        let machines = desired.iter().filter(|one| one.kind == kind::INSTANCE || one.kind == kind::BASTION);
        machines.for_each(|machine| add(machine.attributes.get("machine_type")));
        let mut has: BTreeMap<String, f64> = BTreeMap::new();
        for machine in own {
            if let Some((family, count)) = machine.attributes.get("machine_type").and_then(Value::as_str).and_then(cpus)
            {
                *has.entry(family).or_default() += count;
                *has.entry(ALL_CPUS.to_owned()).or_default() += count;
            }
        }
        let limits: Vec<Limit> = usages
            .iter()
            .map(|usage| Limit {
                quota: usage.name.value.clone(),
                limit: usage.limit as f64,
                used: usage.current_value as f64 - has.get(&usage.name.value).copied().unwrap_or_default(),
                raise: format!("{} in {region}: portal, Subscriptions, Usage + quotas", usage.name.localized_value),
            })
            .collect();
        found.extend(quota::findings(&needs, &limits));
    }

    /// A network of one's own must not lie over one that is used: they could never be joined.
    async fn network_found(&self, found: &mut Vec<Finding>) {
        let NetworkOptions::Create { range, .. } = self.options.network else { return };
        let path = format!("{}/providers/{}", self.client.scope(), arm::NETWORK);
        let all: Result<Vec<Tracked<Network>>, _> = self.client.list(&path, network::VERSION, &[]).await;
        let own = self.id_of(arm::NETWORK, "network").to_lowercase();
        for other in all.unwrap_or_default().iter().filter(|other| other.id.to_lowercase() != own) {
            let ranges = other.properties.address_space.address_prefixes.iter();
            let over = ranges.filter_map(|text| text.parse::<ipnet::Ipv4Net>().ok());
            for overlaps in over.filter(|other| other.contains(&range.network()) || range.contains(&other.network())) {
                let what = format!("{range} lies over {overlaps} of {}", other.id);
                let hint =
                    "two such networks can never be peered: choose another `cloud.network.cidr` if they may have to be";
                found.push(finding("network", Verdict::Warn, &what, Some(hint)));
            }
        }
    }
}

fn finding(name: &str, verdict: Verdict, found: &str, hint: Option<&str>) -> Finding {
    Finding { name: name.to_owned(), verdict, found: found.to_owned(), hint: hint.map(str::to_owned) }
}

fn of_error(name: &str, error: &ProviderError) -> Finding {
    finding(name, Verdict::Fail, &error.message, error.hint.as_deref())
}
