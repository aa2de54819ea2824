//! Azure's own view of the blueprint: no internet gateway, interfaces and data disks as resources of their own.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{Azure, balanced::opened};
use crate::provider::{
    Mutability, Resource,
    cloud::{
        blueprint::kind,
        options::{Access, NetworkOptions},
        reach::EVERYONE,
    },
};

/// GB of the images of the marketplace.
const IMAGE_GB: u64 = 30;
/// Attributes that a machine's interface has instead of the machine.
const OF_INTERFACE: [&str; 4] = ["subnet", "firewalls", "address", "public_ip"];
/// Attributes that a machine's data disk has instead of the machine, and their names there.
const OF_DISK: [(&str, &str); 4] =
    [("data_gb", "size_gb"), ("data_type", "type"), ("data_iops", "iops"), ("data_throughput", "throughput")];

impl Azure {
    /// Leaves out what Azure has no such thing of.
    pub(super) fn shaped(&self, mut resource: Resource) -> Option<Resource> {
        match resource.kind.as_str() {
            // Every network has its way to the internet, and public addresses need no route.
            kind::GATEWAY => return None,
            kind::ROUTES => {
                let way = resource.attributes.get("default").and_then(Value::as_str)?;
                if !way.starts_with("nat/") {
                    return None;
                }
            }
            // Subnets span zones here.
            kind::SUBNET => {
                resource.attributes.remove("zone");
                resource.attributes.remove("public");
            }
            // One for each group that uses the buckets: [`Azure::extended`].
            kind::IDENTITY => {
                resource.attributes.remove("tunnel");
            }
            kind::INSTANCE => {
                let group = resource.attributes.get("group").and_then(Value::as_str).unwrap_or_default();
                let may = resource.attributes.get("identity") == Some(&json!(true)) && !self.options.buckets.is_empty();
                let identity = if may { json!(identity(group)) } else { json!(false) };
                resource.needs.retain(|need| need != kind::IDENTITY);
                resource.needs.extend(identity.as_str().map(str::to_owned));
                resource.attributes.insert("identity".to_owned(), identity);
            }
            // Two groups of one name: [`super::firewall`].
            kind::FIREWALL => {
                let everyone = resource.id.ends_with(&format!("/{EVERYONE}"));
                let parts: &[&str] = if everyone { &["names"] } else { &["names", "rules"] };
                resource.attributes.insert("parts".to_owned(), json!(parts));
            }
            _ => {}
        }
        Some(resource)
    }

    /// Adds the resource group, the storage account, an identity for each group that uses the buckets, and each machine's
    /// interface and data disk.
    pub(super) fn extended(&self, all: Vec<Resource>) -> Vec<Resource> {
        let all = self.tunnelled(opened(identities(all)));
        let mut made = Vec::with_capacity(all.len() * 2);
        if self.azure.resource_group.is_none() {
            made.push(own(kind::GROUP, kind::GROUP, "everything of the environment is in it", &[], BTreeMap::new()));
        }
        if self.azure.proximity {
            made.push(own("placement", kind::PROXIMITY, "keeps the machines close together", &[], BTreeMap::new()));
        }
        if all.iter().any(|resource| resource.kind == kind::BUCKET) {
            let attributes = BTreeMap::from([("public_blocked".to_owned(), json!(true))]);
            let mut store = own("store", kind::STORE, "holds the buckets", &[], attributes);
            store.data_bearing = true;
            made.push(store);
        }
        for resource in all {
            match resource.kind.as_str() {
                kind::INSTANCE | kind::BASTION => self.with_parts(resource, &mut made),
                kind::BUCKET => made.push(needing(resource, &["store"])),
                _ => made.push(resource),
            }
        }
        let group = self.azure.resource_group.is_none();
        for resource in &mut made {
            if group && resource.kind != kind::GROUP {
                resource.needs.push(kind::GROUP.to_owned());
            }
        }
        made
    }

