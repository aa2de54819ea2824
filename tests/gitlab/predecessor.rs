//! Defects seen in the toolkit that came before, each by its number in the list of facts: ours does not have them.
//! (8, 9 and 13 are about clouds and charts, which this stack does not touch.)

use super::{
    goldens::OPTIONS,
    place::{Place, file, root},
};

fn large() -> Place {
    Place::new("10k", "")
}

fn options() -> Place {
    Place::with_files("3k", OPTIONS, &[("password", "se-cret\n")])
}

#[test]
fn d01_only_kinds_that_the_application_knows_stand_under_object_store() {
    let rb = options().rb("demo-app-1");
    for kind in ["backups", "registry", "ci_secure_files"] {
        assert!(!rb.contains(&format!("['objects']['{kind}']")), "{kind}");
    }
    assert!(rb.contains("['objects']['artifacts']['bucket'] = 'demo-artifacts'"));
    assert!(rb.contains("gitlab_rails['ci_secure_files_object_store_remote_directory'] = 'demo-ci-secure-files'"));
    assert!(rb.contains("gitlab_rails['backup_upload_remote_directory'] = 'demo-backups'"));
}

#[test]
fn d02_scheme_and_port_of_praefect_are_chosen_together() {
    assert!(large().rb("demo-app-1").contains("'gitaly_address' => 'tcp://198.18.0.2:2305'"));
    let inside = Place::new("10k", "settings:\n  linux-package: { internal_tls: git }\n");
    assert!(inside.rb("demo-sidekiq-1").contains("'gitaly_address' => 'tls://198.18.0.2:3305'"));
}

#[test]
fn d03_praefect_listens_with_tls_where_its_clients_and_balancer_go() {
    let inside = Place::new("10k", "settings:\n  linux-package: { internal_tls: git }\n");
    assert!(inside.rb("demo-praefect-1").contains("tls_listen_addr: '0.0.0.0:3305'"));
    let balancer = inside.file("demo-haproxy-internal-1", "/etc/haproxy/haproxy.cfg").unwrap();
    assert!(balancer.contains(":3305\n") && !balancer.contains("2305"), "{balancer}");
    let firewall = inside.file("demo-praefect-1", "/etc/refarch/firewall.nft").unwrap();
    assert!(firewall.contains("tcp dport 3305") && !firewall.contains("2305") && !firewall.contains("3035"));
}

#[test]
fn d04_the_exporter_of_each_redis_set_has_that_sets_password() {
    let place = large();
    for (node, password) in
        [("demo-redis-cache-1", "redis_cache_password"), ("demo-redis-persistent-3", "redis_persistent_password")]
    {
        let rb = place.rb(node);
        assert!(rb.contains(&format!("'redis.password' => 'placeholder-{password}'")), "{rb}");
        assert!(rb.contains(&format!("redis['password'] = 'placeholder-{password}'")), "{rb}");
        assert!(!rb.contains("placeholder-redis_password"), "{rb}");
    }
}

#[test]
fn d05_own_lines_reach_every_kind_of_node() {
    let roles = [
        "consul",
        "postgres",
        "pgbouncer",
        "redis-cache",
        "redis-persistent",
        "praefect-postgres",
        "praefect",
        "gitaly",
        "app",
        "sidekiq",
        "monitor",
    ];
    for role in roles {
        let more =
            format!("settings:\n  linux-package: {{ gitlab_rb: {{ {role}: \"logging['svlogd_num'] = 7\" }} }}\n");
        let place = Place::new("10k", &more);
        for (node, rb) in place.all_rb() {
            let of_role = place.session.topology().node(&node).unwrap().has(role);
            assert_eq!(rb.contains("logging['svlogd_num'] = 7"), of_role, "{role} {node}");
        }
    }
}

#[test]
fn d06_no_switch_is_a_text() {
    for place in [large(), options(), Place::new("1k", "")] {
        for (node, rb) in place.all_rb() {
            for text in ["'true'", "'false'", "'True'", "'False'", "\"False\"", "\"True\""] {
                assert!(!rb.contains(text), "{node}: {text}");
            }
            assert!(!rb.contains("sentinel['use_hostnames']"), "{node}: addresses are no names");
        }
    }
}

