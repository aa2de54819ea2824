//! Who may act, and what becomes of a run whose machine is gone.

use super::team::{Ran, Team};

/// The same on a folder and on a bucket.
pub fn a_second_checkout_finishes_what_a_laptop_that_is_gone_began(team: &Team) {
    let (one, two) = (team.member("one"), team.member("two"));
    two.refarch(&["runs"]).ended(0).says("nothing was run yet");
    let gate = team.machine.close_gate();
    let mut apply = one.start(&["apply", "--yes"]);
    team.await_acts(1);
    // While it works, everybody knows, and nobody else does.
    two.refarch(&["runs"]).ended(0).says("running");
    two.refarch(&["lock"]).ended(0).says("for `apply team`");
    two.refarch(&["apply", "--yes"]).ended(4).says("locked by");
    apply.kill().unwrap();
    apply.wait().unwrap();
    one.lose();
    gate.open();

    two.refarch(&["runs"]).ended(0).says("interrupted");
    two.refarch(&["resume"]).ended(0);
    let word = two.refarch(&["secrets", "show", "word"]).ended(0).stdout;
    assert_eq!(word.trim(), team.machine.word(), "the secret that the first one made");
    two.refarch(&["plan", "--detailed-exitcode"]).ended(0);
    let three = team.member("three");
    three.refarch(&["plan", "--detailed-exitcode"]).ended(0);
    three.refarch(&["runs", "show", "latest"]).ended(0).says("resumed");
    three.refarch(&["lock"]).ended(0).says("nobody has the lock");
    three.refarch(&["resume"]).ended(1).says("no run is left to finish");
}

/// Four at once, again and again: one at a time, and each waits for its turn.
pub fn controllers_at_the_same_time_never_both_act(team: &Team) {
    let members: Vec<_> = (0..4).map(|number| team.member(&format!("m{number}"))).collect();
    for round in 1..=3 {
        team.machine.forget();
        let working: Vec<_> =
            members.iter().map(|member| member.start(&["apply", "--yes", "--lock-wait", "120"])).collect();
        for child in working {
            Ran::from(child.wait_with_output().unwrap()).ended(0);
        }
        // Whoever was first did the work; the others came, looked, and found nothing to do.
        let acts = team.machine.acts();
        let expected = ["begin base", "end base", "begin tools", "end tools"].repeat(round);
        assert_eq!(acts, expected);
    }
}

#[test]
fn a_laptop_is_gone_and_a_folder_is_left() {
    a_second_checkout_finishes_what_a_laptop_that_is_gone_began(&Team::new());
}

#[test]
fn many_controllers_share_a_folder() {
    controllers_at_the_same_time_never_both_act(&Team::new());
}

#[test]
fn whoever_is_refused_keeps_nobody_waiting() {
    let team = Team::new();
    let (one, two) = (team.member("one"), team.member("two"));
    one.refarch(&["apply"]).ended(64).says("nobody can be asked here");
    assert!(team.machine.acts().is_empty());
    two.refarch(&["lock"]).ended(0).says("nobody has the lock");
    let begun = std::time::Instant::now();
    two.refarch(&["apply", "--yes"]).ended(0);
    assert!(begun.elapsed() < std::time::Duration::from_secs(25), "it waited for a lease");
}

#[test]
fn whoever_loses_the_lock_begins_nothing_more() {
    let team = Team::new();
    let (one, two) = (team.member("one"), team.member("two"));
    let gate = team.machine.close_gate();
    let apply = one.start(&["apply", "--yes"]);
    team.await_acts(1);
    two.refarch(&["lock", "break"]).ended(0).says("taken away");
    gate.open();
    let ran = Ran::from(apply.wait_with_output().unwrap());
    assert!(ran.code == 1 || ran.code == 5, "{ran:?}");
    assert!(ran.stderr.contains("taken away"), "{ran:?}");
    assert_eq!(team.machine.acts(), ["begin base", "end base"]);
    two.refarch(&["apply", "--yes"]).ended(0);
    assert_eq!(team.machine.acts(), ["begin base", "end base", "begin tools", "end tools"]);
    // What the first one knew of its end is put aside, and it goes on with what all know.
    one.refarch(&["plan", "--detailed-exitcode"]).ended(0).says("aside");
}
