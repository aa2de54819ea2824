//! What the program's exit code says.

/// Done.
pub const DONE: u8 = 0;
/// Something failed.
pub const FAILED: u8 = 1;
/// `plan --detailed-exitcode`: there is something to do.
pub const CHANGES: u8 = 2;
/// `check` or `verify`: not everything holds.
pub const CHECKS_FAILED: u8 = 3;
/// Somebody else works on the environment.
pub const LOCKED: u8 = 4;
/// Stopped on request with work left; `resume` goes on.
pub const STOPPED: u8 = 5;
/// The command line is wrong.
pub const USAGE: u8 = 64;
/// The environment file is wrong.
pub const ENVIRONMENT: u8 = 65;
/// Interrupted twice: running work was abandoned.
pub const INTERRUPTED: u8 = 130;
