//! The engine with a scripted world in place of a real one, on a clock that jumps.

mod crash;
mod fake;
mod properties;
mod scenarios;
