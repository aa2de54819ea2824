//! Workspaces that a team shares, with the whole binary: several checkouts of one environment file, a machine that they all
//! configure (an sshd of the test's own that lets nobody touch this machine), and a folder or an S3 server between them.

#![cfg(feature = "static")]
#![allow(clippy::unwrap_used)] // a test that cannot go on ends here

#[cfg(feature = "buckets")]
mod buckets;
mod machine;
mod moving;
mod refusals;
mod team;
mod turns;
