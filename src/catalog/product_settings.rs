//! Which settings a product version knows: held against what a person writes into the product's own configuration.
//!
//! The words are a stack's data; the form is that of the product's package: `section['key'] = value`,
//! `section['key']['key below'] = value`, `section value`.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::version::at_least;

/// Every section and key that some version of the product knows, and those that are gone.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProductSettings {
    /// Where the list comes from.
    #[serde(default)]
    pub about: String,
    /// Section -> its keys.
    pub sections: BTreeMap<String, Known>,
    /// `section` or `section.key` -> since when it is gone.
    pub gone: BTreeMap<String, Gone>,
}

/// What is known of a section or key.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Known {
    /// First version that has it; none where every supported one does.
    #[serde(default)]
    pub since: Option<String>,
    /// Any key below is good.
    #[serde(default)]
    pub free: bool,
    /// Keys below, where they are known.
    #[serde(default)]
    pub keys: BTreeMap<String, Known>,
}

/// A setting that later versions do not have.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gone {
    /// First version without it.
    pub from: String,
    /// What stands in its place.
    #[serde(default)]
    pub instead: Option<String>,
}

/// A line that the product would refuse, or pass over without a word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// Line from 1.
    pub line: usize,
    /// The setting as it was written: `gitlab_rails['x']`.
    pub setting: String,
    /// What is wrong with it.
    pub message: String,
    /// What to write instead.
    pub hint: Option<String>,
}

impl ProductSettings {
    /// Every setting in a text that this version does not have.
    #[must_use]
    pub fn complaints(&self, text: &str, version: &str) -> Vec<Complaint> {
        let lines = (1..).zip(text.lines());
        lines.filter_map(|(line, text)| self.complaint(line, &assignment(text)?, version)).collect()
    }

    fn complaint(&self, line: usize, path: &[String], version: &str) -> Option<Complaint> {
        let setting = written(path);
        let complain =
            |message: String, hint: Option<String>| Some(Complaint { line, setting: setting.clone(), message, hint });
        for length in 1..=path.len() {
            if let Some(gone) = self.gone.get(&path[..length].join(".")).filter(|gone| at_least(version, &gone.from)) {
                let message = format!("{} is gone since {}", written(&path[..length]), gone.from);
                return complain(message, gone.instead.as_ref().map(|instead| format!("in its place: {instead}")));
            }
        }
        let mut known = &self.sections;
        for (depth, part) in path.iter().enumerate() {
            let Some(found) = known.get(part) else {
                let was_there = self.gone.contains_key(&path[..=depth].join("."));
                if was_there {
                    return None;
                }
                let near = nearest(part, known.keys()).map(|near| {
                    let mut better = path[..depth].to_vec();
                    better.push(near.to_owned());
                    format!("did you mean {}?", written(&better))
                });
                return complain(format!("the product has no {}", written(&path[..=depth])), near);
            };
            if let Some(since) = found.since.as_ref().filter(|since| !at_least(version, since)) {
                return complain(format!("{} is there only from {since} on", written(&path[..=depth])), None);
            }
            if found.free || found.keys.is_empty() {
                return None;
            }
            known = &found.keys;
        }
        None
    }
}

/// The words of the setting that a line sets: none for anything else.
fn assignment(line: &str) -> Option<Vec<String>> {
    let line = line.trim_start();
    let end = line.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_').unwrap_or(line.len());
    let (section, mut rest) = line.split_at(end);
    if section.is_empty() || !section.starts_with(|letter: char| letter.is_ascii_lowercase()) {
        return None;
    }
    let mut path = vec![section.to_owned()];
    while let Some(inner) = rest.strip_prefix('[') {
        let quote = inner.chars().next().filter(|letter| ['\'', '"', ':'].contains(letter))?;
        let inner = &inner[1..];
        let (key, after) = if quote == ':' { inner.split_once(']')? } else { inner.split_once(quote)? };
        path.push(key.to_owned());
        rest = if quote == ':' { after } else { after.strip_prefix(']')? };
    }
    let rest = rest.trim_start();
    let sets = rest.starts_with('=') && !rest.starts_with("==") || rest.starts_with("<<") || rest.starts_with("||=");
    // `external_url 'x'` and `git_data_dirs({...})` are sections that take their value as an argument.
    let called = path.len() == 1 && (rest.starts_with(['\'', '"', '(', '{']));
    (path.len() > 1 && sets || called && !RUBY.contains(&section)).then_some(path)
}

/// Words that begin a line of Ruby and are no sections.
const RUBY: [&str; 8] = ["from_file", "puts", "require", "if", "unless", "end", "raise", "else"];

fn written(path: &[String]) -> String {
    let keys: String = path.iter().skip(1).map(|key| format!("['{key}']")).collect();
    format!("{}{keys}", path.first().map_or("", String::as_str))
}

fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a String>) -> Option<&'a str> {
    let scored = known.map(|other| (strsim::damerau_levenshtein(other, word), other.as_str()));
    scored.filter(|(distance, _)| *distance <= 2).min().map(|(_, near)| near)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> ProductSettings {
        serde_json::from_str(
            r#"{
                "sections": {
                    "web": {"keys": {"port": {}, "tls": {"keys": {"file": {"since": "19.2"}}}, "env": {"free": true}}},
                    "url": {}
                },
                "gone": {"dirs": {"from": "18.0", "instead": "web['port']"}, "web.old": {"from": "19.0"}}
            }"#,
        )
        .unwrap()
    }

    fn told(text: &str, version: &str) -> Vec<String> {
        let line = |one: Complaint| format!("{}: {} {}", one.line, one.message, one.hint.unwrap_or_default());
        settings().complaints(text, version).into_iter().map(|one| line(one).trim_end().to_owned()).collect()
    }

    #[test]
    fn what_a_version_has_is_good() {
        let text =
            "# dirs({})\nurl 'http://a'\nweb['port'] = 1\nweb[:env]['any'] = 2\nputs 'x'\nif web['x'] == 1\nend\n";
        assert_eq!(told(text, "19.3"), Vec::<String>::new());
        assert_eq!(told("dirs({})\nweb['old'] = 1", "17.11"), Vec::<String>::new());
    }

    #[test]
    fn what_it_does_not_have_is_told_with_its_replacement() {
        assert_eq!(
            told("dirs({\n})\nweb['old'] = 1\nweb['prot'] = 1\nweb['tls']['file'] = ''\nwep['a'] = 1", "19.0"),
            [
                "1: dirs is gone since 18.0 in its place: web['port']",
                "3: web['old'] is gone since 19.0",
                "4: the product has no web['prot'] did you mean web['port']?",
                "5: web['tls']['file'] is there only from 19.2 on",
                "6: the product has no wep did you mean web?",
            ]
        );
    }
}
