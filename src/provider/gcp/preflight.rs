//! A look before anything is made: who asks, which project, what is switched on, what may be had.

use std::collections::{BTreeMap, BTreeSet};

use reqwest::Method;
use serde_json::{Value, json};

use super::{
    Gcp,
    clients::found,
    compute::{At, last},
    fault::Fault,
    labels, names,
    rest::Request,
};
use crate::{
    provider::{
        Finding, ProviderError, Resource, Verdict,
        cloud::{
            Cloud as _,
            blueprint::kind,
            quota::{Limit, Needs, findings},
        },
    },
    topology::Topology,
};

/// Permissions without which nothing can be made.
const PERMISSIONS: [&str; 8] = [
    "compute.addresses.create",
    "compute.firewalls.create",
    "compute.instances.create",
    "compute.instances.setMetadata",
    "compute.networks.create",
    "compute.routers.create",
    "compute.subnetworks.create",
    "compute.subnetworks.use",
];
/// Permissions that object storage needs besides.
const STORAGE: [&str; 4] = [
    "iam.serviceAccounts.actAs",
    "iam.serviceAccounts.create",
    "storage.buckets.create",
    "storage.buckets.setIamPolicy",
];

fn pass(name: &str, found: impl Into<String>) -> Finding {
    Finding { name: name.to_owned(), verdict: Verdict::Pass, found: found.into(), hint: None }
}

fn bad(name: &str, verdict: Verdict, found: impl Into<String>, hint: impl Into<String>) -> Finding {
    Finding { name: name.to_owned(), verdict, found: found.into(), hint: Some(hint.into()) }
}

fn failed(name: &str, error: ProviderError) -> Finding {
    let hint = error.hint.clone();
    Finding { name: name.to_owned(), verdict: Verdict::Fail, found: error.to_string(), hint }
}

impl Gcp {
    /// Everything that can be found out without making anything.
    pub(super) async fn preflight(&self, topology: &Topology, desired: &[Resource]) -> Vec<Finding> {
        let at = match self.at().await {
            Ok(at) => at,
            Err(error) => return vec![failed("credentials", error)],
        };
        let mut all = self.names(desired);
        match at.clients.projects.get().set_project(at.project).send().await {
            Ok(project) => all.push(pass("project", format!("{} in {}", project.name.unwrap_or_default(), at.region))),
            Err(error) => {
                let fault = Fault::from(error);
                let what = if fault.status == 401 || fault.status == 0 { "credentials" } else { "project" };
                let hint = match fault.missing() {
                    true => Some("name the project under `gcp.project`; `gcloud projects list` shows yours".to_owned()),
                    false => None,
                };
                let mut finding = failed(what, fault.told(format!("look at project {}", at.project)));
                finding.hint = hint.or(finding.hint);
                all.push(finding);
                // Without it every other answer would be the same.
                return all;
            }
        }
        let storage = !self.options.buckets.is_empty();
        all.push(at.permissions(storage).await);
        all.extend(at.services(storage).await);
        all.extend(at.region_and_quotas(topology, desired).await);
        all.push(at.images(desired).await);
        all.extend(at.policies(desired).await);
        if let Some(finding) = at.subnet_room(topology).await {
            all.push(finding);
        }
        if self.options.admins.iter().any(|range| range.prefix_len() == 0)
            && self.options.access != crate::provider::cloud::options::Access::Tunnel
        {
            let found = "SSH and the monitoring pages are open to the whole internet";
            all.push(bad("networks", Verdict::Warn, found, "name yours under `cloud.admin_cidrs`"));
        }
        all
    }

    /// Names and labels outside of Google's rules.
    fn names(&self, desired: &[Resource]) -> Vec<Finding> {
        let mut all = Vec::new();
        for resource in desired.iter().filter(|resource| resource.node.is_some()) {
            let name = crate::provider::cloud::tags::name(&self.options.environment, &resource.id);
            if name.len() > names::LONGEST {
                let found =
                    format!("`{name}` has {} letters, and a machine's name has {} at most", name.len(), names::LONGEST);
                all.push(bad("names", Verdict::Fail, found, "give the environment or the node group a shorter name"));
                break;
            }
        }
        for (key, value) in &self.options.tags {
            let first = key.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase());
            let plain =
                key.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte));
            if !first || !plain || key.len() > names::LONGEST {
                let found = format!("`{key}` cannot be a label's name");
                let hint = "lower-case letters, digits, `_` and `-`, a letter first, 63 at most: change `cloud.tags`";
                all.push(bad("labels", Verdict::Fail, found, hint));
            } else if labels::escape(value).is_none() {
                let found = format!("the value of `{key}` is too long for a label");
                let hint = "63 letters at most; every one that is no lower-case letter, digit or `-` counts for three";
                all.push(bad("labels", Verdict::Fail, found, hint));
            }
        }
        let owner = self.options.owner.iter().filter(|owner| labels::escape(owner).is_none());
        all.extend(owner.map(|owner| {
            bad("labels", Verdict::Fail, format!("`{owner}` is too long for a label"), "shorten `owner`")
        }));
        all
    }
}

