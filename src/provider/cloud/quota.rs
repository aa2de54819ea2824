//! What an environment needs against what the account may have.

use std::collections::BTreeMap;

use crate::provider::{Finding, Verdict};

/// Needs by quota, in the quota's own unit.
pub type Needs = BTreeMap<String, f64>;

/// One limit of the account.
#[derive(Debug, Clone, PartialEq)]
pub struct Limit {
    /// Quota, as in [`Needs`].
    pub quota: String,
    /// How much may be used in all.
    pub limit: f64,
    /// How much is used already, without what the environment has.
    pub used: f64,
    /// How to have it raised, in the cloud's own words.
    pub raise: String,
}

/// One finding for each need. A need without a limit is told as unknown: a plan is not stopped by what nobody knows.
#[must_use]
pub fn findings(needs: &Needs, limits: &[Limit]) -> Vec<Finding> {
    let finding = |(quota, need): (&String, &f64)| {
        let Some(limit) = limits.iter().find(|limit| limit.quota == *quota) else {
            return Finding {
                name: format!("quota {quota}"),
                verdict: Verdict::Warn,
                found: format!("{need} needed; how many the account may have could not be found out"),
                hint: Some("apply says so where it is not enough".to_owned()),
            };
        };
        let left = (limit.limit - limit.used).max(0.0);
        let found = format!("{need} needed, {left} of {} left", limit.limit);
        if left >= *need {
            return Finding { name: format!("quota {quota}"), verdict: Verdict::Pass, found, hint: None };
        }
        Finding {
            name: format!("quota {quota}"),
            verdict: Verdict::Fail,
            found,
            hint: Some(format!("{}: ask for {} or more", limit.raise, limit.used + need)),
        }
    };
    needs.iter().filter(|(_, need)| **need > 0.0).map(finding).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_already_counts_and_what_is_unknown_is_said() {
        let needs = Needs::from([("vCPU".to_owned(), 64.0), ("addresses".to_owned(), 2.0), ("VPCs".to_owned(), 1.0)]);
        let limit = |quota: &str, limit, used| Limit { quota: quota.to_owned(), limit, used, raise: "Q-1".to_owned() };
        let found = findings(&needs, &[limit("vCPU", 96.0, 40.0), limit("addresses", 5.0, 3.0)]);
        let told: Vec<_> = found.iter().map(|one| (one.name.as_str(), one.verdict, one.found.as_str())).collect();
        assert_eq!(
            told,
            [
                ("quota VPCs", Verdict::Warn, "1 needed; how many the account may have could not be found out"),
                ("quota addresses", Verdict::Pass, "2 needed, 2 of 5 left"),
                ("quota vCPU", Verdict::Fail, "64 needed, 56 of 96 left"),
            ]
        );
        assert_eq!(found[2].hint.as_deref(), Some("Q-1: ask for 104 or more"));
    }
}
