//! Another size in the environment file of an environment that is there: what the plan says, from what the first size leaves
//! on its nodes. Golden for every step up and some down.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    path::{Path, PathBuf},
    process::Command,
};

use refarch::{
    configure::{ItemResult, Outcome, Stage, Want},
    observe::NodeState,
    plan::{self, Leaving, Plan, Risk},
    provider::{self, Change, Condition, Live, Resource},
    session::{Request, Session},
    view::{self, PlanStyle},
};

const CHANGES: [(&str, &str, &str); 11] = [
    ("sandbox", "1k", "2k"),
    ("sandbox", "2k", "1k"),
    ("sandbox", "2k", "3k"),
    ("sandbox", "3k", "2k"),
    ("sandbox", "3k", "5k"),
    ("sandbox", "3k", "10k"),
    ("sandbox", "10k", "3k"),
    ("sandbox", "10k", "25k"),
    ("gitlab", "1k", "2k"),
    ("gitlab", "2k", "3k"),
    ("gitlab", "3k", "10k"),
];

fn session(folder: &Path, stack: &str, size: &str) -> Session {
    let file = folder.join(format!("{size}.yaml"));
    let text = format!("name: demo\narchitecture: {size}\nprovider: local\nstack: {stack}\n");
    std::fs::write(&file, text).unwrap();
    let request = Request { file, sets: Vec::new(), roles: None, workspace: Some(folder.join("state")) };
    Session::open(&request).unwrap_or_else(|error| panic!("{stack} {size}: {error}"))
}

fn live(resource: Resource) -> Live {
    let Resource { id, kind, node, attributes, needs, data_bearing, .. } = resource;
    Live { handle: id.clone(), id, kind, node, attributes, condition: Condition::Good, data_bearing, needs }
}

/// What a node says of a stage where the other size's stage was done before.
fn seen(wanted: &Stage, before: Option<&Stage>) -> Vec<ItemResult> {
    let result = |id: &str, outcome, detail: &str| ItemResult {
        id: id.to_owned(),
        outcome,
        detail: detail.to_owned(),
        present: None,
    };
    let told = |want: &Want| format!("{want:?}");
    wanted
        .resources
        .iter()
        .map(|item| {
            let old = before.and_then(|stage| stage.resources.iter().find(|old| old.id == item.id));
            match (&item.want, old) {
                (Want::Command { interrupts: Some(_), .. }, Some(_)) => {
                    result(&item.id, Outcome::Changed, "restart (its configuration changed)")
                }
                (Want::Requirement { .. } | Want::Command { .. } | Want::Ready { .. }, _) => {
                    result(&item.id, Outcome::Ok, "")
                }
                (_, None) => result(&item.id, Outcome::Changed, "new"),
                (want, Some(old)) if told(want) == told(&old.want) => result(&item.id, Outcome::Ok, ""),
                (Want::Service { .. }, _) => result(&item.id, Outcome::Changed, "restart (its configuration changed)"),
                _ => result(&item.id, Outcome::Changed, "content"),
            }
        })
        .collect()
}

/// What the roles require, asked for real of a root that has the files of the first size and a database.
fn unmet(node: &str, wanted: &[Stage], before: &[Stage]) -> Vec<String> {
    let root = tempfile::tempdir().unwrap();
    let place = |path: &str| root.path().join(path.trim_start_matches('/'));
    let touch = |path: PathBuf| {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "x").unwrap();
    };
    for stage in before {
        for item in &stage.resources {
            if let Want::File { path, content, .. } = &item.want {
                touch(place(path));
                std::fs::write(place(path), content).unwrap();
            }
        }
        if stage.role == "postgres" {
            touch(place("/var/lib/postgresql/15/main/PG_VERSION"));
            touch(place("/var/opt/gitlab/postgresql/data/PG_VERSION"));
        }
        if stage.role == "gitaly" {
            touch(place("/var/opt/gitlab/git-data/repositories/@hashed/6b/86/6b86.git/HEAD"));
        }
    }
    let mut said = Vec::new();
    for item in wanted.iter().flat_map(|stage| &stage.resources) {
        let Want::Requirement { run } = &item.want else { continue };
        if !item.id.contains("data is kept") {
            continue;
        }
        let mut script = run.clone();
        for top in ["/var/", "/etc/"] {
            script = script.replace(top, &place(top).display().to_string().replace("//", "/"));
        }
        let ran = Command::new("sh").args(["-c", &script]).output().unwrap();
        if !ran.status.success() {
            let text = String::from_utf8(ran.stdout).unwrap();
            assert!(!text.trim().is_empty(), "{node}: {}: {script}", String::from_utf8_lossy(&ran.stderr));
            said.push(format!("{node}: {}", text.trim()));
        }
    }
    said
}

