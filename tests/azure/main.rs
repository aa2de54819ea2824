//! refarch on Azure, as a whole binary in front of the project's own strict fake (`tests/support/azure_fake`). Its
//! machines answer no SSH, so everything here ends with the machines (`--infrastructure`).

#![cfg(feature = "azure")]
#![allow(clippy::unwrap_used)] // a test that cannot go on ends here

#[path = "../support/azure_fake.rs"]
mod azure_fake;
#[path = "../support/bad_days.rs"]
mod bad_days;
mod balancers;
mod changes;
mod drift;
mod expiry;
mod fake;
mod faults;
mod identities;
mod killed;
mod place;
#[path = "../support/power.rs"]
mod power;
mod refusals;
mod registrations;
mod sizes;
mod tunnel;

/// A small environment that is highly available: three voters, a balancer at the door, one of everything in between.
/// Six machines and the bastion.
const SMALL: &str = "\
name: demo
provider: azure
owner: qa@example.com
purpose: test
nodes:
  haproxy-external: { count: 1, vcpu: 2, memory_gb: 4, machine_type: Standard_F2s_v2, disk_gb: 32, disk_type: Standard_LRS }
  postgres: { count: 3, roles: [postgres, consul, pgbouncer, redis, gitaly], vcpu: 2, memory_gb: 8, machine_type: Standard_D2s_v3, disk_gb: 64, disk_type: Premium_LRS }
  app: { count: 2, roles: [app, sidekiq], vcpu: 2, memory_gb: 4, machine_type: Standard_F2s_v2, disk_gb: 32, disk_type: Standard_LRS }
cloud:
  region: westeurope
  admin_cidrs: [198.51.100.0/24]
";
