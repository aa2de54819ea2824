//! What is shipped is right: environments, architectures, inventories, schemas.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn yaml_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if path.is_dir() && !hidden {
            yaml_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "yaml") {
            found.push(path);
        }
    }
}

fn environments() -> Vec<PathBuf> {
    let mut found = Vec::new();
    yaml_files(&root().join("environments"), &mut found);
    found.sort();
    assert!(found.len() >= 12, "{found:?}");
    found
}

#[test]
fn every_environment_names_its_schema_and_passes_it() {
    for file in environments() {
        let text = fs::read_to_string(&file).unwrap();
        let first = text.lines().next().unwrap();
        let schema = first
            .strip_prefix("# yaml-language-server: $schema=")
            .unwrap_or_else(|| panic!("{}: the first line names no schema: {first}", file.display()));
        let schema = fs::read_to_string(file.parent().unwrap().join(schema)).unwrap();
        let validator = jsonschema::validator_for(&serde_json::from_str(&schema).unwrap()).unwrap();
        let value: Value = serde_saphyr::from_str(&text).unwrap();
        let faults: Vec<String> = validator.iter_errors(&value).map(|fault| fault.to_string()).collect();
        assert!(faults.is_empty(), "{}: {faults:#?}", file.display());
    }
}

#[test]
fn every_environment_is_valid_without_a_warning() {
    for file in environments().iter().filter(|file| !file.display().to_string().contains("/reference/")) {
        let output = Command::new(env!("CARGO_BIN_EXE_refarch")).arg("validate").arg(file).output().unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        let cloud = ["aws", "gcp", "azure"].into_iter().find(|cloud| file.parent().unwrap().ends_with(cloud));
        match cloud.filter(|_| !output.status.success()) {
            // A build without the cloud's provider has this one complaint, and no other.
            Some(cloud) => {
                let told = errors.contains(&format!("provider `{cloud}` is not part of this build"));
                assert!(told && errors.trim_end().ends_with("\n1 error"), "{}:\n{errors}", file.display());
            }
            None => assert!(output.status.success() && errors.is_empty(), "{}:\n{errors}", file.display()),
        }
    }
}

#[test]
fn every_size_is_shipped_for_every_place_that_the_product_runs_in() {
    for place in ["aws", "gcp", "azure", "static"] {
        for size in ["1k", "2k", "3k", "5k", "10k", "25k", "50k"] {
            let file = root().join("environments").join(place).join(format!("{size}.yaml"));
            let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            let lines = text.lines().filter(|line| !line.is_empty()).count();
            assert!(lines <= 16, "{}: {lines} lines are more than a newcomer reads", file.display());
        }
    }
}

#[test]
fn the_schemas_in_the_documentation_are_those_of_the_binary() {
    for (arguments, file) in
        [(&["schema"][..], "environment.schema.json"), (&["schema", "reference"], "reference.schema.json")]
    {
        let output = Command::new(env!("CARGO_BIN_EXE_refarch")).args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let path = root().join("docs/reference").join(file);
        assert!(
            output.stdout == fs::read(&path).unwrap(),
            "{0} is old: refarch {1} >docs/reference/{file}",
            path.display(),
            arguments.join(" ")
        );
    }
}

#[test]
fn the_policy_in_the_documentation_allows_every_call_to_aws() {
    let page = fs::read_to_string(root().join("docs/aws.md")).unwrap();
    let mut called = std::collections::BTreeSet::new();
    for entry in fs::read_dir(root().join("src/provider/aws")).unwrap() {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        // What a call is refused for stands beside it: `"ec2:CreateVpc"`. Tests and the nodes' own policy are left out.
        let text = text.split("#[cfg(test)]").next().unwrap().to_owned();
        for word in text.split('"').skip(1).step_by(2) {
            let Some((service, action)) = word.split_once(':') else { continue };
            let known = ["ec2", "iam", "s3", "sts", "elasticloadbalancing", "pricing"].contains(&service);
            if known && !action.is_empty() && action.chars().all(char::is_alphanumeric) {
                called.insert(word.to_owned());
            }
        }
    }
    // These are for the machines, in their own role.
    let of_machines = ["GetObject", "PutObject", "DeleteObject", "AbortMultipartUpload", "ListMultipartUploadParts"];
    let of_machines = of_machines.into_iter().chain(["ListBucketMultipartUploads", "GetBucketLocation", "AssumeRole"]);
    let of_machines: Vec<&str> = of_machines.collect();
    called.retain(|call| !of_machines.iter().any(|own| call.ends_with(&format!(":{own}"))));
    assert!(called.len() > 60, "{called:?}");
    let missing: Vec<&String> = called.iter().filter(|call| !page.contains(&format!("\"{call}\""))).collect();
    assert!(missing.is_empty(), "docs/aws.md lacks {missing:?}");
}
