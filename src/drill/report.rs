//! What came of drills, and whether that is good enough.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Bucket, Phase, Seen};
use crate::catalog::DrillSpec;

/// What came of one drill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrillReport {
    /// Name.
    pub name: String,
    /// What was broken.
    pub fault: String,
    /// What was expected.
    pub expect: String,
    /// Nodes that it hit.
    pub nodes: Vec<String>,
    /// How it ended.
    pub verdict: Verdict,
    /// Why it was skipped, or what was not as expected.
    pub reasons: Vec<String>,
    /// Kind of request -> how long it did not work while the fault lasted.
    pub during: BTreeMap<String, Phase>,
    /// The same from the mending on.
    pub after: BTreeMap<String, Phase>,
    /// Requests in all.
    pub requests: usize,
    /// Kind of request -> failures, from the fault on.
    pub failed: BTreeMap<String, usize>,
    /// Some of their reasons.
    pub failures: Vec<String>,
    /// What had been answered and was looked for.
    pub audited: usize,
    /// What of it was not there.
    pub lost: Vec<String>,
    /// Milliseconds from the mending until everything held again by itself; none where it did not.
    pub healed: Option<u64>,
    /// Milliseconds that the fault lasted.
    pub lasted: u64,
    /// When the fault was made.
    pub at: Timestamp,
    /// What users saw over time.
    pub chart: Vec<Bucket>,
}

/// How a drill ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// As expected.
    Passed,
    /// Not.
    Failed,
    /// It was not made: this environment, or this machine, cannot have it.
    Skipped,
    /// Somebody ended the run meanwhile; what was broken is mended.
    Interrupted,
}

/// All drills of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drilled {
    /// Run.
    pub run: String,
    /// Environment.
    pub environment: String,
    /// In the order in which they were made.
    pub drills: Vec<DrillReport>,
    /// Drills that were left because one before them left the environment broken, or somebody stopped the run.
    pub left: Vec<String>,
    /// Answered and looked for once more at the end of all.
    pub audited: usize,
    /// What of it was not there.
    pub lost: Vec<String>,
    /// How often the connection to the node that asks broke: nobody asked meanwhile.
    pub interrupted: u32,
    /// Exit code.
    pub exit_code: u8,
}

impl DrillReport {
    /// A drill of which nothing is known yet.
    #[must_use]
    pub fn new(spec: &DrillSpec, at: Timestamp) -> Self {
        Self {
            name: spec.name.clone(),
            fault: spec.fault.clone(),
            expect: spec.expect.clone(),
            nodes: Vec::new(),
            verdict: Verdict::Passed,
            reasons: Vec::new(),
            during: BTreeMap::new(),
            after: BTreeMap::new(),
            requests: 0,
            failed: BTreeMap::new(),
            failures: Vec::new(),
            audited: 0,
            lost: Vec::new(),
            healed: None,
            lasted: 0,
            at,
            chart: Vec::new(),
        }
    }

    /// A drill that is not made.
    #[must_use]
    pub fn skipped(spec: &DrillSpec, at: Timestamp, why: String) -> Self {
        Self { verdict: Verdict::Skipped, reasons: vec![why], ..Self::new(spec, at) }
    }
}

/// Moments of a drill, in milliseconds since the workload began.
#[derive(Debug, Clone, Copy)]
pub struct Moments {
    /// The fault was made.
    pub fault: u64,
    /// It was mended.
    pub mended: u64,
    /// Everything held again, or nobody waited any longer.
    pub end: u64,
}

