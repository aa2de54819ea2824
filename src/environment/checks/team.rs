//! `workspace` and `recipients`: what a team shares, and with whom.

use super::{super::SharedPlace, Context};
use crate::diagnostic::Diagnostic;

/// Public keys of age are bech32 of 32 bytes with this start.
const KEY: &str = "age1";
const KEY_LENGTH: usize = 62;

pub(super) fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    if let Some(text) = &context.environment.workspace
        && let Err(fault) = SharedPlace::parse(text)
    {
        found.push(context.error("workspace", fault.message).hint(fault.hint));
    }
    let Some(recipients) = &context.environment.recipients else { return };
    if recipients.is_empty() {
        let fault = context.error("recipients", "`recipients` names nobody: nobody could read what is written");
        found.push(fault.hint("list the public keys of all who work on the environment, or remove the line"));
    }
    for key in recipients {
        // A private key must not be repeated in a message.
        if key.to_uppercase().starts_with("AGE-SECRET-KEY-") {
            let fault = context.error("recipients", "a private key stands in `recipients`");
            found.push(fault.hint("remove it and make another: everybody who has seen this file has it now"));
        } else if !is_key(key) {
            let fault = context.error("recipients", format!("`{key}` is no public key of age"));
            found.push(fault.hint("`refarch secrets identity` prints yours: age1 and 58 letters and digits"));
        }
    }
}

fn is_key(key: &str) -> bool {
    key.len() == KEY_LENGTH && key.starts_with(KEY) && key.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
}
