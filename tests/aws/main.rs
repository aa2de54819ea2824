//! refarch on AWS, as a whole binary in front of an emulator: moto, and before it a front of the project's own that
//! answers as AWS does (`tests/support/aws_front`). Emulated machines answer no SSH, so everything here ends with the
//! machines (`--infrastructure`).

#![cfg(feature = "aws")]
#![allow(clippy::unwrap_used)] // a test that cannot go on ends here

#[path = "../support/bad_days.rs"]
mod bad_days;
mod balancers;
mod changes;
mod drift;
mod faults;
mod front;
mod images;
mod keys;
mod killed;
mod networks;
#[path = "../support/power.rs"]
mod power;
mod prices;
mod refusals;
mod sizes;
mod strangers;
mod world;

/// A small environment that is highly available: three voters, a balancer at the door, one of everything in between.
/// Seven machines and a bastion.
const SMALL: &str = "\
name: demo
provider: aws
owner: qa@example.com
purpose: test
nodes:
  haproxy-external: { count: 1, roles: [haproxy-external, redis], vcpu: 2, memory_gb: 4, machine_type: c5.large, disk_gb: 20, disk_type: gp3 }
  postgres: { count: 3, roles: [postgres, consul, pgbouncer], vcpu: 2, memory_gb: 8, machine_type: m5.large, disk_gb: 50, disk_type: gp3 }
  gitaly: { count: 1, vcpu: 2, memory_gb: 4, machine_type: c5.large, disk_gb: 20, disk_type: gp3 }
  app: { count: 2, roles: [app, sidekiq], vcpu: 2, memory_gb: 4, machine_type: c5.large, disk_gb: 20, disk_type: gp3 }
cloud:
  region: us-east-1
  admin_cidrs: [198.51.100.0/24]
";
