//! Who may reach whom: an application security group names the nodes of a group, a network security group of the same
//! name on their interfaces says who may come in. Everybody else is kept out, neighbours in the network too.

use super::{
    Azure,
    azure_mgmt::{
        Condition,
        network::{self, ApplicationGroup, Part, Rule as AzureRule, SecurityGroup, Tracked},
        resources::Reference,
    },
    error::failed,
    names::{arm, last},
    network::{RACES, list},
};
use crate::provider::{
    ProviderError,
    cloud::{
        Making, permanent,
        reach::{EVERYONE, Rule, Source},
        tags::{self, Tags},
    },
};

/// Priority of the first rule; the next one has the next number.
const FIRST: u32 = 100;
/// Priorities of the last two rules: Azure's balancers may ask whether a node is good, and nobody else may anything.
const PROBES: u32 = 4095;
const NOBODY: u32 = 4096;
/// Rules that Azure takes in one group, less the last two.
const RULES: usize = 998;

impl Azure {
    pub(super) async fn make_firewall(&self, making: Making<'_>) -> Result<String, ProviderError> {
        let doing = format!("make {}", making.resource.id);
        let names = self.id_of(arm::NAMES, &making.resource.id);
        self.put_tracked(&doing, &names, making.tags, ApplicationGroup {}, None).await?;
        if making.resource.id != format!("firewall/{EVERYONE}") {
            let id = self.id_of(arm::RULES, &making.resource.id);
            let there: Option<Tracked<SecurityGroup>> =
                self.client.get(&id, network::VERSION).await.map_err(|error| failed(&doing, &error))?;
            // Rules that are there stay: they are a resource of their own.
            let rules = there.map(|there| there.properties.security_rules).filter(|rules| !rules.is_empty());
            let properties = SecurityGroup { security_rules: rules.unwrap_or_else(|| closed(Vec::new())) };
            self.put_tracked(&doing, &id, making.tags, properties, None).await?;
        }
        Ok(names)
    }

    pub(super) async fn make_rules(&self, making: Making<'_>) -> Result<String, ProviderError> {
        let doing = format!("make {}", making.resource.id);
        let id = self.rules_id(&making.resource.id);
        let texts = list(making.resource.attributes.get("rules"));
        let rules: Vec<Rule> = texts.iter().filter_map(|text| Rule::parse(text)).collect();
        if rules.len() > RULES || rules.len() != texts.len() {
            let message = format!("{} rules: Azure takes {RULES} in one group", texts.len());
            return Err(permanent(doing, message, Some("name fewer networks in `cloud.allowed_cidrs`")));
        }
        self.write_rules(&doing, &id, self.as_azure(&rules)).await?;
        Ok(id)
    }

    /// Leaves a group with no rule but the last two.
    pub(super) async fn remove_rules(&self, doing: &str, id: &str) -> Result<(), ProviderError> {
        self.write_rules(doing, id, Vec::new()).await
    }

    /// Reads a group and writes its rules, on the condition that nobody else wrote in between. Who else did may have been this
    /// very call, whose answer was lost: so it looks again.
    async fn write_rules(&self, doing: &str, id: &str, rules: Vec<Part<AzureRule>>) -> Result<(), ProviderError> {
        let rules = closed(rules);
        let mut races = 0;
        loop {
            let there: Option<Tracked<SecurityGroup>> =
                self.client.get(id, network::VERSION).await.map_err(|error| failed(doing, &error))?;
            let Some(mut group) = there else {
                let hint = "plan again: it was removed since";
                return Err(permanent(doing, format!("{} is not there", last(id)), Some(hint)));
            };
            group.properties.security_rules.clone_from(&rules);
            let etag = group.etag.clone();
            let condition = etag.as_deref().map_or(Condition::Always, Condition::Unchanged);
            match self.client.put(id, network::VERSION, &group, condition).await {
                Ok(_) => return Ok(()),
                Err(error) if error.status == 412 && races < RACES => races += 1,
                Err(error) => return Err(failed(doing, &error)),
            }
        }
    }

    /// The group that holds the rules of `rules/NAME`: that of `firewall/NAME`.
    pub(super) fn rules_id(&self, resource: &str) -> String {
        let name = resource.strip_prefix("rules/").unwrap_or(resource);
        self.id_of(arm::RULES, &format!("firewall/{name}"))
    }

