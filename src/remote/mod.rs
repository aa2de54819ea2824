//! Running a program on a node. Knows nothing of what the program means.

mod control;
#[cfg(test)]
pub(crate) mod local_shell;
pub mod shell;
pub mod ssh;
pub mod ssh_config;
mod ssh_error;
mod warm;

use std::time::Duration;

use futures_util::future::BoxFuture;

pub use ssh::{SshOptions, SshRemote};

use crate::provider::Host;

/// A program to run on a node.
#[derive(Clone)]
pub struct Program {
    /// Text for `sh -c`: short, and without secrets, because it shows in the node's process list.
    pub command: String,
    /// What the program reads from its standard input. May hold secrets.
    pub stdin: Vec<u8>,
    /// Run it as root (through `sudo -n` where the SSH user is not root).
    pub root: bool,
    /// How long it may take.
    pub deadline: Duration,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Exit code; none when a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: Vec<u8>,
}

/// What a program reads after its [`Program::stdin`], in pieces, as they come; its input ends when the sender is gone.
/// The channel's bound is what keeps a large file out of memory.
pub type More = tokio::sync::mpsc::Receiver<Vec<u8>>;

/// Receives standard output line by line while the program runs.
pub type LineSink<'a> = &'a (dyn Fn(&str) + Send + Sync);

/// Why a program could not be run, or its result is unknown.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// Nothing answered, or the connection broke before the program began.
    #[error("cannot connect to {node} ({address}): {reason}")]
    Connect {
        /// Node.
        node: String,
        /// Where it was looked for.
        address: String,
        /// What ssh said.
        reason: String,
    },
    /// The node's host key is not the pinned one.
    #[error("the host key of {node} ({address}) is not the one recorded for this environment")]
    HostKey {
        /// Node.
        node: String,
        /// Address.
        address: String,
        /// What ssh said.
        reason: String,
    },
    /// The user or key was refused.
    #[error("{node} ({address}) refused the login of {user}: {reason}")]
    Login {
        /// Node.
        node: String,
        /// Address.
        address: String,
        /// SSH user.
        user: String,
        /// What ssh said.
        reason: String,
    },
    /// The connection broke while the program ran: it may have gone on.
    #[error("the connection to {node} broke while the program ran: {reason}")]
    Lost {
        /// Node.
        node: String,
        /// What happened.
        reason: String,
    },
    /// The program took too long.
    #[error("the program on {node} did not end within {seconds} s")]
    Deadline {
        /// Node.
        node: String,
        /// The limit.
        seconds: u64,
    },
}

/// A way to nodes.
pub trait Remote: Send + Sync {
    /// Runs a program; `lines` sees its standard output as it comes.
    ///
    /// # Errors
    /// A program that ran and failed is no error: look at [`Output::code`].
    fn run<'a>(
        &'a self,
        host: &'a Host,
        program: Program,
        lines: LineSink<'a>,
    ) -> BoxFuture<'a, Result<Output, RemoteError>>;

    /// Runs a program that reads more than fits into memory. A way that cannot carry it ends the program's input early.
    ///
    /// # Errors
    /// As [`Self::run`].
    fn run_fed<'a>(
        &'a self,
        host: &'a Host,
        program: Program,
        more: More,
        lines: LineSink<'a>,
    ) -> BoxFuture<'a, Result<Output, RemoteError>> {
        drop(more);
        self.run(host, program, lines)
    }

    /// Waits until the node answers, asking again and again, for at most `deadline`.
    fn await_ready<'a>(&'a self, host: &'a Host, deadline: Duration) -> BoxFuture<'a, Result<(), RemoteError>>;

    /// Ends all connections to the node (it was removed, or made anew).
    fn forget<'a>(&'a self, node: &'a str) -> BoxFuture<'a, ()>;
}
