//! Programs run for real with `sh`, on files of a scratch folder and with stand-ins for systemd and dpkg.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    process::Command,
};

use super::{
    program::{Layout, Mode, compile_at},
    resource::{Item, Outcome, Stage, Want},
    run::{ConfigureError, StageReport, run_compiled},
};
use crate::{
    event::{Event, Events, StepLog},
    provider::Host,
    remote::local_shell::{LocalShell, here},
};

/// Stand-in for systemctl: a unit is active or enabled when a file says so; every call is written down.
const SYSTEMCTL: &str = r#"#!/bin/sh
verb=$1
shift
case $verb in show) ;; *) echo "$verb $*" | sed 's/ -- / /' >>"$D/calls" ;; esac
while [ $# -gt 0 ]; do case $1 in --) shift; break ;; -*) shift; [ "$verb" = show ] && shift ;; *) break ;; esac; done
first=1
for u in "$@"; do
    case $verb in
    show)
        [ $first ] || echo
        first=
        s=inactive; [ ! -e "$D/units/$u.active" ] || s=active
        e=disabled; [ ! -e "$D/units/$u.enabled" ] || e=enabled
        printf 'LoadState=loaded\nActiveState=%s\nSubState=x\nUnitFileState=%s\nNeedDaemonReload=no\n' $s $e
        ;;
    start | restart) [ ! -e "$D/units/$u.broken" ] || { echo "$u is broken"; exit 1; }; : >"$D/units/$u.active" ;;
    enable) : >"$D/units/$u.enabled" ;;
    esac
done
exit 0
"#;
const DPKG_QUERY: &str = r#"#!/bin/sh
for p in "$@"; do [ ! -e "$D/packages/$p" ] || echo "installed $p"; done
exit 0
"#;
const APT_GET: &str = r#"#!/bin/sh
echo "apt-get $*" | sed 's/ -[^ ]*//g; s/ [A-Z][A-Za-z]*::[^ ]*//g' >>"$D/calls"
[ -e "$D/policy-rc.d" ] && echo 'services held back' >>"$D/calls"
[ ! -e "$D/no-packages" ] || { echo 'E: nothing there'; exit 100; }
for p in "$@"; do case $p in -* | *=* | *::* | install) ;; *) : >"$D/packages/$p" ;; esac; done
"#;

pub(super) struct Rig {
    folder: tempfile::TempDir,
    shell: LocalShell,
    host: Host,
    owner: String,
    group: String,
}

pub(super) struct Ran {
    pub(super) report: Result<StageReport, ConfigureError>,
    output: Vec<String>,
    pub(super) calls: Vec<String>,
}

impl Ran {
    fn outcomes(&self) -> Vec<(String, Outcome, String)> {
        let report = match &self.report {
            Ok(report) => report,
            Err(ConfigureError::Failed { report, .. }) => report,
            Err(error) => panic!("{error}: {:?}", error.output()),
        };
        let name = |id: &str| id.rsplit('/').next().unwrap_or(id).to_owned();
        report.results.iter().map(|result| (name(&result.id), result.outcome, result.detail.clone())).collect()
    }

    pub(super) fn all_ok(&self) -> bool {
        self.outcomes().iter().all(|(_, outcome, _)| *outcome == Outcome::Ok)
    }

    pub(super) fn of(&self, name: &str) -> (Outcome, String) {
        let found = self.outcomes().into_iter().find(|(id, ..)| id == name);
        let (_, outcome, detail) = found.unwrap_or_else(|| panic!("no {name} in {:?}", self.outcomes()));
        (outcome, detail)
    }
}

