//! Pictures of a topology: SVG to look at, Mermaid and DOT to put into documents. Pure.

pub mod layout;
pub mod model;
pub mod svg;
pub mod text;

pub use model::Picture;
pub use svg::svg;
pub use text::{dot, mermaid};
