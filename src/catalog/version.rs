//! Product versions: `18`, `18.11`, `18.11.3`; words such as `newest` stand above every number.

/// Major, minor and patch of a version; what is not said is 0. None where it is no number.
#[must_use]
pub fn parts(version: &str) -> Option<[u32; 3]> {
    let bare = version.split(['-', '+', '~']).next().unwrap_or_default();
    let mut found = [0; 3];
    for (position, part) in bare.split('.').enumerate() {
        *found.get_mut(position)? = part.parse().ok()?;
    }
    Some(found)
}

/// Whether a version is `floor` or a later one. What is no number counts as the newest.
#[must_use]
pub fn at_least(version: &str, floor: &str) -> bool {
    match (parts(version), parts(floor)) {
        (Some(version), Some(floor)) => version >= floor,
        (None, _) => true,
        (Some(_), None) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_by_number_and_words_are_newest() {
        assert!(at_least("18.11", "18.2") && !at_least("18.11.9", "19.0") && at_least("19", "19.0.0"));
        assert!(at_least("newest", "19.3") && at_least("18.11.3-ee.0", "18.11.3"));
    }

    #[test]
    fn no_version_is_taken_for_one() {
        for text in ["", "18.", "18.1.2.3", "v18", "18.x"] {
            assert_eq!(parts(text), None, "{text}");
        }
    }
}
