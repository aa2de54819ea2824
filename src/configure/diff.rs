//! Shows how a file differs.

use similar::TextDiff;

/// A unified diff of what is there (none: no file, or its content is not known) and what shall be.
#[must_use]
pub fn unified(path: &str, present: Option<&str>, wanted: &str) -> String {
    let from = if present.is_some() { path } else { "/dev/null" };
    TextDiff::from_lines(present.unwrap_or_default(), wanted).unified_diff().header(from, path).to_string()
}

#[cfg(test)]
mod tests {
    use super::unified;

    #[test]
    fn shows_lines() {
        let text = unified("/etc/x", Some("a\nb\nc\n"), "a\nB\nc\n");
        assert_eq!(text, "--- /etc/x\n+++ /etc/x\n@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n");
        assert_eq!(unified("/etc/x", None, "a\n"), "--- /dev/null\n+++ /etc/x\n@@ -0,0 +1 @@\n+a\n");
    }
}
