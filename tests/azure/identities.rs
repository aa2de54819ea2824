//! Buckets, and who may use them: an identity for each group that does, and no key.

use std::collections::{BTreeMap, BTreeSet};

use refarch::provider::azure::azure_mgmt::{Client, compute};
use serde_json::{Value, json};

use crate::{SMALL, drift::somebody, place::Place};

/// Of the sandbox's roles `app` and `sidekiq` use buckets.
fn with_buckets(buckets: &str) -> String {
    SMALL.replace("cloud:\n", &format!("cloud:\n  buckets: {buckets}\n"))
}

/// Machine -> names of its identities.
fn identities(place: &Place) -> BTreeMap<String, Vec<String>> {
    let names = |machine: &Value| -> Vec<String> {
        let all = machine["identity"]["userAssignedIdentities"].as_object().into_iter().flatten();
        let names: BTreeSet<String> = all.map(|(id, _)| id.rsplit('/').next().unwrap().to_owned()).collect();
        names.into_iter().collect()
    };
    place.machines().into_iter().map(|(name, machine)| (name, names(&machine))).collect()
}

/// Identity -> role and container of each thing that it may.
fn allowed(place: &Place) -> BTreeMap<String, BTreeSet<(String, String)>> {
    let end = |text: &str| text.rsplit('/').next().unwrap().to_owned();
    let principals: BTreeMap<String, String> = place
        .all("/userAssignedIdentities")
        .into_iter()
        .map(|(name, one)| (one["properties"]["principalId"].as_str().unwrap().to_owned(), name))
        .collect();
    let mut found: BTreeMap<String, BTreeSet<(String, String)>> = BTreeMap::new();
    for assignment in place.all("/roleAssignments").into_values() {
        let what = &assignment["properties"];
        let who = principals.get(what["principalId"].as_str().unwrap()).cloned().unwrap_or_else(|| "nobody".to_owned());
        let role = end(what["roleDefinitionId"].as_str().unwrap());
        found.entry(who).or_default().insert((role, end(what["scope"].as_str().unwrap())));
    }
    found
}

/// What may be done with blobs, and nothing else: Storage Blob Data Contributor.
fn blobs<const N: usize>(containers: [&str; N]) -> BTreeSet<(String, String)> {
    containers.map(|name| ("ba92f5b4-2d11-453d-a403-e96b0029c9fe".to_owned(), name.to_owned())).into()
}

#[test]
fn each_group_that_uses_buckets_has_an_identity_of_its_own_and_nobody_else_has_one() {
    let two = with_buckets("[artifacts, lfs]").replace(
        "  app: {",
        "  front: { count: 1, roles: [app], vcpu: 2, memory_gb: 4, machine_type: Standard_F2s_v2 }\n  app: {",
    );
    let place = Place::new(&two);
    place.apply(&[]).ok();
    assert_eq!(place.all("/containers").into_keys().collect::<Vec<_>>(), ["artifacts", "lfs"]);
    let account = place.all("/storageAccounts").into_values().next().unwrap();
    assert_eq!(account["properties"]["allowSharedKeyAccess"], false);
    assert_eq!(account["properties"]["allowBlobPublicAccess"], false);
    for (machine, own) in identities(&place) {
        let wanted: &[&str] = match machine.as_str() {
            "demo-app-1" | "demo-app-2" => &["demo-identity-app"],
            "demo-front-1" => &["demo-identity-front"],
            _ => &[],
        };
        assert_eq!(own, wanted, "{machine}");
    }
    let both = blobs(["artifacts", "lfs"]);
    let wanted = [("demo-identity-app".to_owned(), both.clone()), ("demo-identity-front".to_owned(), both)];
    assert_eq!(allowed(&place), wanted.into());
    place.assert_settled();

    // A group goes, and with it its identity and what it was allowed.
    place.write(&with_buckets("[artifacts, lfs]"));
    place.apply(&[]).ok();
    assert_eq!(allowed(&place).into_keys().collect::<Vec<_>>(), ["demo-identity-app"]);
    place.assert_settled();
    place.destroy().ok();
    place.assert_empty();
}

#[test]
fn a_bucket_that_is_added_is_allowed_too() {
    let place = Place::new(&with_buckets("[artifacts]"));
    place.apply(&[]).ok();
    place.write(&with_buckets("[artifacts, lfs]"));
    place.apply(&[]).ok();
    assert_eq!(allowed(&place), [("demo-identity-app".to_owned(), blobs(["artifacts", "lfs"]))].into());
    place.assert_settled();
}

#[test]
fn an_identity_that_somebody_took_away_comes_back_and_those_of_others_stay() {
    let place = Place::new(&with_buckets("[artifacts]"));
    place.apply(&[]).ok();
    place.make_group("policies");
    let others = place.make_identity("policies", "monitoring");
    // What one had before groups had their own.
    let old = place.make_identity("refarch-demo", "demo-identity");
    let write = async |client: Client| {
        let own = client.id("refarch-demo", "Microsoft.ManagedIdentity/userAssignedIdentities", "demo-identity-app");
        for (machine, named) in
            [("demo-app-1", json!({ &others: {}, &old: {}, own: null })), ("demo-app-2", json!({ &others: {} }))]
        {
            let id = client.id("refarch-demo", "Microsoft.Compute/virtualMachines", machine);
            let body =
                json!({ "identity": { "type": "SystemAssigned, UserAssigned", "userAssignedIdentities": named } });
            client.patch(&id, compute::VERSION, &body).await.unwrap();
        }
    };
    tokio::runtime::Runtime::new().unwrap().block_on(write(somebody(&place)));
    let said = place.refarch("plan", &["--infrastructure", "--detailed-exitcode"]).ended(2);
    assert!(said.out.contains("demo-app-1") && said.out.contains("identity"), "{}", said.out);
    assert!(!said.out.contains("demo-app-2"), "it has what it needs:\n{}", said.out);
    place.apply(&[]).ok();
    for machine in ["demo-app-1", "demo-app-2"] {
        assert_eq!(identities(&place)[machine], ["demo-identity-app", "monitoring"], "{machine}");
        assert_eq!(place.machines()[machine]["identity"]["type"], "SystemAssigned, UserAssigned");
    }
    place.assert_settled();

    // Without buckets nobody has one, and what others gave stays.
    place.write(SMALL);
    place.refarch("apply", &["--infrastructure", "--yes", "--destroy-data", "demo"]).ok();
    for machine in ["demo-app-1", "demo-app-2"] {
        assert_eq!(identities(&place)[machine], ["monitoring"], "{machine}");
    }
    place.assert_settled();
}
