//! Rules of a node group as Compute Engine has them: one rule for each set of ports, naming all who may reach them.

use std::collections::{BTreeMap, BTreeSet};

use google_cloud_compute_v1::model::{Firewall, firewall};
use google_cloud_gax::paginator::ItemPaginator as _;

use super::{
    compute::{At, act, last, remove},
    fault::Fault,
    labels, names,
    shape::EVERYONE,
};
use crate::provider::{
    ProviderError,
    cloud::{
        Making, permanent,
        reach::{Rule, Source},
        tags,
    },
};

/// One rule of Compute Engine's.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Opening {
    name: String,
    ports: BTreeSet<(bool, String)>,
    tags: BTreeSet<String>,
    ranges: BTreeSet<String>,
}

/// The node group, or `everyone`, that rules with this id are for.
fn target(id: &str) -> &str {
    if id == EVERYONE { "everyone" } else { id.strip_prefix("rules/").unwrap_or(id) }
}

/// Folds rules into as few of Compute Engine's as say the same: there are not many of them in a project.
fn fold(environment: &str, id: &str, rules: &[Rule]) -> Vec<Opening> {
    let mut by_source: BTreeMap<&Source, BTreeSet<(bool, String)>> = BTreeMap::new();
    for rule in rules {
        let ports = match rule.first == rule.last {
            true => rule.first.to_string(),
            false => format!("{}-{}", rule.first, rule.last),
        };
        by_source.entry(&rule.from).or_default().insert((rule.udp, ports));
    }
    let mut by_ports: BTreeMap<BTreeSet<(bool, String)>, Vec<&Source>> = BTreeMap::new();
    for (source, ports) in by_source {
        by_ports.entry(ports).or_default().push(source);
    }
    let opening = |(ports, sources): (BTreeSet<(bool, String)>, Vec<&Source>)| {
        let what = names::digest(&format!("{ports:?}"));
        let mut opening = Opening {
            name: names::shorten(&format!("{environment}-{}-{what}", target(id)), names::LONGEST),
            ports,
            tags: BTreeSet::new(),
            ranges: BTreeSet::new(),
        };
        for source in sources {
            match source {
                Source::Firewall(name) => opening.tags.insert(names::tag(environment, name)),
                Source::Range(range) => opening.ranges.insert(range.clone()),
            };
        }
        opening
    };
    by_ports.into_iter().map(opening).collect()
}

impl Opening {
    fn of(there: &Firewall) -> Self {
        let port = |allowed: &firewall::Allowed| {
            let udp = allowed.ip_protocol.as_deref() == Some("udp");
            allowed.ports.iter().map(|ports| (udp, ports.clone())).collect::<Vec<_>>()
        };
        Self {
            name: there.name.clone().unwrap_or_default(),
            ports: there.allowed.iter().flat_map(port).collect(),
            tags: there.source_tags.iter().cloned().collect(),
            ranges: there.source_ranges.iter().cloned().collect(),
        }
    }

    fn body(&self) -> Firewall {
        let allowed = [false, true].into_iter().filter_map(|udp| {
            let ports: Vec<String> =
                self.ports.iter().filter(|(of, _)| *of == udp).map(|(_, ports)| ports.clone()).collect();
            let protocol = if udp { "udp" } else { "tcp" };
            (!ports.is_empty()).then(|| firewall::Allowed::new().set_ip_protocol(protocol).set_ports(ports))
        });
        Firewall::new()
            .set_name(&self.name)
            .set_allowed(allowed)
            .set_source_tags(self.tags.iter().cloned())
            .set_source_ranges(self.ranges.iter().cloned())
    }

    fn rules(&self, environment: &str) -> Vec<Rule> {
        let start = format!("{environment}-");
        let named = |tag: &String| Source::Firewall(tag.strip_prefix(&start).unwrap_or(tag).to_owned());
        let sources: Vec<Source> =
            self.tags.iter().map(named).chain(self.ranges.iter().cloned().map(Source::Range)).collect();
        let mut rules = Vec::new();
        for (udp, ports) in &self.ports {
            let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
            let (Ok(first), Ok(last)) = (first.parse(), last.parse()) else { continue };
            rules.extend(sources.iter().map(|from| Rule { udp: *udp, first, last, from: from.clone() }));
        }
        rules
    }
}

/// What rules there are, as the blueprint writes them. A rule that was turned off, or turned into another kind, is as
/// good as none.
pub(super) fn told(environment: &str, target_tag: &str, there: &[Firewall]) -> Vec<String> {
    let works = |rule: &&Firewall| {
        rule.disabled != Some(true) && rule.denied.is_empty() && rule.target_tags == [target_tag.to_owned()]
    };
    let mut rules: Vec<Rule> =
        there.iter().filter(works).flat_map(|rule| Opening::of(rule).rules(environment)).collect();
    rules.sort();
    rules.dedup();
    rules.iter().map(ToString::to_string).collect()
}

