//! Text inside XML and its relatives: SVG, HTML, JUnit.

/// Text as the content of an element or the value of an attribute in double quotes.
#[must_use]
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
