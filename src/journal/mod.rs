//! What was done, written before it is done: one folder per run, readable after any crash.

mod applied;
mod detail;
mod durations;
mod entry;
mod output;
mod run;
mod runs;
#[cfg(test)]
mod tests;

pub use applied::{AppliedLog, read_applied};
pub use detail::{RunDetail, RunSession, StepEnd, StepRecord};
pub use durations::Durations;
pub use entry::{Entry, JournalError, Line, Record};
pub use output::OutputLog;
pub use run::{Header, Run, RunId};
pub use runs::{Resumed, RunState, RunSummary, Runs};