impl Rig {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for name in ["bin", "units", "packages", "state", "etc"] {
            fs::create_dir(root.join(name)).unwrap();
        }
        for (name, text) in [("systemctl", SYSTEMCTL), ("dpkg-query", DPKG_QUERY), ("apt-get", APT_GET)] {
            let path = root.join("bin").join(name);
            fs::write(&path, text.replace("$D", &root.display().to_string())).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        fs::write(root.join("bin/dpkg"), "#!/bin/sh\n").unwrap();
        fs::set_permissions(root.join("bin/dpkg"), fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(root.join("os-release"), "ID=debian\n").unwrap();
        let id = |option: &str| {
            let output = Command::new("id").arg(option).output().unwrap();
            String::from_utf8(output.stdout).unwrap().trim().to_owned()
        };
        let host = here();
        let shell = LocalShell { bin: root.join("bin") };
        Self { shell, host, owner: id("-un"), group: id("-gn"), folder }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    pub(super) fn file(&self, name: &str, content: &str) -> Item {
        self.special(name, content, false, false)
    }

    pub(super) fn special(&self, name: &str, content: &str, secret: bool, initial: bool) -> Item {
        let path = self.text(name);
        let (owner, group) = (self.owner.clone(), self.group.clone());
        let want = Want::File {
            path,
            content: content.as_bytes().into(),
            mode: "0640".to_owned(),
            owner,
            group,
            secret,
            initial,
        };
        Item { id: format!("file {}", self.text(name)), want }
    }

    fn directory(&self, name: &str) -> Item {
        let path = self.text(name);
        let (owner, group) = (self.owner.clone(), self.group.clone());
        Item { id: format!("directory {path}"), want: Want::Directory { path, mode: "0750".to_owned(), owner, group } }
    }

    fn service(&self, on: &[&str], reload: &[&str], stamp: &str, validate: Option<&str>) -> Item {
        let want = Want::Service {
            name: "web".to_owned(),
            restart_on: on.iter().map(|name| self.text(name)).collect(),
            reload_on: reload.iter().map(|name| self.text(name)).collect(),
            validate: validate.map(str::to_owned),
            stamp: stamp.to_owned(),
        };
        Item { id: "service web".to_owned(), want }
    }

    pub(super) async fn run(&self, mode: Mode, items: &[Item]) -> Ran {
        let stage = Stage { node: "here".to_owned(), role: "test".to_owned(), resources: items.to_vec() };
        let [state, policy, release, packages, dpkg] =
            ["state", "policy-rc.d", "os-release", "cache/packages", "dpkg"].map(|name| self.text(name));
        let layout = Layout { state: &state, policy: &policy, release: &release, packages: &packages, dpkg: &dpkg };
        let program = compile_at(&[&stage], mode, &layout);
        let _ = fs::remove_file(self.path("calls"));
        let (events, mut receiver) = Events::channel();
        let log = StepLog::new(events, "step", None);
        let report = run_compiled(&self.shell, &self.host, &stage, program, mode, &log).await;
        drop(log);
        let mut output = Vec::new();
        while let Some(event) = receiver.recv().await {
            if let Event::StepOutput { line, .. } = event {
                output.push(line);
            }
        }
        let calls = fs::read_to_string(self.path("calls")).unwrap_or_default().lines().map(str::to_owned).collect();
        Ran { report, output, calls }
    }
}

fn command(name: &str, run: String, unless: String) -> Item {
    let want = Want::Command { name: name.to_owned(), run, unless, interrupts: None, deadline: 5 };
    Item { id: format!("command {name}"), want }
}

fn ready(name: &str, run: String, deadline: u32) -> Item {
    let want = Want::Ready { name: name.to_owned(), run, deadline, hint: Some("look there".to_owned()) };
    Item { id: format!("ready {name}"), want }
}

fn mode_of(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

fn tree(path: &Path) -> Vec<(PathBuf, u64)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(path).unwrap() {
        let entry = entry.unwrap();
        if entry.file_name() == "calls" {
            continue;
        }
        let metadata = entry.metadata().unwrap();
        found.push((entry.path(), metadata.ino()));
        if metadata.is_dir() {
            found.extend(tree(&entry.path()));
        }
    }
    found.sort();
    found
}

#[tokio::test]
async fn what_a_role_requires_is_asked_before_anything_changes() {
    let rig = Rig::new();
    let requires = |run: String| Item { id: "requirement room".to_owned(), want: Want::Requirement { run } };
    let items = [requires("echo 'no room:'; echo 'add a disk' >&2; exit 1".to_owned()), rig.directory("etc/app")];
    let before = tree(rig.folder.path());
    let checked = rig.run(Mode::Check, &items).await;
    let unmet: Vec<_> = checked.report.as_ref().unwrap().results.iter().map(|one| one.is_unmet_requirement()).collect();
    assert_eq!(unmet, [true, false]);
    assert_eq!(checked.of("requirement room").1, "no room: add a disk");
    let applied = rig.run(Mode::Apply, &items).await;
    assert!(matches!(&applied.report, Err(ConfigureError::Failed { item, .. }) if item == "requirement room"));
    assert_eq!(tree(rig.folder.path()), before, "something was made although the node lacks what is required");

    let met = [requires("true".to_owned()), rig.directory("etc/app")];
    assert_eq!(rig.run(Mode::Check, &met).await.of("requirement room").0, Outcome::Ok);
    rig.run(Mode::Apply, &met).await;
    assert!(rig.run(Mode::Check, &met).await.all_ok());
}

/// One of each kind.
fn everything(rig: &Rig) -> Vec<Item> {
    let marker = rig.text("etc/app/marker");
    vec![
        Item {
            id: "packages".to_owned(),
            want: Want::Packages { names: vec!["nginx".into(), "jq".into()], depot: None },
        },
        rig.directory("etc/app"),
        rig.file("etc/app/first", "one\nzwei ä 'quoted' \"twice\" $HOME `id`\n"),
        rig.special("etc/app/secret", "hush-hush", true, false),
        rig.file("etc/app/empty", ""),
        rig.special("etc/app/initial", "start", false, true),
        rig.file("etc/app/last", "without a line break at the end"),
        Item { id: "link".to_owned(), want: Want::Link { path: rig.text("etc/app/link"), target: "first".to_owned() } },
        Item { id: "absent".to_owned(), want: Want::Absent { path: rig.text("etc/old") } },
        command("mark", format!("echo marking; touch {marker}"), format!("test -e {marker}")),
        rig.service(&["etc/app/first", "etc/app/secret"], &["etc/app/last"], "r:1 l:1", Some("true")),
        ready("it answers", format!("test -e {marker}"), 2),
    ]
}

#[tokio::test]
async fn a_service_that_is_late_with_one_answer_is_not_drift() {
    let rig = Rig::new();
    let asked = rig.text("asked");
    let late = format!("echo x >>{asked}; test \"$(wc -l <{asked})\" -ge 3");
    let checked = rig.run(Mode::Check, &[ready("late", late, 2)]).await;
    assert_eq!(checked.of("ready late").0, Outcome::Ok);
    assert_eq!(fs::read_to_string(rig.path("asked")).unwrap(), "x\nx\nx\n");
}

#[tokio::test]
async fn a_probe_is_asked_once_where_something_else_differs_anyway() {
    let rig = Rig::new();
    let asked = rig.text("asked");
    let never = format!("echo x >>{asked}; false");
    let items = [rig.file("etc/app/new", "text"), ready("never", never, 2)];
    let checked = rig.run(Mode::Check, &items).await;
    assert_eq!(checked.of("ready never"), (Outcome::Changed, "not ready".to_owned()));
    assert_eq!(fs::read_to_string(rig.path("asked")).unwrap(), "x\n");
}

#[tokio::test]
async fn the_first_run_makes_everything_and_the_second_finds_nothing_to_do() {
    let rig = Rig::new();
    fs::create_dir(rig.path("etc/old")).unwrap();
    fs::write(rig.path("etc/old/inner"), "x").unwrap();
    let items = everything(&rig);

    let before = tree(rig.folder.path());
    let checked = rig.run(Mode::Check, &items).await;
    assert_eq!(checked.of("first"), (Outcome::Changed, "create".to_owned()));
    assert_eq!(checked.of("packages"), (Outcome::Changed, "install nginx jq".to_owned()));
    assert_eq!(checked.of("service web").1, "enable, start (inactive)");
    assert_eq!(checked.of("ready it answers"), (Outcome::Changed, "not ready".to_owned()));
    assert_eq!(tree(rig.folder.path()), before, "check mode touched something");

    let applied = rig.run(Mode::Apply, &items).await;
    let settled = [("ready it answers", Outcome::Ok)];
    for (name, outcome, _) in applied.outcomes() {
        let expected = settled.iter().find(|(id, _)| *id == name).map_or(Outcome::Changed, |(_, outcome)| *outcome);
        assert_eq!(outcome, expected, "{name}");
    }
    let text = fs::read_to_string(rig.path("etc/app/first")).unwrap();
    assert_eq!(text, "one\nzwei ä 'quoted' \"twice\" $HOME `id`\n");
    assert_eq!(fs::read_to_string(rig.path("etc/app/last")).unwrap(), "without a line break at the end");
    assert_eq!(fs::read(rig.path("etc/app/empty")).unwrap(), b"");
    assert_eq!(mode_of(&rig.path("etc/app")), 0o750);
    assert_eq!(mode_of(&rig.path("etc/app/secret")), 0o640);
    assert_eq!(fs::read_link(rig.path("etc/app/link")).unwrap(), Path::new("first"));
    assert!(!rig.path("etc/old").exists());
    assert!(!rig.path("policy-rc.d").exists());
    assert_eq!(applied.calls, ["apt-get install nginx jq", "services held back", "enable web", "start web"]);
    assert!(applied.output.contains(&"marking".to_owned()), "{:?}", applied.output);

    let before = tree(rig.folder.path());
    for mode in [Mode::Check, Mode::Apply] {
        let again = rig.run(mode, &items).await;
        assert!(again.all_ok(), "{mode:?}: {:?}", again.outcomes());
        assert_eq!(again.calls, [""; 0]);
    }
    assert_eq!(tree(rig.folder.path()), before, "a run without work touched something");
}

#[tokio::test]
async fn what_is_made_gets_exactly_its_mode() {
    let rig = Rig::new();
    let (owner, group) = (rig.owner.clone(), rig.group.clone());
    let directory = |path: &str, mode: &str| {
        let path = rig.path(path).to_str().unwrap().to_owned();
        let (mode, owner, group) = (mode.to_owned(), owner.clone(), group.clone());
        Item { id: format!("directory {path}"), want: Want::Directory { path, mode, owner, group } }
    };
    let file = |path: &str, wanted: &str| {
        let mut item = rig.file(path, "text");
        if let Want::File { mode, .. } = &mut item.want {
            *mode = wanted.to_owned();
        }
        item
    };
    fs::create_dir(rig.path("handed-on")).unwrap();
    fs::set_permissions(rig.path("handed-on"), fs::Permissions::from_mode(0o2775)).unwrap();
    let mut items = vec![
        directory("etc/above/below", "0711"),
        // Its child made it already, with another mode.
        directory("etc/above", "0700"),
        directory("etc/open", "1777"),
        directory("handed-on/own", "0750"),
    ];
    let modes = ["0600", "0640", "0644", "0660", "0400", "0755", "4755"];
    for folder in ["etc/open", "handed-on"] {
        items.extend(modes.map(|mode| file(&format!("{folder}/{mode}"), mode)));
    }
    rig.run(Mode::Apply, &items).await;

    assert_eq!(mode_of(&rig.path("etc/above")), 0o700);
    assert_eq!(mode_of(&rig.path("etc/above/below")), 0o711);
    assert_eq!(mode_of(&rig.path("etc/open")), 0o1777);
    assert_eq!(mode_of(&rig.path("handed-on/own")) & 0o777, 0o750);
    for folder in ["etc/open", "handed-on"] {
        for mode in modes {
            let path = rig.path(&format!("{folder}/{mode}"));
            assert_eq!(format!("{:04o}", mode_of(&path)), mode, "{folder}");
            assert_eq!(fs::read_to_string(path).unwrap(), "text");
        }
    }
}

#[tokio::test]
async fn drift_is_seen_shown_and_mended() {
    let rig = Rig::new();
    let items = everything(&rig);
    rig.run(Mode::Apply, &items).await;
    fs::write(rig.path("etc/app/first"), "edited\n").unwrap();
    fs::write(rig.path("etc/app/secret"), "guessed").unwrap();
    fs::write(rig.path("etc/app/initial"), "grown").unwrap();
    fs::set_permissions(rig.path("etc/app/last"), fs::Permissions::from_mode(0o666)).unwrap();
    fs::set_permissions(rig.path("etc/app"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::remove_file(rig.path("units/web.active")).unwrap();

    let checked = rig.run(Mode::Check, &items).await;
    assert_eq!(checked.of("first"), (Outcome::Changed, "content".to_owned()));
    assert_eq!(checked.of("last"), (Outcome::Changed, "mode 666 -> 0640".to_owned()));
    assert_eq!(checked.of("app"), (Outcome::Changed, "mode 755 -> 0750".to_owned()));
    assert_eq!(checked.of("initial").0, Outcome::Ok);
    assert_eq!(checked.of("service web").1, "start (inactive)");
    let report = checked.report.unwrap();
    let present = |id: &str| report.results.iter().find(|result| result.id.ends_with(id)).unwrap().present.clone();
    assert_eq!(present("/first").as_deref(), Some("edited\n"));
    assert_eq!(present("/secret"), None);

    let mended = rig.run(Mode::Apply, &items).await;
    assert_eq!(mended.calls, ["start web"]);
    assert_eq!(mode_of(&rig.path("etc/app/last")), 0o640);
    assert_eq!(fs::read_to_string(rig.path("etc/app/secret")).unwrap(), "hush-hush");
    assert_eq!(fs::read_to_string(rig.path("etc/app/initial")).unwrap(), "grown");
    assert!(rig.run(Mode::Check, &items).await.all_ok());
}

#[tokio::test]
async fn a_service_restarts_or_reloads_only_for_its_files() {
    let rig = Rig::new();
    let items = |first: &str, second: &str, other: &str, stamp: &str| {
        vec![
            rig.file("etc/first", first),
            rig.file("etc/second", second),
            rig.file("etc/other", other),
            rig.service(&["etc/first"], &["etc/second"], stamp, None),
        ]
    };
    rig.run(Mode::Apply, &items("1", "1", "1", "r:1 l:1")).await;
    assert_eq!(rig.run(Mode::Apply, &items("1", "1", "2", "r:1 l:1")).await.calls, [""; 0]);
    assert_eq!(rig.run(Mode::Apply, &items("1", "2", "2", "r:1 l:2")).await.calls, ["reload-or-restart web"]);
    assert_eq!(rig.run(Mode::Apply, &items("2", "2", "2", "r:2 l:2")).await.calls, ["restart web"]);
    let checked = rig.run(Mode::Check, &items("3", "2", "2", "r:3 l:2")).await;
    assert_eq!(checked.of("service web").1, format!("restart ({} changed)", rig.text("etc/first")));
    assert_eq!(rig.run(Mode::Apply, &items("2", "2", "2", "r:2 l:2")).await.calls, [""; 0]);
    fs::write(rig.path("etc/first"), "drifted").unwrap();
    assert_eq!(rig.run(Mode::Apply, &items("2", "2", "2", "r:2 l:2")).await.calls, ["restart web"]);
}

#[tokio::test]
async fn a_file_changed_by_another_stage_restarts_the_service() {
    let rig = Rig::new();
    let base = |content: &str| vec![rig.file("etc/shared", content)];
    let app = |stamp: &str| vec![rig.service(&["etc/shared"], &[], stamp, None)];
    rig.run(Mode::Apply, &base("1")).await;
    rig.run(Mode::Apply, &app("r:1 l:")).await;
    fs::write(rig.path("etc/shared"), "drifted").unwrap();
    rig.run(Mode::Apply, &base("1")).await;
    let checked = rig.run(Mode::Check, &app("r:1 l:")).await;
    assert_eq!(checked.of("service web").1, "restart (not started with this configuration)");
    assert_eq!(rig.run(Mode::Apply, &app("r:1 l:")).await.calls, ["restart web"]);
    assert_eq!(rig.run(Mode::Apply, &app("r:1 l:")).await.calls, [""; 0]);
}

#[tokio::test]
async fn what_a_program_before_it_has_under_way_does_not_keep_a_service_from_being_recorded() {
    let rig = Rig::new();
    // Its controller was killed, and it waits for the same service: here, a place that it took and does not give back.
    fs::create_dir_all(rig.path("state/services/web.restart.new")).unwrap();
    let items = vec![rig.file("etc/first", "1"), rig.service(&["etc/first"], &[], "r:1 l:", None)];
    assert_eq!(rig.run(Mode::Apply, &items).await.of("service web").0, Outcome::Changed);
    assert_eq!(rig.run(Mode::Apply, &items).await.calls, [""; 0]);
    let mut left: Vec<_> =
        fs::read_dir(rig.path("state/services")).unwrap().map(|file| file.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["web.restart", "web.restart.new"]);
}

#[tokio::test]
async fn an_interrupted_run_restarts_on_the_next() {
    let rig = Rig::new();
    let stop = || command("stop here", "exit 3".to_owned(), "false".to_owned());
    let items = |content: &str, stamp: &str| {
        vec![rig.file("etc/first", content), rig.service(&["etc/first"], &[], stamp, None)]
    };
    rig.run(Mode::Apply, &items("1", "r:1 l:")).await;
    let mut interrupted = items("2", "r:2 l:");
    interrupted.insert(1, stop());
    let ran = rig.run(Mode::Apply, &interrupted).await;
    assert_eq!(ran.of("command stop here"), (Outcome::Failed, "ended with code 3".to_owned()));
    assert_eq!(ran.of("service web").0, Outcome::Skipped);
    // Even going back to the first content: what runs now is not known.
    let next = rig.run(Mode::Apply, &items("2", "r:2 l:")).await;
    assert_eq!(next.calls, ["restart web"]);
}

#[tokio::test]
async fn a_configuration_that_is_not_valid_leaves_the_service_alone() {
    let rig = Rig::new();
    let check = format!("echo looking; grep -q good {}", rig.text("etc/first"));
    let items = |content: &str, stamp: &str| {
        vec![rig.file("etc/first", content), rig.service(&["etc/first"], &[], stamp, Some(&check))]
    };
    rig.run(Mode::Apply, &items("good 1", "r:1 l:")).await;
    let broken = rig.run(Mode::Apply, &items("bad", "r:2 l:")).await;
    assert_eq!(broken.calls, [""; 0]);
    assert!(broken.of("service web").1.contains("not valid"));
    assert_eq!(broken.report.unwrap_err().output(), ["looking"]);
    assert_eq!(rig.run(Mode::Apply, &items("good 2", "r:3 l:")).await.calls, ["restart web"]);
}

#[tokio::test]
async fn a_service_that_cannot_start_fails_with_what_it_said() {
    let rig = Rig::new();
    fs::write(rig.path("units/web.broken"), "").unwrap();
    let items = [rig.service(&[], &[], "r: l:", None), ready("never asked", "true".to_owned(), 1)];
    let ran = rig.run(Mode::Apply, &items).await;
    assert_eq!(ran.of("service web"), (Outcome::Failed, "cannot start".to_owned()));
    assert_eq!(ran.of("ready never asked").0, Outcome::Skipped);
    let error = ran.report.unwrap_err();
    assert_eq!(error.output(), ["web is broken"]);
    assert!(error.hint().unwrap().contains("journalctl -u web"));
}

#[tokio::test]
async fn a_probe_is_asked_until_it_holds_or_its_deadline_passes() {
    let rig = Rig::new();
    let counter = rig.text("count");
    let third = format!("echo x >>{counter}; test $(wc -l <{counter}) -ge 3");
    assert!(rig.run(Mode::Apply, &[ready("third time", third, 10)]).await.all_ok());
    assert_eq!(fs::read_to_string(rig.path("count")).unwrap(), "x\nx\nx\n");

    let ran = rig.run(Mode::Apply, &[ready("never", "echo nobody leads; false".to_owned(), 1)]).await;
    assert_eq!(ran.of("ready never"), (Outcome::Failed, "not true within 1 s".to_owned()));
    let error = ran.report.unwrap_err();
    assert_eq!(error.output(), ["nobody leads"]);
    assert_eq!(error.hint(), Some("look there"));

    let hanging = rig.run(Mode::Apply, &[ready("hangs", "sleep 60".to_owned(), 1)]).await;
    assert_eq!(hanging.of("ready hangs").0, Outcome::Failed);
}

#[tokio::test]
async fn a_command_runs_only_when_its_guard_fails_and_not_for_ever() {
    let rig = Rig::new();
    let counter = rig.text("count");
    let items = [command("count", format!("echo x >>{counter}"), format!("test -e {counter}"))];
    assert_eq!(rig.run(Mode::Check, &items).await.of("command count").0, Outcome::Changed);
    assert!(!rig.path("count").exists());
    assert_eq!(rig.run(Mode::Apply, &items).await.of("command count").0, Outcome::Changed);
    assert_eq!(rig.run(Mode::Apply, &items).await.of("command count").0, Outcome::Ok);
    assert_eq!(fs::read_to_string(rig.path("count")).unwrap(), "x\n");

    let mut slow = command("slow", "sleep 60".to_owned(), "false".to_owned());
    if let Want::Command { deadline, .. } = &mut slow.want {
        *deadline = 1;
    }
    assert_eq!(rig.run(Mode::Apply, &[slow]).await.of("command slow").1, "not done within 1 s");
}

#[tokio::test]
async fn a_command_that_would_interrupt_what_serves_says_so() {
    let rig = Rig::new();
    let item = |serves: &str| {
        let mut item = command("new settings", "true".to_owned(), "false".to_owned());
        if let Want::Command { interrupts, .. } = &mut item.want {
            *interrupts = Some(serves.to_owned());
        }
        item
    };
    assert_eq!(rig.run(Mode::Check, &[item("true")]).await.of("command new settings").1, "run, with a restart");
    assert_eq!(rig.run(Mode::Check, &[item("false")]).await.of("command new settings").1, "run");
    assert_eq!(rig.run(Mode::Apply, &[item("true")]).await.of("command new settings").1, "run");
}

#[tokio::test]
async fn commands_cannot_eat_the_contents_of_files() {
    let rig = Rig::new();
    let items = [
        command("greedy", "cat; cat <&3 || true".to_owned(), "cat; false".to_owned()),
        rig.file("etc/after", "still here"),
    ];
    rig.run(Mode::Apply, &items).await;
    assert_eq!(fs::read_to_string(rig.path("etc/after")).unwrap(), "still here");
}

#[tokio::test]
async fn secrets_stay_out_of_output_and_command_lines() {
    let rig = Rig::new();
    let items =
        [rig.special("etc/secret", "hush-hush", true, false), command("fails", "exit 1".into(), "false".into())];
    let stage = Stage { node: "here".into(), role: "test".into(), resources: items.to_vec() };
    let program = super::compile(&stage, Mode::Apply);
    assert!(!program.command.contains("hush"), "{}", program.command);
    let checked = super::compile(&stage, Mode::Check);
    assert!(!String::from_utf8_lossy(&checked.stdin).contains("hush"));
    for mode in [Mode::Check, Mode::Apply] {
        let ran = rig.run(mode, &items).await;
        assert!(!format!("{:?} {:?}", ran.output, ran.report).contains("hush"));
    }
    fs::write(rig.path("etc/secret"), "older-hush").unwrap();
    let ran = rig.run(Mode::Check, &items).await;
    assert!(!format!("{:?} {:?}", ran.output, ran.report).contains("hush"));
}

#[tokio::test]
async fn content_that_does_not_arrive_whole_never_replaces_a_file() {
    let rig = Rig::new();
    fs::write(rig.path("etc/big"), "old").unwrap();
    let content = "x".repeat(100_000);
    let stage = Stage { node: "here".into(), role: "test".into(), resources: vec![rig.file("etc/big", &content)] };
    let (state, policy, release) = (rig.text("state"), rig.text("policy-rc.d"), rig.text("os-release"));
    let layout = Layout { state: &state, policy: &policy, release: &release, packages: "", dpkg: "" };
    let mut program = compile_at(&[&stage], Mode::Apply, &layout);
    program.stdin.truncate(program.stdin.len() - 1000);
    let (events, _receiver) = Events::channel();
    let log = StepLog::new(events, "step", None);
    let error = run_compiled(&rig.shell, &rig.host, &stage, program, Mode::Apply, &log).await.unwrap_err();
    assert!(error.output().iter().any(|line| line.contains("did not arrive whole")), "{:?}", error.output());
    assert_eq!(fs::read_to_string(rig.path("etc/big")).unwrap(), "old");
    assert_eq!(fs::read_dir(rig.path("etc")).unwrap().count(), 1, "a part of the file was left behind");
}

#[tokio::test]
async fn many_files_of_a_folder_arrive_together() {
    let rig = Rig::new();
    let contents = [
        ("quotes", "it's $HOME `id` \\ \"x\"\r\n\n\n"),
        ("empty", ""),
        ("foreign", "gr\u{fc}n \u{c1}\n"),
        ("unended", "no line end"),
        (".hidden", "x\n"),
    ];
    let mut items = vec![rig.directory("etc/many")];
    items.extend(contents.iter().map(|(name, text)| rig.file(&format!("etc/many/{name}"), text)));
    items.push(rig.special("etc/many/key", "secret\n", true, false));
    items.push(rig.special("etc/many/nothing", "", true, false));
    items.push(rig.file("etc/alone", "y\n"));
    let ran = rig.run(Mode::Apply, &items).await;
    assert!(ran.outcomes().iter().all(|(_, outcome, detail)| *outcome == Outcome::Changed && detail == "create"));
    for (name, text) in contents.iter().chain(&[("key", "secret\n"), ("nothing", ""), ("../alone", "y\n")]) {
        let path = rig.path(&format!("etc/many/{name}"));
        assert_eq!(fs::read(&path).unwrap(), text.as_bytes(), "{name}");
        assert_eq!(mode_of(&path), 0o640, "{name}");
    }
    assert!(rig.run(Mode::Apply, &items).await.all_ok());
    assert_eq!(fs::read_dir(rig.path("etc/many")).unwrap().count(), 7, "nothing else is left there");

    // One of them cannot get to its place: that is said, and nothing is left lying about.
    fs::remove_dir_all(rig.path("etc/many")).unwrap();
    fs::create_dir_all(rig.path("etc/many/unended/in the way")).unwrap();
    let ran = rig.run(Mode::Apply, &items).await;
    assert!(matches!(ran.report, Err(ConfigureError::Failed { .. })), "{:?}", ran.outcomes());
    assert!(!rig.path("etc/many/.refarch.new").exists());
    fs::remove_dir_all(rig.path("etc/many/unended")).unwrap();
    // What a run that was killed left there is no obstacle.
    fs::create_dir(rig.path("etc/many/.refarch.new")).unwrap();
    fs::write(rig.path("etc/many/.refarch.new/unended"), "old").unwrap();
    rig.run(Mode::Apply, &items).await;
    assert!(rig.run(Mode::Check, &items).await.all_ok());
}

fn upload(rig: &Rig, unless: &str) -> Item {
    let source = rig.path("package");
    let (size, sha256) = super::upload::measure(&source).unwrap();
    let (path, unless) = (rig.text("var/package.deb"), unless.to_owned());
    Item { id: "upload".into(), want: Want::Upload { path, source, size, sha256, unless } }
}

#[tokio::test]
async fn a_large_file_is_sent_once_and_only_where_it_is_needed() {
    let rig = Rig::new();
    let content: Vec<u8> = (0..3_000_000u32).map(|number| (number % 251) as u8).collect();
    fs::write(rig.path("package"), &content).unwrap();
    let needed = upload(&rig, "test -e \"$D/installed\"".replace("$D", &rig.text("")).as_str());
    // Files that are right already are skipped in what is sent, before the upload begins.
    fs::write(rig.path("etc/right"), "as it is").unwrap();
    fs::set_permissions(rig.path("etc/right"), fs::Permissions::from_mode(0o640)).unwrap();
    let installs = format!("test \"$(stat -c %s {})\" = 3000000", rig.text("var/package.deb"));
    let items = [rig.file("etc/right", "as it is"), needed, command("install", installs, "false".into())];

    let checked = rig.run(Mode::Check, &items).await;
    assert_eq!(checked.of("upload"), (Outcome::Changed, "send 3 MB".to_owned()));
    assert!(!rig.path("var/package.deb").exists(), "a check sends nothing");
    let applied = rig.run(Mode::Apply, &items).await;
    assert_eq!(applied.of("upload"), (Outcome::Changed, "send 3 MB".to_owned()));
    assert_eq!(applied.of("command install").0, Outcome::Changed);
    assert!(fs::read(rig.path("var/package.deb")).unwrap() == content);
    assert_eq!(mode_of(&rig.path("var/package.deb")), 0o600);

    // The node has it: it is not sent again, even where the file here is gone.
    fs::remove_file(rig.path("package")).unwrap();
    assert_eq!(rig.run(Mode::Apply, &items).await.of("upload").0, Outcome::Ok);
    // It was installed and removed: neither.
    fs::remove_file(rig.path("var/package.deb")).unwrap();
    fs::write(rig.path("installed"), "").unwrap();
    assert_eq!(rig.run(Mode::Apply, &items).await.of("upload").0, Outcome::Ok);
}

#[tokio::test]
async fn an_upload_that_broke_off_goes_on_where_it_stopped() {
    let rig = Rig::new();
    fs::write(rig.path("package"), vec![7; 1_000_000]).unwrap();
    let item = upload(&rig, "false");
    let Want::Upload { sha256, .. } = &item.want else { unreachable!() };
    let part = rig.path(&format!("var/package.deb.{sha256}.part"));
    fs::create_dir(rig.path("var")).unwrap();
    fs::write(rig.path("var/package.deb.older.part"), "of another package").unwrap();

    // The file becomes shorter while it is sent: what has arrived is kept.
    fs::write(rig.path("package"), vec![7; 400_000]).unwrap();
    let broken = rig.run(Mode::Apply, std::slice::from_ref(&item)).await;
    assert_eq!(broken.of("upload").0, Outcome::Failed);
    let told = broken.report.unwrap_err().output().join("\n");
    assert!(told.contains("became shorter"), "{told}");
    assert_eq!(fs::metadata(&part).unwrap().len(), 400_000);
    assert!(!rig.path("var/package.deb.older.part").exists());

    // Only the rest is read: its beginning is something else now, and nobody notices.
    let mut content = vec![9; 400_000];
    content.resize(1_000_000, 7);
    fs::write(rig.path("package"), content).unwrap();
    assert_eq!(rig.run(Mode::Apply, std::slice::from_ref(&item)).await.of("upload").0, Outcome::Changed);
    assert!(fs::read(rig.path("var/package.deb")).unwrap() == vec![7; 1_000_000] && !part.exists());

    // What arrives whole and is not what was promised never gets the name.
    fs::remove_file(rig.path("var/package.deb")).unwrap();
    let wrong = rig.run(Mode::Apply, std::slice::from_ref(&item)).await;
    assert_eq!(wrong.of("upload").0, Outcome::Failed);
    assert!(!rig.path("var/package.deb").exists() && !part.exists());
}

#[tokio::test]
async fn packages_have_the_names_of_the_distribution() {
    let rig = Rig::new();
    let names = ["curl", "gnupg/gnupg2", "netbase/", "/policycoreutils-python-utils"].map(str::to_owned).to_vec();
    let items = [Item { id: "packages".into(), want: Want::Packages { names, depot: None } }];
    let ran = rig.run(Mode::Check, &items).await;
    assert_eq!(ran.of("packages"), (Outcome::Changed, "install curl gnupg netbase".to_owned()));
    let rpm = "case $4 in curl) exit 0 ;; *) test -e \"$D/packages/$4\" ;; esac";
    let dnf = "echo \"dnf $*\" >>\"$D/calls\"; for p in \"$@\"; do : >\"$D/packages/$p\"; done";
    for (name, text) in [("rpm", rpm), ("dnf", dnf)] {
        let path = rig.path("bin").join(name);
        fs::write(&path, format!("#!/bin/sh\n{}\n", text.replace("$D", &rig.text("")))).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    for id in ["ID=\"rhel\"", "ID=rocky\nID_LIKE=\"rhel centos fedora\"", "ID=amzn\nID_LIKE=fedora"] {
        fs::write(rig.path("os-release"), id).unwrap();
        let _ = fs::remove_dir_all(rig.path("packages"));
        fs::create_dir(rig.path("packages")).unwrap();
        let ran = rig.run(Mode::Apply, &items).await;
        let missing = "install gnupg2 policycoreutils-python-utils".to_owned();
        assert_eq!(ran.of("packages"), (Outcome::Changed, missing), "{id}");
        assert!(ran.calls[0].ends_with("install gnupg2 policycoreutils-python-utils"), "{:?}", ran.calls);
        assert!(rig.run(Mode::Apply, &items).await.all_ok(), "{id}");
    }
}

#[tokio::test]
async fn what_dpkg_knows_is_read_as_dpkg_query_would_say_it() {
    let rig = Rig::new();
    fs::create_dir_all(rig.path("dpkg/updates")).unwrap();
    let status = "Package: bash\nEssential: yes\nProtected: yes\nStatus: install ok installed\nPriority: required\n\n\
                  Package: g++\nStatus: hold ok installed\nDescription: a compiler\n Package: curl\n Status: x installed\n\n\
                  Package: half\nStatus: install ok half-installed\n\n\
                  Package: removed\nStatus: deinstall ok config-files\n\n\
                  Package: bash-doc\nStatus: install ok installed\n";
    fs::write(rig.path("dpkg/status"), status).unwrap();
    let names = ["bash", "g++", "g..", "curl", "half", "removed", "doc"].map(str::to_owned).to_vec();
    let items = [Item { id: "packages".into(), want: Want::Packages { names, depot: None } }];
    let missing = (Outcome::Changed, "install g.. curl half removed doc".to_owned());
    assert_eq!(rig.run(Mode::Check, &items).await.of("packages"), missing);

    // What dpkg began and did not finish lies beside its file; then only dpkg-query knows.
    fs::write(rig.path("packages/curl"), "").unwrap();
    fs::write(rig.path("dpkg/updates/0001"), "").unwrap();
    let asked = (Outcome::Changed, "install bash g++ g.. half removed doc".to_owned());
    assert_eq!(rig.run(Mode::Check, &items).await.of("packages"), asked);
}

#[tokio::test]
async fn packages_that_cannot_be_installed_fail_and_hold_no_service_back() {
    let rig = Rig::new();
    fs::write(rig.path("no-packages"), "").unwrap();
    let items = [Item { id: "packages".into(), want: Want::Packages { names: vec!["nginx".into()], depot: None } }];
    let ran = rig.run(Mode::Apply, &items).await;
    assert_eq!(ran.of("packages"), (Outcome::Failed, "could not install nginx".to_owned()));
    assert!(ran.report.unwrap_err().output().iter().any(|line| line.contains("nothing there")));
    assert!(!rig.path("policy-rc.d").exists());
}

#[tokio::test]
async fn a_program_that_breaks_off_is_told_from_a_resource_that_failed() {
    let rig = Rig::new();
    let items = [command("kill", "kill -9 $(ps -o ppid= -p $PPID)".into(), "false".into())];
    let ran = rig.run(Mode::Apply, &items).await;
    assert!(matches!(ran.report, Err(ConfigureError::Broken { code: None, .. })), "{:?}", ran.report);
}

#[tokio::test]
async fn what_is_in_the_way_is_replaced_or_reported() {
    let rig = Rig::new();
    std::os::unix::fs::symlink("/nowhere", rig.path("etc/first")).unwrap();
    fs::create_dir(rig.path("etc/second")).unwrap();
    fs::write(rig.path("etc/third"), "a file").unwrap();
    let first = rig.run(Mode::Apply, &[rig.file("etc/first", "x")]).await;
    assert_eq!(first.of("first"), (Outcome::Changed, "replace what is no file".to_owned()));
    assert!(fs::symlink_metadata(rig.path("etc/first")).unwrap().is_file());
    assert_eq!(rig.run(Mode::Apply, &[rig.file("etc/second", "x")]).await.of("second").0, Outcome::Failed);
    let third = rig.run(Mode::Apply, &[rig.directory("etc/third")]).await;
    assert_eq!(third.of("third").1, "something that is not a directory is in the way");
    // A check goes on after a fault: the rest of the node is worth knowing.
    let items = [rig.directory("etc/third"), rig.file("etc/first", "x")];
    let checked = rig.run(Mode::Check, &items).await;
    assert_eq!(checked.of("third").0, Outcome::Failed);
    assert_eq!(checked.of("first").0, Outcome::Ok);
}
