//! From a bill's items to money.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Charge, HOURS_PER_MONTH, PriceTable, RegionPrices};

/// What is billed for one group of the environment: a node group, or what belongs to none.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// Group.
    pub group: String,
    /// Node, where it is one.
    pub node: Option<String>,
    /// What it is billed for.
    pub charges: Vec<Charge>,
}

/// What an environment costs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Estimate {
    /// Currency of all amounts.
    pub currency: String,
    /// Day of the prices.
    pub date: String,
    /// Region whose prices these are.
    pub region: String,
    /// Region that the environment is in, as far as known.
    pub wanted_region: Option<String>,
    /// Groups, in the order in which they came.
    pub groups: Vec<GroupCost>,
    /// An hour of all that has a price.
    pub hourly: f64,
    /// A month of it.
    pub monthly: f64,
    /// What has no price in the table, and is in no sum.
    pub unknown: Vec<String>,
    /// What costs by use, and is in no sum.
    pub by_use: Vec<ByUse>,
}

/// What a group costs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GroupCost {
    /// Group.
    pub group: String,
    /// How many nodes it has.
    pub nodes: usize,
    /// What is paid for, most expensive first: `3 c5.xlarge`, `3 gp3 disks, 300 GB`.
    pub what: Vec<String>,
    /// An hour.
    pub hourly: f64,
    /// A month.
    pub monthly: f64,
    /// Some of it has no price: the sums are too low.
    pub incomplete: bool,
}

/// Something that costs by use.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ByUse {
    /// What: `bucket`.
    pub name: String,
    /// How many.
    pub count: usize,
    /// One unit, where the table says.
    pub price: Option<f64>,
    /// The unit.
    pub unit: Option<String>,
}

/// What a plan does to the bill.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MoneyChange {
    /// Currency of all amounts.
    pub currency: String,
    /// Day of the prices.
    pub date: String,
    /// Region whose prices these are.
    pub region: String,
    /// The environment is in another region, or in one that is not known.
    pub elsewhere: bool,
    /// An hour of what is there.
    pub before: f64,
    /// An hour of what will be there.
    pub after: f64,
    /// What has no price, and is in no sum.
    pub unknown: Vec<String>,
}

/// Adds up. None where nothing is billed, or the table has no region.
#[must_use]
pub fn estimate(items: &[Item], table: &PriceTable, region: Option<&str>) -> Option<Estimate> {
    if items.iter().all(|item| item.charges.is_empty()) {
        return None;
    }
    let (used, prices) = table.nearest(region)?;
    let mut groups: Vec<GroupCost> = Vec::new();
    let mut unknown = BTreeSet::new();
    let mut by_use: BTreeMap<&str, usize> = BTreeMap::new();
    let mut order: Vec<&str> = Vec::new();
    for item in items {
        if !order.contains(&item.group.as_str()) {
            order.push(&item.group);
        }
    }
    for group in order {
        let own: Vec<&Item> = items.iter().filter(|item| item.group == group).collect();
        let mut lines: BTreeMap<String, Line> = BTreeMap::new();
        let mut incomplete = false;
        for charge in own.iter().flat_map(|item| &item.charges) {
            if let Charge::Usage { name } = charge {
                *by_use.entry(name).or_default() += 1;
                continue;
            }
            let price = hour(charge, prices);
            if price.is_none() {
                incomplete = true;
                unknown.insert(name(charge));
            }
            let line = lines.entry(name(charge)).or_default();
            line.count += 1;
            line.hourly += price.unwrap_or_default();
            if let Charge::Disk { size_gb, .. } = charge {
                line.gb = Some(line.gb.unwrap_or_default() + u64::from(*size_gb));
            }
        }
        if lines.is_empty() {
            continue;
        }
        let mut lines: Vec<(String, Line)> = lines.into_iter().collect();
        lines.sort_by(|(_, a), (_, b)| b.hourly.total_cmp(&a.hourly));
        let hourly = lines.iter().map(|(_, line)| line.hourly).sum();
        groups.push(GroupCost {
            group: group.to_owned(),
            nodes: own.iter().filter_map(|item| item.node.as_ref()).collect::<BTreeSet<_>>().len(),
            what: lines.iter().map(|(name, line)| line.text(name)).collect(),
            hourly,
            monthly: hourly * HOURS_PER_MONTH,
            incomplete,
        });
    }
    let hourly = groups.iter().map(|group| group.hourly).sum();
    Some(Estimate {
        currency: table.currency.clone(),
        date: table.date.clone(),
        region: used.to_owned(),
        wanted_region: region.map(str::to_owned),
        groups,
        hourly,
        monthly: hourly * HOURS_PER_MONTH,
        unknown: unknown.into_iter().collect(),
        by_use: by_use
            .into_iter()
            .map(|(name, count)| {
                let known = prices.usage.get(name);
                let (price, unit) = (known.map(|one| one.price), known.map(|one| one.unit.clone()));
                ByUse { name: name.to_owned(), count, price, unit }
            })
            .collect(),
    })
}

