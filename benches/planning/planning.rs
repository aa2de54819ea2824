//! What planning costs, offline: the largest architecture, and a thousand machines.
//!
//! `cargo bench --bench planning` measures; `cargo test` runs each of them once, so that they cannot rot.

#![allow(clippy::unwrap_used)] // a benchmark that cannot go on ends here
#![allow(missing_docs)] // criterion's macros make public items

use std::{fmt::Write as _, fs, path::PathBuf};

use criterion::{Criterion, criterion_group, criterion_main};
use refarch::session::{Request, Session};

/// Nodes of the large environment besides the application's.
const OTHERS: [(&str, u32); 9] = [
    ("consul", 5),
    ("postgres", 3),
    ("pgbouncer", 20),
    ("redis", 3),
    ("gitaly", 60),
    ("sidekiq", 400),
    ("haproxy-external", 6),
    ("haproxy-internal", 2),
    ("monitor", 1),
];
const APPLICATION: u32 = 500;

struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// A thousand machines that exist already.
    fn thousand(&self) -> PathBuf {
        let mut inventory = String::from("defaults: { user: admin }\nhosts:\n");
        let mut environment =
            String::from("name: big\nprovider: static\ninventory: machines.yaml\nstack: sandbox\nnodes:\n");
        let mut number = 0;
        for (group, count) in OTHERS.into_iter().chain([("app", APPLICATION)]) {
            let _ = writeln!(environment, "  {group}: {{ count: {count} }}");
            for ordinal in 1..=count {
                let _ = writeln!(
                    inventory,
                    "  - {{ name: big-{group}-{ordinal}, address: 10.9.{}.{}, group: {group} }}",
                    number / 250,
                    number % 250 + 1
                );
                number += 1;
            }
        }
        assert_eq!(number, 1000);
        self.write("machines.yaml", &inventory);
        self.write("big.yaml", &environment)
    }
}

/// Everything that `plan --offline` does but printing.
fn plan(file: PathBuf, nodes: usize) {
    let session = Session::open(&Request { file, sets: Vec::new(), roles: None, workspace: None }).unwrap();
    assert_eq!(session.topology().nodes.len(), nodes);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let plan = runtime.block_on(session.plan_from_nothing()).unwrap();
    assert!(plan.steps.len() >= nodes);
}

fn planning(criterion: &mut Criterion) {
    let place = Place::new();
    let largest = place.write("largest.yaml", "name: demo\narchitecture: 50k\nprovider: local\n");
    let mut group = criterion.benchmark_group("plan --offline");
    group.bench_function("50k", |bench| bench.iter(|| plan(largest.clone(), 37)));
    let thousand = place.thousand();
    group.sample_size(10).bench_function("1,000 nodes", |bench| bench.iter(|| plan(thousand.clone(), 1000)));
    group.finish();
}

criterion_group!(benches, planning);
criterion_main!(benches);
