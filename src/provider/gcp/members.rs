//! Who is behind a balancer: an unmanaged instance group in each zone. A machine may be in one such group only, so that
//! balancers before the same machines share it.

use std::collections::{BTreeMap, BTreeSet};

use google_cloud_compute_v1::model::{
    InstanceGroup, InstanceGroupsAddInstancesRequest, InstanceGroupsListInstancesRequest,
    InstanceGroupsRemoveInstancesRequest, InstanceReference,
};
use google_cloud_gax::paginator::ItemPaginator as _;
use serde_json::{Value, json};

use super::{
    compute::{At, act, last, remove},
    fault::Fault,
    labels, machines, names,
};
use crate::provider::{
    Condition, ProviderError,
    cloud::{
        Found, Making,
        blueprint::{self, kind},
        tags,
        tags::Tags,
    },
};

/// Zone -> handles of the members.
type Groups = BTreeMap<String, BTreeSet<String>>;

impl At<'_> {
    /// Makes a group in each zone, and its members what they should be.
    pub(super) async fn make_members(&self, making: Making<'_>) -> Result<String, ProviderError> {
        let name = names::of(self.environment(), &making.resource.id);
        let doing = format!("make instance group {name}");
        let there = self.groups().await.map_err(|fault| fault.told(&doing))?.remove(&name).map(|(_, groups)| groups);
        let there = there.unwrap_or_default();
        let zones = self.gcp.zones(self).await?;
        let mut wanted: Groups = zones.iter().map(|zone| (zone.clone(), BTreeSet::new())).collect();
        for target in making.resource.attributes.get("targets").and_then(Value::as_array).into_iter().flatten() {
            let machine = making.book.need(&doing, target.as_str().unwrap_or_default())?;
            wanted.entry(machines::parts(&machine).1.to_owned()).or_default().insert(machine.clone());
        }
        for (zone, members) in &wanted {
            if !there.contains_key(zone) {
                let group = InstanceGroup::new().set_name(&name).set_description(labels::description(making.tags));
                let call = self.clients.groups.insert().set_zone(zone).set_body(group);
                self.fresh(act!(self, &doing, call), &doing)?;
            }
            self.set_members(&name, zone, members, there.get(zone), &doing).await?;
        }
        Ok(format!("zones/*/instanceGroups/{name}"))
    }

    async fn set_members(
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

    /// Name -> tags and members, of all the environment's groups in the region.
    async fn groups(&self) -> Result<BTreeMap<String, (Tags, Groups)>, Fault> {
        let mut all: BTreeMap<String, (Tags, Groups)> = BTreeMap::new();
        let mut groups = self.clients.groups.aggregated_list().set_project(self.project).by_item();
        while let Some(scope) = groups.next().await {
            for group in scope?.1.instance_groups {
                let Some(tags) = labels::described(group.description.as_deref()) else { continue };
                let (name, zone) = (group.name.unwrap_or_default(), group.zone.unwrap_or_default());
                let zone = last(&zone).to_owned();
                if labels::owned(&tags, self.environment()) && zone.starts_with(self.region) {
                    let members = self.members_of(&name, &zone).await?;
                    all.entry(name).or_insert_with(|| (tags, Groups::new())).1.insert(zone, members);
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

    /// The environment's groups, one for each name.
    pub(super) async fn list_members(&self) -> Result<Vec<Found>, Fault> {
        let zones = blueprint::zones(&self.gcp.options);
        let found = |(name, (tags, groups)): (String, (Tags, Groups))| {
            let members = groups.values().flatten().map(|machine| machines::parts(machine).0);
            let mut targets: Vec<String> = members.map(|name| format!("node/{name}")).collect();
            targets.sort();
            // Where a zone's group is missing, so is what would be in it.
            let whole = groups.len() >= zones;
            Found {
                id: tags.get(tags::RESOURCE).cloned().unwrap_or_else(|| "members".to_owned()),
                kind: kind::MEMBERS,
                handle: format!("zones/*/instanceGroups/{name}"),
                attributes: [("targets".to_owned(), if whole { json!(targets) } else { Value::Null })].into(),
                tags,
                condition: Condition::Good,
                machine: None,
            }
        };
        Ok(self.groups().await?.into_iter().map(found).collect())
    }

    /// The resource that a group of this name is; none where it is somebody else's.
    pub(super) fn members_named(&self, name: &str) -> Option<String> {
        let rest = name.strip_prefix(&format!("{}-members-", self.environment()))?;
        Some(format!("members/{rest}"))
    }

    pub(super) async fn remove_members(&self, handle: &str) -> Result<(), ProviderError> {
        let name = last(handle);
        let doing = format!("remove instance group {name}");
        let there = self.groups().await.map_err(|fault| fault.told(&doing))?.remove(name);
        for zone in there.map(|(_, groups)| groups).unwrap_or_default().keys() {
            remove!(self, &doing, self.clients.groups.delete().set_zone(zone).set_instance_group(name))?;
        }
        Ok(())
    }
}
