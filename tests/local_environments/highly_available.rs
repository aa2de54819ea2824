//! The smallest highly available architecture: up, drift, a saved plan, out and in, down.

use refarch::provider::local::leftovers;
use serde_json::json;

use super::place::Place;

fn environment(app_nodes: u32) -> String {
    format!("name: e2e\narchitecture: 3k\nprovider: local\npurpose: test\nnodes:\n  app: {{ count: {app_nodes} }}\n")
}

async fn kill_container(name: &str) {
    let engine = bollard::Docker::connect_with_defaults().unwrap();
    engine.kill_container(name, None).await.unwrap();
}

/// The app servers that the external balancer finds good.
fn servers_up(place: &Place) -> usize {
    let own = "$(getent hosts \"$(hostname)\" | cut -d ' ' -f 1)";
    let ran = place.on("e2e-haproxy-external-1", &format!("curl -fs \"http://{own}:1936/;csv\"")).expect(0);
    ran.stdout.lines().filter(|line| line.contains("| app-http-servers,e2e-app-") && line.contains(",UP,")).count()
}

#[tokio::test]
async fn an_environment_from_nothing_to_nothing() {
    let place = Place::new("e2e", &environment(3));

    // Up, proven, and then nothing to do.
    place
        .refarch(&["apply", "--yes"])
        .expect(0)
        .says("all 16 checks hold")
        .says("Environment  e2e: 23 nodes, stack sandbox")
        .says("https://e2e.test");
    assert_eq!(
        place.refarch(&["apply"]).expect(0).text(),
        "e2e: nothing to do, everything is as the environment file says"
    );
    place.refarch(&["status"]).expect(0).says("23 of 23 nodes healthy");

    // Every kind of drift is seen, and mended where it is.
    place.on("e2e-pgbouncer-1", "echo '; by hand' >>/etc/pgbouncer/pgbouncer.ini").expect(0);
    place.on("e2e-monitor-1", "systemctl stop prometheus").expect(0);
    kill_container("e2e-redis-2").await;
    place.refarch(&["verify", "--output", "plain"]).expect(3);
    let drift = place.refarch(&["plan", "--detailed-exitcode", "--output", "json"]).expect(2).steps();
    assert_eq!(
        drift,
        [
            "resource/node/e2e-redis-2",
            "await/e2e-redis-2",
            "configure/e2e-pgbouncer-1/pgbouncer",
            "configure/e2e-redis-2/base",
            "configure/e2e-redis-2/redis-node",
            "configure/e2e-redis-2/redis",
            "configure/e2e-monitor-1/monitor",
        ]
    );
    place.refarch(&["plan", "--diff"]).expect(0).says("-; by hand");
    let mended = place.refarch(&["apply", "--yes", "--output", "jsonl"]).expect(0).last_line();
    assert_eq!(
        [&mended["type"], &mended["done"], &mended["total"], &mended["failed"], &mended["exit_code"]],
        [&json!("run_finished"), &json!(7), &json!(7), &json!(0), &json!(0)]
    );
    let nothing = place.refarch(&["apply", "--output", "json"]).expect(0).last_line();
    assert_eq!([&nothing["total"], &nothing["exit_code"]], [&json!(0), &json!(0)]);
    let proven = place.refarch(&["verify", "--output", "json"]).expect(0).last_line();
    assert_eq!((proven["checks"].as_array().unwrap().len(), &proven["exit_code"]), (16, &json!(0)));
    place.on("e2e-pgbouncer-1", "! grep 'by hand' /etc/pgbouncer/pgbouncer.ini").expect(0);

    // Out by one app node with a saved plan, which is good once; and in again.
    place.write("refarch.yaml", &environment(4));
    place.refarch(&["plan", "-o", "plan.json"]).expect(0).says("e2e-app-4");
    place.refarch(&["apply", "plan.json"]).expect(0).says("Environment  e2e: 24 nodes");
    assert_eq!(servers_up(&place), 4);
    let moved = place.refarch(&["apply", "plan.json"]).expect(1);
    assert!(moved.stderr.contains("plan"), "{}", moved.stderr);
    place.write("refarch.yaml", &environment(3));
    place.refarch(&["apply", "--yes"]).expect(0).says("Environment  e2e: 23 nodes");
    assert_eq!(servers_up(&place), 3);

    // Down: data goes only by name, and then nothing is left.
    let refused = place.refarch(&["destroy", "--yes"]).expect(1);
    assert!(refused.stderr.contains("this would destroy the data of e2e-"), "{}", refused.stderr);
    place.destroy().expect(0);
    assert_eq!(leftovers("e2e").await.unwrap(), Vec::<String>::new());
    assert_eq!(place.workspace(), [".gitignore", "lock.guard", "runs"]);
}
