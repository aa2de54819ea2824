//! The files that the system's ssh reads: one configuration and the host keys per environment.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs, io,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use super::warm;
use crate::provider::Host;

/// File names in the environment's folder.
const CONFIG: &str = "ssh_config";
const PINNED: &str = "known_hosts";
const LEARNED: &str = "known_hosts.learned";

/// Where the files lie and what all nodes have in common.
#[derive(Debug, Clone)]
pub struct SshFiles {
    /// Folder of the environment.
    pub folder: PathBuf,
    /// Configurations of the user and the system, read after ours; what ours does not say comes from them.
    pub include: Vec<String>,
    /// Limit for a connection.
    pub connect_timeout: Duration,
    /// After how much silence ssh asks whether the node is still there; three unanswered questions end it.
    pub keepalive: Duration,
}

impl SshFiles {
    /// The configuration: `ssh -F` this file reaches every node by name.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.folder.join(CONFIG)
    }

    /// Writes configuration and pinned host keys. Files that are right already are left alone.
    ///
    /// # Errors
    /// When a file cannot be written, or a node's facts cannot stand in a configuration of ssh.
    pub fn write(&self, hosts: &BTreeMap<String, Host>) -> io::Result<()> {
        for host in hosts.values() {
            check(host)?;
        }
        fs::create_dir_all(&self.folder)?;
        replace(&self.folder.join(PINNED), &known_hosts(hosts))?;
        replace(&self.config(), &self.render(hosts))
    }

    /// All that decides how ssh reaches one node, and whom it takes for it: its part of the configuration, the files of
    /// the user and the system, and the host keys on record. None where that cannot be told.
    pub(super) fn made_with(&self, host: &Host) -> Option<String> {
        let hosts = BTreeMap::from([(host.node.clone(), host.clone())]);
        let mut text = self.render(&hosts) + &known_hosts(&hosts) + &warm::included(&self.include)?;
        let learned = fs::read_to_string(self.folder.join(LEARNED)).unwrap_or_default();
        let hops = host.jump.iter().flat_map(|jump| jump.split(',')).map(hop_name);
        for name in hops.chain([host.node.as_str()]) {
            for line in learned.lines().filter(|line| line.split(' ').next().is_some_and(|first| first.contains(name)))
            {
                let _ = writeln!(text, "{line}");
            }
        }
        let _ = writeln!(text, "{:?}", std::env::var_os("SSH_AUTH_SOCK"));
        Some(text)
    }

    fn render(&self, hosts: &BTreeMap<String, Host>) -> String {
        let mut text =
            String::from("# Written by refarch; changes are lost. Reach a node with: ssh -F THIS_FILE NODE\n");
        for host in hosts.values() {
            let _ = writeln!(text, "\nHost {}", host.node);
            let _ = writeln!(text, "    HostName {}", percent(&host.connect));
            let _ = writeln!(text, "    Port {}\n    User {}", host.port, host.user);
            let _ = writeln!(text, "    HostKeyAlias {}", host.node);
            if let Some(identity) = &host.identity {
                let _ = writeln!(text, "    IdentityFile {}\n    IdentitiesOnly yes", quoted(identity));
            }
            if let Some(jump) = &host.jump {
                let _ = writeln!(text, "    ProxyJump {jump}");
            }
            if let Some(proxy) = &host.proxy {
                let _ = writeln!(text, "    ProxyCommand {proxy}");
            }
            // A node whose key the provider knows is never taken on trust.
            let (file, strict) = if host.host_key.is_some() { (PINNED, "yes") } else { (LEARNED, "accept-new") };
            let _ = writeln!(text, "    UserKnownHostsFile {}", quoted(&self.folder.join(file)));
            let _ = writeln!(text, "    GlobalKnownHostsFile /dev/null\n    StrictHostKeyChecking {strict}");
        }
        let jumps: BTreeSet<(&str, Option<&PathBuf>)> = hosts
            .values()
            .filter_map(|host| Some((host.jump.as_deref()?, host.identity.as_ref())))
            .flat_map(|(jump, identity)| jump.split(',').map(move |hop| (hop_name(hop), identity)))
            .collect();
        let known = jump_keys(hosts);
        for (jump, identity) in &jumps {
            let _ = writeln!(text, "\nHost {jump}");
            if let Some(identity) = identity {
                let _ = writeln!(text, "    IdentityFile {}", quoted(identity));
            }
            if known.contains_key(jump) {
                let own = quoted(&self.folder.join(PINNED));
                let _ = writeln!(text, "    HostKeyAlias {jump}\n    UserKnownHostsFile {own}");
                let _ = writeln!(text, "    GlobalKnownHostsFile /dev/null\n    StrictHostKeyChecking yes");
                continue;
            }
            let own = quoted(&self.folder.join(LEARNED));
            let _ =
                writeln!(text, "    UserKnownHostsFile {own} ~/.ssh/known_hosts\n    StrictHostKeyChecking accept-new");
        }
        let mut names: BTreeSet<&str> = hosts.keys().map(String::as_str).collect();
        names.extend(jumps.iter().map(|(jump, _)| *jump));
        if !names.is_empty() {
            let names: Vec<&str> = names.into_iter().collect();
            let _ = writeln!(text, "\nHost {}", names.join(" "));
            let _ =
                writeln!(text, "    BatchMode yes\n    HashKnownHosts no\n    CheckHostIP no\n    UpdateHostKeys no");
            let _ = writeln!(text, "    ConnectTimeout {}", self.connect_timeout.as_secs().max(1));
            let _ = writeln!(text, "    ServerAliveInterval {}", self.keepalive.as_secs().max(1));
            let _ = writeln!(text, "    ServerAliveCountMax 3");
        }
        text.push_str("\nMatch all\n");
        for path in &self.include {
            let _ = writeln!(text, "Include {path}");
        }
        text
    }
}