impl At<'_> {
    async fn permissions(&self, storage: bool) -> Finding {
        let asked: Vec<&str> = PERMISSIONS.iter().chain(STORAGE.iter().filter(|_| storage)).copied().collect();
        let path = format!("v3/projects/{}:testIamPermissions", self.project);
        let request = Request::new("cloudresourcemanager", Method::POST, path).body(json!({ "permissions": asked }));
        let answer = match self.clients.rest.call(request).await {
            Ok(answer) => answer,
            Err(fault) => {
                let found = format!("could not be found out: {}", fault.message);
                return bad("permissions", Verdict::Warn, found, "apply says which one is missing");
            }
        };
        let held: BTreeSet<&str> =
            answer["permissions"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let missing: Vec<&str> = asked.into_iter().filter(|one| !held.contains(one)).collect();
        match missing.is_empty() {
            true => pass("permissions", "all that are needed"),
            false => {
                let found = format!("missing: {}", missing.join(", "));
                bad("permissions", Verdict::Fail, found, "ask the project's administrator for them")
            }
        }
    }

    async fn services(&self, storage: bool) -> Vec<Finding> {
        let mut names = vec!["compute.googleapis.com"];
        if storage {
            names.extend(["iam.googleapis.com", "storage.googleapis.com"]);
        }
        if self.gcp.options.access == crate::provider::cloud::options::Access::Tunnel {
            names.push("iap.googleapis.com");
        }
        let mut request =
            Request::new("serviceusage", Method::GET, format!("v1/projects/{}/services:batchGet", self.project));
        for name in &names {
            request = request.query("names", format!("projects/{}/services/{name}", self.project));
        }
        let answer = match self.clients.rest.call(request).await {
            Ok(answer) => answer,
            Err(fault) => {
                let found = format!("could not be found out: {}", fault.message);
                return vec![bad("services", Verdict::Warn, found, "apply says which one is not enabled")];
            }
        };
        let services = answer["services"].as_array().into_iter().flatten();
        let off: Vec<&str> = services
            .filter(|service| service["state"] != json!("ENABLED"))
            .filter_map(|service| service["config"]["name"].as_str())
            .collect();
        if off.is_empty() {
            return vec![pass("services", format!("{} enabled", names.join(", ")))];
        }
        let hint = format!("gcloud services enable {} --project {}", off.join(" "), self.project);
        vec![bad("services", Verdict::Fail, format!("not enabled: {}", off.join(", ")), hint)]
    }

    async fn region_and_quotas(&self, topology: &Topology, desired: &[Resource]) -> Vec<Finding> {
        let region = match self.clients.regions.get().set_project(self.project).set_region(self.region).send().await {
            Ok(region) => region,
            Err(error) => {
                let mut finding = failed("region", Fault::from(error).told(format!("look at region {}", self.region)));
                finding.hint.get_or_insert_with(|| "`gcloud compute regions list` shows them all".to_owned());
                return vec![finding];
            }
        };
        let there: BTreeSet<String> = region.zones.iter().map(|zone| last(zone).to_owned()).collect();
        let zones = match self.gcp.zones(self).await {
            Ok(zones) => zones.clone(),
            Err(error) => return vec![failed("zones", error)],
        };
        if let Some(zone) = zones.iter().find(|zone| !there.contains(*zone)) {
            let all: Vec<String> = there.into_iter().collect();
            let found = format!("region {} has no zone {zone}", self.region);
            return vec![bad("zones", Verdict::Fail, found, format!("it has {}", all.join(", ")))];
        }
        let mut all = vec![pass("zones", zones.join(", "))];
        let (types, cpus) = self.machine_types(desired, &zones).await;
        all.extend(types);
        let have = match self.list_machines().await {
            Ok(have) => have,
            Err(fault) => return vec![failed("machines", fault.told("list the machines"))],
        };
        let ids: BTreeSet<&str> = have.iter().map(|found| found.id.as_str()).collect();
        let missing: Vec<&Resource> = desired.iter().filter(|resource| !ids.contains(resource.id.as_str())).collect();
        let limits: Vec<Limit> = region
            .quotas
            .iter()
            .filter_map(|quota| {
                Some(Limit {
                    quota: quota.metric.as_ref()?.name()?.to_owned(),
                    limit: quota.limit?,
                    used: quota.usage.unwrap_or_default(),
                    raise: format!("IAM & Admin, Quotas, region {}", self.region),
                })
            })
            .collect();
        let mut needs = needs(&missing, &cpus);
        // A family without a quota of its own counts with the others'.
        let families: Vec<String> = needs.keys().filter(|name| name.ends_with("_CPUS")).cloned().collect();
        for family in families {
            if !limits.iter().any(|limit| limit.quota == family) {
                let count = needs.remove(&family).unwrap_or_default();
                *needs.entry("CPUS".to_owned()).or_default() += count;
            }
        }
        all.extend(findings(&needs, &limits));
        let _ = topology;
        all
    }

    /// Whether every machine type is to be had in its zones, and how many CPUs each has.
    async fn machine_types(&self, desired: &[Resource], zones: &[String]) -> (Vec<Finding>, BTreeMap<String, f64>) {
        let mut wanted: BTreeSet<(String, String)> = BTreeSet::new();
        for resource in desired.iter().filter(|one| matches!(one.kind.as_str(), kind::INSTANCE | kind::BASTION)) {
            let kind = resource.attributes.get("machine_type").and_then(Value::as_str).unwrap_or_default();
            let zone = resource.attributes.get("zone").and_then(Value::as_u64).unwrap_or(1) as usize;
            if let Some(zone) = zones.get((zone.max(1) - 1) % zones.len().max(1)) {
                wanted.insert((kind.to_owned(), zone.clone()));
            }
        }
        let (mut all, mut cpus) = (Vec::new(), BTreeMap::new());
        for (kind, zone) in wanted {
            let call =
                self.clients.machine_types.get().set_project(self.project).set_zone(&zone).set_machine_type(&kind);
            match found(call.send().await) {
                Ok(Some(there)) => {
                    cpus.insert(kind, f64::from(there.guest_cpus.unwrap_or_default()));
                }
                Ok(None) => {
                    let hint = "name another type for the group, or other zones under `cloud.zones`";
                    all.push(bad("machine types", Verdict::Fail, format!("{zone} does not offer {kind}"), hint));
                }
                Err(fault) => all.push(failed("machine types", fault.told(format!("look at {kind} in {zone}")))),
            }
        }
        if all.is_empty() {
            all.push(pass("machine types", cpus.keys().cloned().collect::<Vec<_>>().join(", ")));
        }
        (all, cpus)
    }

    async fn images(&self, desired: &[Resource]) -> Finding {
        let kinds = desired.iter().filter_map(|one| one.attributes.get("machine_type").and_then(Value::as_str));
        let processors: BTreeSet<&str> = kinds.map(super::cloud::architecture_of).collect();
        let mut named = Vec::new();
        for processor in processors {
            match self.gcp.image(processor).await {
                Ok(image) => named.push(image.name),
                Err(error) => return failed("image", error),
            }
        }
        pass("image", named.join(", "))
    }

    /// Policies of the organisation that forbid what the plan needs.
    async fn policies(&self, desired: &[Resource]) -> Vec<Finding> {
        let outside = desired.iter().any(|one| one.attributes.get("public_ip") == Some(&json!(true)));
        let mut all = Vec::new();
        let asked = [
            (
                "compute.vmExternalIpAccess",
                outside,
                "machines may have no public address",
                "use `ssh: {via: iap}` and `cloud: {balancer: cloud}`, or ask for an exception",
            ),
            (
                "compute.requireOsLogin",
                true,
                "OS Login is required, and refarch logs in with a key in the machine's metadata",
                "ask for an exception for this project",
            ),
        ];
        for (name, concerns, forbidden, hint) in asked {
            if !concerns {
                continue;
            }
            let path = format!("v2/projects/{}/policies/{name}:getEffectivePolicy", self.project);
            match self.clients.rest.call(Request::new("orgpolicy", Method::GET, path)).await {
                Ok(policy) => {
                    let rules = policy["spec"]["rules"].as_array().cloned().unwrap_or_default();
                    let denies = |rule: &Value| rule["denyAll"] == json!(true) || rule["enforce"] == json!(true);
                    if rules.iter().any(denies) {
                        all.push(bad("policies", Verdict::Fail, format!("{forbidden} (constraints/{name})"), hint));
                    }
                }
                // Whoever may not look at policies, or has no organisation, learns of them from the first refusal.
                Err(fault) => {
                    let found = format!("{name} could not be looked at: {}", fault.message);
                    all.push(bad("policies", Verdict::Warn, found, "enable orgpolicy.googleapis.com, or go on"));
                }
            }
        }
        if all.is_empty() {
            all.push(pass("policies", "none forbids what is planned"));
        }
        all
    }

    async fn subnet_room(&self, topology: &Topology) -> Option<Finding> {
        match self.room().await {
            Ok(None) => None,
            Ok(Some((subnet, room))) if room < topology.nodes.len() as u64 => {
                let found = format!("{subnet} has room for {room} machines, and there are {}", topology.nodes.len());
                Some(bad("subnet", Verdict::Fail, found, "name a larger one, or leave `cloud.network` out"))
            }
            Ok(Some((subnet, room))) => Some(pass("subnet", format!("{subnet}, room for {room} machines"))),
            Err(error) => Some(failed("subnet", error)),
        }
    }
}

