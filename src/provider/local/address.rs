//! Which network an environment has, and which address each node. Pure.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
};

use ipnet::Ipv4Net;
use sha2::{Digest, Sha256};

/// Where derived networks come from: seldom used by home and office networks, nor by container engines.
const POOL: (u32, u8) = (u32::from_be_bytes([10, 128, 0, 0]), 10);

/// Addresses at the start of a network that nodes do not get: the network itself, the gateway, and a few for people.
const RESERVED: u32 = 10;

/// The network of an environment of this name that has room for `nodes` nodes: a /24, wider where that is too small.
pub fn derive(environment: &str, nodes: usize) -> Ipv4Net {
    let needed = u32::try_from(nodes).unwrap_or(u32::MAX).saturating_add(RESERVED + 1);
    let host_bits = (32 - (needed - 1).leading_zeros()).clamp(8, 22);
    let length = 32 - u8::try_from(host_bits).expect("at most 22");
    let digest = Sha256::digest(environment.as_bytes());
    let draw = u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]);
    let slots = 1u32 << (length - POOL.1);
    let start = POOL.0 + ((draw % slots) << host_bits);
    Ipv4Net::new(Ipv4Addr::from(start), length).expect("a length of 10 to 24 is valid")
}

/// An address for each of `nodes`: the one it has been given before, else the first that is free.
///
/// A node keeps its address when nodes come and go around it. None where the network is too small for all.
pub fn assign<'a>(
    network: Ipv4Net,
    nodes: impl Iterator<Item = &'a str>,
    given: &BTreeMap<String, Ipv4Addr>,
) -> Option<BTreeMap<String, Ipv4Addr>> {
    let mut taken: BTreeSet<Ipv4Addr> = given.values().copied().collect();
    let mut free = network.hosts().skip(RESERVED as usize - 1);
    let mut assigned = BTreeMap::new();
    for node in nodes {
        let address = match given.get(node) {
            Some(address) if network.contains(address) => *address,
            _ => free.find(|address| !taken.contains(address))?,
        };
        taken.insert(address);
        assigned.insert(node.to_owned(), address);
    }
    Some(assigned)
}

/// Whether two networks share an address.
pub fn overlap(one: &Ipv4Net, other: &Ipv4Net) -> bool {
    one.contains(&other.network()) || other.contains(&one.network())
}

/// The networks that a Linux routing table (`/proc/net/route`) leads to, without the default route.
pub fn routed(table: &str) -> Vec<(String, Ipv4Net)> {
    let rows = table.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
    rows.filter_map(|fields| {
        let number = |index: usize| u32::from_str_radix(fields.get(index)?, 16).ok().map(u32::swap_bytes);
        let (start, mask) = (number(1)?, number(7)?);
        let length = u8::try_from(mask.leading_ones()).ok().filter(|length| *length > 0)?;
        Some(((*fields.first()?).to_owned(), Ipv4Net::new(Ipv4Addr::from(start), length).ok()?.trunc()))
    })
    .collect()
}

/// The interface of the default route in a Linux routing table.
pub fn default_interface(table: &str) -> Option<&str> {
    let rows = table.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
    rows.into_iter()
        .find(|fields| fields.get(1) == Some(&"00000000") && fields.get(7) == Some(&"00000000"))?
        .first()
        .copied()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TABLE: &str = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n\
        eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n\
        docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n\
        eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n";

    #[test]
    fn a_routing_table_tells_networks_and_the_way_out() {
        let networks: Vec<String> = routed(TABLE).iter().map(|(_, network)| network.to_string()).collect();
        assert_eq!(networks, ["172.17.0.0/16", "192.0.2.0/24"]);
        assert_eq!(default_interface(TABLE), Some("eth0"));
        assert_eq!(default_interface("Iface\n"), None);
    }

    #[test]
    fn a_network_is_as_wide_as_its_nodes_need() {
        assert_eq!(derive("demo", 23).prefix_len(), 24);
        assert_eq!(derive("demo", 245).prefix_len(), 24);
        assert_eq!(derive("demo", 246).prefix_len(), 23);
        assert_eq!(derive("demo", 23), derive("demo", 24));
        assert_ne!(derive("demo", 23), derive("other", 23));
    }

    #[test]
    fn a_node_keeps_its_address_when_others_come_and_go() {
        let network = derive("demo", 4);
        let names = ["app-1", "app-2", "db-1"];
        let first = assign(network, names.into_iter(), &BTreeMap::new()).unwrap();
        let more = assign(network, ["app-1", "app-2", "app-3", "db-1"].into_iter(), &first).unwrap();
        assert!(names.iter().all(|name| first[*name] == more[*name]));
        let mut given = more.clone();
        given.remove("app-1");
        let fewer = assign(network, ["app-2", "app-3", "db-1"].into_iter(), &given).unwrap();
        assert_eq!(fewer["db-1"], first["db-1"]);
    }

    #[test]
    fn a_network_that_is_too_small_gives_none() {
        let network: Ipv4Net = "10.200.0.0/28".parse().unwrap();
        let names: Vec<String> = (0..6).map(|index| format!("n-{index}")).collect();
        assert!(assign(network, names.iter().take(5).map(String::as_str), &BTreeMap::new()).is_some());
        assert!(assign(network, names.iter().map(String::as_str), &BTreeMap::new()).is_none());
    }

    proptest! {
        #[test]
        fn every_node_has_an_address_of_its_own_inside_the_pool(
            environment in "[a-z][a-z0-9-]{0,19}",
            count in 1usize..2000,
            kept in prop::collection::btree_set(0usize..2000, 0..40),
        ) {
            let network = derive(&environment, count);
            let pool: Ipv4Net = "10.128.0.0/10".parse().unwrap();
            prop_assert!(pool.contains(&network));
            prop_assert_eq!(network, network.trunc());
            let names: Vec<String> = (0..count).map(|index| format!("n-{index}")).collect();
            // Some nodes had addresses before, given out in another order.
            let before = kept.iter().rev().filter(|index| **index < count).map(|index| names[*index].as_str());
            let given = assign(network, before, &BTreeMap::new()).unwrap();
            let assigned = assign(network, names.iter().map(String::as_str), &given).unwrap();
            let unique: BTreeSet<&Ipv4Addr> = assigned.values().collect();
            prop_assert_eq!(unique.len(), count);
            for (name, address) in &assigned {
                prop_assert!(network.contains(address) && *address != network.broadcast());
                prop_assert!(u32::from(*address) - u32::from(network.network()) >= RESERVED);
                prop_assert!(given.get(name).is_none_or(|before| before == address));
            }
        }
    }
}
