//! Puts the modules together for a verb: open an environment, reach its nodes, look, apply, prove.

mod apply;
mod error;
mod open;
mod proof;
mod reach;
mod survey;
mod work;

pub use apply::{ApplyOptions, Applied};
pub use error::Error;
pub use open::{Request, Session};
pub use proof::NodeStatus;
pub use reach::Reach;
pub use survey::Survey;
