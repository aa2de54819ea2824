//! What the blueprint's resources are billed for. All clouds bill the same kinds of things.

use std::collections::BTreeMap;

use serde_json::Value;

use super::blueprint::kind;
use crate::cost::Charge;

/// The charges of a resource, wanted or there: both have the blueprint's attributes.
#[must_use]
pub fn of(kind: &str, attributes: &BTreeMap<String, Value>) -> Vec<Charge> {
    let service = |name: &str| Charge::Service { name: name.to_owned() };
    let usage = |name: &str| Charge::Usage { name: name.to_owned() };
    match kind {
        kind::INSTANCE | kind::BASTION => machine(attributes),
        kind::INTERFACE => public_address(attributes).into_iter().collect(),
        kind::DISK => disk(attributes, "size_gb", "type", "iops", "throughput").into_iter().collect(),
        kind::ADDRESS if attributes.get("internal") == Some(&Value::Bool(true)) => Vec::new(),
        kind::ADDRESS => vec![service("public-ipv4")],
        kind::NAT => vec![service("nat-gateway"), usage("nat-gateway-data")],
        kind::BALANCER => vec![service("network-load-balancer"), usage("network-load-balancer-data")],
        kind::BUCKET => vec![usage("bucket")],
        kind::TUNNEL => vec![service("tunnel"), usage("tunnel-data")],
        _ => Vec::new(),
    }
}

fn machine(attributes: &BTreeMap<String, Value>) -> Vec<Charge> {
    let mut charges = Vec::new();
    if let Some(machine_type) = text(attributes, "machine_type") {
        charges.push(match attributes.get("spot").and_then(Value::as_bool) {
            Some(true) => Charge::SpotMachine { machine_type },
            _ => Charge::Machine { machine_type },
        });
    }
    charges.extend(disk(attributes, "disk_gb", "disk_type", "disk_iops", "disk_throughput"));
    charges.extend(disk(attributes, "data_gb", "data_type", "data_iops", "data_throughput"));
    charges.extend(public_address(attributes));
    charges
}

/// An address that stays is a resource of its own, and billed there.
fn public_address(attributes: &BTreeMap<String, Value>) -> Option<Charge> {
    let public = attributes.get("public_ip").and_then(Value::as_bool) == Some(true);
    (public && text(attributes, "address").is_none()).then(|| Charge::Service { name: "public-ipv4".to_owned() })
}

fn disk(attributes: &BTreeMap<String, Value>, size: &str, kind: &str, iops: &str, throughput: &str) -> Option<Charge> {
    Some(Charge::Disk {
        size_gb: number(attributes, size)?,
        // What a disk is where nobody says.
        disk_type: text(attributes, kind).unwrap_or_else(|| "gp3".to_owned()),
        iops: number(attributes, iops),
        throughput: number(attributes, throughput),
    })
}

fn text(attributes: &BTreeMap<String, Value>, name: &str) -> Option<String> {
    attributes.get(name).and_then(Value::as_str).map(str::to_owned)
}

fn number(attributes: &BTreeMap<String, Value>, name: &str) -> Option<u32> {
    attributes.get(name).and_then(Value::as_u64).and_then(|number| u32::try_from(number).ok())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn charges(kind: &str, attributes: Value) -> Vec<Charge> {
        of(kind, &serde_json::from_value(attributes).unwrap())
    }

    fn gp3(size_gb: u32, iops: Option<u32>) -> Charge {
        Charge::Disk { disk_type: "gp3".to_owned(), size_gb, iops, throughput: None }
    }

    #[test]
    fn a_machine_is_billed_with_its_disks_and_its_address() {
        let own = json!({
            "machine_type": "m5.large", "disk_gb": 50, "disk_type": "gp3", "data_gb": 200, "data_type": "gp3",
            "data_iops": 8000, "public_ip": true, "address": null,
        });
        let machine = Charge::Machine { machine_type: "m5.large".to_owned() };
        let address = Charge::Service { name: "public-ipv4".to_owned() };
        assert_eq!(charges(kind::INSTANCE, own), [machine, gp3(50, None), gp3(200, Some(8000)), address]);
    }

    #[test]
    fn an_address_that_stays_is_billed_once() {
        let own = json!({"machine_type": "m5.large", "public_ip": true, "address": "address/demo-app-1"});
        let found = [charges(kind::INSTANCE, own), charges(kind::ADDRESS, json!({}))].concat();
        let addresses = found.iter().filter(|charge| matches!(charge, Charge::Service { .. })).count();
        assert_eq!(addresses, 1);
    }

    #[test]
    fn what_costs_nothing_is_not_billed() {
        for free in [kind::NETWORK, kind::SUBNET, kind::FIREWALL, kind::RULES, kind::KEY, kind::IDENTITY] {
            assert_eq!(charges(free, json!({})), [], "{free}");
        }
    }
}
