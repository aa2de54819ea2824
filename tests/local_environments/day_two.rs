//! What comes after `apply`, on a small environment without a single point of failure where it matters: who changed what, secrets that get new values, backups and the way back.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::{
    door::{Door, secret},
    object_storage::ObjectStorage,
    place::Place,
};

const NAME: &str = "daytwo";
const GATEWAY: &str = "10.235.1.1";
const DOOR: Door = Door { domain: "daytwo.test", balancer: "daytwo-haproxy-external-1", client: "daytwo-app-1" };

fn environment(more: &str) -> String {
    format!(
        "name: {NAME}\nprovider: local\npurpose: test\nlocal: {{ subnet: 10.235.1.0/24 }}\nnodes:\n  \
         data: {{ count: 3, roles: [consul, postgres, redis] }}\n  gitaly: {{ count: 1 }}\n  pgbouncer: {{ count: 1 }}\n  \
         app: {{ count: 2, roles: [app, sidekiq] }}\n  haproxy-internal: {{ count: 1 }}\n  haproxy-external: {{ count: 1 }}\n\
         secrets:\n  backup_access_key: {{ command: [cat, access-key] }}\n{more}"
    )
}

#[tokio::test]
async fn an_environment_is_lived_with() {
    let place = Place::new(NAME, &environment(""));
    place.write("access-key", "AKIAREFARCHTEST00001\n");
    place.refarch(&["apply", "--yes"]).expect(0);

    tells_who_changed_what(&place);
    rotates(&place);
    backs_up(&place).await;

    place.destroy().expect(0);
}

/// Drift, runs, the record on the nodes, and the package for support.
fn tells_who_changed_what(place: &Place) {
    let clean = place.refarch(&["plan", "--refresh-only", "--detailed-exitcode"]).expect(0);
    assert_eq!(clean.text(), "daytwo: nothing changed behind refarch's back");
    place.on("daytwo-pgbouncer-1", "echo '; by hand' >>/etc/pgbouncer/pgbouncer.ini").expect(0);
    place.on("daytwo-gitaly-1", "systemctl stop refarch-git-daemon").expect(0);
    // What the file asks for is no drift.
    place.write(
        "refarch.yaml",
        &environment("settings: { pgbouncer: { default_pool_size: 21 }, app: { unready_after: 31 } }\n"),
    );
    let drift =
        place.refarch(&["plan", "--refresh-only", "--detailed-exitcode", "--output", "json"]).expect(2).last_line();
    let mut expected: Vec<&str> = drift["expected"].as_array().unwrap().iter().map(|id| id.as_str().unwrap()).collect();
    expected.sort_unstable();
    assert_eq!(
        expected,
        ["configure/daytwo-app-1/app", "configure/daytwo-app-2/app", "configure/daytwo-pgbouncer-1/pgbouncer"]
    );
    assert_eq!(changes(&drift), ["daytwo-gitaly-1: service refarch-git-daemon: start (inactive)"]);
    place.write("refarch.yaml", &environment(""));
    let drift =
        place.refarch(&["plan", "--refresh-only", "--detailed-exitcode", "--output", "json"]).expect(2).last_line();
    assert_eq!(
        changes(&drift),
        [
            "daytwo-gitaly-1: service refarch-git-daemon: start (inactive)",
            "daytwo-pgbouncer-1: file /etc/pgbouncer/pgbouncer.ini: content",
        ]
    );
    place.refarch(&["plan", "--refresh-only"]).expect(0).says("2 things changed behind refarch's back");
    place.refarch(&["apply", "--yes"]).expect(0);
    place.refarch(&["plan", "--refresh-only", "--detailed-exitcode"]).expect(0);

    let run =
        place.refarch(&["runs", "show", "latest", "-e", "refarch.yaml", "--output", "json"]).expect(0).last_line();
    assert_eq!((&run["state"], &run["done"]), (&"done".into(), &2.into()));
    assert!(run["steps"].as_array().unwrap().iter().all(|step| step["outcome"] == "done"), "{run}");
    place.refarch(&["runs", "show", "latest"]).expect(0).says("configure/daytwo-pgbouncer-1/pgbouncer");
    let record = place
        .on("daytwo-pgbouncer-1", "tail -n 1 /var/lib/refarch/record.jsonl; stat -c %a /var/lib/refarch/record.jsonl");
    let record = record.expect(0).stdout;
    for text in
        [run["id"].as_str().unwrap(), run["by"].as_str().unwrap(), "file /etc/pgbouncer/pgbouncer.ini: content", "600"]
    {
        assert!(record.contains(text), "no `{text}` in {record}");
    }

    // A secret that slipped into a log is taken out on its way.
    let token = secret(place, "root_token");
    place.on("daytwo-app-1", &format!("logger -t slip 'token={token}'")).expect(0);
    place.refarch(&["support", "-o", "support.tar"]).expect(0);
    let archive = std::fs::read(place.path("support.tar")).unwrap();
    let text = String::from_utf8_lossy(&archive).into_owned();
    for part in
        ["about.txt", "plan.json", "status.json", "nodes/daytwo-app-1/journal.txt", "record.jsonl", "journal.jsonl"]
    {
        assert!(text.contains(part), "{part} is not in the package");
    }
    assert!(text.contains("token=<secret:root_token>"), "the log was not packed");
    let names: Value = place.refarch(&["secrets", "list", "--output", "json"]).expect(0).last_line();
    for name in names.as_array().unwrap().iter().map(|secret| secret["name"].as_str().unwrap()) {
        for line in secret(place, name).lines().filter(|line| !line.starts_with("-----")) {
            assert!(!text.contains(line), "secret {name} is in the package");
        }
    }
}

