//! What Azure bills for what is made.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{cost::Charge, provider::cloud::blueprint::kind};

/// Of one resource, wanted or there.
pub(super) fn of(kind: &str, attributes: &BTreeMap<String, Value>) -> Vec<Charge> {
    let text = |name: &str| attributes.get(name).and_then(Value::as_str).map(str::to_owned);
    let number =
        |name: &str| attributes.get(name).and_then(Value::as_u64).and_then(|number| u32::try_from(number).ok());
    let service = |name: &str| Charge::Service { name: name.to_owned() };
    let usage = |name: &str| Charge::Usage { name: name.to_owned() };
    let disk = |disk_type: Option<String>, size: Option<u32>| {
        let (disk_type, size_gb) = (disk_type?, size?);
        Some(Charge::Disk { disk_type, size_gb, iops: number("iops"), throughput: number("throughput") })
    };
    match kind {
        kind::INSTANCE | kind::BASTION => {
            let spot = attributes.get("spot") == Some(&Value::Bool(true));
            let machine = text("machine_type").map(|machine_type| match spot {
                true => Charge::SpotMachine { machine_type },
                false => Charge::Machine { machine_type },
            });
            machine.into_iter().chain(disk(text("disk_type"), number("disk_gb"))).collect()
        }
        kind::DISK => disk(text("type"), number("size_gb")).into_iter().collect(),
        kind::ADDRESS => vec![service("public-ipv4")],
        kind::NAT => vec![service("nat-gateway"), usage("nat-gateway-data")],
        kind::BALANCER => vec![service("load-balancer"), service("public-ipv4")],
        // A public address of the interface's own, where it has none that stays.
        kind::INTERFACE if attributes.get("public_ip") == Some(&Value::Bool(true)) && text("address").is_none() => {
            vec![service("public-ipv4")]
        }
        kind::BUCKET => vec![usage("bucket")],
        _ => Vec::new(),
    }
}
