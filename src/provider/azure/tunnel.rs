//! Azure Bastion: Azure's own way to machines without public addresses. Who gets in is decided by Azure's roles.

use std::collections::BTreeMap;

use serde_json::json;

use super::{
    Azure,
    azure_mgmt::{
        network::{BastionHost, BastionPlace, Part, Sku},
        resources::Reference,
    },
    names::arm,
    shape::own,
};
use crate::provider::{
    ProviderError, Resource,
    cloud::{
        Making,
        blueprint::kind,
        options::{Access, NetworkOptions},
        reach::{EVERYONE, Rule, Source},
        tags,
    },
    keys::Keys,
};

/// The subnet's name, which Azure wants so.
const SUBNET: &str = "subnet/AzureBastionSubnet";
const ADDRESS: &str = "address/tunnel";
const TUNNEL: &str = "tunnel";
/// Bits of the smallest subnet that Azure takes for it.
const BITS: u8 = 26;
/// The sixteenth of the network's range that it lies in: the last of those for public subnets, of which no region fills half.
const PART: usize = 7;
const SSH: u16 = 22;

impl Azure {
    /// With the tunnel, and the nodes open to it, where the file asks for that.
    pub(super) fn tunnelled(&self, mut all: Vec<Resource>) -> Vec<Resource> {
        let NetworkOptions::Create { range, .. } = self.options.network else { return all };
        if self.options.access != Access::Tunnel {
            return all;
        }
        let part = range.subnets(range.prefix_len() + 4).into_iter().flatten().nth(PART).unwrap_or(range);
        let place = part.subnets(BITS.max(part.prefix_len())).into_iter().flatten().next().unwrap_or(part);
        let ssh = Rule { udp: false, first: SSH, last: SSH, from: Source::Range(place.to_string()) };
        let groups: Vec<String> = all
            .iter()
            .filter(|one| one.kind == kind::FIREWALL)
            .filter_map(|one| one.id.strip_prefix("firewall/"))
            .filter(|name| *name != EVERYONE)
            .map(str::to_owned)
            .collect();
        for group in groups {
            let id = format!("rules/{group}");
            if !all.iter().any(|one| one.id == id) {
                let after = all.iter().position(|one| one.kind == kind::KEY).unwrap_or(all.len());
                let needs = [format!("firewall/{group}")];
                all.insert(after, own(&id, kind::RULES, "SSH comes through Azure Bastion", &needs, BTreeMap::new()));
            }
            let rules = all.iter_mut().find(|one| one.id == id).expect("it was put there where it was missing");
            let mut parsed = Rule::all(rules);
            parsed.push(ssh.clone());
            parsed.sort();
            let texts: Vec<String> = parsed.iter().map(ToString::to_string).collect();
            rules.attributes.insert("rules".to_owned(), json!(texts));
        }
        let first = all.iter().position(|one| one.kind == kind::INSTANCE).unwrap_or(all.len());
        let network = ["network".to_owned()];
        let needs = [SUBNET.to_owned(), ADDRESS.to_owned()];
        let range = BTreeMap::from([("cidr".to_owned(), json!(place.to_string()))]);
        let new = [
            own(SUBNET, kind::SUBNET, "Azure Bastion is in it", &network, range),
            own(ADDRESS, kind::ADDRESS, "where Azure Bastion is found", &[], BTreeMap::new()),
            own(TUNNEL, kind::TUNNEL, "the only way that SSH from outside has", &needs, BTreeMap::new()),
        ];
        all.splice(first..first, new);
        all
    }

    pub(super) async fn make_tunnel(&self, making: Making<'_>) -> Result<String, ProviderError> {
        let doing = format!("make {}", making.resource.id);
        let id = self.id_of(arm::TUNNEL, &making.resource.id);
        let place = BastionPlace {
            subnet: Reference::to(making.book.need(&doing, SUBNET)?),
            public: Reference::to(making.book.need(&doing, ADDRESS)?),
            allocation: "Dynamic".to_owned(),
        };
        let properties = BastionHost { ip_configurations: vec![Part::new("main", place)], enable_tunneling: true };
        self.put_tracked(&doing, &id, making.tags, properties, Sku::standard()).await
    }

    /// The `ProxyCommand` to a machine. `az` opens the tunnel on a port of this machine and runs an `ssh` of its own through it,
    /// which does nothing but hand on what comes; whom it reaches, the outer `ssh` finds out by the machine's host key.
    pub(super) fn way_through(&self, machine: &str) -> String {
        let key = self.options.identity.clone().unwrap_or_else(|| Keys::new(self.options.folder.join("ssh")).client());
        let (name, group) = (tags::name(&self.options.environment, TUNNEL), self.group_name());
        let (user, port) = (self.options.user(), self.options.ssh_port);
        format!(
            "az network bastion ssh --only-show-errors --name {name} --resource-group {group} \
             --target-resource-id {machine} --resource-port {port} --auth-type ssh-key --username {user} \
             --ssh-key {} -- -o BatchMode=yes -W 127.0.0.1:{port}",
            key.display()
        )
    }
}
