//! A page about a run: one HTML file that needs nothing else.

mod charts;
mod html;
mod model;
mod sections;
mod style;
mod timeline;

pub use html::page;
pub use model::{Health, NodeHealth, Page, StepBar, Version, bars, versions};
