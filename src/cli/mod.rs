//! One file per verb: arguments, one library call, choice of view.

pub mod environment;
pub mod explain;
pub mod init;
pub mod schema;
pub mod validate;
