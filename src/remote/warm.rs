//! Connections that stay open for a minute after a command, so that the next one need not make them anew.
//!
//! What a connection was made with (the configuration that ssh reads for the node, the host keys it trusts) is written
//! beside its socket. One that was made with anything else is not used: a changed option or host key takes effect at once.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use openssh::Session;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use super::control;

/// Seconds that an unused connection stays open.
pub(super) const SECONDS: u32 = 60;

const MADE_WITH: &str = "made-with";

/// The connections of one environment that stay open.
pub(super) struct Warm {
    /// The user's folder for sockets.
    sockets: PathBuf,
    /// Tells environments apart: the folder of the environment's ssh configuration.
    environment: PathBuf,
}

impl Warm {
    pub(super) fn new(sockets: PathBuf, environment: PathBuf) -> Self {
        Self { sockets, environment }
    }

    /// The open connection to a node, if there is one that was made with the same.
    pub(super) async fn find(&self, node: &str, made_with: &str) -> Option<Session> {
        let place = self.place(node);
        let found = fs::read_to_string(place.join(MADE_WITH)).ok()?;
        if found == made_with {
            return Some(open(&place));
        }
        self.end(node).await;
        None
    }

    /// Lets a fresh connection stay open. One that another process put there first is left alone; ours then ends
    /// with this process.
    pub(super) fn keep(&self, node: &str, made_with: &str, fresh: TempDir) -> io::Result<Session> {
        fs::write(fresh.path().join(MADE_WITH), made_with)?;
        let place = self.place(node);
        // A folder is only replaced by one of its kind where it is empty.
        match fs::rename(fresh.path(), &place) {
            Ok(()) => {
                // What it would remove has another name now.
                let _ = fresh.keep();
                Ok(open(&place))
            }
            Err(_) => Ok(Session::new_native_mux(fresh)),
        }
    }

    /// Ends the connection to a node as soon as nothing runs on it any more. Nobody will find it.
    pub(super) async fn end(&self, node: &str) {
        // Out of the way first, so that what is ended is what was there, whoever comes next.
        let Ok(away) = control::connection(&self.sockets) else { return };
        let away = away.path().join("ended");
        if fs::rename(self.place(node), &away).is_ok() {
            // Where nobody listens it has ended already.
            let _ = open(&away).close().await;
            let _ = fs::remove_dir_all(&away);
        }
    }

    fn place(&self, node: &str) -> PathBuf {
        let hash = Sha256::new().chain_update(self.environment.as_os_str().as_encoded_bytes()).chain_update([0]);
        let hash = hash.chain_update(node).finalize();
        let name: String = hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        self.sockets.join(format!("{PREFIX}{name}"))
    }
}

/// What the names of such connections' folders begin with.
pub(super) const PREFIX: &str = "warm.";

/// Dropping it leaves the connection open.
fn open(place: &Path) -> Session {
    Session::resume_mux(place.join("master").into(), Some(place.join("log").into()))
}

/// Configurations that ssh reads besides the environment's own, with all that they include; none where that cannot be
/// told.
pub(super) fn included(paths: &[String]) -> Option<String> {
    let mut all = String::new();
    for path in paths {
        read(path, &mut all, 0)?;
    }
    Some(all)
}

fn read(path: &str, all: &mut String, depth: usize) -> Option<()> {
    let path = home(path)?;
    // What is not there, or nobody may read, has no effect on ssh either.
    let Ok(text) = fs::read_to_string(&path) else { return Some(()) };
    all.push_str(&format!("# {}\n{text}\n", path.display()));
    for line in text.lines().map(str::trim) {
        let Some((word, files)) = line.split_once([' ', '\t', '=']) else { continue };
        if !word.eq_ignore_ascii_case("include") {
            continue;
        }
        // ssh itself gives up beyond a depth of 16.
        if depth == 16 {
            return None;
        }
        for file in files.split_whitespace() {
            for file in matching(&path, file.trim_matches(['"', '=']))? {
                read(&file, all, depth + 1)?;
            }
        }
    }
    Some(())
}

