//! Today's prices, from AWS's own price list (the Price List Query API, `pricing:GetProducts`).

use std::collections::BTreeMap;

use aws_sdk_pricing::types::{Filter, FilterType};
use serde::Deserialize;

use super::error::failed;
use crate::{
    cost::{DiskPrice, FORMAT, PriceTable, RegionPrices, Source, UsagePrice},
    provider::{ProviderError, cloud::permanent},
};

/// The price list is served in a few regions only, for all of them.
pub const REGION: &str = "us-east-1";
/// gp3 volumes have this many operations and MiB/s for nothing, in every region.
const GP3_FREE: (u32, u32) = (3000, 125);

/// What is asked for: service, and what the products must be.
const QUESTIONS: &[(&str, &[(&str, &str)])] = &[
    (
        "AmazonEC2",
        &[
            ("productFamily", "Compute Instance"),
            ("operatingSystem", "Linux"),
            ("tenancy", "Shared"),
            ("preInstalledSw", "NA"),
            ("capacitystatus", "Used"),
        ],
    ),
    ("AmazonEC2", &[("productFamily", "Storage")]),
    ("AmazonEC2", &[("productFamily", "System Operation"), ("volumeApiName", "gp3")]),
    ("AmazonEC2", &[("productFamily", "Provisioned Throughput"), ("volumeApiName", "gp3")]),
    ("AmazonEC2", &[("productFamily", "NAT Gateway")]),
    ("AmazonVPC", &[("group", "VPCPublicIPv4Address")]),
    ("AWSELB", &[("productFamily", "Load Balancer-Network")]),
    ("AmazonS3", &[("volumeType", "Standard"), ("storageClass", "General Purpose")]),
];

/// Asks for a region's prices.
pub async fn ask(client: &aws_sdk_pricing::Client, region: &str) -> Result<PriceTable, ProviderError> {
    let doing = format!("ask for the prices of {region}");
    let mut products = Vec::new();
    for (service, wanted) in QUESTIONS {
        let mut question = client.get_products().service_code(*service).filters(filter("regionCode", region)?);
        for (field, value) in *wanted {
            question = question.filters(filter(field, value)?);
        }
        let mut pages = question.into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| failed(&doing, "pricing:GetProducts", &error))?;
            products.extend(page.price_list.unwrap_or_default());
        }
    }
    table(region, &products).map_err(|message| permanent(doing, message, None))
}

fn filter(field: &str, value: &str) -> Result<Filter, ProviderError> {
    let built = Filter::builder().r#type(FilterType::TermMatch).field(field).value(value).build();
    built.map_err(|error| permanent("ask for prices", error.to_string(), None))
}

/// A product of the price list.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Product {
    product: Thing,
    #[serde(default)]
    terms: Terms,
    #[serde(default)]
    publication_date: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Thing {
    #[serde(default)]
    product_family: String,
    #[serde(default)]
    attributes: BTreeMap<String, String>,
}

