//! Tags as Google keeps them. Labels take lower-case letters, digits, `_` and `-` only, 63 at most; so values are
//! escaped, and read back exactly. What does not fit goes into a machine's metadata. Kinds without labels (networks,
//! rules, service accounts) carry their tags in their description.

use std::collections::{BTreeMap, HashMap};

use super::names::LONGEST;
use crate::provider::cloud::tags::{self, Tags};

/// A value as a label takes it; none where it does not fit.
pub(super) fn escape(value: &str) -> Option<String> {
    let mut text = String::with_capacity(value.len());
    for byte in value.bytes() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'-' => text.push(char::from(byte)),
            other => text.push_str(&format!("_{other:02x}")),
        }
    }
    (text.len() <= LONGEST).then_some(text)
}

/// The value that a label stands for; what is not escaped as above is taken as it is.
pub(super) fn unescape(label: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), label.as_bytes());
    while let Some((first, tail)) = rest.split_first() {
        let hex = tail.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) if *first == b'_' => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| label.to_owned())
}

/// Labels for tags, and what did not fit. `Name` is the resource's own name and needs no label.
pub(super) fn split(tags: &Tags) -> (HashMap<String, String>, BTreeMap<String, String>) {
    let (mut labels, mut rest) = (HashMap::new(), BTreeMap::new());
    for (key, value) in tags.iter().filter(|(key, _)| key.as_str() != tags::NAME) {
        match escape(value) {
            Some(label) => {
                labels.insert(key.clone(), label);
            }
            None => {
                rest.insert(key.clone(), value.clone());
            }
        }
    }
    (labels, rest)
}

/// Tags that labels stand for, with the resource's name.
pub(super) fn tags(name: Option<&str>, labels: &HashMap<String, String>) -> Tags {
    let mut tags: Tags = labels.iter().map(|(key, label)| (key.clone(), unescape(label))).collect();
    if let Some(name) = name {
        tags.insert(tags::NAME.to_owned(), name.to_owned());
    }
    tags
}

/// A description that carries tags.
pub(super) fn description(tags: &Tags) -> String {
    serde_json::json!(tags).to_string()
}

/// The tags that a description carries; none where it is somebody else's.
pub(super) fn described(description: Option<&str>) -> Option<Tags> {
    serde_json::from_str(description?).ok()
}

/// Whether tags say that something belongs to an environment.
pub(super) fn owned(tags: &Tags, environment: &str) -> bool {
    tags.get(tags::ENVIRONMENT).is_some_and(|found| found == environment)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_back_as_they_were() {
        for value in ["", "demo", "node/demo-app-1", "Jane Doe <jane@example.com>", "a_b", "_2f", "ä"] {
            let label = escape(value).unwrap();
            assert!(
                label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte))
            );
            assert_eq!(unescape(&label), value);
        }
        assert_eq!(escape("node/a").as_deref(), Some("node_2fa"));
        assert_eq!(escape(&"x".repeat(64)), None);
        assert_eq!(unescape("somebody_elses_x"), "somebody_elses_x");
    }

    #[test]
    fn what_does_not_fit_is_kept_apart() {
        let tags = Tags::from([
            (tags::NAME.to_owned(), "demo-app-1".to_owned()),
            (tags::ROLES.to_owned(), "common ".repeat(12)),
            (tags::GROUP.to_owned(), "app".to_owned()),
        ]);
        let (labels, rest) = split(&tags);
        assert_eq!(labels, HashMap::from([(tags::GROUP.to_owned(), "app".to_owned())]));
        assert_eq!(rest.keys().collect::<Vec<_>>(), [tags::ROLES]);
    }
}
