//! Programs on nodes over the system's own ssh: one connection per node, many programs on it.

use std::{
    collections::{BTreeMap, HashMap},
    io,
    path::{Path, PathBuf},
    process::Stdio as LocalStdio,
    sync::{Arc, Mutex as StdMutex, PoisonError},
    time::Duration,
};

use futures_util::future::BoxFuture;
use openssh::{Child, Session, Stdio};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    process::Command,
    sync::{Mutex, Semaphore, oneshot},
    time::{Instant, sleep, timeout},
};

use super::{
    LineSink, More, Output, Program, Remote, RemoteError, control,
    shell::quote,
    ssh_config::SshFiles,
    ssh_error,
    warm::{self, Warm},
};
use crate::provider::Host;

/// Time that a program gets beyond its deadline before the controller gives up on the node's own limit.
const GRACE: Duration = Duration::from_secs(20);
/// Time for the last output after a program ended: something it left running may hold the channel open.
const LAST_OUTPUT: Duration = Duration::from_secs(5);

/// How a node names the end of a program, between two bytes that no text has.
const ENDED: &str = "refarch: ended";

/// How to reach nodes.
#[derive(Debug, Clone)]
pub struct SshOptions {
    /// Folder of the environment's ssh configuration and host keys.
    pub folder: PathBuf,
    /// Limit for a connection, in whole seconds.
    pub connect_timeout: Duration,
    /// Silence after which the node is asked whether it is still there; three unanswered questions end the connection.
    pub keepalive: Duration,
    /// Programs at the same time on one node. sshd allows ten sessions by default.
    pub sessions: usize,
    /// Configurations read after the environment's own: the user's jump hosts, agents and proxies.
    pub include: Vec<String>,
}

impl SshOptions {
    /// The usual options for an environment whose files lie in this folder.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            connect_timeout: Duration::from_secs(10),
            keepalive: Duration::from_secs(5),
            sessions: 8,
            include: vec!["~/.ssh/config".to_owned(), "/etc/ssh/ssh_config".to_owned()],
        }
    }
}

/// Connections to the nodes of one environment. They stay open for a minute after the last use, for the next command.
pub struct SshRemote {
    options: SshOptions,
    files: SshFiles,
    control: PathBuf,
    warm: Warm,
    hosts: StdMutex<BTreeMap<String, Host>>,
    slots: StdMutex<HashMap<String, Arc<Slot>>>,
}

/// The connection to one node.
struct Slot {
    sessions: Semaphore,
    session: Mutex<Option<Arc<Session>>>,
}

impl SshRemote {
    /// Prepares the folder for control sockets; connects to nothing yet.
    ///
    /// # Errors
    /// When no private folder for the sockets can be had.
    pub fn new(options: SshOptions) -> io::Result<Self> {
        let files = SshFiles {
            folder: std::path::absolute(&options.folder)?,
            include: options.include.clone(),
            connect_timeout: options.connect_timeout,
            keepalive: options.keepalive,
        };
        let (hosts, slots) = (StdMutex::default(), StdMutex::default());
        let control = control::folder()?;
        let warm = Warm::new(control.clone(), files.folder.clone());
        Ok(Self { options, files, control, warm, hosts, slots })
    }

    /// Writes the ssh configuration and the pinned host keys for exactly these nodes.
    ///
    /// # Errors
    /// When a file cannot be written, or a node's facts cannot stand in a configuration of ssh.
    pub fn write_config(&self, hosts: &[Host]) -> io::Result<()> {
        let mut known = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        *known = hosts.iter().map(|host| (host.node.clone(), host.clone())).collect();
        self.files.write(&known)
    }

    /// The configuration for `ssh -F`.
    #[must_use]
    pub fn config_path(&self) -> PathBuf {
        self.files.config()
    }

    /// Makes sure that the configuration knows the host as it is.
    fn announce(&self, host: &Host) -> io::Result<()> {
        let mut known = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        if known.get(&host.node) == Some(host) {
            return Ok(());
        }
        known.insert(host.node.clone(), host.clone());
        self.files.write(&known)
    }