/// A password of PostgreSQL, the authority, and the rest, while somebody writes.
fn rotates(place: &Place) {
    let nothing = place.refarch(&["secrets", "rotate", "site@daytwo-haproxy-external-1", "--yes"]).expect(1);
    assert!(nothing.stderr.contains("rotate the authority"), "{}", nothing.stderr);
    let same = place.refarch(&["secrets", "rotate", "backup_cipher", "--yes"]).expect(1);
    assert!(same.stderr.contains("cannot rotate `backup_cipher`"), "{}", same.stderr);

    let writer = DOOR.writer(place);
    let old = secret(place, "postgres_app");
    // The controller dies in the middle; the same command again comes to the same end.
    let mut killed = place.start(&["secrets", "rotate", "postgres_app", "--yes"]);
    let patience = Instant::now();
    while !place.refarch(&["secrets", "list"]).stdout.contains("the new value is used") {
        assert!(patience.elapsed() < Duration::from_secs(60), "the rotation does not come to its second phase");
        std::thread::sleep(Duration::from_millis(200));
    }
    killed.kill().unwrap();
    killed.wait().unwrap();
    let new = secret(place, "postgres_app");
    assert_ne!(new, old);
    place.refarch(&["plan"]).expect(0).says("secret postgres_app is being rotated");
    place
        .refarch(&["secrets", "rotate", "postgres_app", "--yes", "--lock-wait", "60"])
        .expect(0)
        .says("postgres_app is rotated");
    assert_eq!(secret(place, "postgres_app"), new);
    let login = |user: &str, password: &str| {
        let line = format!(
            "PGPASSWORD={password} psql -XAtqw -h daytwo-pgbouncer-1 -p 6432 -U {user} -d sandbox -c 'select current_user'"
        );
        place.on("daytwo-pgbouncer-1", &line)
    };
    login("sandbox_b", &new).expect(0).says("sandbox");
    login("sandbox", &old).expect(1);
    login("sandbox", &new).expect(1);

    let before = place.on("daytwo-app-1", "sha256sum /etc/refarch/ca.crt").expect(0).stdout;
    // Users outside learn of the new authority while nobody uses it yet.
    place.refarch(&["secrets", "rotate", "ca", "--until", "accept", "--yes"]).expect(0).says("ca is in phase 1 of 3");
    place.on("daytwo-*", "grep -c BEGIN /etc/refarch/ca.crt | grep -x 2").expect(0);
    for name in [
        "ca",
        "consul_gossip",
        "gitaly_token",
        "patroni_rest",
        "postgres_replication",
        "redis_admin",
        "redis_app",
        "redis_replica",
        "redis_sentinel",
    ] {
        place.refarch(&["secrets", "rotate", name, "--yes"]).expect(0).says(&format!("{name} is rotated"));
    }
    assert_ne!(place.on("daytwo-app-1", "sha256sum /etc/refarch/ca.crt").expect(0).stdout, before);
    place.on("daytwo-app-1", "grep -c BEGIN /etc/refarch/ca.crt | grep -x 1").expect(0);
    writer.stop().all_good();
    // The writer's own login.
    place.refarch(&["secrets", "rotate", "root_token", "--yes"]).expect(0).says("root_token is rotated");
    assert_eq!(place.refarch(&["plan", "--detailed-exitcode"]).expect(0).code, 0);
    place.refarch(&["verify"]).expect(0);
}

