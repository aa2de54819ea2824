//! The lock under bad weather, and working copies of several machines.

mod copies;
mod holding;
mod weather;

pub(super) use weather::Weather;
