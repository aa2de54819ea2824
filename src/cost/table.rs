//! A price table: plain data with its date and its sources, one file for each cloud.
//!
//! `environments/prices/<cloud>.json` travels inside the binary; `refarch cost refresh` writes a newer one of the same
//! form into the user's cache.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The form of the tables that this version reads and writes.
pub const FORMAT: u32 = 1;

/// Prices of one cloud. Amounts are in `currency`, without tax, as the cloud publishes them for everybody.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PriceTable {
    /// [`FORMAT`].
    pub format: u32,
    /// Provider, as environment files name it.
    pub provider: String,
    /// ISO 4217 code.
    pub currency: String,
    /// The day that the prices are of, `YYYY-MM-DD`; of the oldest of them where they are of several.
    pub date: String,
    /// Where they were read.
    pub sources: Vec<Source>,
    /// Region -> its prices.
    pub regions: BTreeMap<String, RegionPrices>,
}

/// Where prices were read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Which ones.
    pub what: String,
    /// When, as exactly as the source says.
    pub date: String,
    /// Address or title.
    pub from: String,
}

/// Prices of one region.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegionPrices {
    /// Machine type -> an hour of it, Linux, on demand.
    #[serde(default)]
    pub machines: BTreeMap<String, f64>,
    /// Disk type -> its price.
    #[serde(default)]
    pub disks: BTreeMap<String, DiskPrice>,
    /// What costs by the hour: `nat-gateway`, `network-load-balancer`, `public-ipv4`.
    #[serde(default)]
    pub services: BTreeMap<String, f64>,
    /// What costs by use.
    #[serde(default)]
    pub usage: BTreeMap<String, UsagePrice>,
}

/// What a disk costs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub enum DiskPrice {
    /// By size, and by what is provisioned beyond what is free.
    PerGb {
        /// A GB for a month.
        gb_month: f64,
        /// One operation per second for a month.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        iops_month: Option<f64>,
        /// Operations per second that cost nothing.
        #[serde(default)]
        iops_free: u32,
        /// One MiB/s for a month.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        throughput_month: Option<f64>,
        /// MiB/s that cost nothing.
        #[serde(default)]
        throughput_free: u32,
    },
    /// In sizes of the cloud's own choosing: the smallest that is large enough is paid.
    Tiers {
        /// (GB, month), smallest first.
        tiers: Vec<(u32, f64)>,
    },
}

/// What something costs by use.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UsagePrice {
    /// One unit.
    pub price: f64,
    /// The unit: `GB`, `GB-month`.
    pub unit: String,
}

/// A price table that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// It is not one.
    #[error("not a price table: {0}")]
    Format(#[from] serde_json::Error),
    /// It is of another version of refarch.
    #[error("a price table of format {found}; this version of refarch reads format {FORMAT}")]
    Version {
        /// Its format.
        found: u64,
    },
    /// A price is no price.
    #[error("the price of {0} is not a number above zero")]
    Price(String),
}

impl PriceTable {
    /// Reads a table.
    ///
    /// # Errors
    /// When it is no table of this format, or a price in it is zero, negative or no number.
    pub fn parse(text: &str) -> Result<Self, TableError> {
        let value: serde_json::Value = serde_json::from_str(text)?;
        let found = value.get("format").and_then(serde_json::Value::as_u64).unwrap_or_default();
        if found != u64::from(FORMAT) {
            return Err(TableError::Version { found });
        }
        let table: Self = serde_json::from_value(value)?;
        for (region, prices) in &table.regions {
            if let Some(name) = prices.wrong() {
                return Err(TableError::Price(format!("{name} in {region}")));
            }
        }
        Ok(table)
    }

    /// The prices of a region, or where there are none the first that there are; with the region's name.
    #[must_use]
    pub fn nearest(&self, region: Option<&str>) -> Option<(&str, &RegionPrices)> {
        let own = region.and_then(|region| self.regions.get_key_value(region));
        own.or_else(|| self.regions.iter().next()).map(|(name, prices)| (name.as_str(), prices))
    }
}

