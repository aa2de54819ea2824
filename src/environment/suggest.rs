//! Did you mean …?

/// The candidate that a misspelt word most likely stands for.
pub(crate) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = normal(word);
    candidates
        .into_iter()
        .filter_map(|candidate| {
            let own = normal(candidate);
            if own == wanted {
                return Some((0, candidate));
            }
            let distance = strsim::osa_distance(&wanted, &own);
            let longest = wanted.chars().count().max(own.chars().count());
            let starts = wanted.len() >= 3 && (own.starts_with(&wanted) || wanted.starts_with(&own));
            (distance * 3 <= longest || (starts && distance * 2 <= longest)).then_some((distance, candidate))
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// `a`, `b` and so on, for hints.
pub(crate) fn list<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    words.into_iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

/// `did you mean …?` or else what there is.
pub(crate) fn hint<'a>(word: &str, what: &str, candidates: impl IntoIterator<Item = &'a str> + Clone) -> String {
    match nearest(word, candidates.clone()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("{what}: {}", list(candidates)),
    }
}

fn normal(word: &str) -> String {
    word.to_lowercase().replace('_', "-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_its_word_and_a_stranger_none() {
        let roles = ["app", "gitaly", "postgres", "redis-cache"];
        assert_eq!(nearest("gitlay", roles), Some("gitaly"));
        assert_eq!(nearest("redis_cache", roles), Some("redis-cache"));
        assert_eq!(nearest("postgresql", roles), Some("postgres"));
        assert_eq!(nearest("kubernetes", roles), None);
        assert_eq!(nearest("x", roles), None);
    }
}