    fn as_azure(&self, rules: &[Rule]) -> Vec<Part<AzureRule>> {
        let numbered = rules.iter().zip(FIRST..);
        numbered
            .map(|(rule, priority)| {
                let ports = if rule.first == rule.last {
                    rule.first.to_string()
                } else {
                    format!("{}-{}", rule.first, rule.last)
                };
                let (group, range) = match &rule.from {
                    Source::Firewall(name) => {
                        (Some(vec![Reference::to(self.id_of(arm::NAMES, &format!("firewall/{name}")))]), None)
                    }
                    Source::Range(range) => (None, Some(range.clone())),
                };
                let properties = AzureRule {
                    description: Some(rule.to_string()),
                    protocol: if rule.udp { "Udp" } else { "Tcp" }.to_owned(),
                    destination_port_range: ports,
                    source_application_security_groups: group,
                    source_address_prefix: range,
                    ..inbound("Allow", priority)
                };
                Part::new(rule_name(rule), properties)
            })
            .collect()
    }

    /// Rules in the words of the blueprint, from what a group really holds.
    pub(super) fn told_by_azure(&self, rules: &[Part<AzureRule>]) -> Vec<String> {
        let start = format!("{}-", tags::name(&self.options.environment, "firewall"));
        let text = |rule: &AzureRule| {
            let from = match (&rule.source_address_prefix, &rule.source_application_security_groups) {
                (Some(range), _) => range.clone(),
                (None, Some(groups)) => {
                    let name = last(&groups.first()?.id);
                    name.strip_prefix(&start).unwrap_or(name).to_owned()
                }
                _ => return None,
            };
            Some(format!("{}/{} from {from}", rule.protocol.to_lowercase(), rule.destination_port_range))
        };
        let own = rules.iter().filter(|rule| rule.properties.priority < PROBES && rule.properties.access == "Allow");
        let mut texts: Vec<(Option<Rule>, String)> =
            own.filter_map(|rule| text(&rule.properties)).map(|text| (Rule::parse(&text), text)).collect();
        texts.sort();
        texts.into_iter().map(|(_, text)| text).collect()
    }

    /// Removes a firewall: both groups of its name.
    pub(super) async fn remove_firewall(&self, doing: &str, names: &str) -> Result<(), ProviderError> {
        let rules = self.id(arm::RULES, last(names));
        self.client.delete(&rules, network::VERSION).await.map_err(|error| failed(doing, &error))?;
        self.client.delete(names, network::VERSION).await.map_err(|error| failed(doing, &error))
    }

    /// Writes tags on both groups of a firewall's name.
    pub(super) fn firewall_parts(&self, names: &str) -> Vec<String> {
        let mut parts = vec![names.to_owned()];
        if !names.ends_with(&format!("-{EVERYONE}")) {
            parts.push(self.id(arm::RULES, last(names)));
        }
        parts
    }
}

/// Name of a rule: letters, digits, `_`, `-`, `.`.
fn rule_name(rule: &Rule) -> String {
    let text: String = rule
        .to_string()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || c == '-' || c == '.' { c } else { '_' })
        .collect();
    text.chars().take(80).collect()
}

fn inbound(access: &str, priority: u32) -> AzureRule {
    AzureRule {
        protocol: "*".to_owned(),
        access: access.to_owned(),
        direction: "Inbound".to_owned(),
        priority,
        source_port_range: "*".to_owned(),
        destination_port_range: "*".to_owned(),
        destination_address_prefix: Some("*".to_owned()),
        ..AzureRule::default()
    }
}

fn closed(mut rules: Vec<Part<AzureRule>>) -> Vec<Part<AzureRule>> {
    let from = |source: &str, rule: AzureRule| AzureRule { source_address_prefix: Some(source.to_owned()), ..rule };
    rules.push(Part::new("probes-of-balancers", from("AzureLoadBalancer", inbound("Allow", PROBES))));
    rules.push(Part::new("nobody-else", from("*", inbound("Deny", NOBODY))));
    rules
}

/// Tags of a machine's parts: its own, under another resource's name.
pub(super) fn tags_of_part(tags: &Tags, resource: &str) -> Tags {
    let mut tags = tags.clone();
    tags.insert(tags::RESOURCE.to_owned(), resource.to_owned());
    tags
}
