//! An environment of one node moves into a highly available one while users write, and the controller dies on the way.

use std::{
    process::Child,
    time::{Duration, Instant},
};

use serde_json::Value;

use super::{
    door::{Door, secret},
    object_storage::ObjectStorage,
    place::Place,
};

const GATEWAY: &str = "10.236.1.1";
const OLD: Door = Door { domain: "moveold.test", balancer: "moveold-single-1", client: "moveold-single-1" };
const NEW: Door = Door { domain: "movenew.test", balancer: "movenew-haproxy-external-1", client: "movenew-app-1" };

fn old(more: &str) -> String {
    format!(
        "name: moveold\narchitecture: 1k\nprovider: local\npurpose: test\nlocal: {{ subnet: 10.236.1.0/24 }}\n\
         secrets:\n  backup_access_key: {{ command: [cat, access-key] }}\n{more}"
    )
}

fn new(more: &str) -> String {
    format!(
        "name: movenew\nprovider: local\npurpose: test\nlocal: {{ subnet: 10.236.2.0/24 }}\nnodes:\n  \
         data: {{ count: 3, roles: [consul, postgres] }}\n  redis: {{ count: 1 }}\n  gitaly: {{ count: 2 }}\n  \
         pgbouncer: {{ count: 1 }}\n  app: {{ count: 1, roles: [app, sidekiq] }}\n  haproxy-internal: {{ count: 1 }}\n  \
         haproxy-external: {{ count: 1 }}\n{more}"
    )
}

#[tokio::test]
async fn everything_that_was_acknowledged_moves_along() {
    let from = Place::new("moveold", &old(""));
    let to = Place::new("movenew", &new(""));
    from.write("access-key", "AKIAREFARCHTEST00001\n");
    from.refarch(&["apply", "--yes"]).expect(0);
    OLD.push(&from, "first");

    // Without backups there is nothing to move.
    let (old_file, new_file) = (from.path("refarch.yaml"), to.path("refarch.yaml"));
    let migrate = ["migrate", old_file.to_str().unwrap(), new_file.to_str().unwrap(), "--yes", "--lock-wait", "60"];
    let refused = from.refarch(&migrate).expect(1);
    assert!(refused.stderr.contains("`moveold`: this environment has no backups"), "{}", refused.stderr);

    let storage = ObjectStorage::start(&from, GATEWAY).await;
    std::fs::copy(from.path("s3-ca.crt"), to.path("s3-ca.crt")).unwrap();
    let backup = format!(
        "settings:\n  backup: {{ endpoint: '{}', bucket: backups, ca_file: s3-ca.crt, archive_timeout: 10 }}\n",
        storage.endpoint()
    );
    from.write("refarch.yaml", &old(&backup));
    from.refarch(&["apply", "--yes"]).expect(0);
    to.write("refarch.yaml", &new(&backup));

    // A larger size cannot be had in place: nothing carries the data there.
    from.write("refarch.yaml", &old(&backup).replace("1k", "2k"));
    let refused = from.refarch(&["plan"]).expect(1);
    for text in [
        "the data of postgres is on moveold-single-1, and moveold-postgres-1 would begin without it",
        "refarch migrate",
    ] {
        assert!(refused.stderr.contains(text), "{}", refused.stderr);
    }
    from.write("refarch.yaml", &old(&backup));

    let writer = OLD.writer(&from);
    // The controller dies when users have just been sent away, and when the restored data takes its place.
    let first = from.start(&migrate);
    killed_at(&from, first, "quiet/");
    let second = from.start(&migrate);
    killed_at(&to, second, "swap/");
    let refused = to.refarch(&["resume", "--yes", "--lock-wait", "60", "--destroy-data", "movenew"]).expect(1);
    assert!(refused.stderr.contains("refarch migrate "), "{}", refused.stderr);
    from.refarch(&migrate).expect(0).says("all that moveold had when it was stopped").says("refarch destroy ");
    let written = writer.stop();

    let present = to.on(
        "movenew-data-1",
        "runuser -u postgres -- psql -XAtq sandbox -c \"select id from writes where value = 'w'\"",
    );
    let present = present.expect(0).stdout;
    eprintln!("{} writes acknowledged, {} refused", written.good.len(), written.bad.len());
    assert!(written.good.len() > 20 && !written.bad.is_empty());
    for (id, _) in &written.good {
        assert!(present.contains(id.as_str()), "the write {id} was acknowledged, and is not in the new environment");
    }
    NEW.clone(&to, "first");
    NEW.push(&to, "second");
    NEW.clone(&to, "second");
    assert_eq!(secret(&from, "root_token"), secret(&to, "root_token"));
    assert_ne!(secret(&from, "postgres_app"), secret(&to, "postgres_app"));
    to.on("movenew-data-*", "! ls -d /run/refarch-source-* 2>/dev/null").expect(0);
    to.refarch(&["backup", "verify"]).expect(0);

    // It is not done twice by mistake, and the old environment comes back with one command.
    let refused = from.refarch(&migrate).expect(1);
    assert!(refused.stderr.contains("this would destroy the data of movenew-data-1"), "{}", refused.stderr);
    from.on("moveold-single-1", "! systemctl is-active -q refarch-app && ! systemctl is-enabled -q refarch-sidekiq")
        .expect(0);
    from.refarch(&["apply", "--yes"]).expect(0);
    OLD.clone(&from, "first");

    to.destroy().expect(0);
    from.destroy().expect(0);
}

/// Kills the controller when a step of this kind has begun in the latest run of an environment.
fn killed_at(place: &Place, mut controller: Child, kind: &str) {
    let begun = |step: &Value| {
        step["step"].as_str().unwrap().starts_with(kind) && step["outcome"].as_str().unwrap() != "not_tried"
    };
    let patience = Instant::now();
    loop {
        let ran = place.refarch(&["runs", "show", "latest", "--output", "json"]);
        let steps = (ran.code == 0).then(|| ran.last_line()["steps"].clone());
        if steps.as_ref().and_then(Value::as_array).is_some_and(|steps| steps.iter().any(begun)) {
            break;
        }
        let ended = controller.try_wait().unwrap();
        assert!(ended.is_none(), "it ended before `{kind}`: {ended:?}");
        assert!(patience.elapsed() < Duration::from_secs(300), "it does not come to `{kind}`");
        std::thread::sleep(Duration::from_millis(50));
    }
    controller.kill().unwrap();
    controller.wait().unwrap();
}
