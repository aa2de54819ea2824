//! What becomes of each file when the store has another state than the working copy: pure.

use std::collections::{BTreeMap, BTreeSet};

/// What is to be done with the working copy.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Merge {
    /// Files to take from the store.
    pub take: BTreeSet<String>,
    /// Files to remove.
    pub remove: BTreeSet<String>,
    /// Files to put aside first: they were changed here and elsewhere.
    pub aside: BTreeSet<String>,
    /// Secrets and keys that were changed here and elsewhere: nobody but their owner can say which are good.
    pub diverged: BTreeSet<String>,
}

/// Compares three states of the files, each path -> hash: what was in common, what is here, what is in the store.
///
/// A file that is missing here is taken again: only whoever has the lock removes anything, and then the store knows.
pub(super) fn merge(
    base: &BTreeMap<String, String>,
    here: &BTreeMap<String, String>,
    there: &BTreeMap<String, String>,
) -> Merge {
    let mut merge = Merge::default();
    let paths: BTreeSet<&String> = here.keys().chain(there.keys()).collect();
    for path in paths {
        let (was, own, new) = (base.get(path), here.get(path), there.get(path));
        if own == new {
            continue;
        }
        let changed_here = own.is_some() && own != was;
        if !changed_here {
            let list = if new.is_some() { &mut merge.take } else { &mut merge.remove };
            list.insert(path.clone());
        } else if new == was {
            // It did not reach the store yet, and nobody else touched it.
        } else if is_learned(path) {
            let list = if new.is_some() { &mut merge.take } else { &mut merge.remove };
            list.insert(path.clone());
        } else if is_precious(path) {
            merge.diverged.insert(path.clone());
        } else {
            merge.aside.insert(path.clone());
            let list = if new.is_some() { &mut merge.take } else { &mut merge.remove };
            list.insert(path.clone());
        }
    }
    merge
}

/// What every machine finds out again by itself.
pub(super) fn is_learned(path: &str) -> bool {
    matches!(path, "known_hosts.learned" | "addresses.json")
}

fn is_precious(path: &str) -> bool {
    path == "secrets.age" || path.starts_with("ssh/")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn files(list: &[(&str, &str)]) -> BTreeMap<String, String> {
        list.iter().map(|(path, hash)| ((*path).to_owned(), (*hash).to_owned())).collect()
    }

    fn set(list: &[&str]) -> BTreeSet<String> {
        list.iter().map(|path| (*path).to_owned()).collect()
    }

    #[test]
    fn each_file_goes_its_way() {
        let base = files(&[("same", "1"), ("old", "1"), ("gone", "1"), ("mine", "1"), ("both", "1"), ("ssh/key", "1")]);
        let here = files(&[("same", "1"), ("old", "1"), ("gone", "1"), ("mine", "2"), ("both", "2"), ("ssh/key", "2")]);
        let there = files(&[("same", "1"), ("old", "2"), ("mine", "1"), ("both", "3"), ("ssh/key", "3"), ("new", "1")]);
        let merge = merge(&base, &here, &there);
        assert_eq!(merge.take, set(&["old", "both", "new"]));
        assert_eq!(merge.remove, set(&["gone"]));
        assert_eq!(merge.aside, set(&["both"]));
        assert_eq!(merge.diverged, set(&["ssh/key"]));
    }

    #[test]
    fn what_was_lost_here_comes_back() {
        let base = files(&[("secrets.age", "1")]);
        assert_eq!(merge(&base, &files(&[]), &base).take, set(&["secrets.age"]));
    }

    proptest! {
        /// Nothing that was changed here is lost: it stays, is put aside, or stops everything.
        #[test]
        fn nothing_of_ones_own_is_lost(
            base in proptest::collection::btree_map("[abs]|ssh/[ab]", "[123]", 0..6),
            here in proptest::collection::btree_map("[abs]|ssh/[ab]", "[123]", 0..6),
            there in proptest::collection::btree_map("[abs]|ssh/[ab]", "[123]", 0..6),
        ) {
            let merge = merge(&base, &here, &there);
            for (path, own) in &here {
                let overwritten = merge.take.contains(path) || merge.remove.contains(path);
                let known = base.get(path) == Some(own) || there.get(path) == Some(own);
                prop_assert!(known || !overwritten || merge.aside.contains(path), "{path}");
            }
            // With nothing of one's own, the copy becomes the store's.
            if merge.diverged.is_empty() {
                let mut after = here.clone();
                after.retain(|path, _| !merge.remove.contains(path));
                for path in &merge.take {
                    after.insert(path.clone(), there[path].clone());
                }
                for (path, hash) in &after {
                    prop_assert!(there.get(path) == Some(hash) || there.get(path) == base.get(path), "{path}");
                }
            }
        }
    }
}
