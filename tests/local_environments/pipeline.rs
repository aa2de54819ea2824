//! The pipeline of docs/ci: its job's own lines, run as a runner runs them.

use std::{
    fs,
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Child, Command},
    time::{Duration, Instant},
};

use refarch::provider::local::leftovers;
use serde_json::Value;

use super::place::Place;

const NAME: &str = "qa-4711";

/// A part of the job, as a runner makes a shell script of it.
fn part(name: &str) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/ci/gitlab-ci.yml");
    let pipeline: Value = serde_saphyr::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    let lines = pipeline["qa"][name].as_array().unwrap().iter().map(|line| line.as_str().unwrap());
    lines.collect::<Vec<_>>().join("\n")
}

/// Starts a part of the job in a process group of its own, which is what a runner ends.
fn start(place: &Place, name: &str) -> Child {
    let binary = Path::new(env!("CARGO_BIN_EXE_refarch")).parent().unwrap();
    let path = format!("{}:{}", binary.display(), std::env::var("PATH").unwrap());
    let output = fs::File::create(place.path(&format!("{name}.log"))).unwrap();
    Command::new("sh")
        .args(["-e", "-c", &part(name)])
        .current_dir(place.path("."))
        .envs([("PATH", path.as_str()), ("PLACES", "places"), ("SIZE", "1k"), ("VERSION", "")])
        .envs([("REFARCH_NAME", NAME), ("REFARCH_PURPOSE", "test"), ("REFARCH_OUTPUT", "plain")])
        .env("DRILLS", "--only every-node-restarted")
        .stdout(output.try_clone().unwrap())
        .stderr(output)
        .process_group(0)
        .spawn()
        .unwrap()
}

fn place() -> Place {
    let place = Place::new(NAME, &format!("name: {NAME}\narchitecture: 1k\nprovider: local\n"));
    fs::create_dir(place.path("places")).unwrap();
    place.write("places/1k.yaml", "name: demo\narchitecture: 1k\nprovider: local\n");
    place
}

fn log(place: &Place, name: &str) -> String {
    fs::read_to_string(place.path(&format!("{name}.log"))).unwrap()
}

#[tokio::test]
async fn the_job_brings_up_proves_drills_reports_and_destroys() {
    let place = place();
    let code = start(&place, "script").wait().unwrap();
    let said = log(&place, "script");
    assert!(code.success(), "{said}");
    assert!(said.contains("checks hold"), "{said}");
    let results = fs::read_to_string(place.path("drills.xml")).unwrap();
    assert!(results.contains("every-node-restarted"), "{results}");

    start(&place, "after_script").wait().unwrap();
    assert_eq!(leftovers(NAME).await.unwrap(), Vec::<String>::new(), "{}", log(&place, "after_script"));
    assert!(fs::read_to_string(place.path("report.html")).unwrap().contains("every-node-restarted"));
    assert!(fs::read_to_string(place.path("timeline.svg")).unwrap().starts_with("<svg"));
    assert!(!place.path("left.txt").exists(), "{}", log(&place, "after_script"));
}

#[tokio::test]
async fn a_cancelled_job_leaves_nothing() {
    let place = place();
    let mut job = start(&place, "script");
    let until = Instant::now() + Duration::from_secs(120);
    while leftovers(NAME).await.unwrap().is_empty() {
        assert!(Instant::now() < until && job.try_wait().unwrap().is_none(), "{}", log(&place, "script"));
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let group = format!("-{}", job.id());
    assert!(Command::new("kill").args(["-TERM", "--", &group]).status().unwrap().success());
    assert!(!job.wait().unwrap().success());

    start(&place, "after_script").wait().unwrap();
    assert_eq!(leftovers(NAME).await.unwrap(), Vec::<String>::new(), "{}", log(&place, "after_script"));
    assert!(!place.path("left.txt").exists(), "{}", log(&place, "after_script"));
}
