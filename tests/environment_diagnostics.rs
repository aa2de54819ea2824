//! Faulty environment files, each with the whole text that its user sees.
//!
//! `tests/environment_diagnostics/<case>/environment.yaml` (and `environment.local.yaml`) is loaded; leading comments
//! `# args: --set KEY=VALUE …` and `# env: NAME=VALUE` add layers. `UPDATE_EXPECT=1` writes `expected.txt` anew.

#![allow(clippy::unwrap_used)] // a test that cannot go on ends here

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use refarch::{
    catalog::Role,
    diagnostic::Faults,
    environment::{LoadRequest, Loaded, ProviderKind, Stack, StackFacts, load},
    view,
};

const CASES: &str = "tests/environment_diagnostics";

fn stacks(stack: Stack) -> Result<StackFacts, String> {
    if stack == Stack::Gitlab {
        return Err("it is not part of this build".to_owned());
    }
    let text = fs::read_to_string(format!("{CASES}/roles.yaml")).unwrap();
    let roles: BTreeMap<String, Role> = serde_saphyr::from_str(&text).unwrap();
    let reason = "git's own daemon has no cluster".to_owned();
    let omits = ["praefect", "praefect-postgres"].map(|role| (role.to_owned(), reason.clone()));
    Ok(StackFacts { roles, base: Some("base".to_owned()), omits: BTreeMap::from(omits), ..StackFacts::default() })
}

fn load_with(file: &Path, sets: &[&str], variables: &[(&str, &str)]) -> Result<Loaded, Faults> {
    let sets: Vec<String> = sets.iter().map(|set| (*set).to_owned()).collect();
    load(&LoadRequest {
        file,
        sets: &sets,
        variables: variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        stacks: &stacks,
        providers: &[ProviderKind::Local, ProviderKind::Static, ProviderKind::Aws, ProviderKind::Gcp],
    })
}

fn show(result: &Result<Loaded, Faults>) -> String {
    match result {
        Ok(loaded) => view::diagnostic::render(&loaded.warnings, &loaded.sources, 100, false),
        Err(faults) => view::diagnostic::render(&faults.diagnostics, &faults.sources, 100, false),
    }
}

fn case(folder: &Path) -> String {
    let file = folder.join("environment.yaml");
    let text = fs::read_to_string(&file).unwrap();
    let comments = |start: &str| {
        text.lines().filter_map(|line| line.strip_prefix(start)).map(str::to_owned).collect::<Vec<_>>().join("\n")
    };
    let args = comments("# args: --set ");
    let sets: Vec<&str> = args.split(" --set ").filter(|set| !set.is_empty()).collect();
    let variables = comments("# env: ");
    let variables: Vec<(&str, &str)> = variables.lines().filter_map(|line| line.split_once('=')).collect();
    let result = load_with(&file, &sets, &variables);
    show(&result).replace(&format!("{}/", folder.display()), "")
}

#[test]
fn every_fault_is_told_as_expected() {
    let mut folders: Vec<PathBuf> =
        fs::read_dir(CASES).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect();
    folders.sort();
    assert!(folders.len() >= 35, "{} cases", folders.len());
    let update = std::env::var_os("UPDATE_EXPECT").is_some();
    let mut wrong = Vec::new();
    for folder in folders {
        let told = case(&folder);
        assert!(!told.is_empty(), "{}: nothing was found", folder.display());
        let expected = folder.join("expected.txt");
        if update {
            fs::write(&expected, &told).unwrap();
        } else if fs::read_to_string(&expected).unwrap_or_default() != told {
            wrong.push(format!("{}:\n{told}", folder.display()));
        }
    }
    assert!(wrong.is_empty(), "not as expected (UPDATE_EXPECT=1 rewrites):\n{}", wrong.join("\n"));
}
