//! Only one process at a time works on an environment: a lease with a holder and a heartbeat.

mod held;
mod lease;
#[cfg(test)]
mod tests;

pub use held::{Lock, LockRequest};
pub use lease::{Lease, LockError, break_lock, status};