/// Files that an `Include` may mean: a pattern in the last part of a path means all files of its folder here, because
/// one too many only costs a new connection.
fn matching(from: &Path, pattern: &str) -> Option<Vec<String>> {
    let base = if from.starts_with("/etc/ssh") { PathBuf::from("/etc/ssh") } else { home("~/.ssh")? };
    let path = base.join(home(pattern)?);
    let (folder, name) = (path.parent()?, path.file_name()?.to_str()?);
    let wild = |text: &str| text.contains(['*', '?', '[', '%', '$']);
    if wild(folder.to_str()?) {
        return None;
    }
    if !wild(name) {
        return Some(vec![path.to_str()?.to_owned()]);
    }
    let mut files: Vec<String> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.path().to_str().map(str::to_owned))
        .collect();
    files.sort();
    Some(files)
}

fn home(path: &str) -> Option<PathBuf> {
    match path.strip_prefix("~/") {
        Some(rest) => Some(PathBuf::from(std::env::var_os("HOME")?).join(rest)),
        None => Some(PathBuf::from(path)),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    fn fresh(sockets: &Path) -> TempDir {
        let fresh = control::connection(sockets).unwrap();
        UnixListener::bind(fresh.path().join("master")).unwrap();
        fresh
    }

    #[tokio::test]
    async fn only_a_connection_that_was_made_with_the_same_is_used() {
        let sockets = tempfile::tempdir().unwrap();
        let warm = Warm::new(sockets.path().to_owned(), "/work/demo".into());
        assert!(warm.find("demo-app-1", "as it is").await.is_none());
        warm.keep("demo-app-1", "as it is", fresh(sockets.path())).unwrap();
        assert!(warm.find("demo-app-1", "as it is").await.is_some());
        let other = Warm::new(sockets.path().to_owned(), "/work/other".into());
        assert!(other.find("demo-app-1", "as it is").await.is_none());
        assert!(warm.find("demo-app-2", "as it is").await.is_none());
        assert!(warm.find("demo-app-1", "with another host key").await.is_none());
        assert!(warm.find("demo-app-1", "as it is").await.is_none(), "it was ended");
        assert_eq!(fs::read_dir(sockets.path()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn whoever_comes_second_leaves_the_first_one_alone() {
        let sockets = tempfile::tempdir().unwrap();
        let warm = Warm::new(sockets.path().to_owned(), "/work/demo".into());
        let first = warm.keep("demo-app-1", "x", fresh(sockets.path())).unwrap();
        let second = warm.keep("demo-app-1", "x", fresh(sockets.path())).unwrap();
        assert_ne!(first.control_socket(), second.control_socket());
        drop(second);
        assert_eq!(fs::read_dir(sockets.path()).unwrap().count(), 1);
        warm.end("demo-app-1").await;
        assert_eq!(fs::read_dir(sockets.path()).unwrap().count(), 0);
    }

    #[test]
    fn included_configurations_are_read_with_what_they_include() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        fs::create_dir(file("d")).unwrap();
        fs::write(file("d/a.conf"), "Compression yes\n").unwrap();
        fs::write(file("one"), format!("  include {}\nPort 22\n", file("d/*.conf"))).unwrap();
        let before = included(&[file("one"), file("missing")]).unwrap();
        assert!(before.contains("Compression yes") && before.contains("Port 22"));
        fs::write(file("d/b.conf"), "ProxyJump x\n").unwrap();
        assert_ne!(included(&[file("one")]).unwrap(), before);
        fs::write(file("two"), format!("Include {}\n", file("*/x"))).unwrap();
        assert_eq!(included(&[file("two")]), None, "nobody knows what that includes");
        fs::write(file("circle"), format!("Include {}\n", file("circle"))).unwrap();
        assert_eq!(included(&[file("circle")]), None);
    }
}