    fn slot(&self, node: &str) -> Arc<Slot> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = || Arc::new(Slot { sessions: Semaphore::new(self.options.sessions), session: Mutex::new(None) });
        Arc::clone(slots.entry(node.to_owned()).or_insert_with(fresh))
    }

    /// The connection to a node, made where there is none.
    async fn session(&self, slot: &Slot, host: &Host) -> Result<Arc<Session>, RemoteError> {
        let mut session = slot.session.lock().await;
        if let Some(session) = session.as_ref() {
            return Ok(Arc::clone(session));
        }
        let local = |error: io::Error| ssh_error::connect(host, error.to_string());
        self.announce(host).map_err(local)?;
        let warm = match self.files.made_with(host) {
            Some(made_with) => self.warm.find(&host.node, &made_with).await,
            None => None,
        };
        let fresh = Arc::new(match warm {
            Some(warm) => warm,
            None => self.connect(host).await?,
        });
        *session = Some(Arc::clone(&fresh));
        Ok(fresh)
    }

    /// Starts the system's ssh as the master of a connection. `openssh` could do this itself, but would override the
    /// configuration's host key rule and leave ssh behind when given up on.
    async fn connect(&self, host: &Host) -> Result<Session, RemoteError> {
        let local = |error: io::Error| ssh_error::connect(host, error.to_string());
        let folder = control::connection(&self.control).map_err(local)?;
        let log = folder.path().join("log");
        let mut command = Command::new("ssh");
        command.arg("-E").arg(&log).arg("-S").arg(folder.path().join("master"));
        command.args(["-M", "-f", "-N", "-o", "BatchMode=yes", "-o"]).arg(format!("ControlPersist={}", warm::SECONDS));
        command.arg("-F").arg(self.files.config()).arg("--").arg(&host.node);
        command.stdin(LocalStdio::null()).stdout(LocalStdio::null()).stderr(LocalStdio::null());
        // Ctrl-C in the terminal is for refarch, not for its connections.
        command.process_group(0).kill_on_drop(true);
        let limit = self.options.connect_timeout + Duration::from_secs(5);
        match timeout(limit, command.status()).await {
            // The first contact may have put a host key on record.
            Ok(Ok(status)) if status.success() => match self.files.made_with(host) {
                Some(made_with) => self.warm.keep(&host.node, &made_with, folder).map_err(local),
                None => Ok(Session::new_native_mux(folder)),
            },
            Ok(Ok(_)) => Err(ssh_error::classify(host, &read_log(&log))),
            Ok(Err(error)) => Err(ssh_error::connect(host, format!("cannot run ssh: {error}"))),
            Err(_) => Err(ssh_error::connect(host, format!("no login within {} s", limit.as_secs()))),
        }
    }

    /// Forgets a connection that is of no use, unless another one took its place already.
    async fn drop_session(&self, slot: &Slot, node: &str, broken: &Arc<Session>) {
        let mut session = slot.session.lock().await;
        if session.as_ref().is_some_and(|current| Arc::ptr_eq(current, broken)) {
            *session = None;
            self.warm.end(node).await;
        }
    }

    /// Opens a channel and starts the command on it, on a new connection where the old one is gone.
    async fn start(
        &self,
        slot: &Slot,
        host: &Host,
        command: &str,
    ) -> Result<(Arc<Session>, Child<Arc<Session>>), RemoteError> {
        let limit = Instant::now() + self.options.connect_timeout * 2;
        let mut renewed = false;
        loop {
            let session = self.session(slot, host).await?;
            let mut remote = Arc::clone(&session).arc_raw_command(command);
            remote.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
            let spawned = timeout(self.options.connect_timeout + self.options.keepalive * 3, remote.spawn()).await;
            let error = match spawned {
                Ok(Ok(child)) => return Ok((session, child)),
                Ok(Err(error)) => error,
                Err(_) => {
                    self.drop_session(slot, &host.node, &session).await;
                    if renewed {
                        return Err(ssh_error::connect(host, "the node does not open a session".to_owned()));
                    }
                    // The connection may be an old one, to a machine that is gone.
                    renewed = true;
                    continue;
                }
            };
            if ssh_error::is_full(&error) && Instant::now() < limit {
                // The node allows fewer sessions than we do; one of ours will end.
                sleep(Duration::from_millis(100)).await;
                continue;
            }
            let reason = ssh_error::text(&error);
            self.drop_session(slot, &host.node, &session).await;
            if renewed {
                return Err(ssh_error::connect(host, reason));
            }
            renewed = true;
        }
    }

    async fn run_on(
        &self,
        host: &Host,
        program: &Program,
        more: Option<More>,
        lines: LineSink<'_>,
    ) -> Result<Output, RemoteError> {
        let slot = self.slot(&host.node);
        // The semaphore is never closed.
        let _permit = slot.sessions.acquire().await.ok();
        let command = command_line(host, program);
        let (session, mut child) = self.start(&slot, host, &command).await?;
        let started = Instant::now();
        let late = || RemoteError::Deadline { node: host.node.clone(), seconds: program.deadline.as_secs() };

        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let input = child.stdin().take();
        let feed = async {
            if let Some(mut input) = input {
                // A program may end without reading everything.
                let mut open = input.write_all(&program.stdin).await.is_ok();
                if let Some(mut more) = more {
                    while open && let Some(piece) = more.recv().await {
                        open = input.write_all(&piece).await.is_ok();
                    }
                }
                let _ = input.shutdown().await;
            }
        };
        let output = child.stdout().take();
        let read = async {
            if let Some(output) = output {
                read_lines(BufReader::with_capacity(64 * 1024, output), lines, &mut stdout).await;
            }
        };
        let errors = child.stderr().take();
        let (say_end, end) = oneshot::channel();
        let complain = async {
            if let Some(errors) = errors {
                read_errors(errors, &mut stderr, say_end).await;
            }
        };
        let whole = async {
            let streams = async {
                let told = async { tokio::join!(read, complain) };
                tokio::pin!(told);
                // Whoever says nothing any more reads nothing any more.
                tokio::select! {
                    _ = &mut told => {}
                    () = feed => { told.await; }
                }
            };
            let over = async {
                if end.await.is_err() {
                    std::future::pending::<()>().await;
                }
                sleep(LAST_OUTPUT).await;
            };
            tokio::select! {
                () = streams => {}
                () = over => {}
            }
            // Not earlier: whoever has asked how it ended is told, and what was still on its way is thrown away.
            child.wait().await
        };
        let ended = timeout(program.deadline + GRACE, whole).await.map_err(|_| late())?;
        let code = match ended {
            Ok(status) => status.code(),
            // The protocol reports code 127 as a program that was not found.
            Err(openssh::Error::Remote(error)) if error.kind() == io::ErrorKind::NotFound => Some(127),
            Err(error) => {
                if !self.is_alive(&session).await {
                    let log = session.control_socket().with_file_name("log");
                    let reason = ssh_error::tidy(&read_log(&log)).unwrap_or_else(|| ssh_error::text(&error));
                    self.drop_session(&slot, &host.node, &session).await;
                    return Err(RemoteError::Lost { node: host.node.clone(), reason });
                }
                None
            }
        };
        if code == Some(124) && started.elapsed() >= program.deadline {
            return Err(late());
        }
        if program.root && code == Some(1) && stdout.is_empty() && stderr.starts_with(b"sudo: ") {
            let reason = String::from_utf8_lossy(&stderr).trim().to_owned();
            return Err(ssh_error::login(host, reason));
        }
        Ok(Output { code, stdout, stderr })
    }

    /// Whether a connection still carries programs. Asking the local master is not enough: it may not know yet.
    async fn is_alive(&self, session: &Arc<Session>) -> bool {
        let mut command = Arc::clone(session).arc_raw_command("true");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let limit = self.options.keepalive * 3 + Duration::from_secs(1);
        timeout(limit, command.status()).await.is_ok_and(|status| status.is_ok())
    }

    async fn wait_for(&self, host: &Host, deadline: Duration) -> Result<(), RemoteError> {
        let end = Instant::now() + deadline;
        let mut pause = Duration::from_millis(100);
        let mut attempt = 0u32;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let error = match timeout(left, self.try_login(host, attempt)).await {
                Ok(Ok(())) => return Ok(()),
                // A wrong key does not become right by waiting.
                Ok(Err(error @ RemoteError::HostKey { .. })) => return Err(error),
                Ok(Err(error)) => error,
                Err(_) => ssh_error::connect(host, format!("no answer within {} s", deadline.as_secs())),
            };
            if Instant::now() + pause >= end {
                return Err(error);
            }
            sleep(pause).await;
            pause = (pause * 3 / 2).min(Duration::from_secs(1));
            attempt += 1;
        }
    }

    async fn try_login(&self, host: &Host, attempt: u32) -> Result<(), RemoteError> {
        // Knocking costs little; starting ssh does not. But only ssh knows the user's proxies, so it gets its turn.
        if host.jump.is_none() && attempt % 8 != 7 {
            let knock = TcpStream::connect((host.connect.as_str(), host.port));
            match timeout(Duration::from_secs(1), knock).await {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => return Err(ssh_error::connect(host, error.to_string())),
                Err(_) => return Err(ssh_error::connect(host, "no answer within 1 s".to_owned())),
            }
        }
        let program =
            Program { command: "true".to_owned(), stdin: Vec::new(), root: true, deadline: Duration::from_secs(10) };
        let output = self.run_on(host, &program, None, &|_| {}).await?;
        if output.code == Some(0) {
            return Ok(());
        }
        Err(ssh_error::login(host, String::from_utf8_lossy(&output.stderr).trim().to_owned()))
    }
}

