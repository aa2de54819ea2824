//! Resource providers that the subscription lacks: registered where the file says so, told where it does not (see
//! `refusals.rs`).

use serde_json::json;

use crate::{SMALL, place::Place};

#[test]
fn what_is_not_registered_is_registered_first_where_the_file_says_so_and_stays() {
    let place = Place::new(&format!("{SMALL}azure: {{ register_providers: true }}\n"));
    place.fake.set(json!({ "unregistered": ["Microsoft.Compute", "Microsoft.Network"] }));
    let told = place.refarch("plan", &["--infrastructure"]).ok();
    assert!(told.out.contains("resource provider Microsoft.Compute"), "{}", told.out);
    let said = place.apply(&[]).ok();
    assert!(said.err.contains("not registered: Microsoft.Compute, Microsoft.Network"), "{}", said.err);
    let changes: Vec<String> = place.changes().into_iter().map(|(method, path)| format!("{method} {path}")).collect();
    let registers = |change: &&String| change.ends_with("/register");
    assert_eq!(changes.iter().filter(registers).count(), 2, "{changes:#?}");
    place.assert_settled();

    // Registering is the subscription's: nothing takes it back.
    place.destroy().ok();
    place.assert_empty();
    let calls = place.changes().len();
    place.apply(&[]).ok();
    assert!(place.changes()[calls..].iter().all(|(_, path)| !path.ends_with("/register")));
    place.destroy().ok();
    place.assert_empty();
}

#[test]
fn who_may_not_register_is_told_whom_to_ask() {
    let place = Place::new(&format!("{SMALL}azure: {{ register_providers: true }}\n"));
    place.fake.set(json!({ "unregistered": ["Microsoft.Network"] }));
    place.fake.rule(json!({ "method": "POST", "path": "*/register", "times": 99, "answer": {
        "status": 403, "code": "AuthorizationFailed",
        "message": "The client does not have authorization to perform action 'Microsoft.Network/register/action'.",
    }}));
    let said = place.apply(&[]).ended(1);
    assert!(said.err.contains("Microsoft.Network/register/action"), "{}", said.err);
    assert!(said.err.contains("az provider register --namespace Microsoft.Network --wait"), "{}", said.err);
    assert!(place.all("/virtualNetworks").is_empty());
}
