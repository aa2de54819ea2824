//! Money: what a plan costs, and prices asked for today.

use serde_json::{Value, json};

use crate::{SMALL, front::Place};

#[test]
fn cost_adds_up_what_the_file_asks_for_and_asks_nobody() {
    let place = Place::new(SMALL);
    let said = place.refarch("cost", &[]).ok();
    assert_eq!(said.out, "", "---- found:\n{}", said.out);
    assert!(place.front.calls().is_empty());
}

#[test]
fn a_plan_says_what_it_does_to_the_bill() {
    let place = Place::new(SMALL);
    let said = place.refarch("plan", &["--infrastructure"]).ok();
    let line = said.out.lines().find(|line| line.starts_with("cost: ")).unwrap().to_owned();
    assert!(line.contains("(now 0.000 and 0.00)"), "{line}");
    place.apply(&[]).ok();
    place.write(&SMALL.replace("m5.large", "m5.4xlarge"));
    let said = place.command("plan", &["--infrastructure"]).env("REFARCH_OUTPUT", "json").output().unwrap();
    let plan: Value = serde_json::from_slice(&said.stdout).unwrap();
    let (before, after) = (plan["money"]["before"].as_f64().unwrap(), plan["money"]["after"].as_f64().unwrap());
    // Three machines of 0.096 become three of 0.768.
    assert!((after - before - 3.0 * 0.672).abs() < 1e-6, "{before} {after}");
    assert_eq!(plan["money"]["unknown"], json!([]));
}

#[test]
fn a_type_without_a_price_is_named() {
    let place = Place::new(&SMALL.replace("m5.large", "m4.large"));
    let said = place.refarch("cost", &[]).ok();
    assert!(said.out.contains("no price known, in no sum: m4.large\n"), "{}", said.out);
}

#[test]
fn prices_of_today_are_asked_for_and_kept() {
    let place = Place::new(&SMALL.replace("us-east-1", "eu-central-1"));
    let before = place.refarch("cost", &[]).ok();
    assert!(before.out.contains("prices of us-east-1, 2026-01-19 (yours may differ"), "{}", before.out);
    let said = place.refarch("cost", &["refresh"]).ok();
    assert!(said.out.starts_with("prices of 2026-11-20 kept in "), "{}", said.out);
    assert!(said.out.ends_with("\neu-central-1: 15 machine types\n"), "{}", said.out);
    let after = place.refarch("cost", &[]).ok();
    assert!(after.out.contains("prices of eu-central-1, 2026-11-20\n"), "{}", after.out);
    // Made up for tests: a c5.large is 1 an hour there.
    let told = place.command("cost", &[]).env("REFARCH_OUTPUT", "json").output().unwrap();
    let told: Value = serde_json::from_slice(&told.stdout).unwrap();
    assert!(told["hourly"].as_f64().unwrap() > 6.0, "{told}");
}
