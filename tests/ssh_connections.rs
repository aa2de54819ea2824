//! Connections that stay open between commands, against an sshd of the test's own on the loopback interface.

#![allow(clippy::unwrap_used)] // a test that cannot go on ends here

use std::{
    fs,
    net::TcpListener,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use refarch::{
    provider::Host,
    remote::{Output, Program, Remote, RemoteError, SshOptions, SshRemote},
};

/// An sshd that lets in whoever has the test's key, and writes down who came.
struct Server {
    folder: tempfile::TempDir,
    port: u16,
    sshd: Child,
}

impl Server {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["host", "host-new", "user"] {
            let path = folder.path().join(name);
            let made = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(path).status();
            assert!(made.unwrap().success());
        }
        // Only root's sshd needs it, and finds it missing where no system's sshd ever ran.
        let _ = fs::DirBuilder::new().mode(0o755).create("/run/sshd");
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let path = |name: &str| folder.path().join(name).display().to_string();
        let sshd = Command::new("/usr/sbin/sshd")
            .args(["-D", "-f", "/dev/null", "-E", &path("log"), "-h", &path("host"), "-p", &port.to_string()])
            .args(["-o", "ListenAddress=127.0.0.1", "-o", "UsePAM=no", "-o", "PidFile=none", "-o", "StrictModes=no"])
            .args(["-o", "PermitRootLogin=yes", "-o", &format!("AuthorizedKeysFile={}", path("user.pub"))])
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { folder, port, sshd }
    }

    fn host(&self) -> Host {
        let key = fs::read_to_string(self.folder.path().join("host.pub")).unwrap();
        let user = Command::new("id").arg("-un").output().unwrap();
        Host {
            node: "demo-app-1".to_owned(),
            private: [127, 0, 0, 1].into(),
            connect: "127.0.0.1".to_owned(),
            port: self.port,
            user: String::from_utf8(user.stdout).unwrap().trim().to_owned(),
            jump: None,
            jump_key: None,
            proxy: None,
            identity: Some(self.folder.path().join("user")),
            host_key: Some(key),
        }
    }

    fn workspace(&self) -> PathBuf {
        self.folder.path().join("workspace")
    }

    /// As many connections as were ever made.
    fn logins(&self) -> usize {
        let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        log.lines().filter(|line| line.contains("Accepted publickey")).count()
    }

    /// What one command of refarch does: it knows nothing of those before it.
    async fn command(&self, host: &Host, change: impl FnOnce(&mut SshOptions)) -> Result<Output, RemoteError> {
        let mut options = SshOptions { include: Vec::new(), ..SshOptions::new(self.workspace()) };
        change(&mut options);
        let remote = SshRemote::new(options).unwrap();
        remote.await_ready(host, Duration::from_secs(20)).await?;
        let program = Program {
            command: "cat".to_owned(),
            stdin: b"hello".to_vec(),
            root: false,
            deadline: Duration::from_secs(20),
        };
        remote.run(host, program, &|_| {}).await
    }

    async fn expect(&self, host: &Host, logins: usize) {
        let output = self.command(host, |_| {}).await.unwrap();
        assert_eq!((output.stdout.as_slice(), self.logins()), (&b"hello"[..], logins));
    }

    /// The ssh processes that hold this test's connections.
    fn masters(&self) -> Vec<u32> {
        let config = self.workspace().join("ssh_config").display().to_string();
        let of = |entry: fs::DirEntry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            let command = fs::read_to_string(entry.path().join("cmdline")).ok()?;
            (command.starts_with("ssh\0") && command.contains(&config)).then_some(pid)
        };
        fs::read_dir("/proc").unwrap().filter_map(|entry| of(entry.ok()?)).collect()
    }

    fn end_masters(&self) {
        for master in self.masters() {
            let _ = Command::new("kill").arg("-9").arg(master.to_string()).status();
            while Path::new(&format!("/proc/{master}/exe")).exists() {
                std::thread::yield_now();
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end_masters();
        let _ = self.sshd.kill();
        let _ = self.sshd.wait();
    }
}

#[tokio::test]
async fn the_next_command_finds_the_connection_open() {
    let server = Server::start();
    let host = server.host();
    server.expect(&host, 1).await;
    server.expect(&host, 1).await;

    // A connection whose ssh was killed leaves a socket that nobody listens on.
    server.end_masters();
    server.expect(&host, 2).await;
    server.expect(&host, 2).await;

    // Another option of ssh counts at once.
    server.command(&host, |options| options.keepalive = Duration::from_secs(7)).await.unwrap();
    assert_eq!(server.logins(), 3);
    fs::write(server.folder.path().join("more"), "Compression yes\n").unwrap();
    let more = server.folder.path().join("more").display().to_string();
    server.command(&host, |options| options.include = vec![more.clone()]).await.unwrap();
    assert_eq!(server.logins(), 4);
    fs::write(server.folder.path().join("more"), "Compression no\n").unwrap();
    server.command(&host, |options| options.include = vec![more]).await.unwrap();
    assert_eq!(server.logins(), 5);
}

/// What a shell line printed, and how long that took.
async fn says(server: &Server, line: &str) -> (Output, Duration) {
    let remote = SshRemote::new(SshOptions { include: Vec::new(), ..SshOptions::new(server.workspace()) }).unwrap();
    let program =
        Program { command: line.to_owned(), stdin: Vec::new(), root: false, deadline: Duration::from_secs(60) };
    let host = server.host();
    remote.await_ready(&host, Duration::from_secs(20)).await.unwrap();
    let began = Instant::now();
    let output = remote.run(&host, program, &|_| {}).await.unwrap();
    (output, began.elapsed())
}

#[tokio::test]
async fn what_a_program_says_last_arrives_also_after_its_end() {
    let server = Server::start();
    // On a busy node sshd tells of the end before it has read the last of the output.
    let (output, _) = says(&server, "(sleep 0.5; echo late; echo bad >&2) & echo first; exit 3").await;
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "first\nlate\n");
    assert_eq!((output.code, String::from_utf8(output.stderr).unwrap().as_str()), (Some(3), "bad\n"));
}

