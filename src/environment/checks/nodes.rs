//! Groups, their roles and counts.

use super::{super::suggest, Context};
use crate::diagnostic::Diagnostic;

/// A role that makes no sense without another one.
struct Need {
    role: &'static str,
    /// From this many nodes of the role on.
    from: u32,
    /// One of these must be there.
    any_of: &'static [&'static str],
    because: &'static str,
}

const NEEDS: &[Need] = &[
    Need {
        role: "postgres",
        from: 2,
        any_of: &["consul"],
        because: "more than one PostgreSQL node elects its leader through Consul",
    },
    Need {
        role: "pgbouncer",
        from: 1,
        any_of: &["consul"],
        because: "PgBouncer learns from Consul which PostgreSQL node leads",
    },
    Need { role: "pgbouncer", from: 1, any_of: &["postgres"], because: "PgBouncer is a way to PostgreSQL" },
    Need {
        role: "redis-cache",
        from: 1,
        any_of: &["redis-persistent"],
        because: "a cache may lose what job queues and sessions must keep",
    },
    Need {
        role: "redis-persistent",
        from: 1,
        any_of: &["redis-cache"],
        because: "split Redis keeps its cache on nodes of its own",
    },
    Need {
        role: "praefect",
        from: 1,
        any_of: &["praefect-postgres"],
        because: "Praefect keeps its records in a PostgreSQL of its own",
    },
    Need { role: "praefect", from: 1, any_of: &["gitaly"], because: "Praefect stands in front of Gitaly" },
    Need { role: "app", from: 1, any_of: &["postgres"], because: "the application keeps its data in PostgreSQL" },
    Need {
        role: "app",
        from: 1,
        any_of: &["redis", "redis-persistent"],
        because: "the application keeps sessions and jobs in Redis",
    },
    Need { role: "app", from: 1, any_of: &["gitaly"], because: "the application keeps repositories on Gitaly" },
    Need { role: "app", from: 1, any_of: &["sidekiq"], because: "nobody would work off the application's jobs" },
];

pub(super) fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    if context.is_unknown("nodes") {
        return;
    }
    let mut gaps = context.is_partly_unknown("nodes") || context.is_unknown("architecture");
    if context.total() == 0 && !gaps {
        found.push(nobody(context));
        return;
    }
    for (name, group) in &context.environment.nodes {
        let path = format!("nodes.{name}");
        if !roles(context, name, group.roles.as_deref(), found) {
            gaps = true;
            continue;
        }
        let in_reference = context.reference.is_some_and(|reference| reference.nodes.contains_key(name));
        if group.count.is_none() && !in_reference {
            gaps = true;
            if !any_count_unknown(context, &path) {
                let fault = context.key_error(&path, format!("`{path}` has no count"));
                found.push(fault.hint(no_count_hint(context, name)));
            }
        }
    }
    let blamed = counts(context, gaps, found);
    redis_once(context, found);
    if !gaps {
        // With gaps, what is missing may be in what could not be read.
        needs(context, blamed, found);
    }
}

fn any_count_unknown(context: &Context<'_>, path: &str) -> bool {
    context.is_unknown(&format!("{path}.count")) || context.is_unknown(&format!("{path}.roles"))
}

fn nobody(context: &Context<'_>) -> Diagnostic {
    if context.environment.nodes.is_empty() {
        return context
            .key_error("nodes", "an environment without nodes")
            .hint("add `architecture: 3k` for the smallest highly available one, or say what you want under `nodes`");
    }
    context.key_error("nodes", "every node group has 0 nodes").hint("raise a `count`, or leave the group's line out")
}

fn no_count_hint(context: &Context<'_>, name: &str) -> String {
    match context.reference {
        None => "without `architecture`, every group needs a count of its own, for example `count: 1`".to_owned(),
        Some(reference) => {
            let size = reference.architecture;
            match suggest::nearest(name, reference.nodes.keys().map(String::as_str)) {
                Some(near) => format!("architecture {size} has no such group: did you mean `{near}`?"),
                None => format!("architecture {size} has no such group: add `count: 1` to have one"),
            }
        }
    }
}

