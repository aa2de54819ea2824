//! Switching a cloud's machines off and on, as drills do. Between the two a drill needs nodes that answer, which emulated
//! machines do not: so the provider itself is asked, by this test's own program with the account's variables.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use refarch::{
    provider::Power,
    session::{Request, Session},
};

const ASKED: &str = "TEST_POWER";

/// Asks the provider of an environment to switch a node. `like` is a command that has the account's variables and
/// the environment file last.
pub fn switch(like: &Command, node: &str, power: &str) {
    let file = Path::new(like.get_args().last().unwrap());
    let mut child = Command::new(std::env::current_exe().unwrap());
    for (name, value) in like.get_envs() {
        match value {
            Some(value) => child.env(name, value),
            None => child.env_remove(name),
        };
    }
    let asked = format!("{}\n{node}\n{power}", file.display());
    let ran =
        child.args(["--ignored", "--exact", "power::asked"]).env(ASKED, asked).stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&ran.stdout).into_owned() + &String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success() && said.contains("1 passed"), "{said}");
}

#[tokio::test]
#[ignore = "the other half of the tests that switch machines"]
async fn asked() {
    let asked = std::env::var(ASKED).unwrap();
    let [file, node, power] = asked.lines().collect::<Vec<_>>()[..] else { panic!("{asked}") };
    let power = match power {
        "off" => Power::Off,
        "on" => Power::On,
        _ => Power::Restart,
    };
    let workspace = std::env::var_os("REFARCH_WORKSPACE").map(Into::into);
    let session = Session::open(&Request { file: file.into(), sets: vec![], roles: None, workspace }).unwrap();
    let done = session.provider().power(node, power).await.unwrap();
    assert_eq!(done, power != Power::Restart, "a machine restarts itself");
}
