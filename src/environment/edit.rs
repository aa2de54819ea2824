//! Changes one count in the text of an environment file, and leaves every other character alone.

/// The text with the count of a node group set. None where the place cannot be told for sure. Whoever asked reads the
/// result as an environment and compares: this knows lines, not YAML.
#[must_use]
pub fn set_count(text: &str, group: &str, count: u32) -> Option<String> {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let Some(top) = lines.iter().position(|line| key(line) == Some((0, "nodes"))) else {
        let end = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
        return Some(format!("{text}{end}nodes:\n  {group}: {{ count: {count} }}\n"));
    };
    if !after_colon(lines[top]).is_empty() {
        // `nodes: { … }` on one line.
        let within = lines[top].find(&format!("{group}:"))?;
        let (head, tail) = lines[top].split_at(within);
        return Some(replaced(&lines, top, &format!("{head}{}", in_braces(tail, count)?)));
    }
    let inside = |line: &&&str| blank(line) || indent(line) > 0;
    let end = top + 1 + lines[top + 1..].iter().take_while(inside).count();
    let children = || (top + 1..end).filter(|number| !blank(lines[*number]));
    let width = children().map(|number| indent(lines[number])).next().unwrap_or(2);
    let Some(place) = children().find(|number| key(lines[*number]) == Some((width, group))) else {
        let line = format!("{}{group}: {{ count: {count} }}\n", " ".repeat(width));
        return Some(replaced(&lines, top, &format!("{}{line}", with_end(lines[top]))));
    };
    let rest = after_colon(lines[place]);
    if rest.starts_with('{') {
        let (head, tail) = lines[place].split_at(lines[place].find('{')?);
        return Some(replaced(&lines, place, &format!("{head}{}", in_braces(tail, count)?)));
    }
    if !rest.is_empty() {
        return None;
    }
    let own = children().filter(|number| *number > place).take_while(|number| indent(lines[*number]) > width);
    let own: Vec<usize> = own.collect();
    match own.iter().find(|number| matches!(key(lines[**number]), Some((_, "count")))) {
        Some(number) => {
            let (head, tail) = lines[*number].split_at(lines[*number].find(':')? + 1);
            Some(replaced(&lines, *number, &format!("{head}{}", number_in(tail, count)?)))
        }
        None => {
            let deeper = own.first().map_or(width + 2, |number| indent(lines[*number]));
            let line = format!("{}{}count: {count}\n", with_end(lines[place]), " ".repeat(deeper));
            Some(replaced(&lines, place, &line))
        }
    }
}

/// Sets `count` inside the first braces of a text.
fn in_braces(text: &str, count: u32) -> Option<String> {
    let (open, close) = (text.find('{')?, text.find('}')?);
    let inner = &text[open + 1..close];
    let inner = match inner.find("count:") {
        Some(at) => {
            let (head, tail) = inner.split_at(at + "count:".len());
            format!("{head}{}", number_in(tail, count)?)
        }
        None if inner.trim().is_empty() => format!(" count: {count} "),
        None => format!(" count: {count},{inner}"),
    };
    Some(format!("{}{{{inner}{}", &text[..open], &text[close..]))
}

/// The text with its first number exchanged; nothing but spaces may stand before it.
fn number_in(text: &str, count: u32) -> Option<String> {
    let start = text.find(|sign: char| !sign.is_whitespace())?;
    let digits = text[start..].chars().take_while(char::is_ascii_digit).count();
    (digits > 0).then(|| format!("{}{count}{}", &text[..start], &text[start + digits..]))
}

/// Indentation and key of a line.
fn key(line: &str) -> Option<(usize, &str)> {
    let (name, _) = line.trim_start().split_once(':')?;
    (!name.starts_with('#')).then_some((indent(line), name))
}

fn after_colon(line: &str) -> &str {
    let rest = line.split_once(':').map_or("", |(_, rest)| rest).trim();
    if rest.starts_with('#') { "" } else { rest }
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}

fn blank(line: &str) -> bool {
    line.trim().is_empty() || line.trim_start().starts_with('#')
}

fn with_end(line: &str) -> String {
    if line.ends_with('\n') { line.to_owned() } else { format!("{line}\n") }
}

fn replaced(lines: &[&str], at: usize, line: &str) -> String {
    lines.iter().enumerate().map(|(number, old)| if number == at { line } else { old }).collect()
}

#[cfg(test)]
mod tests {
    use super::set_count;

    #[test]
    fn only_the_count_changes_whatever_way_it_is_written() {
        for (before, after) in [
            ("name: a\n", "name: a\nnodes:\n  app: { count: 5 }\n"),
            ("name: a", "name: a\nnodes:\n  app: { count: 5 }\n"),
            (
                "nodes:\n  # ours\n  app: { count: 3 }  # three\n  redis: { count: 3 }\nname: a\n",
                "nodes:\n  # ours\n  app: { count: 5 }  # three\n  redis: { count: 3 }\nname: a\n",
            ),
            ("nodes:\n  app: { vcpu: 2 }\n", "nodes:\n  app: { count: 5, vcpu: 2 }\n"),
            (
                "nodes:\n    app:\n        count: 3 # x\n    redis: {}\n",
                "nodes:\n    app:\n        count: 5 # x\n    redis: {}\n",
            ),
            ("nodes:\n  app:\n    vcpu: 2\n", "nodes:\n  app:\n    count: 5\n    vcpu: 2\n"),
            ("nodes:\n  redis: { count: 3 }\n", "nodes:\n  app: { count: 5 }\n  redis: { count: 3 }\n"),
            (
                "nodes: { app: { count: 3 }, redis: { count: 3 } }\n",
                "nodes: { app: { count: 5 }, redis: { count: 3 } }\n",
            ),
            (
                "# nodes:\n#   app: { count: 4 }\nname: a\n",
                "# nodes:\n#   app: { count: 4 }\nname: a\nnodes:\n  app: { count: 5 }\n",
            ),
        ] {
            assert_eq!(set_count(before, "app", 5).as_deref(), Some(after), "{before}");
        }
    }

    #[test]
    fn what_cannot_be_told_for_sure_is_left_to_the_user() {
        assert_eq!(set_count("nodes: *others\n", "app", 5), None);
        assert_eq!(set_count("nodes:\n  app: *three\n", "app", 5), None);
        assert_eq!(set_count("nodes:\n  app: { count: *n }\n", "app", 5), None);
    }
}
