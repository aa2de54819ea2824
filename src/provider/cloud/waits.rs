//! Waiting for many things with few questions: whoever waits asks for all that are waited for.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
    sync::Mutex,
    time::Duration,
};

use tokio::{
    sync::{Mutex as TurnMutex, oneshot},
    time::{Instant, sleep_until},
};

use crate::provider::{ErrorClass, ProviderError};

/// How often to ask.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Pause before the second question.
    pub first: Duration,
    /// Longest pause.
    pub most: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self { first: Duration::from_millis(500), most: Duration::from_secs(8) }
    }
}

/// Things that are waited for, by their handles, until each is in a state that its waiter accepts.
#[derive(Debug)]
pub struct Waits<S> {
    pace: Pace,
    waiting: Mutex<Waiting<S>>,
    /// Whoever holds it asks for all.
    turn: TurnMutex<()>,
}

#[derive(Debug)]
struct Waiting<S> {
    next: u64,
    by: BTreeMap<u64, Waiter<S>>,
    pause: Duration,
    asked: Option<Instant>,
}

#[derive(Debug)]
struct Waiter<S> {
    handle: String,
    accepts: fn(Option<&S>) -> bool,
    tell: Option<oneshot::Sender<Option<S>>>,
}

/// Takes a waiter out where it is no longer waited for.
struct Leave<'a, S>(&'a Waits<S>, u64);

impl<S> Drop for Leave<'_, S> {
    fn drop(&mut self) {
        if let Ok(mut waiting) = self.0.waiting.lock() {
            waiting.by.remove(&self.1);
        }
    }
}

impl<S: Clone + Send> Waits<S> {
    /// Nothing is waited for.
    #[must_use]
    pub fn new(pace: Pace) -> Self {
        let waiting = Waiting { next: 0, by: BTreeMap::new(), pause: pace.first, asked: None };
        Self { pace, waiting: Mutex::new(waiting), turn: TurnMutex::new(()) }
    }

    /// Waits until `accepts` says yes to the thing's state (none: it is not there), and returns that state.
    ///
    /// `ask` answers for all handles at once; a transient failure of it is asked again, until the deadline.
    ///
    /// # Errors
    /// What `ask` failed with for good; a permanent error with `doing` where the deadline passed.
    pub async fn until<F, A>(
        &self,
        doing: &str,
        handle: &str,
        accepts: fn(Option<&S>) -> bool,
        deadline: Duration,
        ask: A,
    ) -> Result<Option<S>, ProviderError>
    where
        A: Fn(Vec<String>) -> F,
        F: Future<Output = Result<BTreeMap<String, S>, ProviderError>>,
    {
        let end = Instant::now() + deadline;
        let (id, mut told) = self.enter(handle, accepts);
        let _leave = Leave(self, id);
        let _turn = tokio::select! {
            biased;
            state = &mut told => return Ok(state.ok().flatten()),
            () = sleep_until(end) => return Err(late(doing, deadline, None)),
            turn = self.turn.lock() => turn,
        };
        let mut last = None;
        loop {
            let due = self.due();
            tokio::select! {
                biased;
                state = &mut told => return Ok(state.ok().flatten()),
                () = sleep_until(due.min(end)) => {}
            }
            if Instant::now() >= end {
                return Err(late(doing, deadline, last));
            }
            match self.ask_all(end, &ask).await {
                Ok(()) => last = None,
                Err(error) if error.class == ErrorClass::Transient => last = Some(error.message),
                Err(error) => return Err(error),
            }
        }
    }

    fn enter(&self, handle: &str, accepts: fn(Option<&S>) -> bool) -> (u64, oneshot::Receiver<Option<S>>) {
        let (tell, told) = oneshot::channel();
        let mut waiting = self.waiting.lock().expect("no waiter panics");
        let id = waiting.next;
        waiting.next += 1;
        // Something new: it may be there soon.
        waiting.pause = self.pace.first;
        waiting.by.insert(id, Waiter { handle: handle.to_owned(), accepts, tell: Some(tell) });
        (id, told)
    }

    /// When the next question may be put.
    fn due(&self) -> Instant {
        let waiting = self.waiting.lock().expect("no waiter panics");
        waiting.asked.map_or_else(Instant::now, |asked| asked + waiting.pause)
    }

