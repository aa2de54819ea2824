//! Asking a run to stop.

use std::sync::Arc;

use tokio::sync::watch;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Level {
    Go,
    /// Finish what runs, begin nothing.
    Finish(String),
    /// Abandon what runs.
    Now(String),
}

/// Asks a run to stop. Cheap to clone.
#[derive(Debug, Clone)]
pub struct StopHandle(Arc<watch::Sender<Level>>);

/// The run's end of a [`StopHandle`].
#[derive(Debug, Clone)]
pub struct StopSignal(watch::Receiver<Level>);

impl StopHandle {
    /// A handle and the signal for the run.
    #[must_use]
    pub fn new() -> (Self, StopSignal) {
        let (sender, receiver) = watch::channel(Level::Go);
        (Self(Arc::new(sender)), StopSignal(receiver))
    }

    /// Asks once more: the first time running steps are finished and no new one begins, the second time running
    /// steps are abandoned at once. `why` is a fragment: `interrupted`.
    pub fn ask(&self, why: &str) {
        self.0.send_modify(|level| {
            *level = match level {
                Level::Go => Level::Finish(why.to_owned()),
                Level::Finish(_) | Level::Now(_) => Level::Now(why.to_owned()),
            }
        });
    }

    /// Asks to finish running steps and begin no new one, however often it is said.
    pub fn finish(&self, why: &str) {
        self.0.send_if_modified(|level| {
            let first = *level == Level::Go;
            if first {
                *level = Level::Finish(why.to_owned());
            }
            first
        });
    }

    /// Asks for each Ctrl-C and each SIGTERM that this process gets, from now on and until the task is aborted.
    ///
    /// # Errors
    /// When the system does not let signals be listened to.
    pub fn listen(&self) -> std::io::Result<tokio::task::JoinHandle<()>> {
        use tokio::signal::unix::{SignalKind, signal};
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let handle = self.clone();
        Ok(tokio::spawn(async move {
            loop {
                let name = tokio::select! {
                    Some(()) = interrupt.recv() => "interrupted",
                    Some(()) = terminate.recv() => "terminated",
                    else => return,
                };
                handle.ask(name);
            }
        }))
    }

    /// Asks to finish when `lost` becomes true: the lock is somebody else's.
    pub fn finish_when(&self, mut lost: watch::Receiver<bool>, why: &'static str) -> tokio::task::JoinHandle<()> {
        let handle = self.clone();
        tokio::spawn(async move {
            if lost.wait_for(|lost| *lost).await.is_ok() {
                handle.finish(why);
            }
        })
    }
}

impl StopSignal {
    /// A signal that never comes.
    #[must_use]
    pub fn never() -> Self {
        Self(watch::channel(Level::Go).1)
    }

    /// Why to stop, once somebody asked.
    #[must_use]
    pub fn asked(&self) -> Option<String> {
        match &*self.0.borrow() {
            Level::Go => None,
            Level::Finish(why) | Level::Now(why) => Some(why.clone()),
        }
    }

    /// Waits until somebody asks to stop.
    pub async fn finish(&self) {
        self.wait(|level| *level != Level::Go).await;
    }

    /// Waits until running steps are to be abandoned.
    pub async fn now(&self) {
        self.wait(|level| matches!(level, Level::Now(_))).await;
    }

    async fn wait(&self, reached: impl FnMut(&Level) -> bool) {
        let mut receiver = self.0.clone();
        if receiver.wait_for(reached).await.is_err() {
            // Nobody is left who could ask.
            std::future::pending::<()>().await;
        }
    }
}
