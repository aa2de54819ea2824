//! What an environment costs by the hour: a bill's items times a price table. Pure; never a reason not to do something.

mod charge;
mod estimate;
mod table;

pub use charge::Charge;
pub use estimate::{ByUse, Estimate, GroupCost, Item, MoneyChange, estimate};
pub use table::{DiskPrice, FORMAT, PriceTable, RegionPrices, Source, TableError, UsagePrice};

/// Hours of a month, as the clouds' own price pages count: 365 days times 24 hours, over 12.
pub const HOURS_PER_MONTH: f64 = 730.0;
