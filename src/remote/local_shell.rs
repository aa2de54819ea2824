//! Runs programs on this machine, for tests of what is inside programs.

use std::{path::PathBuf, process::Stdio, time::Duration};

use futures_util::future::BoxFuture;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    process::Command,
};

use super::{LineSink, More, Output, Program, Remote, RemoteError};
use crate::provider::Host;

/// This machine, as a node.
pub(crate) fn here() -> Host {
    Host {
        node: "here".to_owned(),
        private: [127, 0, 0, 1].into(),
        connect: "127.0.0.1".to_owned(),
        port: 22,
        user: "root".to_owned(),
        jump: None,
        jump_key: None,
        proxy: None,
        identity: None,
        host_key: None,
    }
}

/// A shell whose commands are looked up in `bin` first.
pub(crate) struct LocalShell {
    pub(crate) bin: PathBuf,
}

impl LocalShell {
    async fn run_here(&self, program: Program, more: Option<More>, lines: LineSink<'_>) -> std::io::Result<Output> {
        let path = std::env::var("PATH").unwrap_or_default();
        let mut child = Command::new("sh")
            .args(["-c", &program.command])
            .env("PATH", format!("{}:{path}", self.bin.display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let (mut input, output, mut errors) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let feed = async {
            if let Some(mut input) = input.take() {
                let _ = input.write_all(&program.stdin).await;
                let Some(mut more) = more else { return };
                while let Some(piece) = more.recv().await {
                    if input.write_all(&piece).await.is_err() {
                        return;
                    }
                }
            }
        };
        let mut stdout = Vec::new();
        let read = async {
            let Some(output) = output else { return };
            let mut reader = BufReader::new(output).split(b'\n');
            while let Ok(Some(line)) = reader.next_segment().await {
                lines(&String::from_utf8_lossy(&line));
                stdout.extend_from_slice(&line);
                stdout.push(b'\n');
            }
        };
        let mut stderr = Vec::new();
        let complain = async {
            if let Some(errors) = errors.as_mut() {
                let _ = errors.read_to_end(&mut stderr).await;
            }
        };
        {
            let told = async { tokio::join!(read, complain) };
            tokio::pin!(told);
            tokio::select! {
                _ = &mut told => {}
                () = feed => { told.await; }
            }
        }
        let status = child.wait().await?;
        Ok(Output { code: status.code(), stdout, stderr })
    }
}

impl Remote for LocalShell {
    fn run<'a>(
        &'a self,
        host: &'a Host,
        program: Program,
        lines: LineSink<'a>,
    ) -> BoxFuture<'a, Result<Output, RemoteError>> {
        Box::pin(async move { self.run_here(program, None, lines).await.map_err(|error| failed(host, &error)) })
    }

    fn run_fed<'a>(
        &'a self,
        host: &'a Host,
        program: Program,
        more: More,
        lines: LineSink<'a>,
    ) -> BoxFuture<'a, Result<Output, RemoteError>> {
        Box::pin(async move { self.run_here(program, Some(more), lines).await.map_err(|error| failed(host, &error)) })
    }

    fn await_ready<'a>(&'a self, _: &'a Host, _: Duration) -> BoxFuture<'a, Result<(), RemoteError>> {
        Box::pin(async { Ok(()) })
    }

    fn forget<'a>(&'a self, _: &'a str) -> BoxFuture<'a, ()> {
        Box::pin(async {})
    }
}

fn failed(host: &Host, error: &std::io::Error) -> RemoteError {
    RemoteError::Connect { node: host.node.clone(), address: "here".to_owned(), reason: error.to_string() }
}
