//! The reference architectures: `environments/reference/<size>.yaml`, embedded in the binary.

use std::sync::LazyLock;

use rust_embed::RustEmbed;

use crate::environment::{Architecture, ReferenceArchitecture};

#[derive(RustEmbed)]
#[folder = "environments/reference"]
#[include = "*.yaml"]
struct Files;

static ALL: LazyLock<Vec<ReferenceArchitecture>> =
    LazyLock::new(|| Architecture::ALL.iter().map(|size| read(*size)).collect());

/// The reference architecture of a size.
#[must_use]
pub fn load(size: Architecture) -> ReferenceArchitecture {
    let found = ALL.iter().find(|one| one.architecture == size);
    found.cloned().expect("ALL has one of every size")
}

/// Whether any reference architecture has a node group of this name.
#[must_use]
pub fn is_group(name: &str) -> bool {
    ALL.iter().any(|one| one.nodes.contains_key(name))
}

fn read(size: Architecture) -> ReferenceArchitecture {
    let file = Files::get(&format!("{}.yaml", size.name())).expect("every size has a file in environments/reference");
    let text = std::str::from_utf8(&file.data).expect("the reference architectures are text");
    serde_saphyr::from_str(text).expect("a test reads every reference architecture")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(size: Architecture, group: &str) -> u32 {
        load(size).nodes.get(group).map_or(0, |group| group.count)
    }

    #[test]
    fn small_sizes_have_no_part_of_high_availability() {
        for size in [Architecture::K1, Architecture::K2] {
            for group in ["consul", "pgbouncer", "haproxy-internal", "praefect", "praefect-postgres"] {
                assert_eq!(count(size, group), 0, "{group} at {size}");
            }
        }
        assert_eq!(count(Architecture::K2, "postgres"), 1);
        assert_eq!(count(Architecture::K2, "redis"), 1);
    }

    #[test]
    fn from_3k_on_every_voter_and_store_is_there_in_threes() {
        for size in Architecture::ALL.into_iter().filter(|size| *size >= Architecture::K3) {
            for group in ["consul", "postgres", "pgbouncer", "praefect", "gitaly"] {
                assert_eq!(count(size, group), 3, "{group} at {size}");
            }
            assert!(count(size, "haproxy-internal") > 0 && count(size, "app") >= 3, "{size}");
        }
    }

    #[test]
    fn redis_is_one_below_10k_and_split_from_10k_on() {
        for size in Architecture::ALL.into_iter().filter(|size| *size > Architecture::K1) {
            let split = size >= Architecture::K10;
            assert_eq!(count(size, "redis") == 0, split, "{size}");
            assert_eq!(count(size, "redis-cache") == 3 && count(size, "redis-persistent") == 3, split, "{size}");
        }
    }

    #[test]
    fn a_larger_size_is_nowhere_smaller() {
        for pair in Architecture::ALL.windows(2).skip(1) {
            let (small, large) = (load(pair[0]), load(pair[1]));
            assert!(small.users_up_to < large.users_up_to);
            for (name, group) in &small.nodes {
                let Some(above) = large.nodes.get(name) else { continue };
                assert!(group.count <= above.count, "{name}: {} {}", pair[0], pair[1]);
                assert!(group.memory_gb <= above.memory_gb, "{name}: {} {}", pair[0], pair[1]);
            }
        }
    }

    #[test]
    fn every_group_has_a_machine_and_a_disk_on_every_cloud_and_a_reason() {
        for size in Architecture::ALL {
            for (name, group) in load(size).nodes {
                for cloud in ["aws", "gcp", "azure"] {
                    assert!(group.machine_types.contains_key(cloud), "{size} {name} {cloud}");
                    assert!(group.disks.contains_key(cloud), "{size} {name} {cloud}");
                }
                // The provider's interface wants `Standard_F4s_v2`; the documentation writes `F4s v2`.
                let azure = &group.machine_types["azure"];
                assert!(azure.starts_with("Standard_") && !azure.contains(' '), "{azure}");
                // Azure names carry the number of vCPU: the type must fit the row.
                let digits: String = azure[10..].chars().filter(char::is_ascii_digit).collect();
                let cores: u32 = digits[..digits.len() - 1].parse().unwrap();
                assert!(cores >= group.vcpu, "{size} {name}: {azure} for {} vCPU", group.vcpu);
                assert!(group.because.ends_with('.'), "{}", group.because);
            }
        }
    }
}
