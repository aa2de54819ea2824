//! What cannot be used is refused with the reason, before anything is done.

use super::team::Team;

#[test]
fn places_that_cannot_be_used() {
    let team = Team::new();
    let one = team.alone("one");
    let plain = std::fs::read_to_string(one.path("refarch.yaml")).unwrap();
    let with = |place: &str| one.write("refarch.yaml", &format!("{plain}workspace: {place}\n"));

    with("ftp://host/team");
    one.refarch(&["validate"]).ended(65).says("`ftp://` is no storage that refarch knows");
    with("s3://key:hunter22@bucket/team");
    one.refarch(&["validate"]).ended(65).says("credentials, accounts and regions come from");
    with("/nowhere/at/all");
    one.refarch(&["apply", "--yes"]).ended(1).says("there is no such folder").says("is it mounted");
    let ran = one.refarch_with(&[("REFARCH_WORKSPACE", "ftp://host")], &["plan"]).ended(64);
    ran.says("REFARCH_WORKSPACE: `ftp://` is no storage");
    if cfg!(not(feature = "buckets")) {
        with("s3://team-state/refarch");
        one.refarch(&["plan"]).ended(1).says("reaches folders only").says("--features buckets");
    }
    assert!(team.machine.acts().is_empty() && !one.path(".refarch").exists());
}

#[test]
fn a_folder_that_was_emptied_or_is_not_mounted() {
    let team = Team::new();
    let one = team.member("one");
    one.refarch(&["apply", "--yes"]).ended(0);
    let aside = format!("{}.away", team.place);
    std::fs::rename(&team.place, &aside).unwrap();
    one.refarch(&["apply", "--yes"]).ended(1).says("there is no such folder");
    // Whoever only looks may still look.
    one.refarch(&["runs"]).ended(0).says("apply team").says("this is what this machine knew at");
    one.refarch(&["exec", "--on", "*", "--", "true"]).ended(0);
    std::fs::create_dir(&team.place).unwrap();
    one.refarch(&["apply", "--yes"]).ended(1).says("has nothing of `team` now");
    std::fs::remove_dir(&team.place).unwrap();
    std::fs::rename(&aside, &team.place).unwrap();
    one.refarch(&["apply", "--yes"]).ended(0);
}

#[test]
fn credentials_stand_in_no_package_for_support() {
    let team = Team::new();
    let one = team.member("one");
    one.refarch(&["apply", "--yes"]).ended(0);
    let variables = [("AWS_SECRET_ACCESS_KEY", "hunter22hunter22")];
    one.refarch_with(&variables, &["support", "-o", "support.tar"]).ended(0);
    let package = std::fs::read(one.path("support.tar")).unwrap();
    let text = String::from_utf8_lossy(&package);
    assert!(text.contains(&team.place), "where it is shared helps whoever helps");
    assert!(!text.contains("hunter22") && !text.contains(&team.machine.word()));
}