impl Estimate {
    /// Whether the prices are of another region than the environment's, or of one that may be another.
    #[must_use]
    pub fn elsewhere(&self) -> bool {
        self.wanted_region.as_deref() != Some(self.region.as_str())
    }
}

impl MoneyChange {
    /// From what is there to what will be there. None where neither is billed.
    #[must_use]
    pub fn between(before: Option<&Estimate>, after: Option<&Estimate>) -> Option<Self> {
        let either = after.or(before)?;
        let unknown: BTreeSet<&String> = before.iter().chain(&after).flat_map(|one| &one.unknown).collect();
        Some(Self {
            currency: either.currency.clone(),
            date: either.date.clone(),
            region: either.region.clone(),
            elsewhere: either.elsewhere(),
            before: before.map_or(0.0, |one| one.hourly),
            after: after.map_or(0.0, |one| one.hourly),
            unknown: unknown.into_iter().cloned().collect(),
        })
    }
}

/// Things of one kind in a group.
#[derive(Default)]
struct Line {
    count: usize,
    gb: Option<u64>,
    hourly: f64,
}

impl Line {
    fn text(&self, name: &str) -> String {
        match self.gb {
            Some(gb) => format!("{} {name}, {gb} GB", self.count),
            None => format!("{} {name}", self.count),
        }
    }
}

/// What a thing is called on the bill.
fn name(charge: &Charge) -> String {
    match charge {
        Charge::Machine { machine_type } => machine_type.clone(),
        Charge::SpotMachine { machine_type } => format!("{machine_type} spot"),
        Charge::Disk { disk_type, .. } => format!("{disk_type} disk"),
        Charge::Service { name } | Charge::Usage { name } => name.clone(),
    }
}