    /// A machine, after its interface and its disk.
    fn with_parts(&self, mut machine: Resource, made: &mut Vec<Resource>) {
        // A system disk cannot be smaller than the image that it is made from.
        if machine.attributes.get("disk_gb").and_then(Value::as_u64).is_some_and(|size| size < IMAGE_GB) {
            machine.attributes.insert("disk_gb".to_owned(), json!(IMAGE_GB));
        }
        machine.attributes.insert("disk_tagged".to_owned(), json!(true));
        let own_kind = if machine.kind == kind::BASTION { "StandardSSD_LRS" } else { "Premium_LRS" };
        machine.attributes.entry("disk_type".to_owned()).or_insert(json!(own_kind));
        let name = machine.id.strip_prefix("node/").unwrap_or(&machine.id).to_owned();
        let mut attributes = BTreeMap::new();
        for attribute in OF_INTERFACE {
            if let Some(value) = machine.attributes.remove(attribute) {
                attributes.insert(attribute.to_owned(), value);
            }
        }
        let zone = machine.attributes.get("zone").cloned().unwrap_or(json!(1));
        let side = attributes.remove("subnet").and_then(|side| side.as_str().map(str::to_owned)).unwrap_or_default();
        attributes.insert("subnet".to_owned(), json!(format!("subnet/{side}-{zone}")));
        let interface = format!("interface/{name}");
        let mut needs: Vec<String> = machine.needs.clone();
        needs.retain(|need| !need.starts_with("identity/") && need != "key");
        let firewalls: Vec<String> = attributes
            .get("firewalls")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect();
        needs.extend(firewalls.iter().map(|name| format!("rules/{name}")));
        attributes.insert("rules".to_owned(), json!(firewalls.last()));
        let group = machine.attributes.get("group").and_then(Value::as_str).unwrap_or_default().to_owned();
        made.push(own(&interface, kind::INTERFACE, "the address that the machine keeps", &needs, attributes));
        machine.needs.push(interface);

        let mut attributes = BTreeMap::new();
        for (of_machine, of_disk) in OF_DISK {
            if let Some(value) = machine.attributes.remove(of_machine) {
                attributes.insert(of_disk.to_owned(), value);
            }
        }
        if attributes.contains_key("size_gb") {
            attributes.insert("zone".to_owned(), zone);
            let id = format!("disk/{name}");
            let mut disk = own(&id, kind::DISK, "data that outlives its machine", &[], attributes);
            disk.data_bearing = machine.data_bearing;
            made.push(disk);
            machine.attributes.insert("data_disk".to_owned(), json!(true));
            machine.needs.push(id);
        }
        if self.azure.availability_sets {
            let id = format!("set/{group}");
            if !made.iter().any(|resource| resource.id == id) {
                let reason = "spreads the group over racks, as the region has no zones";
                made.push(own(&id, kind::SET, reason, &[], BTreeMap::new()));
            }
            machine.needs.push(id);
        }
        if self.azure.proximity {
            machine.needs.push("placement".to_owned());
        }
        made.push(machine);
    }

    /// How attributes can be changed that Azure treats in its own way.
    pub(super) fn mends(&self, kind: &str, attribute: &str) -> Option<Mutability> {
        match (kind, attribute) {
            // The system disk grows, and changes its type, only while its machine is deallocated.
            (kind::INSTANCE | kind::BASTION, "disk_gb" | "disk_type") => Some(Mutability::WithRestart),
            (kind::INSTANCE | kind::BASTION, "data_disk" | "disk_tagged") => Some(Mutability::InPlace),
            (kind::FIREWALL, "parts") => Some(Mutability::InPlace),
            (kind::INTERFACE, "firewalls" | "rules" | "address") => Some(Mutability::InPlace),
            (kind::DISK, "size_gb" | "iops" | "throughput") => Some(Mutability::InPlace),
            (kind::STORE, "public_blocked") => Some(Mutability::InPlace),
            _ => None,
        }
    }

    /// Whether the file asks for something that Azure's provider does not have.
    pub(super) fn refusal(&self) -> Option<&'static str> {
        let own = matches!(self.options.network, NetworkOptions::Create { .. });
        (self.options.access == Access::Tunnel && !own)
            .then_some("an Azure Bastion is made in a network of refarch's own only: use `ssh.via: bastion`")
    }
}

/// Identity of a node group.
fn identity(group: &str) -> String {
    format!("identity/{group}")
}

/// An identity for each group whose machines have one, in place of one for all.
fn identities(all: Vec<Resource>) -> Vec<Resource> {
    let machines = all.iter().filter(|one| one.kind == kind::INSTANCE);
    let wanted: BTreeSet<String> =
        machines.filter_map(|one| one.attributes.get("identity")?.as_str().map(str::to_owned)).collect();
    let mut done = Vec::with_capacity(all.len() + wanted.len());
    for resource in all {
        if resource.kind != kind::IDENTITY {
            done.push(resource);
            continue;
        }
        done.extend(wanted.iter().map(|id| {
            let group = id.trim_start_matches("identity/");
            let reason = format!("{group} reach the buckets, and nothing else, without a stored key");
            Resource { id: id.clone(), reason, ..resource.clone() }
        }));
    }
    done
}

pub(super) fn own(
    id: &str,
    kind: &str,
    reason: &str,
    needs: &[String],
    attributes: BTreeMap<String, Value>,
) -> Resource {
    Resource {
        id: id.to_owned(),
        kind: kind.to_owned(),
        node: None,
        attributes,
        needs: needs.to_vec(),
        data_bearing: false,
        reason: reason.to_owned(),
        shared: false,
    }
}

fn needing(mut resource: Resource, needs: &[&str]) -> Resource {
    resource.needs.extend(needs.iter().map(|need| (*need).to_owned()));
    resource
}
