//! The page about a run, as a browser shows it: narrow, wide, light, dark, on paper.
//!
//! `PICTURES=DIR` keeps pictures of all of them there, for one's own eyes.

#![allow(clippy::unwrap_used)] // a test that cannot go on ends here

mod browser;
mod runs;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use base64::Engine as _;
use serde_json::Value;

use self::{
    browser::{Browser, Look},
    runs::Sample,
};

const MEASURE: &str = include_str!("measure.js");
/// A page as wide as a laptop's, and as wide as a telephone's.
const WIDTHS: [u32; 2] = [1280, 400];
/// What A4 has between Chromium's margins.
const A4: u32 = 718;

/// Everything that is wrong with what the browser shows now, and what is there.
fn measured(browser: &mut Browser, smallest: f64) -> Value {
    browser.evaluate(&MEASURE.replace("SMALLEST", &smallest.to_string()))
}

fn keep(name: &str, content: &[u8]) {
    if let Some(folder) = std::env::var_os("PICTURES") {
        fs::write(PathBuf::from(folder).join(name), content).unwrap();
    }
}

/// Looks at a page in every way, and at the picture of who talks to whom by itself.
fn look_at(name: &str, page: &str, headings: &[&str], charts: usize) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(format!("{name}.html"));
    fs::write(&file, page).unwrap();
    keep(&format!("{name}.html"), page.as_bytes());
    let mut browser = Browser::start();
    browser.open(&file, Look { width: WIDTHS[0], dark: false, paper: false });
    let mut wrong = Vec::new();
    let mut note = |how: &str, found: &Value| {
        assert!(found["texts"].as_u64().unwrap() > 5, "{name}, {how}: {found:#}");
        let list = found["wrong"].as_array().unwrap().iter().filter_map(Value::as_str);
        wrong.extend(list.map(|one| format!("{how}: {one}")));
    };
    let mut papers = Vec::new();
    for width in WIDTHS {
        for (dark, word) in [(false, "light"), (true, "dark")] {
            browser.look(Look { width, dark, paper: false });
            keep(&format!("{name}-{width}-{word}.png"), &browser.picture());
            let found = measured(&mut browser, 9.0);
            note(&format!("{width} px, {word}"), &found);
            assert_eq!((&found["headings"], &found["charts"]), (&serde_json::json!(headings), &charts.into()));
            papers.push(found["paper"].as_f64().unwrap());
        }
    }
    assert!(papers[0] > 0.8 && papers[1] < 0.05, "light and dark: {papers:?}");

    // On paper it is light, also for who sits in the dark, and what is folded in is there.
    browser.look(Look { width: A4, dark: true, paper: true });
    let found = measured(&mut browser, 7.0);
    note("on paper", &found);
    assert_eq!((found["paper"].as_f64(), &found["charts"]), (Some(1.0), &charts.into()));
    let printed = folder.path().join("printed.pdf");
    let pdf = browser.print();
    fs::write(&printed, &pdf).unwrap();
    keep(&format!("{name}.pdf"), &pdf);
    let words = words_of(&printed);
    for heading in headings {
        assert!(words.contains(heading), "{heading} was not printed:\n{words}");
    }
    assert!(words.contains("Where What Why"), "what is folded in was not printed:\n{words}");
    assert_eq!(words.matches("while the fault lasted").count(), charts, "{words}");

    assert_eq!(browser.requests, [format!("file://{}", file.display())], "it asks for nothing but itself");
    assert_eq!(browser.complaints, Vec::<String>::new());

    // The picture of who talks to whom is closed to the page's own measuring.
    let picture = folder.path().join("picture.svg");
    let (_, rest) = page.split_once("data:image/svg+xml;base64,").unwrap();
    let (encoded, _) = rest.split_once('"').unwrap();
    fs::write(&picture, base64::engine::general_purpose::STANDARD.decode(encoded).unwrap()).unwrap();
    for (dark, word) in [(false, "light"), (true, "dark")] {
        browser.open(&picture, Look { width: 4000, dark, paper: false });
        note(&format!("who talks to whom, {word}"), &measured(&mut browser, 9.0));
    }
    assert!(wrong.is_empty(), "{name}: {} things are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// A page on which everything is wrong: the others prove something only as long as all of it is found.
#[test]
fn what_is_wrong_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("wrong.html");
    fs::write(&file, include_str!("wrong.html")).unwrap();
    let mut browser = Browser::start();
    browser.open(&file, Look { width: 400, dark: true, paper: false });
    let found = measured(&mut browser, 9.0);
    let list: Vec<&str> = found["wrong"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    for part in [
        "contrast of 2.32: \"grey\"",
        "contrast of 1.00: \"drawn\"",
        "\"far-to-the-right\" leaves the page",
        "the page is 1",
        "\"wider_than_its_box\" leaves its box",
        "letters of 5.0 px: \"small\"",
        "tiny is 50 by",
        "chart: \"under\" lies on \"over\"",
        "chart: \"outside\" leaves the picture",
        "chart: \"longer than its plate\" leaves its box",
        "chart: a polyline leaves the picture",
        "image \"stolen\" is not there",
    ] {
        assert!(list.iter().any(|wrong| wrong.contains(part)), "nobody found {part}:\n{}", list.join("\n"));
    }
    assert_eq!(found["paper"], 1.0, "it does not get dark");
    assert_eq!(found["headings"], serde_json::json!(["Seen"]));
    assert!(browser.requests.iter().any(|url| url == "http://elsewhere.example/x.png"), "{:?}", browser.requests);
    assert!(browser.complaints.iter().any(|text| text.contains("a script says so")), "{:?}", browser.complaints);
}

/// The words of a printed page, with single spaces.
fn words_of(printed: &Path) -> String {
    let output = Command::new("pdftotext")
        .arg("-layout")
        .arg(printed)
        .arg("-")
        .output()
        .expect("pdftotext is there: run `make emulators`");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().split_whitespace().collect::<Vec<_>>().join(" ")
}

fn environment(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("environments").join(file)
}

#[test]
fn a_run_of_apply() {
    let folder = tempfile::tempdir().unwrap();
    let session = runs::session(&environment("local/3k.yaml"), folder.path());
    let plan = runs::from_nothing(&session);
    let page = Sample { session: &session, plan, broken: None, drilled: None, billed: false }.page();
    look_at("apply", &page, &["demo", "Nodes", "Timeline", "Plan", "Versions", "Cost"], 0);
}

#[test]
fn a_run_of_drills() {
    let folder = tempfile::tempdir().unwrap();
    let session = runs::session(&environment("local/drill.yaml"), folder.path());
    let specs: Vec<_> = session.catalog().drills.iter().flat_map(|drills| &drills.drills).collect();
    let plan = session.drill_plan(&specs);
    let drilled = runs::drilled(&session);
    let charts = drilled.drills.iter().filter(|drill| !drill.chart.is_empty()).count();
    assert!(charts > 10, "{charts} drills");
    let page = Sample { session: &session, plan, broken: None, drilled: Some(drilled), billed: false }.page();
    look_at("drills", &page, &["drill", "Drills", "Nodes", "Timeline", "Plan", "Versions", "Cost"], charts);
}

/// Long names, many nodes, a run that failed, and a bill.
#[test]
fn a_large_environment() {
    let folder = tempfile::tempdir().unwrap();
    let name = "longest-name-allowed";
    for (size, stack) in [("10k", "sandbox"), ("50k", "gitlab")] {
        let file = folder.path().join("large.yaml");
        let text = format!("name: {name}\narchitecture: {size}\nprovider: local\nstack: {stack}\npurpose: test\n");
        fs::write(&file, text).unwrap();
        let session = runs::session(&file, folder.path());
        let plan = runs::from_nothing(&session);
        let leader = format!("configure/{name}-postgres-1/");
        let broken = plan.steps.iter().rfind(|step| step.id.as_str().starts_with(&leader)).unwrap().id.to_string();
        let page = Sample { session: &session, plan, broken: Some(broken), drilled: None, billed: true }.page();
        look_at(size, &page, &[name, "Nodes", "Timeline", "Plan", "Versions", "Cost"], 0);
    }
}

/// The binary finds the run, asks the nodes, and says of those that do not answer why.
#[test]
fn what_the_binary_writes() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::write(path("machines.yaml"), "hosts: [{ name: shop-single-1, address: 127.0.0.1, port: 1, group: single }]\n")
        .unwrap();
    fs::write(path("shop.yaml"), "name: shop\narchitecture: 1k\nprovider: static\ninventory: machines.yaml\n").unwrap();
    let session = runs::session(&path("shop.yaml"), &path("state"));
    let plan = runs::from_nothing(&session);
    let run = session.workspace().runs().join("20261130-0912-k3f9");
    fs::create_dir_all(&run).unwrap();
    plan.save(&run.join("plan.json")).unwrap();
    let lines = runs::journal(&plan, "apply shop", None);
    let text: String = lines.iter().map(|line| format!("{}\n", serde_json::to_string(line).unwrap())).collect();
    fs::write(run.join("journal.jsonl"), text).unwrap();

    let written = Command::new(env!("CARGO_BIN_EXE_refarch"))
        .args(["report", "-e", "shop.yaml", "-o", "page.html"])
        .current_dir(folder.path())
        .env("REFARCH_WORKSPACE", path("state"))
        .output()
        .unwrap();
    assert!(written.status.success(), "{}", String::from_utf8_lossy(&written.stderr));
    let page = fs::read_to_string(path("page.html")).unwrap();
    assert!(page.contains("0/1") && page.contains("not healthy"), "{page}");
    look_at("binary", &page, &["shop", "Nodes", "Timeline", "Plan", "Cost"], 0);
}
