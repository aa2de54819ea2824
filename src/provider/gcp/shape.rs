//! Google's own view of the blueprint: one subnet for the region, no gateway and no route tables, rules that name tags
//! instead of firewalls that are resources. What its balancers make of it is in [`super::balanced`].

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{GcpOptions, balanced::balanced};
use crate::provider::{
    Resource,
    cloud::{
        blueprint::kind,
        options::{Access, CloudOptions, NetworkOptions},
        reach::{Rule, Source},
    },
};

/// Where Google's own tunnel (Identity-Aware Proxy) comes from.
const TUNNEL: &str = "35.235.240.0/20";
/// Where Google's health checks of passthrough balancers come from.
pub(super) const CHECKS: [&str; 3] = ["35.191.0.0/16", "209.85.152.0/22", "209.85.204.0/22"];
/// Disk type where the file names none.
const DISK: &str = "pd-balanced";
/// SSH.
const SSH: u16 = 22;
/// Domains that a policy spreads over: the most that there are, since a policy cannot be changed when members come.
const DOMAINS: u64 = 8;

/// The subnet.
pub(super) const SUBNET: &str = "subnet";
/// Rules that concern every node.
pub(super) const EVERYONE: &str = "firewall/everyone";

/// The resource as Google has it; none where it has no such thing.
pub(super) fn shape(options: &CloudOptions, own: &GcpOptions, mut resource: Resource) -> Option<Resource> {
    match (resource.kind.as_str(), resource.id.as_str()) {
        (kind::SUBNET, "subnet/public-1") => {
            let NetworkOptions::Create { range, .. } = &options.network else { return None };
            resource.id = SUBNET.to_owned();
            resource.attributes = [("cidr".to_owned(), json!(range.to_string()))].into();
            resource.reason = "the nodes' addresses, in all zones of the region".to_owned();
        }
        (kind::ADDRESS, id) if id.starts_with("address/nat-") && id != "address/nat-1" => return None,
        // A gateway here serves all zones of a region and none of them alone.
        (kind::NAT, "nat/1") => {
            resource.attributes = [("address".to_owned(), json!("address/nat-1"))].into();
            resource.needs = need(&["network", SUBNET, "address/nat-1"]);
        }
        (kind::FIREWALL, EVERYONE) if options.access == Access::Tunnel => {
            resource.attributes = [("rules".to_owned(), json!([format!("tcp/{SSH} from {TUNNEL}")]))].into();
            resource.reason = "SSH comes through Google's own tunnel".to_owned();
            resource.needs = need(&["network"]);
        }
        (kind::RULES, _) => {
            let rules = resource.attributes.get("rules").map(without_v6).unwrap_or_default();
            resource.attributes.insert("rules".to_owned(), json!(rules));
            resource.needs = need(&["network"]);
        }
        (kind::INSTANCE | kind::BASTION, _) => {
            resource.attributes.remove("subnet");
            let disks: &[&str] =
                if resource.attributes.contains_key("data_gb") { &["disk", "data"] } else { &["disk"] };
            for disk in disks {
                let kind = resource.attributes.entry(format!("{disk}_type")).or_insert(Value::Null);
                if kind.is_null() {
                    *kind = json!(DISK);
                }
            }
            // An account that exists is everybody's; one that is made is its group's alone.
            let group = resource.attributes.get("group").and_then(Value::as_str).unwrap_or_default().to_owned();
            let may = resource.attributes.get("identity") == Some(&json!(true));
            if resource.kind == kind::INSTANCE {
                let account = match &own.service_account {
                    Some(email) => json!(email),
                    None if may && !options.buckets.is_empty() => json!(identity(&group)),
                    None => json!(false),
                };
                resource.needs.extend(account.as_str().map(str::to_owned));
                resource.attributes.insert("identity".to_owned(), account);
            }
            resource.needs.extend(need(&["network", SUBNET, "nat/1"]));
        }
        (kind::BALANCER, _) => resource.needs = need(&["network", SUBNET]),
        // One that exists is used as it is.
        (kind::IDENTITY, _) if own.service_account.is_some() => return None,
        (kind::IDENTITY, _) => {
            resource.attributes.remove("tunnel");
        }
        (kind::SUBNET | kind::NAT | kind::GATEWAY | kind::ROUTES | kind::FIREWALL | kind::KEY, _) => return None,
        _ => {}
    }
    Some(resource)
}

