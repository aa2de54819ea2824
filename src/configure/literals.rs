//! Values in the words of other languages, for templates.

use md5::{Digest, Md5};
use serde_json::Value;

/// A value as a Ruby literal: `'text'`, `['a', 'b']`, `{ 'a' => 1 }`.
pub(super) fn ruby(value: &Value) -> String {
    match value {
        Value::Null => "nil".to_owned(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::String(text) => format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'")),
        Value::Array(list) => format!("[{}]", list.iter().map(ruby).collect::<Vec<_>>().join(", ")),
        Value::Object(map) if map.is_empty() => "{}".to_owned(),
        Value::Object(map) => {
            let pair =
                |(key, value): (&String, &Value)| format!("{} => {}", ruby(&Value::from(key.as_str())), ruby(value));
            format!("{{ {} }}", map.iter().map(pair).collect::<Vec<_>>().join(", "))
        }
    }
}

/// The first block of this kind in a text of several PEM blocks, with its line break. Empty where there is none.
pub(super) fn pem(text: &str, kind: &str) -> String {
    let (begin, end) = (format!("-----BEGIN {kind}-----"), format!("-----END {kind}-----"));
    let block = text.find(&begin).and_then(|start| {
        let length = text[start..].find(&end)?;
        Some(format!("{}\n", &text[start..start + length + end.len()]))
    });
    block.unwrap_or_default()
}

/// MD5 in hexadecimal: what PostgreSQL's older password hashes are made of. Protects nothing by itself.
pub(super) fn md5(text: &str) -> String {
    format!("{:x}", Md5::digest(text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn ruby_literals_keep_what_a_text_says() {
        assert_eq!(ruby(&json!("it's #{here} \\ there")), r"'it\'s #{here} \\ there'");
        assert_eq!(ruby(&json!(["a", 1, true, null])), "['a', 1, true, nil]");
        assert_eq!(ruby(&json!({"a": {"b": []}, "c": {}})), "{ 'a' => { 'b' => [] }, 'c' => {} }");
    }

    #[test]
    fn a_password_hash_is_of_password_and_user() {
        // As PostgreSQL itself makes it for the role `gitlab`, without its prefix.
        assert_eq!(md5("secretgitlab"), "63d52d8660eb1da2ae2ccfbd1a0f455d");
    }
}