/// Checks the roles of a group; false where one is unknown.
fn roles(context: &Context<'_>, name: &str, listed: Option<&[String]>, found: &mut Vec<Diagnostic>) -> bool {
    let path = format!("nodes.{name}.roles");
    if context.is_unknown(&path) {
        return false;
    }
    if listed.is_some_and(<[String]>::is_empty) {
        let fault = context.error(&path, format!("group `{name}` has no roles"));
        found.push(fault.hint(format!("leave `roles` out to have the role `{name}`, or `count: 0` to have no nodes")));
        return false;
    }
    let Some(facts) = context.facts() else { return true };
    let own = [name.to_owned()];
    let mut known = true;
    for (index, role) in listed.unwrap_or(&own).iter().enumerate() {
        let item = format!("{path}.{index}");
        if listed.is_some_and(|listed| listed[..index].contains(role)) {
            found.push(context.error(&item, format!("role `{role}` is listed twice for group `{name}`")));
        }
        if facts.roles.contains_key(role) {
            continue;
        }
        if let Some(reason) = facts.omits.get(role) {
            dropped(context, name, role, reason, listed.is_some(), found);
            continue;
        }
        known = false;
        let fault = match listed {
            Some(_) => context.error(&item, format!("unknown role `{role}` in group `{name}`")),
            None => context.key_error(&format!("nodes.{name}"), format!("unknown role `{role}`")),
        };
        found.push(fault.hint(role_hint(context, role, listed.is_none())));
    }
    known
}

fn role_hint(context: &Context<'_>, role: &str, implied: bool) -> String {
    let facts = context.facts();
    let base = facts.and_then(|facts| facts.base.as_deref());
    let names = facts.into_iter().flat_map(|facts| facts.roles.keys().map(String::as_str));
    let hint = suggest::hint(role, "roles", names.filter(|name| base != Some(*name)));
    if implied { format!("a group without `roles` has the role of its own name; {hint}") } else { hint }
}

/// Says that a role is left out, where the user asked for it in so many words.
fn dropped(context: &Context<'_>, group: &str, role: &str, reason: &str, listed: bool, found: &mut Vec<Diagnostic>) {
    let path = if listed { format!("nodes.{group}.roles") } else { format!("nodes.{group}") };
    let asked = context.is_written(&path);
    let wanted = context.environment.nodes.get(group).is_some_and(|group| group.count.unwrap_or(0) > 0);
    if asked && wanted {
        let stack = context.environment.stack;
        let message = format!("stack `{stack}` leaves role `{role}` out: {reason}");
        found.push(context.key_warning(&path, message).hint("its nodes are not made"));
    }
}

/// Holds each role's count against its rule; returns the roles that have too few nodes.
fn counts<'a>(context: &Context<'a>, gaps: bool, found: &mut Vec<Diagnostic>) -> Vec<&'a str> {
    let mut blamed = Vec::new();
    let Ok(facts) = context.stack else { return blamed };
    for (name, role) in &facts.roles {
        let groups = || {
            context
                .environment
                .nodes
                .iter()
                .filter(|(group, own)| context.roles_of(group, own).contains(&name.as_str()))
        };
        if groups().any(|(group, own)| own.count.is_none() || any_count_unknown(context, &format!("nodes.{group}"))) {
            continue;
        }
        let rule = &role.count;
        let nodes = context.nodes_with(name);
        if nodes == 0 && context.has_stand_in(name) {
            continue;
        }
        let because = rule.because.as_deref();
        let (message, hint) = if nodes < rule.min {
            let least = rule.min;
            blamed.push(name.as_str());
            if gaps && groups().next().is_none() {
                continue;
            }
            match nodes {
                0 => (format!("no node has role `{name}`, but at least {least} must"), because.map(str::to_owned)),
                _ => {
                    let message = format!("role `{name}` has {}, but needs at least {least}", nodes_word(nodes));
                    (message, because.map(str::to_owned))
                }
            }
        } else if let Some(most) = rule.max.filter(|most| nodes > *most) {
            let message = format!("role `{name}` has {}, but can have {most} at most", nodes_word(nodes));
            (message, because.map(str::to_owned))
        } else if rule.odd && nodes > 0 && nodes.is_multiple_of(2) {
            let message = format!("role `{name}` has {}, but the count must be odd", nodes_word(nodes));
            let because = because.unwrap_or("its nodes vote");
            (message, Some(format!("{because}: use {} or {}", nodes - 1, nodes + 1)))
        } else {
            continue;
        };
        let mut fault = context.error(&count_path(context, name), message);
        fault.hint = hint;
        found.push(fault);
    }
    blamed
}