fn known_hosts(hosts: &BTreeMap<String, Host>) -> String {
    // A comment behind the key would be harmless; a second line would not.
    let line = |name: &str, key: &str| {
        let key: Vec<&str> = key.split_whitespace().take(2).collect();
        format!("{name} {}\n", key.join(" "))
    };
    let nodes = hosts.values().filter_map(|host| Some(line(&host.node, host.host_key.as_deref()?)));
    nodes.chain(jump_keys(hosts).into_iter().map(|(jump, key)| line(jump, key))).collect()
}

/// Jump hosts whose keys are known. Of a chain of them nobody knows whose key it is.
fn jump_keys(hosts: &BTreeMap<String, Host>) -> BTreeMap<&str, &str> {
    let known = hosts.values().filter_map(|host| Some((host.jump.as_deref()?, host.jump_key.as_deref()?)));
    known.filter(|(jump, _)| !jump.contains(',')).map(|(jump, key)| (hop_name(jump), key)).collect()
}

fn check(host: &Host) -> io::Result<()> {
    let good = |text: &str, more: &str| {
        let allowed = |character: char| character.is_ascii_alphanumeric() || more.contains(character);
        !text.is_empty() && !text.starts_with('-') && text.chars().all(allowed)
    };
    let faulty = if !good(&host.node, "._-") {
        Some(("node name", &host.node))
    } else if !good(&host.connect, "._-:%") {
        Some(("address", &host.connect))
    } else if !good(&host.user, "._-@+\\") {
        Some(("user", &host.user))
    } else {
        // No character that a shell gives a meaning to: ssh hands the command to one.
        let proxy = host.proxy.as_ref().filter(|proxy| !good(proxy, "._-@:,%+=/ "));
        let jump = host.jump.as_ref().filter(|jump| !good(jump, "._-@:,[]%+"));
        jump.map(|jump| ("jump host", jump)).or(proxy.map(|proxy| ("proxy command", proxy)))
    };
    match faulty {
        Some((kind, text)) => {
            let message = format!("`{text}` cannot be used as a {kind} in a configuration of ssh");
            Err(io::Error::new(io::ErrorKind::InvalidInput, message))
        }
        None => Ok(()),
    }
}

/// Host part of `user@host:port`.
fn hop_name(hop: &str) -> &str {
    let host = hop.rsplit_once('@').map_or(hop, |(_, host)| host);
    match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(rest),
        None => host.split(':').next().unwrap_or(host),
    }
}

fn percent(text: &str) -> String {
    text.replace('%', "%%")
}

fn quoted(path: &Path) -> String {
    format!("\"{}\"", percent(&path.display().to_string()))
}

