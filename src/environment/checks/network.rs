//! URLs, networks, SSH.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use super::{super::ProviderKind, Context};
use crate::diagnostic::Diagnostic;

pub(super) fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let environment = context.environment;
    if let Some(url) = &environment.external_url
        && let Err((message, hint)) = origin(url)
    {
        found.push(context.error("external_url", message).hint(hint));
    }
    if let Some(subnet) = &environment.local.subnet {
        subnet_faults(context, subnet, found);
    }
    if let Some(mirror) = &environment.local.mirror
        && (!mirror.starts_with("http://") && !mirror.starts_with("https://") || mirror.contains(char::is_whitespace))
    {
        let fault = context.error("local.mirror", format!("`{mirror}` is not the URL of a package mirror"));
        found.push(fault.hint("for example `http://deb.debian.org/debian`"));
    }
    if let Some(suite) = &environment.local.suite
        && !is_word(suite, |letter| letter.is_ascii_lowercase() || letter == '-')
    {
        let fault = context.error("local.suite", format!("`{suite}` is not the name of a Debian suite"));
        found.push(fault.hint("for example `bookworm` or `trixie`"));
    }
    if environment.local.publish.is_some() && environment.local.isolated {
        let message = "`local.publish` leads nowhere where `local.isolated` is set: the engine publishes no port of such a network";
        let fault = context.error("local.publish", message);
        found.push(fault.hint("leave one of them out; this machine reaches the nodes by their addresses"));
    }
    if environment.local.publish.is_some_and(|port| port < 1024) && environment.provider == ProviderKind::Local {
        let message = "a port below 1024 needs root on this machine";
        found.push(Diagnostic::warning("local.publish", message).at(Some(context.provenance.place("local.publish"))));
    }
    ssh(context, found);
}

fn ssh(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let ssh = &context.environment.ssh;
    if let Some(user) = &ssh.user
        && !is_word(user, |letter| letter.is_ascii_alphanumeric() || "._-".contains(letter))
    {
        let fault = context.error("ssh.user", format!("`{user}` is not a user name"));
        found.push(if user.contains('@') { fault.hint("give the name alone, without a host") } else { fault });
    }
    if let Some(jump) = &ssh.jump
        && (jump.starts_with('-') || jump.is_empty() || jump.contains(|letter: char| letter.is_whitespace()))
    {
        let fault = context.error("ssh.jump", format!("`{jump}` is not a jump host"));
        found.push(fault.hint("write `user@bastion.example.com:22`; several are separated by commas"));
    }
    if let Some(identity) = &ssh.identity
        && identity.ends_with(".pub")
    {
        let fault = context.error("ssh.identity", format!("`{identity}` is a public key"));
        found.push(fault.hint(format!("name the private key: `{}`", identity.trim_end_matches(".pub"))));
    }
}

fn is_word(word: &str, allowed: impl Fn(char) -> bool) -> bool {
    !word.is_empty() && !word.starts_with('-') && word.chars().all(allowed)
}

/// Whether a text is a scheme, a host and perhaps a port; else what is wrong and what would be right.
fn origin(url: &str) -> Result<(), (String, String)> {
    let example = "for example `https://git.example.com`".to_owned();
    let Some((scheme, rest)) = url.split_once("://") else {
        let bare = url.trim_matches('/');
        let hint = if is_host(bare) { format!("write `https://{bare}`") } else { example };
        return Err((format!("`{url}` is not a URL"), hint));
    };
    if scheme != "http" && scheme != "https" {
        return Err((format!("`{url}` is neither http:// nor https://"), format!("write `https://{rest}`")));
    }
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    if let Some((_, host)) = authority.rsplit_once('@') {
        return Err((format!("`{scheme}://{host}` must not name a user"), format!("write `{scheme}://{host}`")));
    }
    let (host, port) = authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port)));
    if !is_host(host) {
        return Err((format!("`{url}` has no valid host name"), example));
    }
    if port.is_some_and(|port| port.parse::<u16>().map_or(true, |port| port == 0)) {
        return Err((format!("`{url}` has no valid port"), "ports are 1 to 65535".to_owned()));
    }
    if !path.is_empty() {
        let hint = format!("users come to the root of the host: write `{scheme}://{authority}`");
        return Err((format!("`{url}` must end after the host name"), hint));
    }
    Ok(())
}

fn is_host(host: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    host.len() <= 253 && host.split('.').all(label)
}

fn subnet_faults(context: &Context<'_>, subnet: &str, found: &mut Vec<Diagnostic>) {
    let path = "local.subnet";
    let Ok(network) = subnet.parse::<Ipv4Net>() else {
        let hint = match subnet.parse::<Ipv4Addr>() {
            Ok(_) => format!("add the width: `{subnet}/24`"),
            Err(_) => "for example `10.200.0.0/24`".to_owned(),
        };
        found.push(context.error(path, format!("`{subnet}` is not an IPv4 network")).hint(hint));
        return;
    };
    let whole = network.trunc();
    if whole != network {
        let fault = context.error(path, format!("`{subnet}` is an address inside a network"));
        found.push(fault.hint(format!("the network is `{whole}`")));
        return;
    }
    let shared = Ipv4Net::new_assert(Ipv4Addr::new(100, 64, 0, 0), 10);
    let private = whole.network().is_private() && whole.broadcast().is_private();
    if !private && !shared.contains(&whole) {
        let fault = context.error(path, format!("`{subnet}` is not a private network"));
        found.push(fault.hint("inside 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16"));
        return;
    }
    let nodes = u64::from(context.total());
    let addresses = 1_u64 << (32 - whole.prefix_len());
    // The network's own address, its broadcast address and the gateway are not for nodes.
    let room = addresses.saturating_sub(3);
    if room < nodes {
        let bits = (nodes + 3).next_power_of_two().trailing_zeros();
        let fault = context.error(path, format!("`{subnet}` has room for {room} nodes, and there are {nodes}"));
        found.push(fault.hint(format!("use /{} or wider", 32 - bits)));
    } else if whole.prefix_len() < 16 {
        let message = format!("`{subnet}` hides {addresses} addresses from this machine");
        let place = context.provenance.place(path);
        found.push(Diagnostic::warning(path, message).at(Some(place)).hint("a /24 carries 253 nodes"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins() {
        for good in ["https://git.example.com", "http://localhost:8080", "https://10.1.2.3", "https://a-b.test"] {
            assert!(origin(good).is_ok(), "{good}");
        }
        for bad in [
            "git.example.com",
            "ftp://x",
            "https://",
            "https://a b",
            "https://u:p@host",
            "https://host/",
            "https://host/git",
            "https://host:0",
            "https://host:99999",
            "https://-x",
            "https://a..b",
            "",
        ] {
            assert!(origin(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_password_in_a_url_is_not_repeated() {
        let (message, hint) = origin("https://root:hunter2@host/x").unwrap_err();
        assert!(!message.contains("hunter2") && !hint.contains("hunter2"));
    }
}
