//! Puts the modules together for a verb: open an environment, reach its nodes, look, apply, prove.

mod apply;
mod backup;
pub mod cloud;
mod cost;
mod drill;
mod error;
mod inventory;
mod leave;
mod listen;
mod open;
mod origin;
mod proof;
mod reach;
mod reap;
mod report;
mod rotate;
mod saved;
mod support;
mod survey;
mod upgrade;
mod vault;
mod watch;
mod work;

pub use apply::{Ran, RunRequest};
pub use backup::{Backup, BackupEntry};
pub use cost::Prices;
pub use drill::DrillRequest;
pub use error::Error;
pub use open::{Request, Session, load};
pub use proof::NodeStatus;
pub use reach::Reach;
pub use reap::{Expired, Place};
pub use saved::SavedPlan;
pub use support::SupportFile;
pub use survey::Survey;
pub use upgrade::{FailedRequest, Probed, Watch};
