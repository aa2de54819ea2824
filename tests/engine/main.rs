//! The engine with a scripted world in place of a real one, on a clock that jumps.

#![allow(clippy::unwrap_used)] // a test that cannot go on ends here

mod crash;
mod fake;
mod properties;
mod scenarios;
mod timeline;
