//! Money.

use std::fmt::Write as _;

use crate::cost::{ByUse, Estimate, HOURS_PER_MONTH, MoneyChange};

/// What an environment costs, as rows of a table.
#[must_use]
pub fn cost_rows(estimate: &Estimate) -> Vec<[String; 5]> {
    let row = |group: &str, nodes: usize, what: &[String], (hourly, monthly): (f64, f64), incomplete: bool| {
        let least = if incomplete { "> " } else { "" };
        let nodes = if nodes == 0 { String::new() } else { nodes.to_string() };
        let (hour, month) = (format!("{least}{}", small(hourly)), format!("{least}{}", large(monthly)));
        [group.to_owned(), nodes, what.join(", "), hour, month]
    };
    let groups = estimate.groups.iter();
    let mut rows: Vec<_> =
        groups.map(|one| row(&one.group, one.nodes, &one.what, (one.hourly, one.monthly), one.incomplete)).collect();
    let nodes = estimate.groups.iter().map(|group| group.nodes).sum();
    rows.push(row("all", nodes, &[], (estimate.hourly, estimate.monthly), !estimate.unknown.is_empty()));
    rows
}

/// What is to be known about the sums: whose prices they are made of, and what is in none of them.
#[must_use]
pub fn cost_notes(estimate: &Estimate) -> Vec<String> {
    let Estimate { currency, date, region, .. } = estimate;
    let mut notes = vec![format!(
        "{currency} before tax, on demand, {HOURS_PER_MONTH} hours a month; {}",
        prices(date, region, estimate.elsewhere())
    )];
    if !estimate.unknown.is_empty() {
        notes.push(format!("no price known, in no sum: {}", estimate.unknown.join(", ")));
    }
    if !estimate.by_use.is_empty() {
        let used: Vec<String> = estimate.by_use.iter().map(|used| by_use(used, currency)).collect();
        notes.push(format!("paid by use, in no sum: {}", used.join(", ")));
    }
    notes
}

/// What an environment costs, as a person reads it.
#[must_use]
pub fn cost(environment: &str, estimate: &Estimate) -> String {
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table.set_header(["GROUP", "NODES", "PAID FOR", "PER HOUR", "PER MONTH"]);
    for column in [1, 3, 4] {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(comfy_table::CellAlignment::Right);
        }
    }
    table.add_rows(cost_rows(estimate));
    let mut out: String = table.to_string().lines().map(|line| format!("{}\n", line.trim_end())).collect();
    let _ = writeln!(out, "\n{environment}: {}", cost_notes(estimate).join("\n"));
    out
}

/// What a plan does to the bill: one line, and another for what has no price.
#[must_use]
pub fn money_change(money: &MoneyChange) -> String {
    let MoneyChange { currency, date, region, elsewhere, before, after, unknown } = money;
    let month = |hour: &f64| large(hour * HOURS_PER_MONTH);
    let least = if unknown.is_empty() { "" } else { "more than " };
    // Sums of the same things in another order differ in their last bits.
    let same = (before - after).abs() < 1e-6;
    let now = if same { "as now".to_owned() } else { format!("now {} and {}", small(*before), month(before)) };
    let mut out = format!(
        "cost: {least}{} {currency} an hour, {} a month ({now}); {}\n",
        small(*after),
        month(after),
        prices(date, region, *elsewhere)
    );
    if !unknown.is_empty() {
        let _ = writeln!(out, "no price known, in no sum: {}", unknown.join(", "));
    }
    out
}

fn prices(date: &str, region: &str, elsewhere: bool) -> String {
    let yours = if elsewhere { " (yours may differ: `refarch cost refresh` asks for them)" } else { "" };
    format!("prices of {region}, {date}{yours}")
}

fn by_use(used: &ByUse, currency: &str) -> String {
    let ByUse { name, count, price, unit } = used;
    match (price, unit) {
        (Some(price), Some(unit)) => format!("{count} {name} ({price} {currency} a {unit})"),
        _ => format!("{count} {name}"),
    }
}

/// An amount that may be less than a cent.
fn small(amount: f64) -> String {
    format!("{amount:.3}")
}

/// An amount with its thousands apart.
fn large(amount: f64) -> String {
    let whole = format!("{amount:.2}");
    let (units, cents) = whole.split_once('.').unwrap_or((&whole, ""));
    let mut apart = String::new();
    for (index, digit) in units.chars().enumerate() {
        if index > 0 && (units.len() - index).is_multiple_of(3) {
            apart.push(',');
        }
        apart.push(digit);
    }
    format!("{apart}.{cents}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost::GroupCost;

    #[test]
    fn thousands_are_told_apart() {
        assert_eq!((large(0.0).as_str(), large(999.5).as_str()), ("0.00", "999.50"));
        assert_eq!((large(1000.0).as_str(), large(1_234_567.891).as_str()), ("1,000.00", "1,234,567.89"));
    }

    #[test]
    fn a_person_reads_groups_the_total_and_what_is_missing() {
        let group = |group: &str, nodes: usize, what: &str, hourly: f64, incomplete: bool| GroupCost {
            group: group.to_owned(),
            nodes,
            what: vec![what.to_owned()],
            hourly,
            monthly: hourly * HOURS_PER_MONTH,
            incomplete,
        };
        let estimate = Estimate {
            currency: "USD".to_owned(),
            date: "2026-01-19".to_owned(),
            region: "us-east-1".to_owned(),
            wanted_region: Some("eu-central-1".to_owned()),
            groups: vec![group("app", 3, "3 c5.9xlarge", 4.59, false), group("odd", 1, "1 x9.huge", 0.0, true)],
            hourly: 4.59,
            monthly: 4.59 * HOURS_PER_MONTH,
            unknown: vec!["x9.huge".to_owned()],
            by_use: vec![
                ByUse { name: "bucket".to_owned(), count: 2, price: None, unit: None },
                ByUse { name: "data".to_owned(), count: 1, price: Some(0.045), unit: Some("GB".to_owned()) },
            ],
        };
        assert_eq!(
            cost("demo", &estimate),
            " GROUP  NODES  PAID FOR      PER HOUR   PER MONTH
 app        3  3 c5.9xlarge     4.590    3,350.70
 odd        1  1 x9.huge      > 0.000      > 0.00
 all        4                 > 4.590  > 3,350.70

demo: USD before tax, on demand, 730 hours a month; prices of us-east-1, 2026-01-19 (yours may differ: `refarch cost \
             refresh` asks for them)
no price known, in no sum: x9.huge
paid by use, in no sum: 2 bucket, 1 data (0.045 USD a GB)
"
        );
    }

    #[test]
    fn a_plan_says_what_the_bill_will_be() {
        let change = |before: f64, after: f64, unknown: &[&str]| MoneyChange {
            currency: "USD".to_owned(),
            date: "2026-01-19".to_owned(),
            region: "us-east-1".to_owned(),
            elsewhere: false,
            before,
            after,
            unknown: unknown.iter().map(|name| (*name).to_owned()).collect(),
        };
        assert_eq!(
            money_change(&change(0.0, 10.5, &[])),
            "cost: 10.500 USD an hour, 7,665.00 a month (now 0.000 and 0.00); prices of us-east-1, 2026-01-19\n"
        );
        assert_eq!(
            money_change(&change(1.0, 1.0, &["x9.huge"])),
            "cost: more than 1.000 USD an hour, 730.00 a month (as now); prices of us-east-1, 2026-01-19\n\
             no price known, in no sum: x9.huge\n"
        );
    }
}
