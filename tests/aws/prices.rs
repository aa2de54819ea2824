//! Money: what a plan costs, and prices asked for today.

use serde_json::{Value, json};

use crate::{SMALL, front::Place};

#[test]
fn cost_adds_up_what_the_file_asks_for_and_asks_nobody() {
    let place = Place::new(SMALL);
    let said = place.refarch("cost", &[]).ok();
    assert_eq!(
        said.out,
        "\
\x20GROUP             NODES  PAID FOR                         PER HOUR  PER MONTH
 haproxy-external      1  1 c5.large, 1 gp3 disk, 20 GB       0.087      63.65
 postgres              3  3 m5.large, 3 gp3 disks, 150 GB     0.304     222.24
 gitaly                1  1 c5.large, 1 gp3 disk, 20 GB       0.087      63.65
 app                   2  2 c5.large, 2 gp3 disks, 40 GB      0.174     127.30
 address                  3 public-ipv4                       0.015      10.95
 NAT gateway              1 nat-gateway                       0.045      32.85
 bastion                  1 t3.micro, 1 gp3 disk, 8 GB        0.011       8.23
 all                   7                                      0.724     528.87

demo: USD before tax, on demand, 730 hours a month; prices of us-east-1, 2026-01-19
paid by use, in no sum: 1 nat-gateway-data (0.045 USD a GB)
",
        "---- found:\n{}",
        said.out
    );
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
