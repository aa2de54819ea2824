//! Encryption between the nodes: whoever asks a server finds it where it listens, encrypted, with a key that it may read.

use super::place::{Place, file};

fn encrypted(size: &str) -> Place {
    Place::new(size, "settings:\n  linux-package: { internal_tls: all }\n")
}

#[test]
fn no_service_between_nodes_listens_without_encryption() {
    for size in ["2k", "3k", "10k"] {
        for (node, rb) in encrypted(size).all_rb() {
            if rb.contains("sentinel['bind']") {
                assert!(
                    rb.contains("sentinel['port'] = 0\n") && rb.contains("sentinel['tls_port'] = 26379\n"),
                    "{node}"
                );
            }
            if rb.contains("redis['bind']") {
                assert!(rb.contains("redis['port'] = 0\n") && rb.contains("redis['tls_port'] = 6379\n"), "{node}");
            }
            if rb.contains("postgresql['listen_address']") {
                assert!(rb.contains("postgresql['hostssl'] = true\n"), "{node}");
            }
            if rb.contains("pgbouncer['databases']") || rb.contains("pgbouncer['users']") {
                assert!(rb.contains("pgbouncer['client_tls_sslmode'] = 'require'\n"), "{node}");
                assert!(rb.contains("pgbouncer['server_tls_sslmode'] = 'verify-ca'\n"), "{node}");
            }
            if rb.contains("consul['configuration']") {
                assert!(rb.contains("consul['use_tls'] = true\n"), "{node}");
            }
            if rb.contains("gitlab_rails['db_host']") {
                assert!(rb.contains("gitlab_rails['db_sslmode'] = 'verify-full'\n"), "{node}");
            }
            assert!(
                !rb.contains(" listen_addr:") && !rb.contains("tcp://") && !rb.contains("redis://"),
                "{node}:\n{rb}"
            );
        }
    }
}

#[test]
fn nodes_ask_the_way_that_servers_listen() {
    let place = encrypted("10k");
    let stages = place.stages();
    let migrate = file(&stages["demo-app-1"], "/usr/local/lib/refarch/migrate").unwrap();
    assert!(migrate.contains("--cacert /etc/refarch/ca.crt https://\"$server\":8008/leader"), "{migrate}");
    for node in ["demo-redis-cache-1", "demo-redis-persistent-2"] {
        let client = file(&stages[node], "/usr/local/lib/refarch/redis-cli").unwrap();
        assert!(client.contains("redis-cli --tls --cacert /etc/refarch/ca.crt -h 127.0.0.1"), "{client}");
    }
    let plain = Place::new("10k", "").stages();
    let client = file(&plain["demo-redis-cache-1"], "/usr/local/lib/refarch/redis-cli").unwrap();
    assert!(client.contains("redis-cli -h 127.0.0.1"), "{client}");
}

#[test]
fn every_user_has_the_key_of_its_services_and_no_other() {
    let stages = encrypted("10k").stages();
    for (node, users) in [
        ("demo-consul-1", vec!["gitlab-consul"]),
        ("demo-postgres-1", vec!["gitlab-psql", "gitlab-consul"]),
        ("demo-pgbouncer-1", vec!["gitlab-psql", "gitlab-consul"]),
        ("demo-redis-cache-1", vec!["gitlab-redis", "gitlab-consul"]),
        ("demo-gitaly-1", vec!["git", "gitlab-consul"]),
        ("demo-praefect-1", vec!["git", "gitlab-consul"]),
        ("demo-app-1", vec!["gitlab-consul"]),
    ] {
        let script = file(&stages[node], "/usr/local/lib/refarch/internal-keys").unwrap();
        let told: Vec<&str> =
            script.lines().filter_map(|line| line.strip_prefix("for_user ")?.split(' ').next()).collect();
        assert_eq!(told, users, "{node}");
    }
}