fn changed(before: &Session, after: &Session) -> Result<Plan, Vec<String>> {
    let roles = |session: &Session| -> BTreeMap<String, BTreeSet<String>> {
        let nodes = session.topology().nodes.iter();
        nodes.map(|node| (node.name.clone(), node.roles.iter().cloned().collect())).collect()
    };
    let moved = plan::moved(&roles(before), after.topology(), &after.catalog().roles);
    let (refused, lost): (Vec<_>, Vec<_>) = moved.into_iter().partition(|moved| !moved.to.is_empty());
    let mut reasons: Vec<String> = refused.iter().map(plan::Moved::reason).collect();

    let (old, new) = (before.preview().unwrap(), after.preview().unwrap());
    let mut nodes = BTreeMap::new();
    for (node, stages) in &new {
        let Some(previous) = old.get(node) else { continue };
        reasons.extend(unmet(node, stages, previous));
        let stage = |role: &str| previous.iter().find(|stage| stage.role == role);
        let results = stages.iter().map(|wanted| (wanted.role.clone(), seen(wanted, stage(&wanted.role))));
        nodes.insert(node.clone(), NodeState::Seen { stages: results.collect(), leads: BTreeSet::new() });
    }
    if !reasons.is_empty() {
        return Err(reasons);
    }
    let there: Vec<Live> = before.provider().desired(before.topology()).unwrap().into_iter().map(live).collect();
    let desired = after.provider().desired(after.topology()).unwrap();
    let difference = provider::diff::diff(&desired, &there, after.provider(), &[]);
    let leaving =
        Leaving { moves: lost.iter().map(|moved| moved.downtime(after.topology())).collect(), ..Leaving::default() };
    let plan = plan::apply(&plan::Input {
        topology: after.topology(),
        roles: &after.catalog().roles,
        changes: &difference.changes,
        notes: &[],
        stages: &new,
        nodes: &nodes,
        late_addresses: false,
        leaving: &leaving,
    });
    plan.validate().unwrap();
    Ok(plan)
}

/// The end of the plan's text, and what happens to machines.
fn told(plan: &Plan) -> String {
    let mut out = String::new();
    let machines = |create: bool| -> Vec<&str> {
        let steps = plan.steps.iter().filter(|step| match &step.action {
            plan::Action::Infrastructure(Change::Create { .. }) => create,
            plan::Action::Infrastructure(Change::Delete { .. }) => !create,
            _ => false,
        });
        steps.filter_map(|step| step.node.as_deref()).collect()
    };
    let _ = writeln!(out, "made: {}", machines(true).join(", "));
    let _ = writeln!(out, "removed: {}", machines(false).join(", "));
    let losing = plan.steps.iter().filter(|step| step.risk == Risk::DataLoss);
    let losing: Vec<&str> = losing.filter_map(|step| step.node.as_deref()).collect();
    let _ = writeln!(out, "only with consent: {}", losing.join(", "));
    let text = view::plan_text(plan, PlanStyle::default());
    out.push_str(text.rsplit("\n\n").next().unwrap());
    out
}

#[test]
fn every_change_of_size_says_what_it_costs_or_why_it_is_not_done_in_place() {
    for (stack, from, to) in CHANGES {
        let folder = tempfile::tempdir().unwrap();
        let text = match changed(&session(folder.path(), stack, from), &session(folder.path(), stack, to)) {
            Ok(plan) => told(&plan),
            Err(reasons) => reasons.iter().map(|reason| format!("refused: {reason}\n")).collect(),
        };
        let golden =
            PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/sizes/{stack}-{from}-{to}.txt"));
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            std::fs::create_dir_all(golden.parent().unwrap()).unwrap();
            std::fs::write(&golden, &text).unwrap();
        }
        let expected = std::fs::read_to_string(&golden).unwrap_or_default();
        assert!(expected == text, "{} differs; UPDATE_EXPECT=1 rewrites it. Now:\n{text}", golden.display());
    }
}
