//! Balancers as Google has them: what comes through keeps its address, so that nodes let in who may use the balancer, and
//! the networks that Google's questions come from; one balancer asks one question, so that one with several becomes
//! several, which share an address.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::shape::{CHECKS, SUBNET, parsed};
use crate::provider::{
    Resource, ResourceId,
    cloud::{
        balance::Service,
        blueprint::kind,
        reach::{BALANCER, Rule, Source},
    },
};

/// The balancer at the door.
const EXTERNAL: &str = "balancer/external";

/// All resources, with balancers, those behind them and the rules of both as Google has them.
pub(super) fn balanced(all: Vec<Resource>) -> Vec<Resource> {
    let firewall = |balancer: &str| match balancer {
        EXTERNAL => BALANCER.to_owned(),
        _ => balancer.trim_start_matches("balancer/").to_owned(),
    };
    let fronts: BTreeSet<String> =
        all.iter().filter(|one| one.kind == kind::BALANCER).map(|one| firewall(&one.id)).collect();
    if fronts.is_empty() {
        return all;
    }
    let rules_of = |resource: &Resource| -> Vec<Rule> {
        resource.attributes.get("rules").map(|rules| parsed(rules).collect()).unwrap_or_default()
    };
    let of_front = |resource: &Resource| -> Option<String> {
        resource.id.strip_prefix("rules/").filter(|name| fronts.contains(*name)).map(str::to_owned)
    };
    let users: BTreeMap<String, Vec<Rule>> =
        all.iter().filter_map(|one| Some((of_front(one)?, rules_of(one)))).collect();
    let groups: BTreeMap<ResourceId, String> = all
        .iter()
        .filter(|one| one.kind == kind::INSTANCE)
        .filter_map(|one| Some((one.id.clone(), one.attributes.get("group")?.as_str()?.to_owned())))
        .collect();
    let mut done: Vec<Resource> = Vec::with_capacity(all.len());
    for mut resource in all {
        match resource.kind.as_str() {
            kind::RULES if of_front(&resource).is_some() => {}
            kind::RULES => {
                let rules = rules_of(&resource).into_iter().flat_map(|rule| opened(rule, &users));
                let texts: BTreeSet<Rule> = rules.collect();
                let texts: Vec<String> = texts.iter().map(ToString::to_string).collect();
                resource.attributes.insert("rules".to_owned(), json!(texts));
                done.push(resource);
            }
            kind::BALANCER => {
                for part in split(&resource, &groups) {
                    if !done.iter().any(|one| one.id == part.id) {
                        done.push(part);
                    }
                }
            }
            _ => done.push(resource),
        }
    }
    done
}

/// A rule for a balancer: for those who use it, on this port, and for Google's questions.
fn opened(rule: Rule, users: &BTreeMap<String, Vec<Rule>>) -> Vec<Rule> {
    let through = match &rule.from {
        Source::Firewall(name) => users.get(name),
        Source::Range(_) => None,
    };
    let Some(through) = through else { return vec![rule] };
    let mut all = Vec::new();
    for port in rule.first..=rule.last {
        let one = |from: Source| Rule { udp: rule.udp, first: port, last: port, from };
        let of_port = through.iter().filter(|user| user.udp == rule.udp && (user.first..=user.last).contains(&port));
        all.extend(of_port.map(|user| one(user.from.clone())));
        if !rule.udp {
            all.extend(CHECKS.map(|range| one(Source::Range(range.to_owned()))));
        }
    }
    all
}

/// Google's resources for a balancer: who is behind it, its address, and a balancer for each question.
fn split(resource: &Resource, groups: &BTreeMap<ResourceId, String>) -> Vec<Resource> {
    let services = Service::all(resource);
    let external = resource.id == EXTERNAL;
    let part = |id: String, kind: &str, attributes: Value, needs: Vec<String>, reason: &str| Resource {
        id,
        kind: kind.to_owned(),
        node: None,
        attributes: attributes.as_object().cloned().unwrap_or_default().into_iter().collect(),
        needs,
        data_bearing: false,
        reason: reason.to_owned(),
        shared: false,
    };
    let members = |service: &Service| {
        let named: BTreeSet<&str> =
            service.nodes.iter().filter_map(|node| groups.get(node)).map(String::as_str).collect();
        format!("members/{}", named.into_iter().collect::<Vec<_>>().join("-"))
    };
    let mut all = Vec::new();
    for service in &services {
        let needs: Vec<String> = service.nodes.iter().cloned().collect();
        let targets: Vec<&String> = service.nodes.iter().collect();
        let reason = "balancers lead to them";
        all.push(part(members(service), kind::MEMBERS, json!({ "targets": targets }), needs, reason));
    }
    let bare = |service: &Service, asks: &Service| Service {
        asked: asks.asked,
        path: asks.path.clone(),
        nodes: BTreeSet::new(),
        ..service.clone()
    };
    let base = vec!["network".to_owned(), SUBNET.to_owned()];
    if external {
        let Some(first) = services.first() else { return all };
        let needs = [base, vec![members(first)]].concat();
        // One question for all ports: the first one's.
        let all_ports = services.iter().map(|service| bare(service, first)).collect();
        let attributes = json!({ "services": Service::texts(all_ports), "public": true, "members": members(first) });
        all.push(part(resource.id.clone(), kind::BALANCER, attributes, needs, &resource.reason));
        return all;
    }
    let role = resource.id.trim_start_matches("balancer/");
    let address = format!("address/{role}");
    let reason = "the same for all ports of the balancer";
    all.push(part(address.clone(), kind::ADDRESS, json!({ "internal": true }), base.clone(), reason));
    for service in &services {
        let needs = [base.clone(), vec![members(service), address.clone()]].concat();
        let attributes = json!({
            "services": Service::texts(vec![bare(service, service)]), "public": false,
            "members": members(service), "address": address, "group": role,
        });
        let id = format!("{}-{}", resource.id, service.listen);
        all.push(part(id, kind::BALANCER, attributes, needs, &resource.reason));
    }
    all
}
