//! Provider, stack, and keys that belong to one provider only.

use super::{
    super::{ProviderKind, Purpose, Stack},
    Context,
};
use crate::diagnostic::Diagnostic;

pub(super) fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    if !context.is_unknown("stack")
        && let Err(reason) = context.stack
    {
        let stack = context.environment.stack;
        let fault = context.error("stack", format!("stack `{stack}` cannot be used: {reason}"));
        found.push(if stack == Stack::Sandbox { fault } else { fault.hint("`stack: sandbox` runs everywhere") });
    }
    if context.environment.stack == Stack::Sandbox && context.environment.purpose == Purpose::Production {
        let message = "the sandbox stack is a stand-in for trying things, not for production";
        found.push(Diagnostic::warning("purpose", message).at(Some(context.provenance.place("purpose"))));
    }
    if context.is_unknown("provider") {
        return;
    }
    let provider = context.environment.provider;
    if !context.providers.contains(&provider) {
        let built: Vec<&str> = context.providers.iter().map(|kind| kind.name()).collect();
        let fault = context.error("provider", format!("provider `{provider}` is not part of this build"));
        found.push(fault.hint(format!("this build has: {}", built.join(", "))));
    }
    inventory(context, provider, found);
    ignored(context, provider, found);
}

fn inventory(context: &Context<'_>, provider: ProviderKind, found: &mut Vec<Diagnostic>) {
    match &context.environment.inventory {
        _ if context.is_unknown("inventory") => {}
        None if provider == ProviderKind::Static => {
            let fault = context.error("provider", "provider `static` needs an `inventory`: which machines are there");
            found.push(fault.hint("add `inventory: inventory.yaml`, a file beside this one"));
        }
        Some(_) if provider != ProviderKind::Static => {
            let message =
                format!("`inventory` is for machines that exist already, and provider `{provider}` makes its own");
            let fault = context.key_error("inventory", message);
            found.push(fault.hint("remove the line, or use `provider: static`"));
        }
        Some(file) if !(context.exists)(file) => {
            let fault = context.error("inventory", format!("inventory `{file}` is not there"));
            found.push(fault.hint("the path is relative to the environment file"));
        }
        _ => {}
    }
}

/// Keys that the provider does not look at.
fn ignored(context: &Context<'_>, provider: ProviderKind, found: &mut Vec<Diagnostic>) {
    if provider != ProviderKind::Local && context.is_written("local") {
        let message = format!("`local` changes nothing with provider `{provider}`");
        found.push(context.key_warning("local", message));
    }
    let why = match provider {
        ProviderKind::Local => "containers share this machine",
        ProviderKind::Static => "the machines are what they are",
        _ => return,
    };
    for group in context.environment.nodes.keys() {
        for key in ["machine_type", "disk_gb", "disk_type", "disk_iops"] {
            let path = format!("nodes.{group}.{key}");
            if context.is_written(&path) {
                let message = format!("`{key}` is ignored with provider `{provider}`");
                found.push(context.key_warning(&path, message).hint(why));
            }
        }
    }
}
