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

/// What people call roles elsewhere.
const ALSO_CALLED: &[(&str, &str)] = &[
    ("rails", "app"),
    ("gitlab-rails", "app"),
    ("webservice", "app"),
    ("web", "app"),
    ("puma", "app"),
    ("worker", "sidekiq"),
    ("patroni", "postgres"),
    ("database", "postgres"),
    ("db", "postgres"),
    ("sentinel", "redis"),
    ("redis-sentinel", "redis"),
    ("git", "gitaly"),
    ("prometheus", "monitor"),
    ("monitoring", "monitor"),
    ("haproxy", "haproxy-external"),
    ("load-balancer", "haproxy-external"),
    ("loadbalancer", "haproxy-external"),
    ("lb", "haproxy-external"),
];

pub(super) fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    if context.is_unknown("nodes") {
        return;
    }
    let any_unknown = context.is_partly_unknown("nodes") || context.is_unknown("architecture");
    if context.total() == 0 && !any_unknown {
        found.push(nobody(context));
        return;
    }
    for (name, group) in &context.environment.nodes {
        let path = format!("nodes.{name}");
        let known = roles(context, name, group.roles.as_deref(), found);
        let in_reference = context.reference.is_some_and(|reference| reference.nodes.contains_key(name));
        if known && group.count.is_none() && !in_reference && !any_count_unknown(context, &path) {
            let fault = context.key_error(&path, format!("`{path}` has no count"));
            found.push(fault.hint(no_count_hint(context, name)));
        }
    }
    if context.environment.nodes.keys().any(|name| any_count_unknown(context, &format!("nodes.{name}")))
        || context.is_unknown("architecture")
        || found.iter().any(|one| one.message.starts_with("unknown role"))
    {
        // What is missing may be in what could not be read.
        return;
    }
    counts(context, found);
    needs(context, found);
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
        if listed.is_some_and(|listed| listed[..index].contains(role)) {
            found.push(context.error(&path, format!("role `{role}` is listed twice for group `{name}`")));
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
            Some(_) => context.error(&path, format!("unknown role `{role}` in group `{name}`")),
            None => context.key_error(&format!("nodes.{name}"), format!("unknown role `{role}`")),
        };
        found.push(fault.hint(role_hint(context, role, listed.is_none())));
    }
    known
}

fn role_hint(context: &Context<'_>, role: &str, implied: bool) -> String {
    let names = || context.facts().into_iter().flat_map(|facts| facts.roles.keys().map(String::as_str));
    let names = || names().filter(|name| context.facts().and_then(|facts| facts.base.as_deref()) != Some(*name));
    let other = ALSO_CALLED.iter().find(|(called, _)| *called == role).map(|(_, right)| *right);
    let near = other.filter(|right| names().any(|name| name == *right)).or_else(|| suggest::nearest(role, names()));
    let implied = if implied { "a group without `roles` has the role of its own name; " } else { "" };
    match near {
        Some(near) => format!("did you mean `{near}`? {implied}roles: {}", suggest::list(names())),
        None => format!("{implied}roles: {}", suggest::list(names())),
    }
}

/// Says that a role is left out, where the user asked for it in so many words.
fn dropped(context: &Context<'_>, group: &str, role: &str, reason: &str, listed: bool, found: &mut Vec<Diagnostic>) {
    let path = if listed { format!("nodes.{group}.roles") } else { format!("nodes.{group}") };
    let asked = context.provenance.winner(&path).is_some_and(|origin| origin.place.is_some());
    let wanted = context.environment.nodes.get(group).is_some_and(|group| group.count.unwrap_or(0) > 0);
    if asked && wanted {
        let stack = context.environment.stack;
        let message = format!("stack `{stack}` leaves role `{role}` out: {reason}");
        found.push(context.key_warning(&path, message).hint("its nodes are not made"));
    }
}

