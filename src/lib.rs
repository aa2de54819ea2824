//! `refarch`: one environment file becomes a running, verified, highly available reference architecture.
//!
//! `docs/design/architecture.md` tells how the modules work together and what none of them may do.

pub mod bundle;
pub mod catalog;
pub mod cli;
pub mod clock;
pub mod configure;
pub mod cost;
pub mod diagnostic;
pub mod distribution;
pub mod draw;
pub mod drill;
pub mod engine;
pub mod environment;
pub mod event;
pub mod exit;
pub mod journal;
pub mod lock;
pub mod markup;
pub mod observe;
pub mod operator;
pub mod plan;
pub mod provider;
pub mod remote;
pub mod report;
pub mod secrets;
pub mod session;
pub mod shared;
pub mod timeline;
pub mod topology;
pub mod verify;
pub mod view;
pub mod watch;
pub mod workspace;
