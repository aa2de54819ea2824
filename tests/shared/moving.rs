//! An environment of one machine becomes a team's, and people come and go.

use super::team::Team;

#[test]
fn an_environment_moves_in_and_does_not_move_out_by_accident() {
    let team = Team::new();
    let one = team.alone("one");
    one.refarch(&["apply", "--yes"]).ended(0);
    let plain = std::fs::read_to_string(one.path("refarch.yaml")).unwrap();
    one.write("refarch.yaml", &format!("{plain}workspace: {}\n", team.place));
    one.refarch(&["plan", "--detailed-exitcode"]).ended(0);
    one.refarch(&["apply", "--yes"]).ended(0).says("moved");
    let two = team.member("two");
    two.refarch(&["plan", "--detailed-exitcode"]).ended(0);
    assert_eq!(two.refarch(&["secrets", "show", "word"]).ended(0).stdout.trim(), team.machine.word());
    two.refarch(&["runs"]).ended(0).says("apply team");

    // A file that does not name the place any more must not lead past the team's lock.
    one.write("refarch.yaml", &plain);
    one.refarch(&["apply", "--yes"]).ended(1).says("names no shared `workspace`").says(&team.place);
    one.refarch_with(&[("REFARCH_WORKSPACE", &format!("file://{}", team.place))], &["plan", "--detailed-exitcode"])
        .ended(0);

    // Another environment of this name moves in nowhere.
    let three = team.alone("three");
    three.refarch(&["apply", "--yes"]).ended(0);
    three.write("refarch.yaml", &format!("{plain}workspace: {}\n", team.place));
    three.refarch(&["apply", "--yes"]).ended(1).says("one of the same name already");
}

#[test]
fn a_second_person_is_added_by_name() {
    let team = Team::new();
    let one = team.member("one");
    one.refarch(&["apply", "--yes"]).ended(0);
    let own = team.member("two").identified_by(&one.path("../other-identity.txt"));
    let key = own.refarch(&["secrets", "identity"]).ended(0).stdout.trim().to_owned();
    own.refarch(&["plan"]).ended(1).says("is encrypted for age1").says(&key);

    let first = one.refarch(&["secrets", "identity"]).ended(0).stdout.trim().to_owned();
    let file = std::fs::read_to_string(one.path("refarch.yaml")).unwrap();
    one.write("refarch.yaml", &format!("{file}recipients: [{first}, {key}]\n"));
    one.refarch(&["apply", "--yes"]).ended(0);
    own.refarch(&["plan", "--detailed-exitcode"]).ended(0);
    assert_eq!(own.refarch(&["secrets", "show", "word"]).ended(0).stdout.trim(), team.machine.word());
    // What the second one writes, the first one reads.
    team.machine.forget();
    own.refarch(&["apply", "--yes"]).ended(0);
    one.refarch(&["runs", "show", "latest"]).ended(0).says("end").ended(0);
}

#[test]
fn nothing_secret_lies_in_the_shared_folder() {
    let team = Team::new();
    team.member("one").refarch(&["apply", "--yes"]).ended(0);
    let word = team.machine.word();
    let (mut folders, mut seen) = (vec![std::path::PathBuf::from(&team.place)], 0);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
            assert!(!text.contains(&word) && !text.contains("PRIVATE KEY") && !text.contains("127.0.0.1"), "{path:?}");
            seen += 1;
        }
    }
    assert!(seen >= 5, "{seen} objects");
}
