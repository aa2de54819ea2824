//! What ssh's own words mean.

use super::RemoteError;
use crate::provider::Host;

/// Sorts the messages of an ssh that did not get a connection.
pub(super) fn classify(host: &Host, log: &str) -> RemoteError {
    let reason = tidy(log).unwrap_or_else(|| "ssh gave no reason".to_owned());
    let has = |text: &str| log.contains(text);
    if has("HOST IDENTIFICATION HAS CHANGED") || has("host key is known for") || has("Host key verification failed") {
        return RemoteError::HostKey { node: host.node.clone(), address: address(host), reason };
    }
    if has("Permission denied (") || has("Too many authentication failures") {
        return login(host, reason);
    }
    connect(host, reason)
}

pub(super) fn connect(host: &Host, reason: String) -> RemoteError {
    RemoteError::Connect { node: host.node.clone(), address: address(host), reason }
}

pub(super) fn login(host: &Host, reason: String) -> RemoteError {
    RemoteError::Login { node: host.node.clone(), address: address(host), user: host.user.clone(), reason }
}

fn address(host: &Host) -> String {
    if host.connect.contains(':') {
        format!("[{}]:{}", host.connect, host.port)
    } else {
        format!("{}:{}", host.connect, host.port)
    }
}

/// The last words of ssh without its decoration, if it said any.
pub(super) fn tidy(log: &str) -> Option<String> {
    let said =
        |line: &&str| !line.is_empty() && !line.starts_with('@') && !line.starts_with("Warning: Permanently added");
    let lines: Vec<&str> = log.lines().map(str::trim).filter(said).collect();
    let last = &lines[lines.len().saturating_sub(3)..];
    (!last.is_empty()).then(|| last.join("; "))
}

/// An error with its causes, in one line.
pub(super) fn text(error: &openssh::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}

/// Whether the node refused one more session on a connection that works.
pub(super) fn is_full(error: &openssh::Error) -> bool {
    matches!(error, openssh::Error::SshMux(_)) && text(error).contains("refused by peer")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(log: &str) -> &'static str {
        let host = Host {
            node: "a".to_owned(),
            private: [127, 0, 0, 1].into(),
            connect: "127.0.0.1".to_owned(),
            port: 22,
            user: "root".to_owned(),
            jump: None,
            jump_key: None,
            proxy: None,
            identity: None,
            host_key: None,
        };
        match classify(&host, log) {
            RemoteError::HostKey { .. } => "host key",
            RemoteError::Login { .. } => "login",
            RemoteError::Connect { .. } => "connect",
            _ => "other",
        }
    }

    #[test]
    fn messages_are_sorted() {
        let changed =
            "@@@@@\n@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\n@@@@@\nHost key verification failed.";
        assert_eq!(kind(changed), "host key");
        assert_eq!(kind("No ED25519 host key is known for x and you have requested strict checking."), "host key");
        assert_eq!(kind("root@10.0.0.1: Permission denied (publickey,password)."), "login");
        assert_eq!(kind("ssh: connect to host 10.0.0.1 port 22: Connection refused"), "connect");
        assert_eq!(kind(""), "connect");
    }

    #[test]
    fn decoration_is_left_out() {
        let log = "Warning: Permanently added 'x' to the list.\n@@@@\nfirst\n\nsecond\r\nthird\nfourth\n";
        assert_eq!(tidy(log).as_deref(), Some("second; third; fourth"));
        assert_eq!(tidy("@@@\n"), None);
    }
}