fn counts(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let Some(facts) = context.facts() else { return };
    for (name, role) in &facts.roles {
        let rule = &role.count;
        let nodes = context.nodes_with(name);
        let is_there = nodes > 0 || rule.min > 0;
        let message = if nodes < rule.min {
            let least = rule.min;
            match nodes {
                0 => format!("no node has role `{name}`, but at least {least} must"),
                _ => format!("role `{name}` has {}, but needs at least {least}", nodes_word(nodes)),
            }
        } else if let Some(most) = rule.max.filter(|most| nodes > *most) {
            format!("role `{name}` has {}, but can have {most} at most", nodes_word(nodes))
        } else if rule.odd && is_there && nodes.is_multiple_of(2) {
            format!("role `{name}` has {}, but the count must be odd", nodes_word(nodes))
        } else {
            continue;
        };
        let mut fault = context.error(&count_path(context, name), message);
        fault.hint = match (&rule.because, rule.odd && nodes >= rule.min && nodes > 0 && rule.max.is_none()) {
            (Some(because), true) => Some(format!("{because}: use {} or {}", nodes - 1, nodes + 1)),
            (None, true) => Some(format!("its nodes vote: use {} or {}", nodes - 1, nodes + 1)),
            (Some(because), false) => Some(because.clone()),
            (None, false) => None,
        };
        found.push(fault);
    }
}

fn nodes_word(count: u32) -> String {
    if count == 1 { "1 node".to_owned() } else { format!("{count} nodes") }
}

/// The key to blame for a role's count: that of the group that the user wrote last.
fn count_path(context: &Context<'_>, role: &str) -> String {
    let groups = context.environment.nodes.iter();
    let having = groups.filter(|(name, group)| context.roles_of(name, group).contains(&role));
    let paths: Vec<String> = having.map(|(name, _)| format!("nodes.{name}.count")).collect();
    let written = |path: &&String| context.provenance.winner(path).is_some_and(|origin| origin.place.is_some());
    paths.iter().rev().find(written).or(paths.last()).cloned().unwrap_or_else(|| "nodes".to_owned())
}

fn needs(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let has = |role: &str| context.nodes_with(role) > 0;
    if has("redis") && (has("redis-cache") || has("redis-persistent")) {
        let split = if has("redis-cache") { "redis-cache" } else { "redis-persistent" };
        let written = |role: &str| {
            let origin = context.provenance.winner(&format!("nodes.{role}"));
            origin.is_some_and(|origin| origin.place.is_some())
        };
        let (place, other) = if written("redis") { ("redis", split) } else { (split, "redis") };
        found.push(
            context
                .error(&count_path(context, place), format!("both combined Redis (`redis`) and split Redis (`{split}`)"))
                .hint(format!("keep one kind: set `nodes.{other}.count: 0`, or remove `{place}`")),
        );
        return;
    }
    for need in NEEDS {
        let there = context.facts().is_none_or(|facts| facts.roles.contains_key(need.role));
        let nodes = context.nodes_with(need.role);
        let covered = need.any_of.iter().any(|other| has(other) || context.omits(other));
        if !there || nodes < need.from || covered {
            continue;
        }
        let others = need.any_of.iter().map(|role| format!("`{role}`")).collect::<Vec<_>>().join(" or ");
        let message = match need.from {
            0 | 1 => format!("role `{}` needs {others}, and no node has it", need.role),
            _ => format!("{} of role `{}` need {others}, and no node has it", nodes_word(nodes), need.role),
        };
        // Where the user took the other role away, that is the line to show.
        let removed = need.any_of.iter().map(|role| format!("nodes.{role}.count")).find(|path| {
            context.provenance.winner(path).is_some_and(|origin| origin.place.is_some())
        });
        let path = removed.unwrap_or_else(|| count_path(context, need.role));
        found.push(context.error(&path, message).hint(need.because));
    }
    if context.nodes_with("app") > 1 && !has("haproxy-external") && !context.omits("haproxy-external") {
        let message = "several app nodes and no `haproxy-external`: nothing listens at the external URL";
        found.push(context.key_warning("nodes", message).hint("put a balancer of your own in front of the app nodes"));
    }
}