    async fn ask_all<F, A>(&self, end: Instant, ask: &A) -> Result<(), ProviderError>
    where
        A: Fn(Vec<String>) -> F,
        F: Future<Output = Result<BTreeMap<String, S>, ProviderError>>,
    {
        let (handles, newest) = {
            let mut waiting = self.waiting.lock().expect("no waiter panics");
            waiting.pause = if waiting.asked.is_none() { self.pace.first } else { waiting.pause * 3 / 2 };
            waiting.pause = waiting.pause.min(self.pace.most);
            waiting.asked = Some(Instant::now());
            let open = waiting.by.values().filter(|waiter| waiter.tell.is_some());
            let handles: BTreeSet<String> = open.map(|waiter| waiter.handle.clone()).collect();
            (handles.into_iter().collect(), waiting.next)
        };
        let Ok(states) = tokio::time::timeout_at(end, ask(handles)).await else { return Ok(()) };
        let states = states?;
        let mut waiting = self.waiting.lock().expect("no waiter panics");
        // Who came after the question was put is not answered by it.
        for (_, waiter) in waiting.by.range_mut(..newest) {
            let state = states.get(&waiter.handle);
            if (waiter.accepts)(state)
                && let Some(tell) = waiter.tell.take()
            {
                let _ = tell.send(state.cloned());
            }
        }
        Ok(())
    }
}

fn late(doing: &str, deadline: Duration, last: Option<String>) -> ProviderError {
    let told = last.map(|error| format!(": {error}")).unwrap_or_default();
    ProviderError {
        doing: doing.to_owned(),
        message: format!("not done after {} s{told}", deadline.as_secs()),
        hint: Some("the cloud may be slow: `apply` again goes on where this one stopped".to_owned()),
        class: ErrorClass::Permanent,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn waits() -> Waits<u64> {
        Waits::new(Pace { first: Duration::from_millis(500), most: Duration::from_secs(4) })
    }

    /// A cloud in which thing `7` is ready seven seconds after the start.
    async fn wait_for(
        waits: &Waits<u64>,
        asked: &Mutex<Vec<Vec<String>>>,
        start: Instant,
        second: u64,
    ) -> Result<Option<u64>, ProviderError> {
        let ask = |handles: Vec<String>| async move {
            asked.lock().unwrap().push(handles.clone());
            let now = start.elapsed().as_secs();
            Ok(handles.into_iter().filter(|handle| handle.parse::<u64>().unwrap() <= now).map(|h| (h, now)).collect())
        };
        let deadline = Duration::from_secs(60);
        waits.until("wait", &second.to_string(), |state| state.is_some(), deadline, ask).await
    }

    #[tokio::test(start_paused = true)]
    async fn a_hundred_things_are_asked_for_together() {
        let (waits, asked, start) = (Arc::new(waits()), Arc::new(Mutex::new(Vec::new())), Instant::now());
        let all: Vec<_> = (0..100)
            .map(|index| {
                let (waits, asked) = (waits.clone(), asked.clone());
                tokio::spawn(async move { wait_for(&waits, &asked, start, index % 20).await })
            })
            .collect();
        for one in all {
            assert!(one.await.unwrap().unwrap().is_some());
        }
        let asked = asked.lock().unwrap();
        assert!(asked.len() <= 16, "{} questions", asked.len());
        // The first who comes asks for itself at once, the second question is for everybody.
        assert_eq!((asked[0].len(), asked[1].len()), (1, 20));
        assert!(start.elapsed() < Duration::from_secs(24), "{:?}", start.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_grow_up_to_the_longest() {
        let (waits, asked, start) = (waits(), Mutex::new(Vec::new()), Instant::now());
        wait_for(&waits, &asked, start, 30).await.unwrap();
        // 0, 0.5, 1.25, 2.4, 4.1, 6.6, 10.4, then every 4 s.
        assert_eq!(asked.lock().unwrap().len(), 12);
    }

    #[tokio::test(start_paused = true)]
    async fn what_never_comes_ends_at_the_deadline_with_the_last_failure() {
        let waits = waits();
        let failing = |_: Vec<String>| async {
            let message = "RequestLimitExceeded".to_owned();
            Err::<BTreeMap<String, u64>, _>(ProviderError {
                doing: "ask".to_owned(),
                message,
                hint: None,
                class: ErrorClass::Transient,
            })
        };
        let start = Instant::now();
        let error =
            waits.until("wait for a", "a", |state| state.is_some(), Duration::from_secs(9), failing).await.unwrap_err();
        assert_eq!(error.to_string(), "wait for a: not done after 9 s: RequestLimitExceeded");
        assert_eq!(start.elapsed().as_secs(), 9);
    }

    #[tokio::test(start_paused = true)]
    async fn who_gives_up_hands_the_turn_on() {
        let (waits, asked, start) = (waits(), Mutex::new(Vec::new()), Instant::now());
        let first = wait_for(&waits, &asked, start, 40);
        let second = wait_for(&waits, &asked, start, 10);
        let (first, second) = tokio::join!(tokio::time::timeout(Duration::from_secs(3), first), second);
        assert!(first.is_err(), "it gave up");
        assert!(second.unwrap().is_some());
    }
}