#[tokio::test]
async fn what_a_program_leaves_running_keeps_nobody_waiting() {
    let server = Server::start();
    let (output, took) = says(&server, "sleep 30 & echo first").await;
    assert_eq!((output.code, output.stdout.as_slice()), (Some(0), b"first\n".as_slice()));
    assert!(took < Duration::from_secs(20), "{took:?}");
}

#[tokio::test]
async fn an_open_connection_does_not_hide_another_host_key() {
    let server = Server::start();
    let mut host = server.host();
    server.expect(&host, 1).await;
    host.host_key = Some(fs::read_to_string(server.folder.path().join("host-new.pub")).unwrap());
    let error = server.command(&host, |_| {}).await.unwrap_err();
    assert!(matches!(error, RemoteError::HostKey { .. }), "{error}");

    // Nor that the key which was learned at the first contact was taken off the record.
    host.host_key = None;
    server.expect(&host, 2).await;
    server.expect(&host, 2).await;
    let learned = server.workspace().join("known_hosts.learned");
    assert!(fs::read_to_string(&learned).unwrap().starts_with("demo-app-1 "));
    fs::write(&learned, "").unwrap();
    server.expect(&host, 3).await;
}

#[tokio::test]
async fn a_node_that_is_forgotten_has_no_connection_left() {
    let server = Server::start();
    let host = server.host();
    server.expect(&host, 1).await;
    assert_eq!(server.masters().len(), 1);
    let other = SshRemote::new(SshOptions { include: Vec::new(), ..SshOptions::new(server.workspace()) }).unwrap();
    other.forget(&host.node).await;
    while !server.masters().is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    server.expect(&host, 2).await;
}
