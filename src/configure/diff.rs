//! Shows how a file differs.

use similar::TextDiff;

/// A unified diff of what is there (none: no file, or its content is not known) and what shall be.
#[must_use]
pub fn unified(path: &str, present: Option<&str>, wanted: &str) -> String {
    match present {
        Some(present) => TextDiff::from_lines(present, wanted).unified_diff().header(path, path).to_string(),
        None => new(path, wanted),
    }
}

/// The same for a file that is not there: nothing has to be compared.
fn new(path: &str, wanted: &str) -> String {
    if wanted.is_empty() || wanted.contains('\r') {
        return TextDiff::from_lines("", wanted).unified_diff().header("/dev/null", path).to_string();
    }
    let lines = wanted.lines().count();
    let many = if lines == 1 { String::new() } else { format!(",{lines}") };
    let mut text = format!("--- /dev/null\n+++ {path}\n@@ -0,0 +1{many} @@\n");
    text.reserve(wanted.len() + lines + 32);
    for line in wanted.lines() {
        text.push('+');
        text.push_str(line);
        text.push('\n');
    }
    if !wanted.ends_with('\n') {
        text.push_str("\\ No newline at end of file\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use similar::TextDiff;

    use super::unified;

    proptest! {
        #[test]
        fn a_new_file_is_shown_as_if_it_were_compared_with_nothing(wanted in "[ab\n\r]{0,12}") {
            let compared = TextDiff::from_lines("", &wanted).unified_diff().header("/dev/null", "/etc/x").to_string();
            prop_assert_eq!(unified("/etc/x", None, &wanted), compared);
        }
    }

    #[test]
    fn shows_lines() {
        let text = unified("/etc/x", Some("a\nb\nc\n"), "a\nB\nc\n");
        assert_eq!(text, "--- /etc/x\n+++ /etc/x\n@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n");
        assert_eq!(unified("/etc/x", None, "a\n"), "--- /dev/null\n+++ /etc/x\n@@ -0,0 +1 @@\n+a\n");
    }
}