/// Identity of a node group.
pub(super) fn identity(group: &str) -> String {
    format!("identity/{group}")
}

/// What only Google has: a service account for each group that uses the buckets, in place of one for all; policies that
/// keep members of a group in one zone apart.
pub(super) fn complete(own: &GcpOptions, all: Vec<Resource>) -> Vec<Resource> {
    let mut accounts: BTreeSet<String> = BTreeSet::new();
    let mut together: BTreeMap<String, u64> = BTreeMap::new();
    let mut done = Vec::with_capacity(all.len());
    for resource in &all {
        let text = |name: &str| resource.attributes.get(name).and_then(Value::as_str);
        if resource.kind == kind::INSTANCE && own.service_account.is_none() {
            accounts.extend(text("identity").map(str::to_owned));
        }
        *together.entry(placement(resource).unwrap_or_default()).or_default() += 1;
    }
    for resource in all {
        if resource.kind == kind::IDENTITY {
            let of = |id: String| {
                let reason =
                    format!("{} reach object storage without a stored key", id.trim_start_matches("identity/"));
                Resource { id, reason, ..resource.clone() }
            };
            done.extend(std::mem::take(&mut accounts).into_iter().map(of));
        } else {
            done.push(resource);
        }
    }
    let mut policies = BTreeMap::new();
    for resource in done.iter_mut().filter(|resource| resource.kind == kind::INSTANCE) {
        let id = placement(resource).filter(|id| own.spread && together[id] > 1);
        if let Some(id) = &id {
            policies.entry(id.clone()).or_insert_with(|| policy(id));
            resource.needs.push(id.clone());
        }
        resource.attributes.insert("placement".to_owned(), json!(id));
    }
    let first = done.iter().position(|resource| resource.kind == kind::INSTANCE).unwrap_or(done.len());
    done.splice(first..first, policies.into_values());
    balanced(done)
}

/// The policy for members of a machine's group in its zone; none for machine types that Google spreads for nobody.
fn placement(resource: &Resource) -> Option<String> {
    const FAMILIES: [&str; 5] = ["c2", "g2", "n1", "n2", "n2d"];
    let kind = resource.attributes.get("machine_type")?.as_str()?;
    let group = resource.attributes.get("group")?.as_str()?;
    let zone = resource.attributes.get("zone")?.as_u64()?;
    let fits = resource.kind == kind::INSTANCE && FAMILIES.contains(&kind.split('-').next()?);
    fits.then(|| format!("placement/{group}-{zone}"))
}

fn policy(id: &str) -> Resource {
    Resource {
        id: id.to_owned(),
        kind: kind::PLACEMENT.to_owned(),
        node: None,
        attributes: [("domains".to_owned(), json!(DOMAINS))].into(),
        needs: Vec::new(),
        data_bearing: false,
        reason: "one broken machine of Google's takes one node at most".to_owned(),
        shared: false,
    }
}

fn need(ids: &[&str]) -> Vec<String> {
    ids.iter().map(|id| (*id).to_owned()).collect()
}

/// The rules without networks of version 6 of IP, as the environment's own network has none.
fn without_v6(rules: &Value) -> Vec<String> {
    let mut rules: Vec<Rule> = parsed(rules).filter(|rule| !is_v6(rule)).collect();
    rules.sort();
    rules.iter().map(ToString::to_string).collect()
}

pub(super) fn parsed(rules: &Value) -> impl Iterator<Item = Rule> {
    rules.as_array().into_iter().flatten().filter_map(|rule| Rule::parse(rule.as_str()?))
}

