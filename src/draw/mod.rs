//! Pictures: of a topology (SVG to look at, Mermaid and DOT to put into documents) and of a run. Pure.

pub mod gantt;
pub mod gantt_text;
pub mod layout;
pub mod model;
pub mod svg;
pub mod text;

pub use gantt::gantt;
pub use gantt_text::gantt_text;
pub use model::Picture;
pub use svg::svg;
pub use text::{dot, mermaid};