#[derive(Default, Deserialize)]
struct Terms {
    #[serde(default, rename = "OnDemand")]
    on_demand: BTreeMap<String, Term>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Term {
    #[serde(default)]
    price_dimensions: BTreeMap<String, Dimension>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Dimension {
    unit: String,
    #[serde(default)]
    begin_range: String,
    price_per_unit: BTreeMap<String, String>,
}

impl Product {
    fn attribute(&self, name: &str) -> &str {
        self.product.attributes.get(name).map_or("", String::as_str)
    }

    /// The price on demand in US dollars, of the first of several steps, with its unit. None where it is not sold.
    fn price(&self) -> Option<(f64, &str)> {
        let dimensions = self.terms.on_demand.values().flat_map(|term| term.price_dimensions.values());
        let first = dimensions.min_by_key(|step| step.begin_range.parse::<u64>().unwrap_or_default())?;
        let price: f64 = first.price_per_unit.get("USD")?.parse().ok()?;
        (price > 0.0).then_some((price, first.unit.as_str()))
    }

    /// Whether the usage type is this one: other regions than the first put their own name before it.
    fn is(&self, usage: &str) -> bool {
        let own = self.attribute("usagetype");
        own == usage
            || own.strip_suffix(usage).and_then(|before| before.strip_suffix('-')).is_some_and(|region| {
                !region.contains('-') && region.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit())
            })
    }
}

/// The table of a region's products.
fn table(region: &str, products: &[String]) -> Result<PriceTable, String> {
    let mut prices = RegionPrices::default();
    let mut date = String::new();
    let (mut iops, mut throughput) = (None, None);
    let mut sizes: BTreeMap<String, f64> = BTreeMap::new();
    for text in products {
        let product: Product =
            serde_json::from_str(text).map_err(|error| format!("a product that cannot be read: {error}"))?;
        let Some((price, unit)) = product.price() else { continue };
        date = date.max(product.publication_date.chars().take(10).collect());
        let volume = product.attribute("volumeApiName");
        match (product.product.product_family.as_str(), unit) {
            ("Compute Instance", "Hrs") => {
                prices.machines.insert(product.attribute("instanceType").to_owned(), price);
            }
            ("Storage", "GB-Mo") if product.is("TimedStorage-ByteHrs") => {
                prices.usage.insert("bucket".to_owned(), UsagePrice { price, unit: "GB-month".to_owned() });
            }
            ("Storage", "GB-Mo") if product.is(&format!("EBS:VolumeUsage.{volume}")) => {
                sizes.insert(volume.to_owned(), price);
            }
            ("System Operation", _) if product.is("EBS:VolumeP-IOPS.gp3") => iops = Some(price),
            // Sold by the GiB/s.
            ("Provisioned Throughput", "GiBps-mo") => throughput = Some(price / 1024.0),
            ("NAT Gateway", "Hrs") if product.is("NatGateway-Hours") => {
                prices.services.insert("nat-gateway".to_owned(), price);
            }
            ("NAT Gateway", "GB") if product.is("NatGateway-Bytes") => {
                prices.usage.insert("nat-gateway-data".to_owned(), UsagePrice { price, unit: "GB".to_owned() });
            }
            ("Load Balancer-Network", "Hrs") if product.is("LoadBalancerUsage") => {
                prices.services.insert("network-load-balancer".to_owned(), price);
            }
            (_, "Hrs") if product.is("PublicIPv4:InUseAddress") => {
                prices.services.insert("public-ipv4".to_owned(), price);
            }
            _ => {}
        }
    }
    if prices.machines.is_empty() {
        return Err(format!("the price list has no machine in {region}"));
    }
    for (kind, gb_month) in sizes {
        let gp3 = kind == "gp3";
        let (iops_free, throughput_free) = if gp3 { GP3_FREE } else { (0, 0) };
        let price = DiskPrice::PerGb {
            gb_month,
            iops_month: iops.filter(|_| gp3),
            iops_free,
            throughput_month: throughput.filter(|_| gp3),
            throughput_free,
        };
        prices.disks.insert(kind, price);
    }
    Ok(PriceTable {
        format: FORMAT,
        provider: "aws".to_owned(),
        currency: "USD".to_owned(),
        sources: vec![Source {
            what: format!("all prices of {region}"),
            date: date.clone(),
            from: "the AWS Price List Query API, pricing:GetProducts".to_owned(),
        }],
        date,
        regions: BTreeMap::from([(region.to_owned(), prices)]),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The products that the tests' front answers with; their prices are made up.
    fn products(keep: impl Fn(&serde_json::Value) -> bool) -> Vec<String> {
        let text = include_str!("../../../tests/support/aws_front/products.json");
        let all: Vec<serde_json::Value> = serde_json::from_str(text).unwrap();
        all.iter().filter(|one| keep(one)).map(ToString::to_string).collect()
    }

    #[test]
    fn the_price_list_becomes_a_table() {
        // As the filters of the questions would leave them.
        let ours = |one: &serde_json::Value| {
            let own = &one["product"]["attributes"];
            own["regionCode"] == "eu-central-1"
                && (own["operatingSystem"].is_null()
                    || own["operatingSystem"] == "Linux"
                        && own["tenancy"] == "Shared"
                        && own["preInstalledSw"] == "NA"
                        && own["capacitystatus"] == "Used")
                && one["product"]["productFamily"] != "Load Balancer-Application"
        };
        let table = table("eu-central-1", &products(ours)).unwrap();
        assert_eq!(table.date, "2026-11-20");
        // What is written can be read.
        let table = PriceTable::parse(&serde_json::to_string(&table).unwrap()).unwrap();
        let prices = &table.regions["eu-central-1"];
        assert_eq!(prices.machines.len(), 15, "a machine that is not sold has no price: {:?}", prices.machines);
        assert!((prices.machines["c5.large"] - 1.0).abs() < 1e-9);
        let DiskPrice::PerGb { gb_month, iops_month, iops_free, throughput_month, throughput_free } =
            &prices.disks["gp3"]
        else {
            panic!("gp3 is paid by the GB")
        };
        assert!((gb_month - 0.5).abs() < 1e-9 && (iops_month.unwrap() - 0.05).abs() < 1e-9);
        assert!((throughput_month.unwrap() - 0.4).abs() < 1e-9, "a MiB/s, not a GiB/s");
        assert_eq!((*iops_free, *throughput_free), (3000, 125));
        let services: Vec<(&str, f64)> = prices.services.iter().map(|(name, price)| (name.as_str(), *price)).collect();
        assert_eq!(services, [("nat-gateway", 0.7), ("network-load-balancer", 0.2), ("public-ipv4", 0.08)]);
        let bucket = &prices.usage["bucket"];
        assert!((bucket.price - 0.03).abs() < 1e-9, "the first of several steps");
    }

    #[test]
    fn a_list_without_machines_is_no_table() {
        let storage = products(|one| one["product"]["productFamily"] == "Storage");
        assert_eq!(table("eu-central-1", &storage).unwrap_err(), "the price list has no machine in eu-central-1");
    }

    #[test]
    fn a_usage_type_has_its_region_before_it() {
        let of = |usage: &str| Product {
            product: Thing {
                product_family: String::new(),
                attributes: BTreeMap::from([("usagetype".to_owned(), usage.to_owned())]),
            },
            terms: Terms::default(),
            publication_date: String::new(),
        };
        assert!(
            of("LoadBalancerUsage").is("LoadBalancerUsage") && of("EUC1-LoadBalancerUsage").is("LoadBalancerUsage")
        );
        assert!(!of("EUC1-TS-LoadBalancerUsage").is("LoadBalancerUsage"));
    }
}
