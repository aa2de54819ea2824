//! What the user has to mend first: the error says what, where, whom to ask, and nothing is half made.

use serde_json::json;

use crate::{
    SMALL,
    place::{Place, Said},
};

#[track_caller]
fn refused(place: &Place, words: &[&str]) {
    let said = place.apply(&[]);
    assert_ne!(said.code, Some(0), "{said:?}");
    let text = format!("{}{}", said.out, said.err);
    for word in words {
        assert!(text.contains(word), "it does not say `{word}`:\n{text}");
    }
}

#[test]
fn no_login_at_all() {
    let place = Place::new(SMALL);
    let mut command = place.command("apply", &["--infrastructure", "--yes"]);
    for name in ["AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET"] {
        command.env_remove(name);
    }
    let said = Said::from(command.output().unwrap());
    assert_ne!(said.code, Some(0));
    let text = format!("{}{}", said.out, said.err);
    assert!(text.contains("log in with `az login`"), "{text}");
    assert!(place.changes().is_empty());
}

#[test]
fn a_wrong_secret() {
    let place = Place::new(SMALL);
    let mut command = place.command("apply", &["--infrastructure", "--yes"]);
    command.env("AZURE_CLIENT_SECRET", "wrong");
    let said = Said::from(command.output().unwrap());
    let text = format!("{}{}", said.out, said.err);
    assert!(text.contains("AADSTS7000215") && text.contains("log in with `az login`"), "{text}");
}

#[test]
fn a_wrong_tenant_and_a_wrong_subscription() {
    let place = Place::new(&format!("{SMALL}azure: {{ tenant: 99999999-1111-1111-1111-111111111111 }}\n"));
    refused(&place, &["it belongs to the directory 11111111-1111-1111-1111-111111111111"]);
    place.write(&format!("{SMALL}azure: {{ subscription: 99999999-2222-2222-2222-222222222222 }}\n"));
    refused(&place, &["sees no such subscription"]);
    assert!(place.changes().is_empty());
}

#[test]
fn a_provider_that_is_not_registered() {
    let place = Place::new(SMALL);
    place.fake.set(json!({ "unregistered": ["Microsoft.Network"] }));
    refused(
        &place,
        &["not registered: Microsoft.Network", "az provider register --namespace Microsoft.Network --wait"],
    );
    assert!(place.changes().is_empty());
}

#[test]
fn a_quota_that_is_too_small() {
    let place = Place::new(SMALL);
    place.fake.set(json!({ "cores": 8 }));
    refused(&place, &["quota cores", "13 needed, 8 of 8 left"]);
    assert!(place.changes().is_empty());
}

#[test]
fn a_policy_that_denies_names_the_request_and_what_is_there_is_found_by_the_next_run() {
    let place = Place::new(SMALL);
    place.fake.rule(json!({ "method": "PUT", "path": "*/natgateways/*", "times": 99, "answer": {
        "status": 403, "code": "RequestDisallowedByPolicy", "message": "Resource 'demo-nat-1' was disallowed by policy."
    }}));
    refused(&place, &["RequestDisallowedByPolicy", "(request ", "ask who keeps the policies"]);
    let wanted = place.fake.resources().len();
    assert!(wanted > 0);
    place.destroy().ok();
    place.assert_empty();
}

#[test]
fn a_permission_that_is_missing_names_the_role_and_the_request() {
    let place = Place::new(SMALL);
    place.fake.rule(json!({ "method": "PUT", "path": "*/virtualnetworks/*", "times": 99, "answer": {
        "status": 403, "code": "AuthorizationFailed",
        "message": "The client does not have authorization to perform action 'Microsoft.Network/virtualNetworks/write'.",
    }}));
    refused(&place, &["Microsoft.Network/virtualNetworks/write", "(request ", "the role Contributor"]);
    assert!(place.machines().is_empty());
    place.destroy().ok();
    place.assert_empty();
}

#[test]
fn a_network_that_lies_over_another_one_is_told_before_anything_is_made() {
    let place = Place::new(SMALL);
    place.make_group("office");
    place.make_network("office", "lan", "10.20.128.0/20", &[]);
    let said = place.refarch("check", &[]);
    let text = format!("{}{}", said.out, said.err);
    assert!(text.contains("10.20.0.0/16 lies over 10.20.128.0/20") && text.contains("cloud.network.cidr"), "{text}");
    assert!(place.changes().is_empty());
}

#[test]
fn a_network_that_exists_but_not_there_or_not_so() {
    let with = |id: &str, more: &str| SMALL.replace("cloud:\n", &format!("cloud:\n  network: {{ id: {id}{more} }}\n"));
    let missing = "/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/office/providers/Microsoft.Network/virtualNetworks/lan";
    let place = Place::new(&with(missing, ""));
    refused(&place, &["virtualNetworks/lan is not there", "az network vnet list"]);
    place.make_group("office");
    place.make_network("office", "lan", "10.9.0.0/16", &[("nodes", "10.9.1.0/24")]);
    place.write(&with(missing, ", private_subnets: [databases]"));
    refused(&place, &["has no subnet `databases`: it has nodes", "private_subnets"]);
    assert!(place.changes().is_empty());
}

#[test]
fn a_region_that_is_none_and_one_without_zones() {
    let place = Place::new(&SMALL.replace("westeurope", "atlantis"));
    refused(&place, &["`atlantis` is no region"]);
    place.write(&SMALL.replace("westeurope", "westus"));
    refused(&place, &["westus has no availability zones", "azure.availability_sets: true"]);
    place.write(&SMALL.replace("  region: westeurope\n", ""));
    refused(&place, &["the environment file names no region"]);
    assert!(place.changes().is_empty());
}

#[test]
fn a_group_of_our_name_that_is_somebody_elses() {
    let place = Place::new(SMALL);
    place.make_group("refarch-demo");
    refused(&place, &["refarch-demo", "does not carry the tag refarch-environment=demo"]);
}

#[test]
fn things_that_others_put_into_the_group_keep_it_from_being_removed() {
    let place = Place::new(SMALL);
    place.apply(&[]).ok();
    place.make_key("refarch-demo", "mine");
    let said = place.destroy().ended(1);
    assert!(said.err.contains("1 things that are not the environment's are in it"), "{}", said.err);
    assert_eq!(place.fake.resources().len(), 2);
}
