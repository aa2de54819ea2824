//! Whether two nodes ever accepted writes at the same time.

use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

/// How far clocks of two nodes may differ, in milliseconds.
const CLOCKS: i64 = 100;

/// A write that a node took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// Node.
    pub node: String,
    /// Grows with every new leader.
    pub term: u64,
    /// Unix time in milliseconds, by the node's clock.
    pub at: i64,
}

/// Collects what every node says.
#[derive(Debug, Default)]
pub struct Leaders(Mutex<Vec<Accepted>>);

impl Leaders {
    /// One line of a node's script: `accepted TERM MILLISECONDS`.
    pub fn line(&self, node: &str, line: &str) {
        let mut words = line.split(' ');
        let ("accepted", Some(term), Some(at)) = (words.next().unwrap_or_default(), words.next(), words.next()) else {
            return;
        };
        if let (Ok(term), Ok(at)) = (term.parse(), at.parse()) {
            let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            all.push(Accepted { node: node.to_owned(), term, at });
        }
    }

    /// How many writes were taken.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// The moment at which two nodes had both taken writes that cannot both stand; none where that never was.
    #[must_use]
    pub fn both(&self) -> Option<String> {
        both(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Two leaders: a node took a write in an old term after another took one in a newer term, or two took some in one term.
fn both(accepted: &[Accepted]) -> Option<String> {
    for old in accepted {
        for new in accepted.iter().filter(|new| new.node != old.node) {
            if old.term == new.term {
                return Some(format!("{} and {} both took writes in term {}", old.node, new.node, old.term));
            }
            if old.term < new.term && old.at > new.at + CLOCKS {
                return Some(format!(
                    "{} took a write {} ms after {} had become its successor",
                    old.node,
                    old.at - new.at,
                    new.node
                ));
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(lines: &[(&str, &str)]) -> Option<String> {
        let leaders = Leaders::default();
        for (node, line) in lines {
            leaders.line(node, line);
        }
        leaders.both()
    }

    #[test]
    fn one_after_the_other_is_no_fault() {
        assert_eq!(told(&[("a", "accepted 1 1000"), ("b", "asleep"), ("b", "accepted 2 9000")]), None);
        // Clocks of two nodes never agree to the millisecond.
        assert_eq!(told(&[("a", "accepted 1 9050"), ("b", "accepted 2 9000")]), None);
    }

    #[test]
    fn a_former_leader_that_still_takes_writes_is_found() {
        let lines = [("a", "accepted 1 1000"), ("b", "accepted 2 9000"), ("a", "accepted 1 9300")];
        assert_eq!(told(&lines).unwrap(), "a took a write 300 ms after b had become its successor");
        let lines = [("a", "accepted 3 1000"), ("b", "accepted 3 9000")];
        assert_eq!(told(&lines).unwrap(), "a and b both took writes in term 3");
    }
}