/// Replaces a file in one step, readable only for the user, where its content differs.
fn replace(path: &Path, content: &str) -> io::Result<()> {
    if fs::read_to_string(path).is_ok_and(|present| present == content) {
        return Ok(());
    }
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}", std::process::id()));
    let fresh = PathBuf::from(name);
    let mut options = fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
    io::Write::write_all(&mut file, content.as_bytes())?;
    fs::rename(&fresh, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(node: &str) -> Host {
        Host {
            node: node.to_owned(),
            private: [10, 0, 0, 1].into(),
            connect: "10.0.0.1".to_owned(),
            port: 22,
            user: "root".to_owned(),
            jump: None,
            jump_key: None,
            proxy: None,
            identity: None,
            host_key: None,
        }
    }

    fn files(folder: &Path) -> SshFiles {
        SshFiles {
            folder: folder.to_owned(),
            include: vec!["~/.ssh/config".to_owned()],
            connect_timeout: Duration::from_secs(10),
            keepalive: Duration::from_secs(5),
        }
    }

    #[test]
    fn pinned_and_unpinned_nodes_and_a_jump_host() {
        let mut pinned = host("demo-app-1");
        pinned.host_key = Some("ssh-ed25519 AAAA comment".to_owned());
        pinned.identity = Some("/keys/a 100%".into());
        let mut behind = host("demo-app-2");
        behind.jump = Some("me@bastion.example:2222".to_owned());
        let mut tunnel = host("demo-app-3");
        tunnel.connect = "i-0abc".to_owned();
        tunnel.proxy = Some("aws ssm start-session --target i-0abc --parameters portNumber=%p".to_owned());
        let hosts = [pinned, behind, tunnel].into_iter().map(|host| (host.node.clone(), host)).collect();
        let folder = tempfile::tempdir().unwrap();
        let files = files(folder.path());
        files.write(&hosts).unwrap();
        let text = fs::read_to_string(files.config()).unwrap().replace(&folder.path().display().to_string(), "DIR");
        let expected = r#"# Written by refarch; changes are lost. Reach a node with: ssh -F THIS_FILE NODE

Host demo-app-1
    HostName 10.0.0.1
    Port 22
    User root
    HostKeyAlias demo-app-1
    IdentityFile "/keys/a 100%%"
    IdentitiesOnly yes
    UserKnownHostsFile "DIR/known_hosts"
    GlobalKnownHostsFile /dev/null
    StrictHostKeyChecking yes

Host demo-app-2
    HostName 10.0.0.1
    Port 22
    User root
    HostKeyAlias demo-app-2
    ProxyJump me@bastion.example:2222
    UserKnownHostsFile "DIR/known_hosts.learned"
    GlobalKnownHostsFile /dev/null
    StrictHostKeyChecking accept-new

Host demo-app-3
    HostName i-0abc
    Port 22
    User root
    HostKeyAlias demo-app-3
    ProxyCommand aws ssm start-session --target i-0abc --parameters portNumber=%p
    UserKnownHostsFile "DIR/known_hosts.learned"
    GlobalKnownHostsFile /dev/null
    StrictHostKeyChecking accept-new

Host bastion.example
    UserKnownHostsFile "DIR/known_hosts.learned" ~/.ssh/known_hosts
    StrictHostKeyChecking accept-new

Host bastion.example demo-app-1 demo-app-2 demo-app-3
    BatchMode yes
    HashKnownHosts no
    CheckHostIP no
    UpdateHostKeys no
    ConnectTimeout 10
    ServerAliveInterval 5
    ServerAliveCountMax 3

Match all
Include ~/.ssh/config
"#;
        assert_eq!(text, expected);
        let keys = fs::read_to_string(folder.path().join("known_hosts")).unwrap();
        assert_eq!(keys, "demo-app-1 ssh-ed25519 AAAA\n");
    }

    #[test]
    fn a_jump_host_whose_key_is_known_is_not_taken_on_trust() {
        let mut behind = host("demo-app-1");
        behind.jump = Some("admin@203.0.113.7".to_owned());
        behind.jump_key = Some("ssh-ed25519 BBBB bastion".to_owned());
        let mut chained = host("demo-app-2");
        chained.jump = Some("a.example,b.example".to_owned());
        chained.jump_key = Some("ssh-ed25519 CCCC".to_owned());
        let hosts = [behind, chained].into_iter().map(|host| (host.node.clone(), host)).collect();
        let folder = tempfile::tempdir().unwrap();
        let files = files(folder.path());
        files.write(&hosts).unwrap();
        let text = fs::read_to_string(files.config()).unwrap().replace(&folder.path().display().to_string(), "DIR");
        let expected = "\nHost 203.0.113.7\n    HostKeyAlias 203.0.113.7\n    UserKnownHostsFile \"DIR/known_hosts\"\n    \
                        GlobalKnownHostsFile /dev/null\n    StrictHostKeyChecking yes\n";
        assert!(text.contains(expected), "{text}");
        assert!(text.contains("\nHost a.example\n    UserKnownHostsFile \"DIR/known_hosts.learned\""), "{text}");
        let keys = fs::read_to_string(folder.path().join("known_hosts")).unwrap();
        assert_eq!(keys, "203.0.113.7 ssh-ed25519 BBBB\n");
    }

    #[test]
    fn what_would_change_the_meaning_of_the_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let breaks: [fn(&mut Host); 5] = [
            |host| host.node = "a b".to_owned(),
            |host| host.connect = "x\nProxyCommand evil".to_owned(),
            |host| host.user = "-oProxyCommand=evil".to_owned(),
            |host| host.jump = Some("a b".to_owned()),
            |host| host.proxy = Some("aws $(evil)".to_owned()),
        ];
        for change in breaks {
            let mut broken = host("demo-app-1");
            change(&mut broken);
            let hosts = [(broken.node.clone(), broken)].into();
            assert!(files(folder.path()).write(&hosts).is_err(), "{hosts:?}");
        }
    }
}
