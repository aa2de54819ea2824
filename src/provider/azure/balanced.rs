//! Who may reach nodes behind a balancer, as Azure has it: what comes through keeps its address, and comes to the port
//! behind. So those who may use the balancer are let in by the nodes themselves; Azure's questions always are
//! ([`super::firewall`]). A balancer has no rules of its own.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use crate::{
    provider::{
        Resource,
        cloud::{
            balance::Service,
            blueprint::kind,
            reach::{BALANCER, Rule, Source},
        },
    },
    topology::{Leg, Topology},
};

/// A balancer's part in rules.
struct Door {
    services: Vec<Service>,
    /// Who may use it.
    users: Vec<Rule>,
}

/// All resources, without the firewalls of balancers and with rules that name their users.
pub(super) fn opened(all: Vec<Resource>) -> Vec<Resource> {
    let name = |balancer: &Resource| match balancer.id.trim_start_matches("balancer/") {
        "external" => BALANCER.to_owned(),
        role => role.to_owned(),
    };
    let mut doors: BTreeMap<String, Door> = all
        .iter()
        .filter(|one| one.kind == kind::BALANCER)
        .map(|one| (name(one), Door { services: Service::all(one), users: Vec::new() }))
        .collect();
    for resource in all.iter().filter(|one| one.kind == kind::RULES) {
        if let Some(door) = resource.id.strip_prefix("rules/").and_then(|name| doors.get_mut(name)) {
            door.users = Rule::all(resource);
        }
    }
    let of_a_door = |resource: &Resource| {
        let name = resource.id.split_once('/').map_or("", |(_, name)| name);
        matches!(resource.kind.as_str(), kind::FIREWALL | kind::RULES) && doors.contains_key(name)
    };
    all.into_iter()
        .filter(|one| !of_a_door(one))
        .filter_map(|resource| if resource.kind == kind::RULES { through(resource, &doors) } else { Some(resource) })
        .collect()
}

/// A node group's rules; none where nobody but a balancer's questions came in.
fn through(mut resource: Resource, doors: &BTreeMap<String, Door>) -> Option<Resource> {
    let before = Rule::all(&resource);
    let from_door = |rule: &Rule| matches!(&rule.from, Source::Firewall(name) if doors.contains_key(name));
    if !before.iter().any(from_door) {
        return Some(resource);
    }
    let mut after: BTreeSet<Rule> = BTreeSet::new();
    for rule in before {
        match &rule.from {
            Source::Firewall(name) if doors.contains_key(name) => after.extend(users(&rule, &doors[name])),
            _ => {
                after.insert(rule);
            }
        }
    }
    resource.needs.retain(|need| need.strip_prefix("firewall/").is_none_or(|name| !doors.contains_key(name)));
    for rule in &after {
        if let Source::Firewall(name) = &rule.from
            && !resource.needs.contains(&format!("firewall/{name}"))
        {
            resource.needs.push(format!("firewall/{name}"));
        }
    }
    let texts: Vec<String> = after.iter().map(ToString::to_string).collect();
    resource.attributes.insert("rules".to_owned(), json!(texts));
    (!texts.is_empty()).then_some(resource)
}

/// What a rule for a balancer is for those who come through it. A port where it only asks is none of theirs.
fn users(rule: &Rule, door: &Door) -> Vec<Rule> {
    let ports = rule.first..=rule.last;
    let mut found = Vec::new();
    for service in door.services.iter().filter(|service| !rule.udp && ports.contains(&service.port)) {
        let may = door.users.iter().filter(|user| !user.udp && (user.first..=user.last).contains(&service.listen));
        let port = service.port;
        found.extend(may.map(|user| Rule { udp: false, first: port, last: port, from: user.from.clone() }));
    }
    found
}

/// Nodes that are behind a balancer between the nodes and use the same service through it, each with the role that the
/// balancer plays: Azure never sends what a machine says to a balancer back to that machine.
pub(super) fn to_itself(topology: &Topology) -> BTreeSet<(&str, &str)> {
    let mut found = BTreeSet::new();
    for balancer in &topology.balancers {
        let back = topology.edges.iter().filter(|edge| edge.leg == Leg::Back && edge.from == balancer.name.as_str());
        let behind: BTreeSet<(&str, &str)> = back.map(|edge| (edge.service.as_str(), edge.to.as_str())).collect();
        let front = topology.edges.iter().filter(|edge| edge.leg == Leg::Front && edge.to == balancer.name.as_str());
        let both = front.filter(|edge| behind.contains(&(edge.service.as_str(), edge.from.as_str())));
        found.extend(both.map(|edge| (edge.from.as_str(), balancer.role.as_str())));
    }
    found
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn resource(id: &str, kind: &str, attributes: Value, needs: &[&str]) -> Resource {
        Resource {
            id: id.to_owned(),
            kind: kind.to_owned(),
            node: None,
            attributes: attributes.as_object().cloned().unwrap_or_default().into_iter().collect(),
            needs: needs.iter().map(|need| (*need).to_owned()).collect(),
            data_bearing: false,
            reason: String::new(),
            shared: false,
        }
    }

    #[test]
    fn who_uses_a_balancer_reaches_the_ports_behind_it_and_its_questions_open_nothing() {
        let rules =
            |id: &str, texts: &[&str], needs: &[&str]| resource(id, kind::RULES, json!({ "rules": texts }), needs);
        let balancer = |id: &str, services: Value| resource(id, kind::BALANCER, json!({ "services": services }), &[]);
        let done = opened(vec![
            resource("firewall/inner", kind::FIREWALL, json!({}), &[]),
            resource("firewall/app", kind::FIREWALL, json!({}), &[]),
            rules("rules/balancer", &["tcp/443 from 203.0.113.0/24"], &[]),
            rules("rules/inner", &["tcp/80 from gitaly", "tcp/5432-5433 from pool"], &[]),
            rules("rules/lb", &["tcp/443 from balancer", "tcp/9100 from monitor"], &["firewall/monitor"]),
            rules("rules/app", &["tcp/8880 from inner"], &["firewall/app", "firewall/inner"]),
            rules("rules/postgres", &["tcp/5432 from inner", "tcp/8008 from inner"], &[]),
            rules("rules/asked", &["tcp/8008 from inner"], &[]),
            balancer("balancer/external", json!(["443 to 443, asked at 443: node/lb-1"])),
            balancer(
                "balancer/inner",
                json!([
                    "80 to 8880, asked at 8880/-/ready: node/app-1",
                    "5432 to 5432, asked at 8008/primary: node/pg-1"
                ]),
            ),
        ]);
        let ids: Vec<&str> = done.iter().map(|one| one.id.as_str()).collect();
        assert_eq!(
            ids,
            ["firewall/app", "rules/lb", "rules/app", "rules/postgres", "balancer/external", "balancer/inner"]
        );
        let told = |id: &str| done.iter().find(|one| one.id == id).unwrap();
        assert_eq!(
            told("rules/lb").attributes["rules"],
            json!(["tcp/443 from 203.0.113.0/24", "tcp/9100 from monitor"])
        );
        assert_eq!(told("rules/app").attributes["rules"], json!(["tcp/8880 from gitaly"]));
        assert_eq!(told("rules/app").needs, ["firewall/app", "firewall/gitaly"]);
        assert_eq!(told("rules/postgres").attributes["rules"], json!(["tcp/5432 from pool"]));
    }
}
