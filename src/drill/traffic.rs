//! What the workload says of itself, and what users would have noticed between two moments.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tokio::{sync::watch, time::Instant};

/// The least time without a success that counts as an outage: shorter ones are the pace of the users.
const SHORTEST: u64 = 1500;
/// Width of a bar of the charts, in milliseconds.
const BUCKET: u64 = 500;

/// A request of the workload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// When it ended, in milliseconds since the workload began.
    pub end: u64,
    /// How long it took, in milliseconds.
    pub took: u64,
    /// `write`, `read`, `job`, `push`, `clone`.
    pub kind: String,
    /// Why it failed; none where it did not.
    pub failed: Option<String>,
}

/// Something that was answered and must therefore be there: kind, key, value.
pub type Acked = (String, String, String);

/// Listens to the workload.
#[derive(Debug)]
pub struct Recorder {
    began: Instant,
    seen: Mutex<Heard>,
    news: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct Heard {
    requests: Vec<Request>,
    /// In the order in which they were answered, and whether they were taken back.
    acked: Vec<(Acked, bool)>,
    interrupted: u32,
}

impl Default for Recorder {
    fn default() -> Self {
        Self { began: Instant::now(), seen: Mutex::default(), news: watch::channel(()).0 }
    }
}

impl Recorder {
    /// One line of the workload.
    pub fn line(&self, line: &str) {
        let end = self.now();
        let mut words = line.splitn(4, ' ');
        let mut next = || words.next().unwrap_or_default();
        let (word, second, third, rest) = (next(), next(), next(), next().to_owned());
        let mut heard = self.heard();
        match (word, second.parse()) {
            ("ok" | "failed", Ok(took)) => {
                let failed = (word == "failed").then_some(rest);
                heard.requests.push(Request { end, took, kind: third.to_owned(), failed });
            }
            ("acked", _) => heard.acked.push(((second.to_owned(), third.to_owned(), rest), false)),
            ("gone", _) => {
                let named = |(acked, _): &&mut (Acked, bool)| acked.0 == second && acked.1 == third;
                if let Some((_, gone)) = heard.acked.iter_mut().rev().find(named) {
                    *gone = true;
                }
            }
            _ => return,
        }
        drop(heard);
        self.news.send_replace(());
    }

    /// The connection to the node that asks broke: nobody asked until it was there again.
    pub fn interrupted(&self) {
        self.heard().interrupted += 1;
    }

    /// Milliseconds since the workload began.
    #[must_use]
    pub fn now(&self) -> u64 {
        millis(self.began.elapsed())
    }

    /// Becomes ready when something new was heard.
    pub async fn heard_more(&self) {
        // The sender lives as long as the recorder.
        let _ = self.news.subscribe().changed().await;
    }

    /// How many things were answered so far, and those from a position on that were not taken back.
    #[must_use]
    pub fn acked_since(&self, position: usize) -> (usize, Vec<Acked>) {
        let heard = self.heard();
        let there = heard.acked.iter().skip(position).filter(|(_, gone)| !gone);
        (heard.acked.len(), there.map(|(acked, _)| acked.clone()).collect())
    }

    /// Everything that was ever answered, also what was taken back.
    #[must_use]
    pub fn ever_acked(&self) -> Vec<Acked> {
        self.heard().acked.iter().map(|(acked, _)| acked.clone()).collect()
    }

    /// Whether something was taken back.
    #[must_use]
    pub fn is_gone(&self, kind: &str, key: &str) -> bool {
        self.heard().acked.iter().any(|((own, name, _), gone)| *gone && own == kind && name == key)
    }

    /// What was seen from a moment on.
    #[must_use]
    pub fn since(&self, start: u64) -> Seen {
        let heard = self.heard();
        let requests = heard.requests.iter().filter(|request| request.end >= start).cloned().collect();
        Seen { requests, interrupted: heard.interrupted }
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Requests, in the order in which they ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// Those.
    pub requests: Vec<Request>,
    /// How often the workload itself broke off since it began.
    pub interrupted: u32,
}

/// What users of one kind of request noticed between two moments.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Phase {
    /// Milliseconds from the beginning until it worked for good; 0 where it never stopped; none where it did not.
    pub again: Option<u64>,
    /// The longest time without a success.
    pub gap: u64,
}

impl Phase {
    /// The worse of two.
    #[must_use]
    pub fn or_worse(self, other: Self) -> Self {
        let again = self.again.zip(other.again).map(|(one, other)| one.max(other));
        Self { again, gap: self.gap.max(other.gap) }
    }
}

/// A bar of a chart.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bucket {
    /// Where it begins, in milliseconds from the fault; negative before it.
    pub at: i64,
    /// Kind -> slowest success, in milliseconds.
    pub slowest: BTreeMap<String, u64>,
    /// Kind -> failures.
    pub failed: BTreeMap<String, usize>,
}

