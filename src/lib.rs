//! `refarch`: one environment file becomes a running, verified, highly available reference architecture.
//!
//! `docs/design/architecture.md` tells how the modules work together and what none of them may do.

pub mod catalog;
pub mod cli;
pub mod configure;
pub mod diagnostic;
pub mod draw;
pub mod environment;
pub mod event;
pub mod exit;
pub mod plan;
pub mod provider;
pub mod remote;
pub mod topology;
pub mod view;
