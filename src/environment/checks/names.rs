//! Names that every cloud, host name and file name accepts.

use super::Context;
use crate::diagnostic::Diagnostic;

/// Longest name of an environment; leaves room for the group and the number in a host name.
const LONGEST_ENVIRONMENT: usize = 20;
/// Longest host name.
const LONGEST_NODE: usize = 63;

const RULE: &str = "lower-case letters, digits and single hyphens, starting with a letter and ending without a hyphen";

pub(super) fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let environment = context.environment;
    let name = &environment.name;
    if !context.is_unknown("name") {
        if !is_label(name) {
            let fault = context.error("name", format!("`{name}` is a name no cloud accepts"));
            found.push(fault.hint(repair(name)));
        } else if name.len() > LONGEST_ENVIRONMENT {
            let message = format!("`{name}` has {} characters, more than {LONGEST_ENVIRONMENT}", name.len());
            found.push(context.error("name", message).hint("it starts every node's name: choose a short one"));
        }
    }
    for (group, settings) in &environment.nodes {
        let path = format!("nodes.{group}");
        if !is_label(group) {
            let fault = context.key_error(&path, format!("`{group}` is a name no cloud accepts for nodes"));
            found.push(fault.hint(repair(group)));
            continue;
        }
        let longest = format!("{name}-{group}-{}", settings.count.unwrap_or(1));
        if longest.len() > LONGEST_NODE && is_label(name) {
            let message = format!("node name `{longest}` has {} characters, more than {LONGEST_NODE}", longest.len());
            found.push(context.key_error(&path, message).hint("shorten the group's name"));
        }
    }
}

/// Whether a word can name an environment: every cloud and host name accepts it, and it leaves room for a node's group.
#[must_use]
pub fn is_environment_name(word: &str) -> bool {
    is_label(word) && word.len() <= LONGEST_ENVIRONMENT
}

/// Whether a word is part of a host name everywhere.
fn is_label(word: &str) -> bool {
    word.starts_with(|letter: char| letter.is_ascii_lowercase())
        && word.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-')
        && !word.ends_with('-')
        && !word.contains("--")
}

fn repair(word: &str) -> String {
    let mut good = String::new();
    for letter in word.to_lowercase().chars() {
        match letter {
            'a'..='z' => good.push(letter),
            '0'..='9' if !good.is_empty() => good.push(letter),
            _ if !good.is_empty() && !good.ends_with('-') => good.push('-'),
            _ => {}
        }
    }
    let good = good.trim_end_matches('-');
    if is_label(good) { format!("{RULE}: for example `{good}`") } else { RULE.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels() {
        for good in ["a", "demo", "demo-2", "a1-b2"] {
            assert!(is_label(good), "{good}");
        }
        for bad in ["", "-a", "a-", "a--b", "1a", "Demo", "a_b", "a.b", "ä"] {
            assert!(!is_label(bad), "{bad}");
        }
        assert!(repair("My_Env ").ends_with("`my-env`"));
    }
}
