//! Google's own view of the blueprint: one subnet for the region, no gateway and no route tables, rules that name tags
//! instead of firewalls that are resources.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::GcpOptions;
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
const CHECKS: [&str; 3] = ["35.191.0.0/16", "209.85.152.0/22", "209.85.204.0/22"];
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
            let rules = resource.attributes.get("rules").map(|rules| with_checks(options, rules)).unwrap_or_default();
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
        (kind::BALANCER, _) => resource.needs.extend(need(&["network", SUBNET])),
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
                let reason = format!("{} reach object storage without a stored key", id.trim_start_matches("identity/"));
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
    done
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

/// The rules, and where the balancer asks the door whether it is well: the same ports for its health checks. Networks of
/// version 6 of IP are left out, as the environment's own network has none.
fn with_checks(options: &CloudOptions, rules: &Value) -> Vec<String> {
    let texts = rules.as_array().into_iter().flatten().filter_map(Value::as_str);
    let mut rules: Vec<Rule> = texts.filter_map(Rule::parse).filter(|rule| !is_v6(rule)).collect();
    if options.balancer {
        let allowed: Vec<String> = options.allowed.iter().map(ToString::to_string).collect();
        let door = |rule: &Rule| matches!(&rule.from, Source::Range(range) if allowed.contains(range));
        let checks: Vec<Rule> = rules
            .iter()
            .filter(|rule| door(rule) && !rule.udp)
            .flat_map(|rule| CHECKS.map(|range| Rule { from: Source::Range(range.to_owned()), ..rule.clone() }))
            .collect();
        rules.extend(checks);
    }
    rules.sort();
    rules.dedup();
    rules.iter().map(ToString::to_string).collect()
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
    fn health_checks_of_the_balancer_reach_the_door_and_nothing_else() {
        let mut options = CloudOptions::new("demo", "/nowhere");
        options.balancer = true;
        options.allowed = vec!["203.0.113.0/24".parse().unwrap()];
        let rules = json!({ "rules": ["tcp/443 from 203.0.113.0/24", "tcp/9100 from monitor", "tcp/443 from ::/0"] });
        let shaped = shape(&options, &GcpOptions::default(), resource("rules/lb", kind::RULES, rules)).unwrap();
        assert_eq!(
            shaped.attributes["rules"],
            json!([
                "tcp/443 from 203.0.113.0/24",
                "tcp/443 from 209.85.152.0/22",
                "tcp/443 from 209.85.204.0/22",
                "tcp/443 from 35.191.0.0/16",
                "tcp/9100 from monitor",
            ])
        );
    }

    #[test]
    fn the_tunnel_opens_ssh_to_google_alone() {
        let mut options = CloudOptions::new("demo", "/nowhere");
        options.access = Access::Tunnel;
        let shaped = shape(&options, &GcpOptions::default(), resource(EVERYONE, kind::FIREWALL, json!({}))).unwrap();
        assert_eq!(shaped.attributes["rules"], json!(["tcp/22 from 35.235.240.0/20"]));
    }
}