fn is_v6(rule: &Rule) -> bool {
    matches!(&rule.from, Source::Range(range) if range.contains(':'))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn resource(id: &str, kind: &str, attributes: Value) -> Resource {
        Resource {
            id: id.to_owned(),
            kind: kind.to_owned(),
            node: None,
            attributes: attributes.as_object().cloned().unwrap_or_default().into_iter().collect::<BTreeMap<_, _>>(),
            needs: Vec::new(),
            data_bearing: false,
            reason: String::new(),
            shared: false,
        }
    }

    #[test]
    fn one_subnet_one_gateway_and_no_routes() {
        let options = CloudOptions::new("demo", "/nowhere");
        let shaped = |id: &str, kind: &str| shape(&options, &GcpOptions::default(), resource(id, kind, json!({})));
        assert_eq!(shaped("subnet/public-1", kind::SUBNET).unwrap().attributes["cidr"], json!("10.20.0.0/16"));
        for (id, kind) in [
            ("subnet/private-1", kind::SUBNET),
            ("gateway", kind::GATEWAY),
            ("routes/public", kind::ROUTES),
            ("nat/2", kind::NAT),
            ("address/nat-2", kind::ADDRESS),
            ("firewall/app", kind::FIREWALL),
            ("firewall/everyone", kind::FIREWALL),
            ("key", kind::KEY),
        ] {
            assert_eq!(shaped(id, kind), None, "{id}");
        }
    }

    #[test]
    fn who_comes_over_a_balancer_keeps_his_address_and_its_questions_come_from_google() {
        let balancer = |id: &str, services: Value| resource(id, kind::BALANCER, json!({ "services": services }));
        let all = vec![
            resource("rules/balancer", kind::RULES, json!({ "rules": ["tcp/443 from 203.0.113.0/24"] })),
            resource("rules/inner", kind::RULES, json!({ "rules": ["tcp/6432 from app", "tcp/6432 from sidekiq"] })),
            resource("rules/lb", kind::RULES, json!({ "rules": ["tcp/443 from balancer", "tcp/9100 from monitor"] })),
            resource("rules/pool", kind::RULES, json!({ "rules": ["tcp/6432 from inner", "tcp/8008 from inner"] })),
            resource("node/lb-1", kind::INSTANCE, json!({ "group": "lb" })),
            resource("node/pool-1", kind::INSTANCE, json!({ "group": "pool" })),
            balancer("balancer/external", json!(["443 to 443, asked at 443: node/lb-1"])),
            balancer("balancer/inner", json!(["6432 to 6432, asked at 6432: node/pool-1"])),
        ];
        let done = complete(&GcpOptions::default(), all);
        let attribute = |id: &str, name: &str| {
            done.iter().find(|one| one.id == id).unwrap_or_else(|| panic!("{id}")).attributes[name].clone()
        };
        let checks = |port: u16| CHECKS.map(|range| format!("tcp/{port} from {range}"));
        let told = |id: &str| -> BTreeSet<String> { serde_json::from_value(attribute(id, "rules")).unwrap() };
        let door = ["tcp/443 from 203.0.113.0/24", "tcp/9100 from monitor"].map(str::to_owned);
        assert_eq!(told("rules/lb"), door.into_iter().chain(checks(443)).collect());
        let pool = ["tcp/6432 from app", "tcp/6432 from sidekiq"].map(str::to_owned);
        assert_eq!(told("rules/pool"), pool.into_iter().chain(checks(6432)).chain(checks(8008)).collect());
        let ids: Vec<&str> = done.iter().map(|one| one.id.as_str()).collect();
        assert!(!ids.contains(&"rules/balancer") && !ids.contains(&"rules/inner"), "{ids:?}");
        assert_eq!(attribute("members/pool", "targets"), json!(["node/pool-1"]));
        assert_eq!(attribute("balancer/inner-6432", "services"), json!(["6432 to 6432, asked at 6432"]));
        assert_eq!(attribute("balancer/inner-6432", "address"), json!("address/inner"));
        assert_eq!(attribute("balancer/external", "members"), json!("members/lb"));
    }

    #[test]
    fn the_tunnel_opens_ssh_to_google_alone() {
        let mut options = CloudOptions::new("demo", "/nowhere");
        options.access = Access::Tunnel;
        let shaped = shape(&options, &GcpOptions::default(), resource(EVERYONE, kind::FIREWALL, json!({}))).unwrap();
        assert_eq!(shaped.attributes["rules"], json!(["tcp/22 from 35.235.240.0/20"]));
    }
}
