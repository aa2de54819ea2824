//! Everything that somebody who helps from afar needs to see, with every secret taken out.

use std::{fmt::Write as _, time::Duration};

use futures_util::{StreamExt, stream};
use serde::Serialize;

use super::{Error, Reach, Session};
use crate::{
    event::Events,
    operator::Operator,
    provider::Host,
    remote::{Program, Remote as _},
    secrets::Redactor,
};

/// Runs whose journal and output are packed.
const RUNS: usize = 5;
/// Bytes of one text that are packed: its end, where it is longer.
const MOST: usize = 4 * 1024 * 1024;
/// Nodes asked at the same time.
const AT_ONCE: usize = 32;
/// Seconds that a node may take to tell.
const DEADLINE: Duration = Duration::from_secs(120);

/// What a node tells of itself. No configuration files: they hold secrets, and `render` shows what they say.
const NODE_STATE: &str = r#"
show() { printf '\n== %s\n' "$*"; "$@" 2>&1; }
export LC_ALL=C SYSTEMD_PAGER=
show uname -a
show cat /etc/os-release
show date -u
show uptime
show free -m
show df -hT -x tmpfs -x overlay /
show ip -brief address
show ss -Hltn
show systemctl --no-pager --failed
show systemctl --no-pager list-units --type=service --all
show ls -la /etc/refarch /var/lib/refarch
show dpkg-query -W
exit 0
"#;
const NODE_RECORD: &str = "cat /var/lib/refarch/record.jsonl 2>/dev/null; exit 0";
const NODE_JOURNAL: &str = "LC_ALL=C journalctl --no-pager -q -o short-iso -n 4000 2>&1; exit 0";

/// A file of the package: path inside it, content without secrets.
pub type SupportFile = (String, Vec<u8>);

impl Session {
    /// Gathers what there is. What cannot be had is told in its place, so that a broken environment can be packed too.
    ///
    /// # Errors
    /// When the secrets cannot be read: then nobody could take them out.
    pub async fn support(&self, events: &Events) -> Result<Vec<SupportFile>, Error> {
        let redactor = self.stored_secrets()?.redactor();
        let mut pack = Pack { files: Vec::new(), redactor };
        pack.text("about.txt", &self.about());
        pack.json("environment.json", &self.loaded.environment);
        pack.json("topology.json", &self.topology);
        pack.json("preflight.json", &self.provider.preflight(&self.topology).await);
        self.pack_runs(&mut pack);
        match self.reach().await {
            Err(error) => pack.text("nodes/unreachable.txt", &error.to_string()),
            Ok(reach) => {
                match self.survey(&reach, &[], events).await {
                    Ok(survey) => {
                        pack.json("plan.json", &survey.plan);
                        pack.result("drift.json", self.drift(&survey));
                    }
                    Err(error) => pack.text("plan.txt", &error.to_string()),
                }
                pack.result("status.json", self.status(&reach).await);
                self.pack_nodes(&mut pack, &reach).await;
            }
        }
        Ok(pack.files)
    }

    fn about(&self) -> String {
        let file = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let mut text = format!("refarch {}\n", env!("CARGO_PKG_VERSION"));
        let _ = writeln!(text, "packed {} by {}", jiff::Timestamp::now(), Operator::current());
        let _ = writeln!(text, "environment {} ({})", self.topology.environment, self.request.file.display());
        let _ = writeln!(text, "provider {}, stack {}", self.provider.name(), self.topology.stack);
        let _ = writeln!(text, "\nthis machine: {}{}", file("/proc/version"), file("/etc/os-release"));
        text
    }

    fn pack_runs(&self, pack: &mut Pack) {
        let runs = match self.runs().list(None) {
            Ok(runs) => runs,
            Err(error) => return pack.text("runs.txt", &error.to_string()),
        };
        for run in runs.iter().take(RUNS) {
            let folder = self.workspace.runs().join(run.id.as_str());
            for name in ["journal.jsonl", "output.log", "plan.json"] {
                if let Ok(content) = std::fs::read(folder.join(name)) {
                    pack.bytes(&format!("runs/{}/{name}", run.id), &content);
                }
            }
        }
        pack.json("runs.json", &runs);
    }

