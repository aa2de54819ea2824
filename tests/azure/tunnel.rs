//! Azure Bastion: Azure's own way to the nodes.

use std::{os::unix::fs::PermissionsExt as _, path::Path};

use serde_json::json;

use crate::{
    SMALL,
    balancers::{may, set},
    place::Place,
};

#[test]
fn nothing_but_azure_bastion_reaches_ssh() {
    let place = Place::new(&format!("{SMALL}ssh: {{ via: azure-bastion }}\n"));
    place.apply(&[]).ok();
    assert!(!place.machines().contains_key("demo-bastion"));
    let way = place.all("/bastionHosts").remove("demo-tunnel").unwrap();
    assert_eq!((&way["sku"]["name"], &way["properties"]["enableTunneling"]), (&json!("Standard"), &json!(true)));
    let network = &place.all("/virtualNetworks")["demo-network"]["properties"];
    let subnets = network["subnets"].as_array().unwrap();
    let own = subnets.iter().find(|one| one["name"] == "AzureBastionSubnet").unwrap();
    let range = own["properties"]["addressPrefix"].as_str().unwrap();
    for group in ["app", "haproxy-external", "postgres"] {
        assert_eq!(may(&place, group, 22), set([range, "AzureLoadBalancer"]), "{group}");
    }
    place.assert_settled();

    // What ssh runs to get to a machine, as far as Azure's own program.
    let said = asked(&place, "demo-app-1");
    let machine = place.machines()["demo-app-1"]["id"].as_str().unwrap().to_owned();
    let after = |name: &str| said.iter().skip_while(|word| *word != name).nth(1).unwrap().as_str();
    assert_eq!(said[..3], ["network", "bastion", "ssh"]);
    assert_eq!((after("--name"), after("--resource-group")), ("demo-tunnel", "refarch-demo"));
    assert_eq!((after("--target-resource-id"), after("--username")), (machine.as_str(), "refarch"));
    assert!(Path::new(after("--ssh-key")).exists(), "{said:?}");
    assert_eq!(said[said.len() - 5..], ["--", "-o", "BatchMode=yes", "-W", "127.0.0.1:22"]);

    place.destroy().ok();
    place.assert_empty();
}

#[test]
fn in_a_network_of_others_it_is_refused() {
    let place = Place::new(SMALL);
    place.make_group("office");
    let network = place.make_network("office", "lan", "10.9.0.0/16", &[("nodes", "10.9.2.0/24")]);
    let own = format!("cloud:\n  network: {{ id: {network} }}\n");
    place.write(&format!("{}ssh: {{ via: azure-bastion }}\n", SMALL.replace("cloud:\n", &own)));
    let said = place.apply(&[]);
    assert_ne!(said.code, Some(0), "{said:?}");
    assert!(said.err.contains("in a network of refarch's own only"), "{}", said.err);
    assert!(place.changes().is_empty());
}

/// Words that `az` is called with on the way to a machine. It is a stand-in that leads nowhere.
fn asked(place: &Place, node: &str) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let (program, words) = (folder.path().join("az"), folder.path().join("words"));
    let text = format!("#!/bin/sh\nfor word; do echo \"$word\"; done >{}\nexit 1\n", words.display());
    std::fs::write(&program, text).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = std::env::var("PATH").unwrap();
    let mut command = place.command("exec", &["--on", node, "-e"]);
    command.env("PATH", format!("{}:{path}", folder.path().display())).args(["--", "true"]);
    let said = command.output().unwrap();
    let told = format!("{}{}", String::from_utf8_lossy(&said.stdout), String::from_utf8_lossy(&said.stderr));
    let text = std::fs::read_to_string(&words).unwrap_or_else(|error| panic!("az was not asked ({error}):\n{told}"));
    text.lines().map(str::to_owned).collect()
}
