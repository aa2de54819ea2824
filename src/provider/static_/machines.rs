//! The provider of machines that exist already.

use std::collections::BTreeMap;

use futures_util::future::BoxFuture;

use super::{Inventory, InventoryHost};
use crate::{
    event::StepLog,
    provider::{
        Condition, ErrorClass, FieldChange, Finding, Host, Live, Mutability, Provider, ProviderError, Resource, Verdict,
    },
    topology::Topology,
};

/// Machines of an inventory.
pub struct StaticProvider {
    inventory: Inventory,
}

impl StaticProvider {
    /// A provider for these machines.
    #[must_use]
    pub fn new(inventory: Inventory) -> Self {
        Self { inventory }
    }

    fn host(&self, node: &str) -> Option<&InventoryHost> {
        self.inventory.hosts().iter().find(|host| host.name == node)
    }
}

fn id(node: &str) -> String {
    format!("node/{node}")
}

fn missing(resource: &Resource) -> ProviderError {
    ProviderError {
        doing: format!("use machine {}", resource.id),
        message: "it is in the environment but not in the inventory".to_owned(),
        hint: Some("add the machine to the inventory file, or lower the count of its group".to_owned()),
        class: ErrorClass::Permanent,
    }
}

impl Provider for StaticProvider {
    fn name(&self) -> &'static str {
        "static"
    }

    fn owns_machines(&self) -> bool {
        false
    }

    fn desired(&self, topology: &Topology) -> Result<Vec<Resource>, ProviderError> {
        Ok(topology
            .nodes
            .iter()
            .map(|node| Resource {
                id: id(&node.name),
                kind: "machine".to_owned(),
                node: Some(node.name.clone()),
                attributes: BTreeMap::new(),
                needs: Vec::new(),
                data_bearing: node.data_bearing,
                reason: node.reason.clone(),
                shared: false,
            })
            .collect())
    }

    fn mutability(&self, _: &str, _: &str) -> Mutability {
        Mutability::Replace
    }

    fn preflight<'a>(&'a self, topology: &'a Topology) -> BoxFuture<'a, Vec<Finding>> {
        let lacking: Vec<&str> = topology
            .nodes
            .iter()
            .filter(|node| self.host(&node.name).is_none())
            .map(|node| node.name.as_str())
            .collect();
        let finding = Finding {
            name: "inventory".to_owned(),
            verdict: if lacking.is_empty() { Verdict::Pass } else { Verdict::Fail },
            found: if lacking.is_empty() {
                format!("{} machines", self.inventory.hosts().len())
            } else {
                format!("no machine for {}", lacking.join(", "))
            },
            hint: (!lacking.is_empty()).then(|| "add them to the inventory file".to_owned()),
        };
        Box::pin(std::future::ready(vec![finding]))
    }

    fn observe<'a>(&'a self) -> BoxFuture<'a, Result<Vec<Live>, ProviderError>> {
        let live = self.inventory.hosts().iter().map(|host| Live {
            id: id(&host.name),
            kind: "machine".to_owned(),
            node: Some(host.name.clone()),
            attributes: BTreeMap::new(),
            condition: Condition::Good,
            handle: host.address.clone(),
            data_bearing: false,
            needs: Vec::new(),
        });
        Box::pin(std::future::ready(Ok(live.collect())))
    }

    fn create<'a>(&'a self, resource: &'a Resource, _: &'a StepLog) -> BoxFuture<'a, Result<(), ProviderError>> {
        Box::pin(std::future::ready(Err(missing(resource))))
    }

    fn start<'a>(&'a self, resource: &'a Resource, _: &'a StepLog) -> BoxFuture<'a, Result<(), ProviderError>> {
        Box::pin(std::future::ready(Err(missing(resource))))
    }

    fn update<'a>(
        &'a self,
        resource: &'a Resource,
        _: &'a [FieldChange],
        _: &'a StepLog,
    ) -> BoxFuture<'a, Result<(), ProviderError>> {
        Box::pin(std::future::ready(Err(missing(resource))))
    }

    fn delete<'a>(&'a self, live: &'a Live, _: &'a StepLog) -> BoxFuture<'a, Result<(), ProviderError>> {
        Box::pin(std::future::ready(Err(ProviderError {
            doing: format!("remove machine {}", live.handle),
            message: "it was there before refarch, which does not remove what it did not make".to_owned(),
            hint: None,
            class: ErrorClass::Permanent,
        })))
    }

    fn hosts<'a>(&'a self, topology: &'a Topology) -> BoxFuture<'a, Result<Vec<Host>, ProviderError>> {
        let hosts = topology.nodes.iter().filter_map(|node| self.host(&node.name)).map(|host| Host {
            node: host.name.clone(),
            private: host.private,
            connect: host.address.clone(),
            port: host.port,
            user: host.user.clone(),
            jump: host.jump.clone(),
            jump_key: None,
            proxy: None,
            identity: host.identity.clone(),
            host_key: host.host_key.clone(),
        });
        Box::pin(std::future::ready(Ok(hosts.collect())))
    }
}
