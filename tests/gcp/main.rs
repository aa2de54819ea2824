//! refarch on Google Cloud, as a whole binary in front of a double of the project's own (`tests/support/gcp_fake`), which
//! checks every call against the vendor's description. Its machines answer no SSH, so everything here ends with the
//! machines (`--infrastructure`).

#![cfg(feature = "gcp")]
#![allow(clippy::unwrap_used)] // a test that cannot go on ends here

#[path = "../support/bad_days.rs"]
mod bad_days;
mod changes;
mod double;
mod drift;
mod expiry;
mod faults;
mod keys;
mod killed;
mod place;
#[path = "../support/power.rs"]
mod power;
mod refusals;
mod sizes;
mod vendor;

/// A small environment that is highly available: three voters, a balancer at the door, one of everything in between.
/// Six machines and a bastion.
const SMALL: &str = "\
name: demo
provider: gcp
owner: qa@example.com
purpose: test
nodes:
  haproxy-external: { count: 1, vcpu: 2, memory_gb: 2, machine_type: n2-highcpu-2, disk_gb: 20, disk_type: pd-balanced }
  postgres: { count: 3, roles: [postgres, consul, pgbouncer, redis, gitaly], vcpu: 2, memory_gb: 8, machine_type: n2-standard-2, disk_gb: 50, disk_type: pd-ssd }
  app: { count: 2, roles: [app, sidekiq], vcpu: 2, memory_gb: 8, machine_type: n2-standard-2, disk_gb: 20, disk_type: pd-balanced }
cloud:
  region: europe-west4
  admin_cidrs: [198.51.100.0/24]
";