#[test]
fn d07_nightly_builds_come_from_their_one_address() {
    let script = large().file("demo-app-1", "/usr/local/lib/refarch/package").unwrap();
    assert!(script.contains("$vendor/gitlab/nightly-builds/") && !script.contains("gitlab_gitlab_"));
}

#[test]
fn d10_data_disks_are_looked_up_as_they_are_written() {
    let place = options();
    let wanted = "data-disk make /dev/sdb /var/opt/gitlab/git-data git";
    let commands = |node: &str| format!("{:?}", place.stages()[node]);
    assert!(commands("demo-gitaly-1").contains(wanted));
    assert!(!commands("demo-app-1").contains(wanted));
}

#[test]
fn d11_no_database_lets_anybody_in_without_a_password() {
    for place in [large(), Place::new("2k", ""), Place::new("3k", "")] {
        for (node, rb) in place.all_rb() {
            assert!(!rb.contains("0.0.0.0/0"), "{node}");
            assert!(!rb.contains("trust_auth_cidr_addresses"), "{node}");
            if rb.contains("postgresql['listen_address']") {
                assert!(rb.contains("postgresql['md5_auth_cidr_addresses'] = %w(127.0.0.1/32 198.18."), "{node}: {rb}");
            }
        }
    }
}

#[test]
fn d12_application_settings_are_compared_with_what_is_there() {
    let script = large().file("demo-app-1", "/usr/local/lib/refarch/application-settings.rb").unwrap();
    let (compared, written) = (script.find("current.public_send").unwrap(), script.find("current.update!").unwrap());
    assert!(compared < written && script.contains("unless differing.empty?"));
}

#[test]
fn d14_migrations_ask_every_server_whether_it_leads() {
    let script = large().file("demo-app-1", "/usr/local/lib/refarch/migrate").unwrap();
    assert!(script.contains("for server in 198.18.0.6 198.18.0.7 198.18.0.8; do"), "{script}");
    assert!(script.contains(":8008/leader"));
    assert_eq!(large().file("demo-app-2", "/usr/local/lib/refarch/migrate"), None, "one node makes the schema");
}

#[test]
fn d15_no_command_line_carries_a_secret() {
    // Commands may not read secrets at all: rendering would have refused. What is left is the scripts' own doing.
    for place in [large(), options()] {
        for (node, stages) in place.stages() {
            for path in ["/usr/local/lib/refarch/praefect-database", "/usr/local/lib/refarch/migrate"] {
                if let Some(script) = file(&stages, path) {
                    assert!(
                        !script.contains("placeholder-") && !script.to_lowercase().contains("pgpassword="),
                        "{node}"
                    );
                }
            }
        }
    }
    let script = large().file("demo-praefect-postgres-1", "/usr/local/lib/refarch/praefect-database").unwrap();
    assert!(script.contains("<\"$sql\""), "psql reads the password from a file: {script}");
}

#[test]
fn d16_every_shipped_file_is_for_the_size_and_place_of_its_name() {
    for place in ["aws", "gcp", "azure", "static"] {
        for size in ["1k", "2k", "3k", "5k", "10k", "25k", "50k"] {
            let path = root().join("environments").join(place).join(format!("{size}.yaml"));
            let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            assert!(text.contains(&format!("\narchitecture: {size}\n")), "{}", path.display());
            assert!(text.contains(&format!("\nprovider: {place}\n")), "{}", path.display());
        }
    }
}

#[test]
fn d17_nothing_is_written_that_the_version_dropped() {
    for version in ["18.0", "18.11", "19.0", "19.3", "newest"] {
        let place = Place::new("10k", &format!("settings:\n  linux-package: {{ version: '{version}' }}\n"));
        let known = super::place::known();
        for (node, rb) in place.all_rb() {
            assert_eq!(known.complaints(&rb, version), [], "{node} with {version}");
        }
    }
}

#[test]
fn d18_keys_are_for_root_alone_and_come_from_no_node() {
    use refarch::configure::Want;
    let stages = &large().stages()["demo-app-2"];
    let mut keys = 0;
    for item in stages.iter().flat_map(|stage| &stage.resources) {
        if let Want::File { path, mode, secret, owner, .. } = &item.want
            && (path.contains("ssh_host_") || path.ends_with("gitlab-secrets.json") || path.ends_with("gitlab.rb"))
        {
            keys += 1;
            assert!(mode == "0600" && owner == "root" && *secret, "{path} {mode}");
        }
    }
    assert_eq!(keys, 5);
}