/// Tag that rules with this id are for.
pub(super) fn target_tag(environment: &str, id: &str) -> String {
    names::tag(environment, target(id))
}

impl At<'_> {
    /// All of the environment's rules in the project.
    pub(super) async fn firewalls(&self) -> Result<Vec<Firewall>, Fault> {
        let mut found = Vec::new();
        let mut pages = self.clients.firewalls.list().set_project(self.project).by_item();
        while let Some(rule) = pages.next().await {
            let rule = rule?;
            let tags = labels::described(rule.description.as_deref());
            if tags.is_some_and(|tags| labels::owned(&tags, self.environment())) {
                found.push(rule);
            }
        }
        Ok(found)
    }

    async fn firewalls_of(&self, id: &str) -> Result<Vec<Firewall>, Fault> {
        let mut all = self.firewalls().await?;
        all.retain(|rule| {
            labels::described(rule.description.as_deref())
                .is_some_and(|tags| tags.get(tags::RESOURCE).is_some_and(|of| of == id))
        });
        Ok(all)
    }

    /// Makes the rules of a resource as they should be.
    pub(super) async fn make_rules(&self, making: Making<'_>) -> Result<String, ProviderError> {
        let id = making.resource.id.as_str();
        let doing = format!("make the firewall rules for {}", target(id));
        let network = making.book.need(&doing, "network")?;
        let wanted = fold(self.environment(), id, &Rule::all(making.resource));
        let there = self.firewalls_of(id).await.map_err(|fault| fault.told(&doing))?;
        for opening in &wanted {
            let body = opening
                .body()
                .set_target_tags([target_tag(self.environment(), id)])
                .set_network(self.link(&network))
                .set_direction(firewall::Direction::Ingress)
                .set_description(labels::description(making.tags));
            let same = there.iter().find(|one| one.name.as_deref() == Some(&opening.name));
            match same {
                Some(one) if Opening::of(one) == *opening && told_right(one, self.environment(), id) => {}
                Some(_) => {
                    let call =
                        self.clients.firewalls.update().set_firewall(&opening.name).set_body(body.set_disabled(false));
                    act!(self, &doing, call).map_err(|fault| fault.told(&doing))?;
                }
                None => match act!(self, &doing, self.clients.firewalls.insert().set_body(body)) {
                    Err(fault) if fault.exists() => {
                        let message =
                            format!("firewall rule {} is there already and is not this environment's", opening.name);
                        return Err(permanent(doing, message, Some("remove it, or give the environment another name")));
                    }
                    outcome => outcome.map_err(|fault| fault.told(&doing))?,
                },
            }
        }
        for extra in there
            .iter()
            .filter_map(|one| one.name.as_deref())
            .filter(|name| !wanted.iter().any(|one| one.name == **name))
        {
            remove!(self, &doing, self.clients.firewalls.delete().set_firewall(extra))?;
        }
        Ok(rules_handle(self.environment(), id))
    }

    /// Removes all rules of a resource.
    pub(super) async fn remove_rules(&self, id: &str) -> Result<(), ProviderError> {
        let doing = format!("remove the firewall rules for {}", target(id));
        for rule in self.firewalls_of(id).await.map_err(|fault| fault.told(&doing))? {
            let name = rule.name.unwrap_or_default();
            remove!(self, &doing, self.clients.firewalls.delete().set_firewall(last(&name)))?;
        }
        Ok(())
    }
}

fn told_right(rule: &Firewall, environment: &str, id: &str) -> bool {
    !told(environment, &target_tag(environment, id), std::slice::from_ref(rule)).is_empty()
}

/// Handle of all rules of a resource together.
pub(super) fn rules_handle(environment: &str, id: &str) -> String {
    format!("global/firewalls/{}-*", names::tag(environment, target(id)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_folded_and_read_back() {
        let texts = [
            "tcp/22 from bastion",
            "tcp/2305 from praefect",
            "tcp/8300-8302 from everyone",
            "tcp/9100 from monitor",
            "udp/8301 from everyone",
            "tcp/443 from 198.51.100.0/24",
            "tcp/443 from 203.0.113.0/24",
        ];
        let mut rules: Vec<Rule> = texts.iter().filter_map(|text| Rule::parse(text)).collect();
        rules.sort();
        let folded = fold("demo", "rules/gitaly", &rules);
        assert_eq!(folded.len(), 5, "two networks with the same ports share a rule");
        let target = target_tag("demo", "rules/gitaly");
        let there: Vec<Firewall> = folded.iter().map(|one| one.body().set_target_tags([target.clone()])).collect();
        let wanted: Vec<String> = rules.iter().map(ToString::to_string).collect();
        assert_eq!(told("demo", &target, &there), wanted);
        let off: Vec<Firewall> = there.into_iter().map(|rule| rule.set_disabled(true)).collect();
        assert!(told("demo", &target, &off).is_empty());
    }
}