/// An hour of a thing.
fn hour(charge: &Charge, prices: &RegionPrices) -> Option<f64> {
    match charge {
        Charge::Machine { machine_type } => prices.machines.get(machine_type).copied(),
        Charge::Disk { disk_type, size_gb, iops, throughput } => {
            let price = prices.disks.get(disk_type)?;
            price.month(*size_gb, *iops, *throughput).map(|month| month / HOURS_PER_MONTH)
        }
        Charge::Service { name } => prices.services.get(name).copied(),
        // What spare capacity costs is known only when it is bought.
        Charge::SpotMachine { .. } | Charge::Usage { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> PriceTable {
        PriceTable::parse(
            &serde_json::json!({
                "format": 1, "provider": "aws", "currency": "USD", "date": "2026-01-19", "sources": [],
                "regions": {"us-east-1": {
                    "machines": {"c5.large": 0.085, "c5.xlarge": 0.17},
                    "disks": {"gp3": {"gb_month": 0.073}},
                    "services": {"nat-gateway": 0.045, "public-ipv4": 0.005},
                    "usage": {"bucket": {"price": 0.02, "unit": "GB-month"}},
                }},
            })
            .to_string(),
        )
        .unwrap()
    }

    fn node(group: &str, ordinal: u32, machine_type: &str) -> Item {
        let disk = Charge::Disk { disk_type: "gp3".to_owned(), size_gb: 100, iops: None, throughput: None };
        Item {
            group: group.to_owned(),
            node: Some(format!("{group}-{ordinal}")),
            charges: vec![Charge::Machine { machine_type: machine_type.to_owned() }, disk],
        }
    }

    fn network(names: &[&str]) -> Item {
        let charges = names.iter().map(|name| Charge::Service { name: (*name).to_owned() }).collect();
        Item { group: "network".to_owned(), node: None, charges }
    }

    #[test]
    fn groups_add_up_by_the_hour_and_by_the_month() {
        let items = [
            node("app", 1, "c5.xlarge"),
            node("app", 2, "c5.xlarge"),
            node("redis", 1, "c5.large"),
            network(&["nat-gateway", "public-ipv4", "public-ipv4"]),
        ];
        let found = estimate(&items, &table(), Some("us-east-1")).unwrap();
        let app = &found.groups[0];
        assert_eq!((app.group.as_str(), app.nodes), ("app", 2));
        assert_eq!(app.what, ["2 c5.xlarge", "2 gp3 disk, 200 GB"]);
        assert!((app.hourly - 0.36).abs() < 1e-9, "{}", app.hourly);
        assert_eq!(found.groups[2].what, ["1 nat-gateway", "2 public-ipv4"]);
        assert_eq!(found.groups[2].nodes, 0);
        let all = 0.36 + 0.095 + 0.055;
        assert!((found.hourly - all).abs() < 1e-9 && (found.monthly - all * 730.0).abs() < 1e-6);
        assert!(found.unknown.is_empty() && !found.elsewhere());
    }

    #[test]
    fn what_has_no_price_is_named_and_not_taken_for_nothing() {
        let items = [node("app", 1, "x9.huge"), node("app", 2, "c5.large")];
        let found = estimate(&items, &table(), Some("us-east-1")).unwrap();
        assert_eq!(found.unknown, ["x9.huge"]);
        assert!(found.groups[0].incomplete);
    }

    #[test]
    fn spare_capacity_has_no_price_beforehand() {
        let spot = Charge::SpotMachine { machine_type: "c5.large".to_owned() };
        let item = Item { group: "app".to_owned(), node: Some("app-1".to_owned()), charges: vec![spot] };
        assert_eq!(estimate(&[item], &table(), None).unwrap().unknown, ["c5.large spot"]);
    }

    #[test]
    fn what_costs_by_use_is_told_apart() {
        let usage = |name: &str| Charge::Usage { name: name.to_owned() };
        let item = Item { group: "storage".to_owned(), node: None, charges: vec![usage("bucket"), usage("bucket")] };
        let found = estimate(&[item], &table(), None).unwrap();
        assert!(found.groups.is_empty());
        assert_eq!((found.by_use[0].count, found.by_use[0].price), (2, Some(0.02)));
    }

    #[test]
    fn prices_of_another_region_say_so() {
        let items = [node("app", 1, "c5.large")];
        let found = estimate(&items, &table(), Some("eu-central-1")).unwrap();
        assert_eq!((found.region.as_str(), found.elsewhere()), ("us-east-1", true));
        assert!(estimate(&items, &table(), None).unwrap().elsewhere());
    }

    #[test]
    fn where_nothing_is_billed_there_is_no_estimate() {
        let item = Item { group: "app".to_owned(), node: None, charges: Vec::new() };
        assert_eq!(estimate(&[item], &table(), None), None);
    }

    #[test]
    fn a_plan_changes_the_bill() {
        let before = estimate(&[node("app", 1, "c5.large")], &table(), Some("us-east-1"));
        let after = estimate(&[node("app", 1, "c5.xlarge")], &table(), Some("us-east-1"));
        let change = MoneyChange::between(before.as_ref(), after.as_ref()).unwrap();
        assert!((change.before - 0.095).abs() < 1e-9 && (change.after - 0.18).abs() < 1e-9);
        let gone = MoneyChange::between(before.as_ref(), None).unwrap();
        assert!(gone.after.abs() < 1e-9 && (gone.before - 0.095).abs() < 1e-9);
        assert_eq!(MoneyChange::between(None, None), None);
    }
}
