//! Did you mean …?

/// What people call things elsewhere.
const ALSO_CALLED: &[(&str, &str)] = &[
    ("rails", "app"),
    ("gitlab-rails", "app"),
    ("webservice", "app"),
    ("web", "app"),
    ("puma", "app"),
    ("worker", "sidekiq"),
    ("patroni", "postgres"),
    ("database", "postgres"),
    ("db", "postgres"),
    ("sentinel", "redis"),
    ("redis-sentinel", "redis"),
    ("git", "gitaly"),
    ("prometheus", "monitor"),
    ("monitoring", "monitor"),
    ("haproxy", "haproxy-external"),
    ("load-balancer", "haproxy-external"),
    ("loadbalancer", "haproxy-external"),
    ("lb", "haproxy-external"),
    ("amazon", "aws"),
    ("google", "gcp"),
    ("gcloud", "gcp"),
    ("docker", "local"),
    ("container", "local"),
    ("containers", "local"),
    ("existing", "static"),
    ("baremetal", "static"),
];

/// The candidate that a misspelt word most likely stands for.
pub(crate) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = normal(word);
    let candidates: Vec<&str> = candidates.into_iter().collect();
    let mut other_names = ALSO_CALLED.iter().filter(|(called, _)| *called == wanted);
    if let Some(found) = other_names.find_map(|(_, right)| candidates.iter().find(|candidate| *candidate == right)) {
        return Some(found);
    }
    let mut starting =
        candidates.iter().filter(|candidate| !wanted.is_empty() && normal(candidate).starts_with(&wanted));
    if let (Some(only), None) = (starting.next(), starting.next()) {
        return Some(only);
    }
    candidates
        .into_iter()
        .filter_map(|candidate| {
            let own = normal(candidate);
            if own == wanted {
                return Some((0, candidate));
            }
            let distance = strsim::osa_distance(&wanted, &own);
            let longest = wanted.chars().count().max(own.chars().count());
            let starts = own.len() >= 3 && wanted.starts_with(&own);
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
        assert_eq!(nearest("prometheus", ["app", "monitor"]), Some("monitor"));
        assert_eq!(nearest("3", ["1k", "10k", "3k"]), Some("3k"));
        assert_eq!(nearest("1", ["1k", "10k", "3k"]), None);
        assert_eq!(nearest("kubernetes", roles), None);
        assert_eq!(nearest("x", roles), None);
    }
}