/// Write, back up, write more, lose everything, go back: all that was acknowledged before that moment is there.
async fn backs_up(place: &Place) {
    let refused = place.refarch(&["backup", "list"]).expect(1);
    assert!(refused.stderr.contains("this environment has no backups"), "{}", refused.stderr);
    let storage = ObjectStorage::start(place, GATEWAY).await;
    let more = format!(
        "settings:\n  backup: {{ endpoint: '{}', bucket: backups, ca_file: s3-ca.crt, archive_timeout: 10 }}\n",
        storage.endpoint()
    );
    place.write("refarch.yaml", &environment(&more));
    place.refarch(&["apply", "--yes"]).expect(0);
    DOOR.push(place, "before");
    place.refarch(&["backup", "now", "--full"]).expect(0).says("full").says("repositories");
    assert!(storage.names().iter().any(|name| name.ends_with("/secrets/latest.age")), "{:?}", storage.names());

    // More writes, and the moment to go back to: all answers until then must be there, none from after it.
    let writer = DOOR.writer(place);
    writer.writes(30);
    let moment = place.on("daytwo-data-1", "date -u +%FT%T.%NZ").expect(0).stdout;
    let moment = moment.trim().rsplit(' ').next().unwrap().to_owned();
    writer.writes(30);
    let written = writer.stop();
    // Until the log up to that moment has left the node, a lost disk would take it along.
    let archived = format!(
        "runuser -u postgres -- psql -XAtqc \"select pg_is_in_recovery() or last_archived_time > '{moment}' \
         from pg_stat_archiver\" | grep -qx t"
    );
    place.on("daytwo-data-*", &format!("cd /; until {archived}; do sleep 0.5; done")).expect(0);

    place.refarch(&["backup", "verify"]).expect(0);

    // All disks are lost.
    place.on("daytwo-data-*", "systemctl stop patroni && rm -rf /var/lib/postgresql/15/main").expect(0);
    place
        .on("daytwo-gitaly-1", "systemctl stop refarch-git-daemon refarch-repositories && rm -rf /srv/git/*")
        .expect(0);
    let refused = place.refarch(&["backup", "restore", "--at", &moment, "--yes"]).expect(1);
    assert!(refused.stderr.contains("this would destroy the data of daytwo-data-1"), "{}", refused.stderr);
    let future = place
        .refarch(&["backup", "restore", "--at", "2099-01-01T00:00:00Z", "--yes", "--destroy-data", NAME])
        .expect(64);
    assert!(future.stderr.contains("has not come yet"), "{}", future.stderr);
    // The controller dies while servers take what was restored; the run is finished all the same.
    let mut killed = place.start(&["backup", "restore", "--at", &moment, "--yes", "--destroy-data", NAME]);
    let patience = Instant::now();
    let swapping = |step: &Value| {
        step["step"].as_str().unwrap().starts_with("swap/") && step["outcome"].as_str().unwrap() != "not_tried"
    };
    while !place.refarch(&["runs", "show", "latest", "--output", "json"]).last_line()["steps"]
        .as_array()
        .unwrap()
        .iter()
        .any(swapping)
    {
        assert!(patience.elapsed() < Duration::from_secs(120), "the restore does not come to its swap");
        std::thread::sleep(Duration::from_millis(50));
    }
    killed.kill().unwrap();
    killed.wait().unwrap();
    place.refarch(&["resume", "--yes", "--lock-wait", "60", "--destroy-data", NAME]).expect(0);
    let run = place.refarch(&["runs", "show", "latest", "--output", "json"]).expect(0).last_line();
    assert_eq!((&run["state"], run["sessions"].as_array().unwrap().len()), (&"done".into(), 2), "{run}");

    let limit: f64 =
        place.on("daytwo-data-1", &format!("date -d {moment} +%s.%N")).expect(0).last_word().parse().unwrap();
    let present = place.on(
        "daytwo-data-1",
        "runuser -u postgres -- psql -XAtq sandbox -c \"select id from writes where value = 'w'\"",
    );
    let present = present.expect(0).stdout;
    let mut kept = 0;
    for (id, at) in &written.good {
        let there = present.contains(id.as_str());
        assert!(there || *at > limit, "the write {id} was acknowledged before the moment, and is lost");
        kept += usize::from(there);
    }
    assert!(kept > 10 && written.good.iter().any(|(id, _)| !present.contains(id.as_str())), "{kept} writes kept");
    place.on("daytwo-gitaly-1", "find /srv/git -maxdepth 3 -name '*.git' | grep -c . | grep -x 1").expect(0);

    // A backup that was cut short is found out, and nothing is changed.
    storage.truncate_newest_full();
    place.refarch(&["backup", "verify"]).expect(1);
    let marker = "insert into writes (id, value, node) values (gen_random_uuid(), 'marker', 'x')";
    place.on("daytwo-data-1", &format!("runuser -u postgres -- psql -XAtq sandbox -c \"{marker}\"")).expect(0);
    place.refarch(&["backup", "restore", "--yes", "--destroy-data", NAME]).expect(1);
    let count = "runuser -u postgres -- psql -XAtq sandbox -c \"select count(*) from writes where value = 'marker'\" | grep -x 1";
    place.on("daytwo-data-1", count).expect(0);
    place.refarch(&["verify"]).expect(0);
}

fn changes(drift: &Value) -> Vec<String> {
    let mut told = Vec::new();
    for step in drift["steps"].as_array().unwrap() {
        for change in step["changes"].as_array().unwrap() {
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            told.push(format!("{}: {}: {}", text(&step["node"]), text(&change["item"]), text(&change["detail"])));
        }
    }
    told.sort();
    told
}
