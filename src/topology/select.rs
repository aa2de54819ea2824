//! The selector grammar that every verb shares: `role:gitaly,demo-app-*,!demo-app-2`.

use std::{fmt, str::FromStr};

use super::model::{Node, Topology};

/// Which nodes are meant. Terms are joined by commas: what any plain term takes and no `!` term takes out again.
/// Only `!` terms: everything but those.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selector {
    terms: Vec<Term>,
    text: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Term {
    out: bool,
    what: What,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum What {
    Role(String),
    Group(String),
    Zone(u32),
    Name(String),
}

/// A selector that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelectorError {
    /// An empty term.
    #[error("`{0}` has an empty part")]
    Empty(String),
    /// `what:` that does not exist.
    #[error("`{0}:` is not known; there are `role:`, `group:` and `zone:`")]
    Kind(String),
    /// A zone that is no number.
    #[error("`{0}` is not a zone number")]
    Zone(String),
    /// A term that takes nothing, which is nearly always a mistake.
    #[error("`{term}` selects no node; there are: {}", .names.join(", "))]
    Nothing {
        /// The term.
        term: String,
        /// What it could have named.
        names: Vec<String>,
    },
}

impl FromStr for Selector {
    type Err = SelectorError;

    fn from_str(text: &str) -> Result<Self, SelectorError> {
        let terms = text.split(',').map(|term| Term::parse(term.trim(), text)).collect::<Result<_, _>>()?;
        Ok(Self { terms, text: text.to_owned() })
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl Term {
    fn parse(term: &str, whole: &str) -> Result<Self, SelectorError> {
        let (out, rest) = term.strip_prefix('!').map_or((false, term), |rest| (true, rest));
        if rest.is_empty() {
            return Err(SelectorError::Empty(whole.to_owned()));
        }
        let what = match rest.split_once(':') {
            Some(("role", role)) => What::Role(role.to_owned()),
            Some(("group", group)) => What::Group(group.to_owned()),
            Some(("zone", zone)) => What::Zone(zone.parse().map_err(|_| SelectorError::Zone(zone.to_owned()))?),
            Some((kind, _)) => return Err(SelectorError::Kind(kind.to_owned())),
            None => What::Name(rest.to_owned()),
        };
        Ok(Self { out, what })
    }

    fn takes(&self, node: &Node, environment: &str) -> bool {
        match &self.what {
            What::Role(role) => node.has(role),
            What::Group(group) => node.group == *group,
            What::Zone(zone) => node.zone == *zone,
            // The environment's name may be left out: `app-*` means `demo-app-*`.
            What::Name(pattern) => {
                glob(pattern, &node.name)
                    || node
                        .name
                        .strip_prefix(environment)
                        .and_then(|rest| rest.strip_prefix('-'))
                        .is_some_and(|rest| glob(pattern, rest))
            }
        }
    }

    fn nothing(&self, topology: &Topology) -> SelectorError {
        let (term, names) = match &self.what {
            What::Role(role) => {
                let mut roles: Vec<String> = topology.nodes.iter().flat_map(|node| node.roles.clone()).collect();
                roles.sort();
                roles.dedup();
                (format!("role:{role}"), roles)
            }
            What::Group(group) => {
                let mut groups: Vec<String> = topology.nodes.iter().map(|node| node.group.clone()).collect();
                groups.dedup();
                (format!("group:{group}"), groups)
            }
            What::Zone(zone) => {
                let mut zones: Vec<String> = topology.nodes.iter().map(|node| node.zone.to_string()).collect();
                zones.sort();
                zones.dedup();
                (format!("zone:{zone}"), zones)
            }
            What::Name(name) => (name.clone(), topology.nodes.iter().map(|node| node.name.clone()).collect()),
        };
        SelectorError::Nothing { term, names }
    }
}

impl Selector {
    /// The nodes meant, in the topology's order.
    ///
    /// # Errors
    /// When a plain term takes no node at all.
    pub fn nodes<'a>(&self, topology: &'a Topology) -> Result<Vec<&'a Node>, SelectorError> {
        let takes = |term: &Term, node: &Node| term.takes(node, &topology.environment);
        for term in self.terms.iter().filter(|term| !term.out) {
            if !topology.nodes.iter().any(|node| takes(term, node)) {
                return Err(term.nothing(topology));
            }
        }
        let all = self.terms.iter().all(|term| term.out);
        Ok(topology
            .nodes
            .iter()
            .filter(|node| {
                (all || self.terms.iter().any(|term| !term.out && takes(term, node)))
                    && !self.terms.iter().any(|term| term.out && takes(term, node))
            })
            .collect())
    }
}

/// `*` stands for any text, everything else for itself.
fn glob(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::{Selector, glob};
    use crate::topology::{Node, Topology};

    fn topology() -> Topology {
        let node = |group: &str, ordinal| Node {
            zone: ordinal,
            ..Node::sample(&format!("demo-{group}-{ordinal}"), group, ordinal, &["base", group])
        };
        Topology::sample(vec![node("app", 1), node("app", 2), node("app", 3), node("gitaly", 1)])
    }

    fn select(text: &str) -> Result<Vec<String>, String> {
        let topology = topology();
        let selector: Selector = text.parse().map_err(|error: super::SelectorError| error.to_string())?;
        let nodes = selector.nodes(&topology).map_err(|error| error.to_string())?;
        Ok(nodes.into_iter().map(|node| node.name.clone()).collect())
    }

    #[test]
    fn roles_names_and_exclusions_combine() {
        assert_eq!(
            select("role:gitaly,demo-app-*,!demo-app-2").unwrap(),
            ["demo-app-1", "demo-app-3", "demo-gitaly-1"]
        );
        assert_eq!(select("!role:app").unwrap(), ["demo-gitaly-1"]);
        assert_eq!(select("app-*,!zone:1").unwrap(), ["demo-app-2", "demo-app-3"]);
    }

    #[test]
    fn what_selects_nothing_is_a_mistake() {
        assert_eq!(select("role:redis").unwrap_err(), "`role:redis` selects no node; there are: app, base, gitaly");
        assert_eq!(select("color:red").unwrap_err(), "`color:` is not known; there are `role:`, `group:` and `zone:`");
        assert_eq!(select("role:app,,").unwrap_err(), "`role:app,,` has an empty part");
    }

    #[test]
    fn stars_stand_for_any_text() {
        for (pattern, text, fits) in [
            ("a", "a", true),
            ("a", "ab", false),
            ("a*", "ab", true),
            ("*b", "ab", true),
            ("a*c*e", "abcde", true),
            ("a*c*e", "abde", false),
            ("*", "", true),
        ] {
            assert_eq!(glob(pattern, text), fits, "{pattern} {text}");
        }
    }
}