/// What machines, disks and addresses that are not there yet need of the region's quotas.
fn needs(missing: &[&Resource], cpus: &BTreeMap<String, f64>) -> Needs {
    let mut needs = Needs::new();
    for resource in missing {
        let mut add = |quota: &str, count: f64| *needs.entry(quota.to_owned()).or_default() += count;
        match resource.kind.as_str() {
            kind::INSTANCE | kind::BASTION => {
                let kind = resource.attributes.get("machine_type").and_then(Value::as_str).unwrap_or_default();
                add(&cpu_quota(kind), cpus.get(kind).copied().unwrap_or_default());
                add("INSTANCES", 1.0);
                if resource.attributes.get("public_ip") == Some(&json!(true)) {
                    add("IN_USE_ADDRESSES", 1.0);
                }
                for what in ["disk", "data"] {
                    let Some(size) = resource.attributes.get(&format!("{what}_gb")).and_then(Value::as_f64) else {
                        continue;
                    };
                    let kind = resource.attributes.get(&format!("{what}_type")).and_then(Value::as_str);
                    match kind.unwrap_or("pd-balanced") {
                        "pd-standard" => add("DISKS_TOTAL_GB", size),
                        kind if kind.starts_with("hyperdisk-balanced") => add("HDB_TOTAL_GB", size),
                        _ => add("SSD_TOTAL_GB", size),
                    }
                }
            }
            kind::ADDRESS if resource.attributes.contains_key("internal") => {}
            kind::ADDRESS => add("STATIC_ADDRESSES", 1.0),
            _ => {}
        }
    }
    needs
}