impl Seen {
    /// What users of a kind noticed from `start` to `end`. `pace` is the usual time between two successes: silence that
    /// is not longer than three of them is no outage.
    #[must_use]
    pub fn phase(&self, kind: &str, start: u64, end: u64, pace: u64) -> Phase {
        let threshold = SHORTEST.max(3 * pace);
        let successes = self.requests.iter().filter(|request| request.kind == kind && request.failed.is_none());
        let (mut last, mut again, mut gap) = (start, 0, 0);
        for request in successes.filter(|request| request.end >= start && request.end <= end) {
            let silence = request.end - last;
            gap = gap.max(silence);
            if silence > threshold {
                again = request.end - start;
            }
            last = request.end;
        }
        let silence = end.saturating_sub(last);
        gap = gap.max(silence);
        Phase { again: (silence <= threshold).then_some(again), gap }
    }

    /// Usual milliseconds between two successes of a kind before a moment: half of them are shorter.
    #[must_use]
    pub fn pace(&self, kind: &str, before: u64) -> Option<u64> {
        let ends: Vec<u64> = self
            .requests
            .iter()
            .filter(|request| request.kind == kind && request.failed.is_none() && request.end <= before)
            .map(|request| request.end)
            .collect();
        let mut gaps: Vec<u64> = ends.windows(2).map(|pair| pair[1] - pair[0]).collect();
        gaps.sort_unstable();
        gaps.get(gaps.len() / 2).copied()
    }

    /// Failures from a moment on.
    pub fn failed(&self, start: u64) -> impl Iterator<Item = &Request> {
        self.requests.iter().filter(move |request| request.end >= start && request.failed.is_some())
    }

    /// Bars of a chart around a fault.
    #[must_use]
    pub fn buckets(&self, fault: u64, from: u64, to: u64) -> Vec<Bucket> {
        let mut bars: BTreeMap<u64, Bucket> = BTreeMap::new();
        let place = |moment: u64| moment.saturating_sub(from) / BUCKET;
        for request in self.requests.iter().filter(|request| (from..=to).contains(&request.end)) {
            let bar = bars.entry(place(request.end)).or_default();
            match &request.failed {
                Some(_) => *bar.failed.entry(request.kind.clone()).or_default() += 1,
                None => {
                    let slowest = bar.slowest.entry(request.kind.clone()).or_default();
                    *slowest = (*slowest).max(request.took);
                }
            }
        }
        let at = |number: u64| {
            i64::try_from(from + number * BUCKET).unwrap_or_default() - i64::try_from(fault).unwrap_or_default()
        };
        bars.into_iter().map(|(number, bar)| Bucket { at: at(number), ..bar }).collect()
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(ends: &[u64]) -> Seen {
        let request = |end: &u64| Request { end: *end, took: 10, kind: "write".to_owned(), failed: None };
        Seen { requests: ends.iter().map(request).collect(), interrupted: 0 }
    }

    #[test]
    fn an_outage_ends_with_the_first_success_after_the_last_silence() {
        let seen = seen(&[900, 1200, 1400, 9400, 9600, 9900, 14_000, 14_200]);
        // Fault at 1000: two successes still came, then silence until 9400, and once more until 14000.
        assert_eq!(seen.phase("write", 1000, 14_300, 200), Phase { again: Some(13_000), gap: 8000 });
        assert_eq!(seen.phase("write", 1000, 10_000, 200), Phase { again: Some(8400), gap: 8000 });
    }

    #[test]
    fn the_usual_pace_is_no_outage() {
        let seen = seen(&[1000, 3000, 5100, 7000]);
        assert_eq!(seen.pace("write", 7000), Some(2000));
        assert_eq!(seen.phase("write", 1000, 8000, 2000), Phase { again: Some(0), gap: 2100 });
        // The same silence where users come four times a second is one.
        assert_eq!(seen.phase("write", 1000, 8000, 250).again, Some(6000));
    }

    #[test]
    fn what_never_works_again_has_no_end() {
        assert_eq!(seen(&[1000, 1200]).phase("write", 1100, 30_000, 200), Phase { again: None, gap: 28_800 });
        assert_eq!(seen(&[]).phase("push", 0, 9000, 0), Phase { again: None, gap: 9000 });
    }

    #[tokio::test(start_paused = true)]
    async fn a_recorder_remembers_what_was_answered_until_it_is_taken_back() {
        let recorder = Recorder::default();
        for line in [
            "ok 12 write",
            "acked write u1 v1",
            "acked job p1",
            "curl: something of its own",
            "failed 3000 push remote: 503 no storage",
            "gone job p1",
            "acked push p2:abc",
        ] {
            recorder.line(line);
        }
        let acked = |kind: &str, key: &str, value: &str| (kind.to_owned(), key.to_owned(), value.to_owned());
        assert_eq!(recorder.acked_since(0), (3, vec![acked("write", "u1", "v1"), acked("push", "p2:abc", "")]));
        assert_eq!(recorder.acked_since(1), (3, vec![acked("push", "p2:abc", "")]));
        let seen = recorder.since(0);
        assert_eq!(seen.requests.len(), 2);
        assert_eq!(seen.failed(0).next().unwrap().failed.as_deref(), Some("remote: 503 no storage"));
        let bars = seen.buckets(1000, 0, 2000);
        assert_eq!((bars[0].at, bars[0].slowest["write"], bars[0].failed["push"]), (-1000, 12, 1));
    }
}