/// Fills in what users noticed, and says what of it is more than the drill allows.
pub fn judge(report: &mut DrillReport, spec: &DrillSpec, no_failure_after: Option<u64>, seen: &Seen, moments: Moments) {
    let Moments { fault, mended, end } = moments;
    let mut kinds: Vec<&str> = seen.requests.iter().map(|request| request.kind.as_str()).collect();
    kinds.sort_unstable();
    kinds.dedup();
    kinds.extend(spec.limits.keys().map(String::as_str).filter(|kind| !kinds.contains(kind)).collect::<Vec<_>>());
    for kind in kinds {
        let pace = seen.pace(kind, fault).unwrap_or_default();
        let during = seen.phase(kind, fault, mended, pace);
        let after = seen.phase(kind, mended, end, pace);
        // A drill that hits one node after the other is judged for each; what is shown is the worst of it.
        report.during.entry(kind.to_owned()).and_modify(|worst| *worst = worst.or_worse(during)).or_insert(during);
        report.after.entry(kind.to_owned()).and_modify(|worst| *worst = worst.or_worse(after)).or_insert(after);
        let Some(limit) = spec.limits.get(kind) else { continue };
        for (phase, since) in [(during, "the fault"), (after, "it was mended")] {
            let limit = u64::from(*limit) * 1000;
            match phase.again {
                Some(again) if again <= limit => {}
                Some(again) => report.reasons.push(format!(
                    "{kind}: worked again {} after {since}, later than {}",
                    seconds(again),
                    seconds(limit)
                )),
                None => report.reasons.push(format!("{kind}: did not work again after {since}")),
            }
        }
    }
    report.requests += seen.requests.iter().filter(|request| request.end >= fault && request.end <= end).count();
    for request in seen.failed(fault) {
        *report.failed.entry(request.kind.clone()).or_default() += 1;
        let why = format!(
            "{} after {}: {}",
            request.kind,
            seconds(request.end.saturating_sub(request.took).saturating_sub(fault)),
            request.failed.as_deref().unwrap_or_default()
        );
        if report.failures.len() < 20 {
            report.failures.push(why.clone());
        }
        let began = request.end.saturating_sub(request.took);
        if no_failure_after.is_some_and(|after| began > fault + after) {
            report.reasons.push(format!("failed when nothing should any more: {why}"));
        }
    }
    report.lasted += mended.saturating_sub(fault);
}

/// `8.4 s`.
pub(super) fn seconds(milliseconds: u64) -> String {
    format!("{}.{} s", milliseconds / 1000, milliseconds % 1000 / 100)
}

#[cfg(test)]
mod tests {
    use super::{super::Request, *};

    fn spec() -> DrillSpec {
        serde_json::from_value(serde_json::json!({
            "name": "app-killed", "fault": "an app node dies", "expect": "nobody notices",
            "on": {"roles": ["app"], "which": "first"}, "machine": "stop", "limits": {"write": 5},
        }))
        .unwrap()
    }

    fn request(end: u64, took: u64, failed: bool) -> Request {
        Request { end, took, kind: "write".to_owned(), failed: failed.then(|| "502".to_owned()) }
    }

    fn judged(requests: Vec<Request>) -> DrillReport {
        let mut report = DrillReport::new(&spec(), Timestamp::UNIX_EPOCH);
        let seen = Seen { requests, interrupted: 0 };
        judge(&mut report, &spec(), Some(3000), &seen, Moments { fault: 10_000, mended: 20_000, end: 24_000 });
        report
    }

    fn steady(from: u64, to: u64) -> Vec<Request> {
        (from..to).step_by(500).map(|end| request(end, 20, false)).collect()
    }

    #[test]
    fn a_failure_within_the_first_moments_is_counted_and_allowed() {
        let mut requests = steady(5000, 24_000);
        requests.push(request(12_500, 2000, true));
        let report = judged(requests);
        assert_eq!(report.reasons, Vec::<String>::new());
        assert_eq!(report.failed["write"], 1);
        assert_eq!(report.failures, ["write after 0.5 s: 502"]);
        assert_eq!(report.during["write"].again, Some(0));
    }

    #[test]
    fn what_takes_longer_than_allowed_is_a_reason() {
        let mut requests = steady(5000, 10_000);
        requests.extend(steady(17_000, 24_000));
        requests.push(request(16_000, 1000, true));
        let report = judged(requests);
        assert_eq!(
            report.reasons,
            [
                "write: worked again 7.0 s after the fault, later than 5.0 s",
                "failed when nothing should any more: write after 5.0 s: 502",
            ]
        );
    }
}