/// Quota that a machine type's CPUs count for.
fn cpu_quota(machine_type: &str) -> String {
    match machine_type.split('-').next() {
        Some("n1" | "e2" | "f1" | "g1") | None => "CPUS".to_owned(),
        Some(family) => format!("{}_CPUS", family.to_uppercase()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn needs_count_by_family_and_disk_type() {
        let resource = |id: &str, kind: &str, attributes: Value| Resource {
            id: id.to_owned(),
            kind: kind.to_owned(),
            node: None,
            attributes: attributes.as_object().cloned().unwrap_or_default().into_iter().collect(),
            needs: Vec::new(),
            data_bearing: false,
            reason: String::new(),
            shared: false,
        };
        let app = resource(
            "node/a",
            kind::INSTANCE,
            json!({ "machine_type": "n2-standard-8", "disk_gb": 50, "disk_type": "pd-ssd", "public_ip": true }),
        );
        let lb = resource(
            "node/b",
            kind::INSTANCE,
            json!({ "machine_type": "n1-highcpu-2", "disk_gb": 20, "data_gb": 100, "data_type": "pd-standard" }),
        );
        let address = resource("address/a", kind::ADDRESS, json!({}));
        let cpus = [("n2-standard-8".to_owned(), 8.0), ("n1-highcpu-2".to_owned(), 2.0)].into();
        let wanted = [
            ("CPUS", 2.0),
            ("DISKS_TOTAL_GB", 100.0),
            ("INSTANCES", 2.0),
            ("IN_USE_ADDRESSES", 1.0),
            ("N2_CPUS", 8.0),
            ("SSD_TOTAL_GB", 70.0),
            ("STATIC_ADDRESSES", 1.0),
        ];
        let wanted: Needs = wanted.into_iter().map(|(name, count)| (name.to_owned(), count)).collect();
        assert_eq!(needs(&[&app, &lb, &address], &cpus), wanted);
    }
}
