//! Faulty environment files of this stack, each with the whole text that its user sees.
//!
//! `tests/gitlab/faults/<case>/environment.yaml` is loaded; `UPDATE_EXPECT=1` writes `expected.txt` anew.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use refarch::{
    environment::{LoadRequest, ProviderKind, Stack, StackFacts, load},
    view,
};

use super::place::{Place, catalog};

const CASES: &str = "tests/gitlab/faults";

/// The case in a folder of its own; a key that it names as `generated.key` is made for it.
fn copy(folder: &Path) -> tempfile::TempDir {
    let place = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), place.path().join(entry.file_name())).unwrap();
    }
    let key = rcgen::KeyPair::generate().unwrap().serialize_pem();
    fs::write(place.path().join("generated.key"), key).unwrap();
    place
}

fn told(case: &Path) -> String {
    let place = copy(case);
    let folder = place.path();
    let stacks = |_: Stack| Ok(StackFacts::new(&catalog()));
    let result = load(&LoadRequest {
        file: &folder.join("environment.yaml"),
        sets: &[],
        variables: BTreeMap::new(),
        stacks: &stacks,
        providers: &[ProviderKind::Local, ProviderKind::Static],
    });
    let faults = result.err().unwrap_or_else(|| panic!("{}: nothing is wrong", folder.display()));
    view::diagnostic::render(&faults.diagnostics, &faults.sources, 100, false)
        .replace(&format!("{}/", folder.display()), "")
}

#[test]
fn every_fault_is_told_as_expected() {
    let entries = fs::read_dir(CASES).unwrap().map(|entry| entry.unwrap().path());
    let mut folders: Vec<PathBuf> = entries.filter(|path| path.is_dir()).collect();
    folders.sort();
    assert!(folders.len() >= 10, "{} cases", folders.len());
    let update = std::env::var_os("UPDATE_EXPECT").is_some();
    let mut wrong = Vec::new();
    for folder in folders {
        let told = told(&folder);
        let expected = folder.join("expected.txt");
        if update {
            fs::write(&expected, &told).unwrap();
        } else if fs::read_to_string(&expected).unwrap_or_default() != told {
            wrong.push(format!("{}:\n{told}", folder.display()));
        }
    }
    assert!(wrong.is_empty(), "not as expected (UPDATE_EXPECT=1 rewrites):\n{}", wrong.join("\n"));
}

#[test]
fn what_only_the_wiring_shows_is_refused_before_anything_changes() {
    let cases = [
        ("3k", "settings:\n  linux-package: { edition: ce }\n", "edition ce has no Consul"),
        (
            "3k",
            "nodes:\n  haproxy-internal: { count: 0 }\n",
            "several PgBouncer nodes need haproxy-internal nodes or settings.linux-package.internal_balancer",
        ),
        (
            "3k",
            "nodes:\n  haproxy-external: { count: 2 }\nsettings:\n  haproxy-external: { tls: acme }\n",
            "acme works with one external balancer only",
        ),
        (
            "3k",
            "nodes:\n  haproxy-internal: { count: 2 }\n",
            "several haproxy-internal nodes need settings.haproxy-internal.floating_address",
        ),
        (
            "1k",
            "settings:\n  linux-package: { source: none }\n",
            "settings.linux-package.version must say which version source none gives",
        ),
        (
            "3k",
            "settings:\n  linux-package: { version: '18.8', internal_tls: all }\n",
            "internal_tls: all needs version 18.10 or newer",
        ),
        (
            "1k",
            "settings:\n  linux-package: { version: '19.2.1', source: file }\n",
            "settings.linux-package.location must say where source file finds the package",
        ),
        ("1k", "settings:\n  haproxy-external: { tls: own }\n", "certificate_file and key_file are not both given"),
        (
            "3k",
            "settings:\n  app: { external_database: { host: db.example.com } }\n",
            "settings.app.external_database stands in place of the postgres and pgbouncer nodes",
        ),
        (
            "2k",
            "settings:\n  app: { registry_url: 'https://git.example.com:5000' }\n",
            "the container registry of several nodes needs settings.app.object_store",
        ),
    ];
    for (size, more, expected) in cases {
        let told = Place::new(size, more).refusal();
        assert!(told.contains(expected), "{more}: {told}");
    }
}
