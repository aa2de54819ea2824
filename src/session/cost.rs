//! What the environment costs: the provider's resources, and the newest price table at hand.

use std::{fs, path::PathBuf};

use super::{Error, Session};
use crate::{
    catalog::embedded,
    cost::{self, Estimate, Item, MoneyChange, PriceTable},
    exit,
    provider::{Live, Resource},
    workspace::write_private,
};

/// The price table that is used.
#[derive(Debug)]
pub struct Prices {
    /// The table.
    pub table: PriceTable,
    /// Why the file in the cache is not used, where there is one that cannot be.
    pub trouble: Option<String>,
}

impl Session {
    /// The newest price table for the environment's region: the one that was asked for last, or the one that refarch
    /// came with. None where there is neither.
    #[must_use]
    pub fn prices(&self) -> Option<Prices> {
        let provider = self.provider.name();
        let shipped = embedded::prices(provider).and_then(|text| PriceTable::parse(&text).ok());
        let mut trouble = None;
        let file = self.provider.price_region().and_then(|region| file(provider, &region));
        if let Some(file) = file
            && let Ok(text) = fs::read_to_string(&file)
        {
            match PriceTable::parse(&text) {
                Ok(table) => return Some(Prices { table, trouble }),
                Err(error) => trouble = Some(format!("{}: {error}", file.display())),
            }
        }
        shipped.map(|table| Prices { table, trouble })
    }

    /// Asks for today's prices in the environment's region and keeps them in the user's cache; returns them and where
    /// they are kept.
    ///
    /// # Errors
    /// When the cloud does not answer, or the file cannot be written.
    pub async fn refresh_prices(&self) -> Result<(PriceTable, PathBuf), Error> {
        let table = self.provider.ask_prices().await?;
        let refused =
            |message: String| Error::refused(exit::FAILED, message, Some("set XDG_CACHE_HOME to a folder of yours"));
        let region = table.regions.keys().next().map(String::as_str).unwrap_or_default();
        let file = file(&table.provider, region)
            .ok_or_else(|| refused("there is no home folder to keep the prices in".to_owned()))?;
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder).map_err(|error| refused(format!("{}: {error}", folder.display())))?;
        }
        let text = serde_json::to_string_pretty(&table).map_err(|error| refused(error.to_string()))?;
        write_private(&file, format!("{text}\n").as_bytes())?;
        Ok((table, file))
    }

    /// What the environment costs once it is as its file says. None where nothing is billed or no price is at hand.
    ///
    /// # Errors
    /// When the environment asks for something that the provider does not have.
    pub fn estimate(&self, prices: &Prices) -> Result<Option<Estimate>, Error> {
        let desired = self.provider.desired(&self.topology)?;
        Ok(cost::estimate(&self.wanted(&desired), &prices.table, self.provider.price_region().as_deref()))
    }

    /// What changes on the bill.
    pub(super) fn money(&self, live: &[Live], desired: &[Resource]) -> Option<MoneyChange> {
        let (there, wanted) = (self.there(live), self.wanted(desired));
        if there.iter().chain(&wanted).all(|item| item.charges.is_empty()) {
            return None;
        }
        let prices = self.prices()?;
        let region = self.provider.price_region();
        let estimate = |items: &[Item]| cost::estimate(items, &prices.table, region.as_deref());
        MoneyChange::between(estimate(&there).as_ref(), estimate(&wanted).as_ref())
    }

    fn wanted(&self, desired: &[Resource]) -> Vec<Item> {
        let item = |one: &Resource| Item {
            group: self.group(one.node.as_deref(), &one.kind),
            node: one.node.clone(),
            charges: self.provider.charges(&one.kind, &one.attributes),
        };
        desired.iter().map(item).collect()
    }

    fn there(&self, live: &[Live]) -> Vec<Item> {
        let item = |one: &Live| Item {
            group: self.group(one.node.as_deref(), &one.kind),
            node: one.node.clone(),
            charges: self.provider.charges(&one.kind, &one.attributes),
        };
        live.iter().map(item).collect()
    }

    /// The node's group, or the resource's own kind.
    fn group(&self, node: Option<&str>, kind: &str) -> String {
        let group = node.and_then(|node| self.topology.node(node)).map(|node| node.group.clone());
        group.unwrap_or_else(|| kind.to_owned())
    }
}

/// Where a region's prices are kept: `$XDG_CACHE_HOME/refarch/prices/<provider>-<region>.json`. None without a home.
fn file(provider: &str, region: &str) -> Option<PathBuf> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = variable("XDG_CACHE_HOME").or_else(|| Some(variable("HOME")?.join(".cache")))?;
    Some(cache.join("refarch/prices").join(format!("{provider}-{region}.json")))
}
