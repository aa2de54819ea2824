//! Today's prices, from Azure's public retail price service, which asks for no login.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Azure, error::failed};
use crate::{
    cost::{DiskPrice, FORMAT, PriceTable, RegionPrices, Source},
    provider::{ProviderError, cloud::permanent},
};

/// The service; a resource manager of one's own is asked itself.
const SERVICE: &str = "https://prices.azure.com/";
/// What is asked for: name of the service, and what else must be so.
const QUESTIONS: [&str; 5] = [
    "serviceName eq 'Virtual Machines'",
    "serviceName eq 'Storage' and contains(productName, 'Managed Disks')",
    "serviceName eq 'NAT Gateway'",
    "serviceName eq 'Virtual Network' and contains(meterName, 'Static Public IP')",
    "serviceName eq 'Load Balancer'",
];
/// Pages of one question, at most: a region has a few dozen.
const PAGES: usize = 500;
/// Letter of a disk's tier -> its type.
const DISKS: [(char, &str); 3] = [('P', "Premium_LRS"), ('E', "StandardSSD_LRS"), ('S', "Standard_LRS")];
/// Number of a disk's tier -> GB, of Microsoft's page "Select a disk type for Azure IaaS VMs".
const TIERS: [(u32, u32); 14] = [
    (1, 4),
    (2, 8),
    (3, 16),
    (4, 32),
    (6, 64),
    (10, 128),
    (15, 256),
    (20, 512),
    (30, 1024),
    (40, 2048),
    (50, 4096),
    (60, 8192),
    (70, 16384),
    (80, 32767),
];

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Page {
    #[serde(default)]
    items: Vec<Item>,
    next_page_link: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
struct Item {
    retail_price: f64,
    service_name: String,
    product_name: String,
    sku_name: String,
    meter_name: String,
    arm_sku_name: String,
    unit_of_measure: String,
}

impl Azure {
    /// Asks for a region's prices.
    pub(super) async fn prices(&self) -> Result<PriceTable, ProviderError> {
        let region = self.location()?;
        let doing = format!("ask for the prices of {region}");
        let mut items = Vec::new();
        for question in QUESTIONS {
            let filter = format!("armRegionName eq '{region}' and priceType eq 'Consumption' and {question}");
            let mut next = Some(self.client.prices_url(SERVICE, &filter).map_err(|error| failed(&doing, &error))?);
            let mut pages = 0;
            while let Some(url) = next.filter(|_| pages < PAGES) {
                pages += 1;
                let text = self.client.fetch(&url).await.map_err(|error| failed(&doing, &error))?;
                let page: Page = serde_json::from_str(&text)
                    .map_err(|error| permanent(&*doing, format!("the price service's answer: {error}"), None))?;
                items.extend(page.items);
                next = page.next_page_link.filter(|link| !link.is_empty());
            }
        }
        Ok(table(&region, &items))
    }
}

fn table(region: &str, items: &[Item]) -> PriceTable {
    let mut prices = RegionPrices::default();
    let mut tiers: BTreeMap<&str, Vec<(u32, f64)>> = BTreeMap::new();
    for item in items.iter().filter(|item| item.retail_price > 0.0) {
        match (item.service_name.as_str(), item.unit_of_measure.as_str()) {
            ("Virtual Machines", "1 Hour") => {
                let other = ["Spot", "Low Priority"].iter().any(|word| item.sku_name.contains(word));
                if !other && !item.product_name.contains("Windows") && item.arm_sku_name.starts_with("Standard_") {
                    prices.machines.insert(item.arm_sku_name.clone(), item.retail_price);
                }
            }
            ("Storage", "1/Month") => {
                if let Some((kind, size)) = tier(&item.meter_name) {
                    tiers.entry(kind).or_default().push((size, item.retail_price));
                }
            }
            ("NAT Gateway", "1 Hour") if item.meter_name.starts_with("Standard") => {
                prices.services.insert("nat-gateway".to_owned(), item.retail_price);
            }
            ("Virtual Network", "1 Hour") if item.meter_name.starts_with("Standard IPv4") => {
                prices.services.insert("public-ipv4".to_owned(), item.retail_price);
            }
            ("Load Balancer", "1 Hour") if item.meter_name.contains("Included LB Rules") => {
                prices.services.insert("network-load-balancer".to_owned(), item.retail_price);
            }
            _ => {}
        }
    }
    for (kind, mut tiers) in tiers {
        tiers.sort_by_key(|(size, _)| *size);
        prices.disks.insert(kind.to_owned(), DiskPrice::Tiers { tiers });
    }
    let today = jiff::Timestamp::now().strftime("%Y-%m-%d").to_string();
    let source = Source {
        what: "everything".to_owned(),
        date: today.clone(),
        from: format!("{SERVICE}api/retail/prices, pay as you go"),
    };
    PriceTable {
        format: FORMAT,
        provider: "azure".to_owned(),
        currency: "USD".to_owned(),
        date: today,
        sources: vec![source],
        regions: BTreeMap::from([(region.to_owned(), prices)]),
    }
}

/// `P30 LRS Disk` -> `Premium_LRS`, 1024.
fn tier(meter: &str) -> Option<(&'static str, u32)> {
    let name = meter.strip_suffix(" LRS Disk").or_else(|| meter.strip_suffix(" LRS"))?;
    let letter = name.chars().next()?;
    let kind = DISKS.iter().find(|(known, _)| *known == letter)?.1;
    let number: u32 = name[letter.len_utf8()..].parse().ok()?;
    Some((kind, TIERS.iter().find(|(known, _)| *known == number)?.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(service: &str, product: &str, sku: &str, meter: &str, arm: &str, unit: &str, price: f64) -> Item {
        Item {
            retail_price: price,
            service_name: service.to_owned(),
            product_name: product.to_owned(),
            sku_name: sku.to_owned(),
            meter_name: meter.to_owned(),
            arm_sku_name: arm.to_owned(),
            unit_of_measure: unit.to_owned(),
        }
    }

    #[test]
    fn only_what_is_billed_for_linux_by_the_hour_counts() {
        let vm = "Virtual Machines";
        let items = [
            item(vm, "Dsv3 Series", "D2s v3", "D2s v3", "Standard_D2s_v3", "1 Hour", 0.12),
            item(vm, "Dsv3 Series Windows", "D2s v3", "D2s v3", "Standard_D2s_v3", "1 Hour", 0.21),
            item(vm, "Dsv3 Series", "D2s v3 Spot", "D2s v3 Spot", "Standard_D2s_v3", "1 Hour", 0.02),
            item("Storage", "Premium SSD Managed Disks", "P10 LRS", "P10 LRS Disk", "", "1/Month", 21.68),
            item("Storage", "Premium SSD Managed Disks", "P6 LRS", "P6 LRS Disk", "", "1/Month", 11.23),
            item("Storage", "Premium SSD Managed Disks", "P6 ZRS", "P6 ZRS Disk", "", "1/Month", 15.0),
            item("NAT Gateway", "NAT Gateway", "Standard", "Standard Gateway", "", "1 Hour", 0.045),
        ];
        let table = table("westeurope", &items);
        let prices = &table.regions["westeurope"];
        assert_eq!(prices.machines, BTreeMap::from([("Standard_D2s_v3".to_owned(), 0.12)]));
        assert_eq!(prices.services["nat-gateway"], 0.045);
        let DiskPrice::Tiers { tiers } = &prices.disks["Premium_LRS"] else { panic!("{prices:?}") };
        assert_eq!(*tiers, [(64, 11.23), (128, 21.68)]);
        PriceTable::parse(&serde_json::to_string(&table).unwrap()).unwrap();
    }
}