fn nodes_word(count: u32) -> String {
    if count == 1 { "1 node".to_owned() } else { format!("{count} nodes") }
}

/// The key to blame for a role's count: that of the group that the user wrote last.
fn count_path(context: &Context<'_>, role: &str) -> String {
    let groups = context.environment.nodes.iter();
    let having = groups.filter(|(name, group)| context.roles_of(name, group).contains(&role));
    let paths: Vec<String> = having.map(|(name, _)| format!("nodes.{name}.count")).collect();
    paths
        .iter()
        .rev()
        .find(|path| context.is_written(path))
        .or(paths.last())
        .cloned()
        .unwrap_or_else(|| "nodes".to_owned())
}

/// Combined Redis or split Redis, not both.
fn redis_once(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let has = |role: &str| context.nodes_with(role) > 0;
    let Some(split) = ["redis-cache", "redis-persistent"].into_iter().find(|role| has(role)).filter(|_| has("redis"))
    else {
        return;
    };
    let written = |role: &str| context.is_written(&format!("nodes.{role}"));
    let (place, other) = if written("redis") { ("redis", split) } else { (split, "redis") };
    let message = format!("both combined Redis (`redis`) and split Redis (`{split}`)");
    let fault = context.error(&count_path(context, place), message);
    found.push(fault.hint(format!("keep one kind: set `nodes.{other}.count: 0`, or remove `{place}`")));
}

fn needs(context: &Context<'_>, blamed: Vec<&str>, found: &mut Vec<Diagnostic>) {
    let has = |role: &str| context.nodes_with(role) > 0;
    let mut told: Vec<String> = Vec::new();
    for need in NEEDS {
        let there = context.facts().is_none_or(|facts| facts.roles.contains_key(need.role));
        let nodes = context.nodes_with(need.role);
        let covered = need
            .any_of
            .iter()
            .any(|other| has(other) || context.omits(other) || context.has_stand_in(other) || blamed.contains(other));
        if !there || nodes < need.from || covered {
            continue;
        }
        let others = need.any_of.iter().map(|role| format!("`{role}`")).collect::<Vec<_>>().join(" or ");
        let message = match need.from {
            0 | 1 => format!("role `{}` needs {others}, and no node has it", need.role),
            _ => format!("{} of role `{}` need {others}, and no node has it", nodes_word(nodes), need.role),
        };
        // Where the user took the other role away, that is the line to show, and once is enough.
        let mut removed = need.any_of.iter().map(|role| format!("nodes.{role}.count"));
        let removed = removed.find(|path| context.is_written(path));
        if let Some(path) = &removed {
            if told.contains(path) {
                continue;
            }
            told.push(path.clone());
        }
        let path = removed.unwrap_or_else(|| count_path(context, need.role));
        found.push(context.error(&path, message).hint(need.because));
    }
    if context.nodes_with("app") > 1
        && !has("haproxy-external")
        && !context.omits("haproxy-external")
        && !context.has_stand_in("haproxy-external")
    {
        let message = "several app nodes and no `haproxy-external`: nothing listens at the external URL";
        let path = if context.is_written("nodes.haproxy-external") { "nodes.haproxy-external" } else { "nodes" };
        found.push(context.key_warning(path, message).hint("put a balancer of your own in front of the app nodes"));
    }
}
