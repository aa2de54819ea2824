//! The template language of roles: Jinja2 as minijinja speaks it, with a few rules of our own.

use std::borrow::Cow;

use minijinja::{AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior, Value, syntax::SyntaxConfig};
use sha2::{Digest, Sha256};

use super::literals;
use crate::{catalog::version, remote::shell::quote};

/// An environment without templates: strict about undefined names, without escaping.
pub(super) fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_syntax(
        SyntaxConfig::builder().keep_trailing_newline(true).build().expect("the default delimiters are valid"),
    );
    environment.set_path_join_callback(|name, parent| match name.strip_prefix('/') {
        Some(rest) => Cow::Owned(rest.to_owned()),
        None => {
            let folder = parent.rsplit_once('/').map_or("", |(folder, _)| folder);
            Cow::Owned(format!("{folder}/{name}"))
        }
    });
    environment.add_filter("sha256", |text: &str| sha256(text.as_bytes()));
    environment.add_filter("to_json", |value: Value| {
        serde_json::to_string(&value).map_err(|error| Error::new(ErrorKind::BadSerialization, error.to_string()))
    });
    environment.add_filter("quote_sh", |text: Cow<'_, str>| quote(&text));
    environment.add_filter("ruby", |value: Value| {
        let value =
            serde_json::to_value(&value).map_err(|error| Error::new(ErrorKind::BadSerialization, error.to_string()))?;
        Ok::<_, Error>(literals::ruby(&value))
    });
    environment.add_filter("pg_md5", |password: &str, user: &str| literals::md5(&format!("{password}{user}")));
    environment.add_filter("pem", literals::pem);
    environment.add_filter("at_least", version::at_least);
    environment.add_function("fail", |message: &str| -> Result<Value, Error> {
        Err(Error::new(ErrorKind::InvalidOperation, message.to_owned()))
    });
    environment
}

/// SHA-256 in hexadecimal.
pub(super) fn sha256(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

/// Lets lines that hold nothing but block tags or comments leave no line behind.
///
/// Jinja's own `trim_blocks` also eats the line break after a tag at the end of a line with text, which joins two
/// lines of a configuration. Here the line break moves inside the tag, so that line numbers stay true. A line with a
/// whitespace mark of its own (`{%-`, `-%}`, `{%+`) is left as the author wrote it.
pub(super) fn standalone_tags(source: &str) -> String {
    let mut result = String::with_capacity(source.len());
    for line in source.split_inclusive('\n') {
        match line.strip_suffix('\n').and_then(|text| only_tags(text.trim())) {
            Some(tags) => {
                let (head, closing) = tags.split_at(tags.len() - 2);
                result.push_str(head);
                result.push('\n');
                result.push_str(closing);
            }
            None => result.push_str(line),
        }
    }
    result
}

/// The tags of a line that is nothing but a row of block tags and comments without whitespace marks.
fn only_tags(mut text: &str) -> Option<String> {
    let mut tags = String::new();
    while !text.is_empty() {
        let closing = match text.get(..2)? {
            "{%" => "%}",
            "{#" => "#}",
            _ => return None,
        };
        let end = text.find(closing)?;
        let inside = &text[2..end];
        // What stands in a raw block is text.
        if inside.starts_with(['-', '+']) || inside.ends_with(['-', '+']) || inside.contains("raw") {
            return None;
        }
        tags.push_str(&text[..end + 2]);
        text = text[end + 2..].trim_start();
    }
    (!tags.is_empty()).then_some(tags)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn render(source: &str) -> String {
        environment().render_str(&standalone_tags(source), minijinja::context! { on => true }).unwrap()
    }

    #[test]
    fn a_line_of_tags_leaves_no_line() {
        assert_eq!(render("a\n  {% if on %}\nb\n  {% endif %} {# done #}\nc\n"), "a\nb\nc\n");
    }

    #[test]
    fn a_tag_at_the_end_of_a_line_keeps_its_line_break() {
        assert_eq!(render("bind *:80{% if on %} ssl{% endif %}\nnext\n"), "bind *:80 ssl\nnext\n");
    }

    #[test]
    fn whitespace_marks_of_the_author_win() {
        assert_eq!(render("a\n{%- if on %}\nb\n{%- endif %}\nc\n"), "a\nb\nc\n");
    }

    #[test]
    fn line_numbers_of_errors_stay_true() {
        let source = standalone_tags("{# one #}\n{% if on %}\n{% endif %}\n{{ missing.name }}\n");
        let error = environment().render_str(&source, minijinja::context! { on => true }).unwrap_err();
        assert_eq!(error.line(), Some(4));
    }

    #[test]
    fn filters() {
        assert_eq!(render("{{ \"it's\" | quote_sh }} {{ 'a' | quote_sh }}"), r"'it'\''s' a");
        assert_eq!(render("{{ {'a': [1, '<&>']} | to_json }}"), r#"{"a":[1,"<&>"]}"#);
        assert_eq!(render("{{ '' | sha256 }}"), sha256(b""));
    }
}
