//! The `gitlab` stack: what it writes for every size, what it refuses, and what it does not do as its predecessor did.
#![allow(clippy::unwrap_used, reason = "a test")]

mod any_counts;
mod faults;
mod goldens;
mod inside;
mod place;
mod predecessor;
mod rpm;
mod run_order;
mod scripts;
mod secrets;
mod upgrades;
