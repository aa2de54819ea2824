//! Whole environments on real servers, from nothing to nothing: what users do with the binary in an afternoon.
//!
//! Needs a container engine; `make test` sets one up. Fails where there is none.
#![cfg(feature = "local")]
#![allow(clippy::unwrap_used, reason = "a test")]

mod day_two;
mod door;
mod drills;
mod highly_available;
mod migrate;
mod object_storage;
mod offline;
mod pipeline;
mod place;
mod product;
mod refusals;
mod shared;
mod static_machines;
mod upgrade;
