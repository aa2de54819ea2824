//! Which module may use which: `docs/design/architecture.md` says why.

#![allow(clippy::unwrap_used)] // a test that cannot go on ends here

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// Module -> modules of this crate that it may name. A module that is not here fails the test, so that a new one is
/// thought about.
fn allowed() -> BTreeMap<&'static str, &'static [&'static str]> {
    BTreeMap::from([
        ("diagnostic", &[][..]),
        ("exit", &[]),
        ("event", &[]),
        ("clock", &[]),
        ("operator", &[]),
        ("markup", &[]),
        ("workspace", &[]),
        ("shared", &["clock", "environment", "lock", "operator", "secrets", "workspace"]),
        ("environment", &["diagnostic", "catalog"]),
        ("catalog", &["diagnostic", "environment"]),
        ("topology", &["catalog", "environment", "diagnostic"]),
        ("draw", &["catalog", "markup", "timeline", "topology"]),
        ("timeline", &["journal", "plan"]),
        ("distribution", &[]),
        ("bundle", &["distribution"]),
        ("provider", &["bundle", "cost", "distribution", "event", "topology", "diagnostic"]),
        ("remote", &["provider"]),
        ("configure", &["bundle", "catalog", "topology", "remote", "provider", "event"]),
        ("observe", &["catalog", "configure", "event", "provider", "remote"]),
        ("cost", &[]),
        ("watch", &[]),
        ("plan", &["catalog", "configure", "cost", "observe", "provider", "topology"]),
        ("journal", &["event", "plan", "operator", "clock", "workspace", "exit", "secrets"]),
        ("lock", &["operator", "clock", "workspace"]),
        ("secrets", &["catalog", "configure", "topology", "workspace", "clock"]),
        ("engine", &["event", "exit", "plan", "journal", "clock", "provider"]),
        ("verify", &["catalog", "configure", "event", "provider", "remote", "topology"]),
        // What it needs of a session (proof, status) is handed in by the session.
        ("drill", &["catalog", "markup", "provider", "remote", "workspace"]),
        ("report", &["cost", "drill", "journal", "markup", "plan", "topology", "view"]),
        ("view", &["cost", "diagnostic", "drill", "event", "plan", "provider", "verify", "watch", "clock", "exit"]),
        (
            "session",
            &[
                "bundle",
                "catalog",
                "clock",
                "configure",
                "cost",
                "diagnostic",
                "distribution",
                "draw",
                "drill",
                "engine",
                "environment",
                "event",
                "exit",
                "journal",
                "lock",
                "observe",
                "operator",
                "plan",
                "provider",
                "remote",
                "report",
                "secrets",
                "shared",
                "timeline",
                "topology",
                "verify",
                "watch",
                "workspace",
            ],
        ),
    ])
}

#[test]
fn modules_use_only_what_they_may() {
    let allowed = allowed();
    let mut faults = Vec::new();
    for (module, uses) in uses() {
        // The command line sees everything; nothing sees the command line.
        if module == "cli" || module == "main" || module == "lib" {
            continue;
        }
        let Some(may) = allowed.get(module.as_str()) else {
            faults.push(format!("module `{module}` is not in this test: what may it use?"));
            continue;
        };
        for (used, file) in uses {
            if used != module && !may.contains(&used.as_str()) {
                faults.push(format!("{file}: `{module}` must not use `{used}`"));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn only_providers_know_a_cloud_or_an_engine() {
    for (file, text) in sources() {
        if !file.starts_with("src/provider/") {
            assert!(!text.contains("bollard::"), "{file} names the container engine's library");
        }
        if !file.starts_with("src/provider/aws/") {
            for library in ["aws_sdk_", "aws_config::", "aws_types::", "aws_smithy_"] {
                assert!(!text.contains(library), "{file} names {library}, which only src/provider/aws may");
            }
        }
        if !file.starts_with("src/provider/azure/azure_mgmt/") {
            for library in ["azure_core::", "azure_identity::"] {
                assert!(!text.contains(library), "{file} names {library}, which only azure_mgmt may");
            }
        }
        if !file.starts_with("src/provider/gcp/") {
            assert!(
                !text.contains("google_cloud_"),
                "{file} names Google's libraries, which only src/provider/gcp may"
            );
        }
        // What all clouds share knows none of them.
        if file.starts_with("src/provider/cloud/") {
            for cloud in ["aws", "gcp", "azure"] {
                let named = [format!("provider::{cloud}"), format!("super::{cloud}")];
                assert!(!named.iter().any(|name| text.contains(name)), "{file} names one cloud");
            }
        }
    }
}

/// Module -> (module used, file).
fn uses() -> BTreeMap<String, BTreeSet<(String, String)>> {
    let mut uses: BTreeMap<String, BTreeSet<(String, String)>> = BTreeMap::new();
    for (file, text) in sources() {
        let module = file["src/".len()..].split(['/', '.']).next().unwrap().to_owned();
        let entry = uses.entry(module).or_default();
        // Tests may reach anywhere.
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        let code: String =
            code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
        for (at, _) in code.match_indices("crate::") {
            let rest = &code[at + "crate::".len()..];
            for name in names(rest) {
                entry.insert((name, file.clone()));
            }
        }
    }
    uses
}

/// The first segments after `crate::`: one name, or each of `{a::…, b}`.
fn names(rest: &str) -> Vec<String> {
    let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let Some(list) = rest.strip_prefix('{') else { return vec![word(rest)] };
    let (mut depth, mut found, mut start) = (0, Vec::new(), true);
    for (index, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => start = true,
            c if start && !c.is_whitespace() => {
                found.push(word(&list[index..]));
                start = false;
            }
            _ => {}
        }
    }
    found
}

fn sources() -> Vec<(String, String)> {
    fn walk(folder: &Path, into: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, into);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                into.push(path);
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    walk(&root.join("src"), &mut files);
    files
        .into_iter()
        .filter(|path| path.file_stem().is_none_or(|stem| stem != "tests"))
        .map(|path| {
            let name = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
            (name, fs::read_to_string(path).unwrap())
        })
        .collect()
}
