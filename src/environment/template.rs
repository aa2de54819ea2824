//! The file that `init` writes.

use std::fmt::Write;

use super::{Architecture, ProviderKind, Stack};
use crate::catalog::reference;

/// What `init` was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InitAnswers {
    /// Environment name.
    pub name: String,
    /// Reference architecture.
    pub size: Architecture,
    /// Where machines come from.
    pub provider: ProviderKind,
    /// Roles to use.
    pub stack: Stack,
    /// What an editor shall check the file against: a path or a URL; none leaves the line out.
    pub schema: Option<String>,
}

/// An environment file for these answers: short, commented, and loading as it is (a static one once its inventory is
/// written).
#[must_use]
pub fn template(answers: &InitAnswers) -> String {
    let InitAnswers { name, size, provider, stack, schema } = answers;
    let mut text = String::new();
    let reference = reference::load(*size);
    if let Some(schema) = schema {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "# yaml-language-server: $schema={schema}");
    }
    let users = thousands(reference.users_up_to);
    let _ = write!(
        text,
        "# Environment of refarch. Check it with `refarch validate FILE`, bring it up with `refarch apply FILE`.
# `refarch explain KEY` tells what a key is for and where its value comes from.

# Starts every node's name: lower-case letters, digits and hyphens, at most 20 characters.
name: {name}

# Reference architecture: 1k, 2k, 3k (the smallest highly available one), 5k, 10k, 25k or 50k.
# {size} is meant for up to {users} users; `refarch validate FILE` counts its nodes, `refarch graph FILE` draws them.
architecture: {size}

# Where machines come from: local (containers on this machine), static (machines that exist), aws, gcp, azure.
provider: {provider}

# What runs on them: sandbox (real servers and a small sample application) or gitlab (the product's package).
stack: {stack}

# What the environment is for: test, demo or production.
purpose: test

# Where users go. Without the line: https://{name}.test
# external_url: https://git.example.com

# Who answers for it; becomes a tag.
# owner: platform-team
"
    );
    match provider {
        ProviderKind::Static => text.push_str(
            "
# The machines: their addresses, users and jump hosts. The path is relative to this file.
inventory: inventory.yaml

# How they are reached, where the inventory says nothing else.
# ssh:
#   user: admin
#   identity: ~/.ssh/id_ed25519
#   jump: admin@bastion.example.com:22
",
        ),
        ProviderKind::Local => text.push_str(
            "
# The containers' network, where the derived one is in somebody's way, and a port of this machine for the external URL.
# local:
#   subnet: 10.200.0.0/24
#   publish: 8443
",
        ),
        ProviderKind::Aws | ProviderKind::Gcp | ProviderKind::Azure => {}
    }
    let group = if reference.nodes.contains_key("app") { "app" } else { "single" };
    let group = reference.nodes.get_key_value(group).map(|(name, group)| (name.as_str(), group));
    let (group, spec) = group.expect("every reference architecture has one of the two groups");
    text.push_str("\n# Node groups: only what shall differ from the architecture.\n# nodes:\n");
    let _ = writeln!(text, "#   {group}:\n#     count: {}", spec.count + u32::from(group == "app"));
    if let Some(machine) = spec.machine_types.get(provider.name()) {
        let _ = writeln!(text, "#     machine_type: {machine}");
    }
    text.push_str("\n# Settings of roles. `refarch explain settings.postgres` lists those of a role.\n# settings:\n");
    text.push_str("#   postgres: {}\n");
    text
}

fn thousands(number: u32) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}