impl RegionPrices {
    /// The first thing whose price is none.
    fn wrong(&self) -> Option<&str> {
        let bad = |price: f64| !price.is_finite() || price <= 0.0;
        let flat = self.machines.iter().chain(&self.services).find(|(_, price)| bad(**price)).map(|(name, _)| name);
        let disk = || self.disks.iter().find(|(_, price)| price.all().any(bad)).map(|(name, _)| name);
        let usage = || self.usage.iter().find(|(_, usage)| bad(usage.price)).map(|(name, _)| name);
        flat.or_else(disk).or_else(usage).map(String::as_str)
    }
}

impl DiskPrice {
    fn all(&self) -> impl Iterator<Item = f64> + '_ {
        let (parts, tiers): (Vec<f64>, &[(u32, f64)]) = match self {
            Self::PerGb { gb_month, iops_month, throughput_month, .. } => {
                (std::iter::once(*gb_month).chain(*iops_month).chain(*throughput_month).collect(), &[])
            }
            Self::Tiers { tiers } => (Vec::new(), tiers),
        };
        parts.into_iter().chain(tiers.iter().map(|(_, price)| *price))
    }

    /// A month of a disk; none where the table does not say.
    #[must_use]
    pub fn month(&self, size_gb: u32, iops: Option<u32>, throughput: Option<u32>) -> Option<f64> {
        match self {
            Self::PerGb { gb_month, iops_month, iops_free, throughput_month, throughput_free } => {
                let beyond = |asked: Option<u32>, free: u32, price: Option<f64>| match asked
                    .unwrap_or_default()
                    .saturating_sub(free)
                {
                    0 => Some(0.0),
                    more => price.map(|price| price * f64::from(more)),
                };
                let iops = beyond(iops, *iops_free, *iops_month)?;
                let throughput = beyond(throughput, *throughput_free, *throughput_month)?;
                Some(gb_month * f64::from(size_gb) + iops + throughput)
            }
            Self::Tiers { tiers } => tiers.iter().find(|(gb, _)| *gb >= size_gb).map(|(_, price)| *price),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GP3: DiskPrice = DiskPrice::PerGb {
        gb_month: 0.08,
        iops_month: Some(0.005),
        iops_free: 3000,
        throughput_month: Some(0.04),
        throughput_free: 125,
    };

    fn close(found: Option<f64>, wanted: f64) {
        let found = found.expect("a price");
        assert!((found - wanted).abs() < 1e-9, "{found} is not {wanted}");
    }

    #[test]
    fn what_is_free_is_free_and_the_rest_is_paid() {
        close(GP3.month(100, None, None), 8.0);
        close(GP3.month(100, Some(3000), Some(125)), 8.0);
        close(GP3.month(100, Some(8000), Some(325)), 8.0 + 25.0 + 8.0);
    }

    #[test]
    fn a_part_without_a_price_makes_no_price() {
        let plain = DiskPrice::PerGb {
            gb_month: 0.1,
            iops_month: None,
            iops_free: 0,
            throughput_month: None,
            throughput_free: 0,
        };
        assert_eq!(plain.month(100, Some(1), None), None);
        close(plain.month(100, None, None), 10.0);
    }

    #[test]
    fn disks_in_tiers_cost_what_the_next_larger_one_costs() {
        let tiers = DiskPrice::Tiers { tiers: vec![(32, 1.5), (64, 2.4), (128, 4.8)] };
        close(tiers.month(100, None, None), 4.8);
        close(tiers.month(32, None, None), 1.5);
        assert_eq!(tiers.month(129, None, None), None);
    }

    #[test]
    fn a_table_of_another_time_or_with_a_price_of_nothing_is_refused() {
        let table = |format: u32, price: f64| {
            serde_json::json!({
                "format": format, "provider": "aws", "currency": "USD", "date": "2026-01-01", "sources": [],
                "regions": {"r": {"machines": {"m": price}}},
            })
            .to_string()
        };
        assert!(PriceTable::parse(&table(1, 0.1)).is_ok());
        let refused = |text: &str| PriceTable::parse(text).unwrap_err().to_string();
        assert_eq!(refused(&table(2, 0.1)), "a price table of format 2; this version of refarch reads format 1");
        assert_eq!(refused(&table(1, 0.0)), "the price of m in r is not a number above zero");
        assert!(refused("<html>").starts_with("not a price table: "));
    }
}
