//! Faults on a running environment, and what users saw meanwhile. Mends only what it broke itself.

mod fault;
mod junit;
mod leaders;
mod open_faults;
mod report;
mod traffic;

pub use fault::{Fault, Trouble, run};
pub use junit::junit;
pub use leaders::{Accepted, Leaders};
pub use open_faults::{OpenFault, OpenFaults};
pub use report::{DrillReport, Drilled, Moments, Verdict, judge};
pub use traffic::{Acked, Bucket, Phase, Recorder, Request, Seen};
