//! Placement policies: members of a group that share a zone stand on hardware of their own.

use google_cloud_compute_v1::model::{
    InstancesAddResourcePoliciesRequest, InstancesRemoveResourcePoliciesRequest, ResourcePolicy,
    ResourcePolicyGroupPlacementPolicy,
};
use google_cloud_gax::paginator::ItemPaginator as _;
use serde_json::{Value, json};

use super::{
    clients::found,
    compute::{At, act, handle},
    fault::Fault,
    labels, names,
};
use crate::provider::{
    Condition, ProviderError,
    cloud::{Found, Making, blueprint::kind, tags},
};

impl At<'_> {
    pub(super) async fn make_placement(&self, making: Making<'_>) -> Result<String, ProviderError> {
        let name = names::of(self.environment(), &making.resource.id);
        let there = format!("regions/{}/resourcePolicies/{name}", self.region);
        let doing = format!("make placement policy {name}");
        let domains = making.resource.attributes.get("domains").and_then(Value::as_i64).unwrap_or(1);
        let spread = ResourcePolicyGroupPlacementPolicy::new()
            .set_availability_domain_count(i32::try_from(domains).unwrap_or(1));
        let body = ResourcePolicy::new()
            .set_name(&name)
            .set_description(labels::description(making.tags))
            .set_group_placement_policy(spread);
        match act!(self, &doing, self.clients.policies.insert().set_region(self.region).set_body(body)) {
            Err(fault) if fault.exists() => {
                let call = self.clients.policies.get().set_project(self.project).set_region(self.region);
                let policy = found(call.set_resource_policy(&name).send().await).map_err(|fault| fault.told(&doing))?;
                let tags = policy.and_then(|policy| labels::described(policy.description.as_deref()));
                self.ours(&doing, tags.as_ref(), &there)?;
            }
            outcome => outcome.map_err(|fault| fault.told(&doing))?,
        }
        Ok(there)
    }

    /// The environment's policies.
    pub(super) async fn list_placements(&self) -> Result<Vec<Found>, Fault> {
        let mut all = Vec::new();
        let mut scopes = self.clients.policies.aggregated_list().set_project(self.project).by_item();
        while let Some(scope) = scopes.next().await {
            for policy in scope?.1.resource_policies {
                let Some(tags) = labels::described(policy.description.as_deref()) else { continue };
                if !labels::owned(&tags, self.environment()) {
                    continue;
                }
                let domains = policy.group_placement_policy.and_then(|policy| policy.availability_domain_count);
                all.push(Found {
                    id: tags.get(tags::RESOURCE).cloned().unwrap_or_else(|| "placement".to_owned()),
                    kind: kind::PLACEMENT,
                    handle: handle(&policy.self_link.unwrap_or_default()),
                    attributes: [("domains".to_owned(), json!(domains))].into(),
                    tags,
                    condition: Condition::Good,
                    machine: None,
                });
            }
        }
        Ok(all)
    }

    /// The resource that a policy of this name is; the name itself where it is somebody else's.
    pub(super) fn placement_of(&self, name: &str) -> String {
        let own = name.strip_prefix(&format!("{}-placement-", self.environment()));
        own.map_or_else(|| name.to_owned(), |rest| format!("placement/{rest}"))
    }

    /// Gives a stopped machine the policy that it shall have, and takes another one away.
    pub(super) async fn place(
        &self,
        making: Making<'_>,
        name: &str,
        zone: &str,
        doing: &str,
    ) -> Result<(), ProviderError> {
        let there = self.instance(name, zone).await.map_err(|fault| fault.told(doing))?.unwrap_or_default();
        let instances = &self.clients.instances;
        if !there.resource_policies.is_empty() {
            let body =
                InstancesRemoveResourcePoliciesRequest::new().set_resource_policies(there.resource_policies.clone());
            let call = instances.remove_resource_policies().set_zone(zone).set_instance(name).set_body(body);
            act!(self, doing, call).map_err(|fault| fault.told(doing))?;
        }
        let Some(id) = making.resource.attributes.get("placement").and_then(Value::as_str) else { return Ok(()) };
        let policy = self.link(&making.book.need(doing, id)?);
        let body = InstancesAddResourcePoliciesRequest::new().set_resource_policies([policy]);
        let call = instances.add_resource_policies().set_zone(zone).set_instance(name).set_body(body);
        act!(self, doing, call).map_err(|fault| fault.told(doing))
    }
}
