//! The whole output of a run in a file, and secrets taken out of every event on its way to the view.

use std::{
    collections::{BTreeMap, VecDeque},
    fs::{File, OpenOptions},
    io::{BufWriter, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::mpsc::{self, UnboundedReceiver};

use super::JournalError;
use crate::{clock::Clock, event::Event, secrets::Redactor, workspace::failed};

/// Lines of a step's output that a failure shows.
const TAIL: usize = 20;

/// Stands between the work and the view: takes secrets out, keeps all output in a file, and adds to a failed step
/// what its error does not say itself: the last lines of its output and the file with all of them.
#[derive(Clone)]
pub struct OutputLog(Arc<Mutex<State>>);

struct State {
    clock: Arc<dyn Clock>,
    redactor: Redactor,
    file: Option<(BufWriter<File>, String)>,
    tails: BTreeMap<String, VecDeque<String>>,
}

impl OutputLog {
    /// A log that knows no secrets and has no file yet.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let state = State { clock, redactor: Redactor::default(), file: None, tails: BTreeMap::new() };
        Self(Arc::new(Mutex::new(state)))
    }

    /// Takes these secrets out of everything that comes from now on.
    pub fn redact_with(&self, redactor: Redactor) {
        self.state().redactor = redactor;
    }

    /// Keeps what comes from now on in this file, after what it holds already.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn write_to(&self, path: &Path) -> Result<(), JournalError> {
        let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path);
        let file = file.map_err(failed("cannot open", path))?;
        self.state().file = Some((BufWriter::new(file), path.display().to_string()));
        Ok(())
    }

    /// Passes events on. The file is complete by the time the returned end is closed.
    #[must_use]
    pub fn filter(&self, mut events: UnboundedReceiver<Event>) -> UnboundedReceiver<Event> {
        let log = self.clone();
        let (sender, receiver) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Some(mut event) = events.recv().await {
                {
                    let mut state = log.state();
                    state.pass(&mut event);
                    if events.is_empty() {
                        state.flush();
                    }
                }
                // A view that is gone is no reason to stop keeping the output.
                let _ = sender.send(event);
            }
            log.state().flush();
        });
        receiver
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn pass(&mut self, event: &mut Event) {
        redact(&self.redactor, event);
        match event {
            Event::StepStarted { step, node, title, attempt } => {
                self.tails.insert(step.clone(), VecDeque::new());
                let again = if *attempt > 1 { format!(", attempt {attempt}") } else { String::new() };
                self.write(node.as_deref(), step, &format!("begins: {title}{again}"));
            }
            Event::StepOutput { step, node, line } => {
                self.write(node.as_deref(), step, line);
                let tail = self.tails.entry(step.clone()).or_default();
                if tail.len() == TAIL {
                    tail.pop_front();
                }
                tail.push_back(line.clone());
            }
            Event::StepRetried { step, node, error, wait_ms } => {
                self.write(node.as_deref(), step, &format!("failed, next attempt in {wait_ms} ms: {error}"));
            }
            Event::StepFinished { step, node, changed, elapsed_ms, .. } => {
                self.tails.remove(step);
                self.write(node.as_deref(), step, &format!("done in {elapsed_ms} ms, {changed} changed"));
            }
            Event::StepFailed { step, node, error, tail, log, .. } => {
                let lines = self.tails.remove(step).unwrap_or_default();
                self.write(node.as_deref(), step, &format!("failed: {error}"));
                if tail.is_empty() {
                    tail.extend(lines);
                }
                *log = log.take().or_else(|| self.file.as_ref().map(|(_, path)| path.clone()));
            }
            Event::Note { text } => self.write(None, "-", text),
            _ => {}
        }
    }

    fn write(&mut self, node: Option<&str>, step: &str, text: &str) {
        let now = self.clock.now();
        if let Some((file, _)) = &mut self.file {
            for line in text.lines() {
                // The journal tells what happened; output that cannot be kept must not stop the work.
                let _ = writeln!(file, "{now:.3} {} [{step}] {line}", node.unwrap_or("-"));
            }
        }
    }

    fn flush(&mut self) {
        if let Some((file, _)) = &mut self.file {
            let _ = file.flush();
        }
    }
}

fn redact(redactor: &Redactor, event: &mut Event) {
    let clean = |text: &mut String| {
        if let std::borrow::Cow::Owned(clean) = redactor.redact(text) {
            *text = clean;
        }
    };
    match event {
        Event::Note { text } => clean(text),
        Event::StepProgress { note, .. } => clean(note),
        Event::StepOutput { line, .. } => clean(line),
        Event::StepRetried { error, .. } => clean(error),
        Event::StepFailed { error, hint, tail, .. } => {
            clean(error);
            hint.iter_mut().for_each(clean);
            tail.iter_mut().for_each(clean);
        }
        Event::Checked { found, .. } => clean(found),
        Event::RunStarted { .. }
        | Event::StepStarted { .. }
        | Event::StepFinished { .. }
        | Event::Estimate { .. }
        | Event::Stopping
        | Event::RunFinished { .. } => {}
    }
}