    async fn pack_nodes(&self, pack: &mut Pack, reach: &Reach) {
        let questions = [("state.txt", NODE_STATE), ("record.jsonl", NODE_RECORD), ("journal.txt", NODE_JOURNAL)];
        let ask = |host: Host| async move {
            let mut told = Vec::new();
            for (name, script) in questions {
                let program = Program {
                    command: "sh -s".to_owned(),
                    stdin: script.as_bytes().to_vec(),
                    root: true,
                    deadline: DEADLINE,
                };
                match reach.remote.run(&host, program, &|_| {}).await {
                    Ok(output) => told.push((format!("nodes/{}/{name}", host.node), output.stdout)),
                    Err(error) => {
                        told.push((format!("nodes/{}/unreachable.txt", host.node), error.to_string().into_bytes()));
                        break;
                    }
                }
            }
            told
        };
        let mut told: Vec<_> =
            stream::iter(reach.hosts.values().cloned()).map(ask).buffer_unordered(AT_ONCE).concat().await;
        told.sort();
        for (path, content) in told {
            pack.bytes(&path, &content);
        }
    }
}

struct Pack {
    files: Vec<SupportFile>,
    redactor: Redactor,
}

impl Pack {
    fn bytes(&mut self, path: &str, content: &[u8]) {
        let skipped = content.len().saturating_sub(MOST);
        let end = String::from_utf8_lossy(&content[skipped..]);
        // The first line of what is left may be half a line, and half a secret is not recognised.
        let end = if skipped > 0 { end.split_once('\n').map_or("", |(_, rest)| rest) } else { &end };
        self.text(path, end);
    }

    fn text(&mut self, path: &str, text: &str) {
        self.files.push((path.to_owned(), self.redactor.redact(text).into_owned().into_bytes()));
    }

    fn json(&mut self, path: &str, value: &impl Serialize) {
        match serde_json::to_string_pretty(value) {
            Ok(text) => self.text(path, &text),
            Err(error) => self.text(path, &error.to_string()),
        }
    }

    fn result<T: Serialize>(&mut self, path: &str, result: Result<T, Error>) {
        match result {
            Ok(value) => self.json(path, &value),
            Err(error) => self.text(path, &error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        catalog::SecretSpec,
        secrets::{IdentitySource, SecretStore},
        workspace::Workspace,
    };

    #[test]
    fn no_secret_gets_into_the_package_whatever_text_it_stands_in() {
        let folder = tempfile::tempdir().unwrap();
        let workspace = Workspace::for_environment(&folder.path().join("a.yaml"), "demo", None);
        workspace.create().unwrap();
        let mut store =
            SecretStore::open(&workspace, IdentitySource::File(folder.path().join("identity.txt"))).unwrap();
        let specs = [
            ("word".to_owned(), SecretSpec::Password { length: 32 }),
            ("ca".to_owned(), SecretSpec::Authority { common_name: "ca".to_owned() }),
        ];
        store.ensure(&specs.into(), &[]).unwrap();
        let (word, key) = (store.get("word").unwrap().expose(), store.get("ca").unwrap().expose());
        let mut pack = Pack { files: Vec::new(), redactor: store.redactor() };
        pack.text("log", &format!("password authentication failed for {word}!\n{key}"));
        pack.json("json", &serde_json::json!({ "key": key, "word": word }));
        let long = format!("{word}{}\nend of the log", "x".repeat(MOST));
        pack.bytes("long", long.as_bytes());
        let all: String = pack.files.iter().map(|(_, content)| String::from_utf8_lossy(content)).collect();
        assert!(all.contains("<secret:word>") && all.ends_with("end of the log"));
        for line in key.lines().filter(|line| !line.starts_with("-----")).chain([word, &word[8..]]) {
            assert!(!all.contains(line), "{line}");
        }
    }
}