impl Remote for SshRemote {
    fn run<'a>(
        &'a self,
        host: &'a Host,
        program: Program,
        lines: LineSink<'a>,
    ) -> BoxFuture<'a, Result<Output, RemoteError>> {
        Box::pin(async move { self.run_on(host, &program, None, lines).await })
    }

    fn run_fed<'a>(
        &'a self,
        host: &'a Host,
        program: Program,
        more: More,
        lines: LineSink<'a>,
    ) -> BoxFuture<'a, Result<Output, RemoteError>> {
        Box::pin(async move { self.run_on(host, &program, Some(more), lines).await })
    }

    fn await_ready<'a>(&'a self, host: &'a Host, deadline: Duration) -> BoxFuture<'a, Result<(), RemoteError>> {
        Box::pin(self.wait_for(host, deadline))
    }

    fn forget<'a>(&'a self, node: &'a str) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let slot = self.slots.lock().unwrap_or_else(PoisonError::into_inner).remove(node);
            if let Some(slot) = slot {
                slot.session.lock().await.take();
            }
            self.warm.end(node).await;
        })
    }
}

/// What sshd hands to the user's shell. The node ends the program itself when its time is over: nothing that the
/// controller does can. The end of the program is told on standard error, behind all that it printed there.
fn command_line(host: &Host, program: &Program) -> String {
    let sudo = if program.root && host.user != "root" { "sudo -n -- " } else { "" };
    let seconds = program.deadline.as_secs_f64().max(0.1);
    let script = format!(r#"timeout -k 10 {seconds} sh -c "$0"; e=$?; printf '\036{ENDED}\036' >&2; exit "$e""#);
    format!("{sudo}sh -c {} {}", quote(&script), quote(&program.command))
}

/// Reads all that comes on standard error, and says when the program has ended.
async fn read_errors(mut errors: impl AsyncRead + Unpin, all: &mut Vec<u8>, say_end: oneshot::Sender<()>) {
    let mark = format!("\u{1e}{ENDED}\u{1e}");
    let mut say_end = Some(say_end);
    let mut searched = 0;
    while errors.read_buf(all).await.is_ok_and(|read| read > 0) {
        let found = all[searched..].windows(mark.len()).position(|part| part == mark.as_bytes());
        if let (Some(place), Some(say)) = (found, say_end.take_if(|_| found.is_some())) {
            // What it left running may say more.
            all.drain(searched + place..searched + place + mark.len());
            let _ = say.send(());
        }
        searched = all.len().saturating_sub(mark.len());
    }
}

async fn read_lines(mut reader: impl AsyncBufReadExt + Unpin, lines: LineSink<'_>, all: &mut Vec<u8>) {
    loop {
        let start = all.len();
        match reader.read_until(b'\n', all).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {
                let line = String::from_utf8_lossy(&all[start..]);
                lines(line.trim_end_matches(['\n', '\r']));
            }
        }
    }
}

fn read_log(path: &Path) -> String {
    std::fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}
