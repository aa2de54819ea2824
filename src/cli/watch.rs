//! `watch`.

use std::{future::Future, io::IsTerminal as _, pin::Pin, time::Duration};

use jiff::Timestamp;
use ratatui::{
    DefaultTerminal,
    crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers},
};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
    time,
};

use super::{Failure, Format, Output, Target};
use crate::{
    exit,
    session::{Request, Session},
    shared::Freshness,
    view::{Place, Screen},
    watch::{History, Look},
};

/// How often the screen is drawn anew, so that times on it go on.
const DRAW: Duration = Duration::from_millis(500);
/// How soon the reader of the keyboard notices that nobody wants its keys any more.
const KEYS: Duration = Duration::from_millis(200);

/// Arguments of `watch`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    target: Target,
    /// Seconds from the end of a look to the next one
    #[arg(long, value_name = "SECONDS", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=3600))]
    every: u16,
}

/// Looks again and again until told to stop: on a terminal as a screen, elsewhere as a line for each change, for
/// programs as a document for each look.
pub async fn run(args: Args, output: &Output) -> Result<u8, Failure> {
    let request = args.target.request()?;
    let every = Duration::from_secs(u64::from(args.every));
    // What is wrong with the file or the machine is told before anything is drawn.
    let first = look(&request, Duration::ZERO).await?;
    match output.format() {
        Format::Human if std::io::stdout().is_terminal() && std::io::stdin().is_terminal() => {
            let terminal = ratatui::try_init()?;
            let result = show(terminal, &request, every, first, output.color()).await;
            ratatui::restore();
            result
        }
        Format::Human | Format::Plain => lines(&request, every, first, output).await,
        Format::Jsonl => documents(&request, every, first, output).await,
        Format::Json => {
            output.document(&first)?;
            Ok(exit::DONE)
        }
    }
}

/// One look, after a while. All is read anew each time: nodes come and go, and the file may be edited meanwhile.
async fn look(request: &Request, after: Duration) -> Result<Look, Failure> {
    time::sleep(after).await;
    let session = Session::enter(request, Freshness::Wanted).await?;
    let reach = session.reach().await?;
    Ok(session.look(&reach).await?)
}

/// Why a look could not be taken, in one line.
fn why(failure: &Failure) -> String {
    match failure.message.lines().next() {
        Some(line) => line.to_owned(),
        None => "the environment file has faults, `refarch validate` shows them".to_owned(),
    }
}

/// SIGINT and SIGTERM.
struct Stop(Signal, Signal);

impl Stop {
    fn new() -> std::io::Result<Self> {
        Ok(Self(signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?))
    }

    async fn told(&mut self) {
        tokio::select! {
            _ = self.0.recv() => {}
            _ = self.1.recv() => {}
        }
    }
}

async fn lines(request: &Request, every: Duration, first: Look, output: &Output) -> Result<u8, Failure> {
    let mut stop = Stop::new()?;
    let mut history = History::default();
    let mut trouble = None;
    let clock = |at: Timestamp| at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string();
    let healthy = format!("{} of {} nodes healthy", first.healthy(), first.nodes.len());
    output.print(&format!("{}  {}: {healthy}\n", clock(first.at), first.environment))?;
    let mut next = Ok(first);
    loop {
        match next {
            Ok(look) => {
                trouble = None;
                for change in history.take(look) {
                    output.print(&format!("{}  {}\n", clock(change.at), change.text))?;
                }
            }
            // Said once, not with every look.
            Err(failure) => {
                let reason = why(&failure);
                if trouble.as_ref() != Some(&reason) {
                    output.print(&format!("{}  cannot look: {reason}\n", clock(Timestamp::now())))?;
                }
                trouble = Some(reason);
            }
        }
        next = tokio::select! {
            () = stop.told() => return Ok(exit::DONE),
            look = look(request, every) => look,
        };
    }
}

async fn documents(request: &Request, every: Duration, first: Look, output: &Output) -> Result<u8, Failure> {
    let mut stop = Stop::new()?;
    output.document(&first)?;
    loop {
        let next = tokio::select! {
            () = stop.told() => return Ok(exit::DONE),
            look = look(request, every) => look,
        };
        match next {
            Ok(look) => output.document(&look)?,
            Err(failure) => {
                output.document(&serde_json::json!({ "at": Timestamp::now(), "trouble": why(&failure) }))?
            }
        }
    }
}

async fn show(
    mut terminal: DefaultTerminal,
    request: &Request,
    every: Duration,
    first: Look,
    color: bool,
) -> Result<u8, Failure> {
    let mut stop = Stop::new()?;
    let mut keys = keys();
    let mut history = History::default();
    history.take(first);
    let mut place = Place::default();
    let mut trouble: Option<String> = None;
    let mut drawing = time::interval(DRAW);
    let mut looking: Pin<Box<dyn Future<Output = Result<Look, Failure>>>> = Box::pin(look(request, every));
    loop {
        let screen =
            Screen { history: &history, trouble: trouble.as_deref(), now: Timestamp::now(), place: &place, color };
        let mut fits = 0;
        terminal.draw(|frame| fits = screen.draw(frame))?;
        let nodes = history.last().map(|look| look.nodes.len()).unwrap_or_default();
        tokio::select! {
            _ = drawing.tick() => {}
            () = stop.told() => return Ok(exit::DONE),
            look_ended = &mut looking, if !place.paused => {
                match look_ended {
                    Ok(look) => {
                        history.take(look);
                        trouble = None;
                    }
                    Err(failure) => trouble = Some(why(&failure)),
                }
                looking = Box::pin(look(request, every));
            }
            event = keys.recv() => match event {
                Some(Event::Key(key)) if key.kind != KeyEventKind::Release => match meant(key) {
                    Some(Key::Quit) => return Ok(exit::DONE),
                    Some(Key::Look) => {
                        place.paused = false;
                        looking = Box::pin(look(request, Duration::ZERO));
                    }
                    Some(Key::Pause) => {
                        place.paused = !place.paused;
                        if !place.paused {
                            looking = Box::pin(look(request, Duration::ZERO));
                        }
                    }
                    Some(Key::OnlyIll(only_ill)) => place = Place { only_ill, top: 0, ..place },
                    Some(Key::Scroll(to)) => place.top = scrolled(place.top, to, fits, nodes),
                    None => {}
                },
                Some(_) => {}
                // Nobody sits at the keyboard any more.
                None => return Ok(exit::DONE),
            },
        }
    }
}

/// What a key asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Key {
    Quit,
    Look,
    Pause,
    OnlyIll(bool),
    Scroll(Scroll),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scroll {
    Up,
    Down,
    PageUp,
    PageDown,
    First,
    Last,
}

fn meant(key: KeyEvent) -> Option<Key> {
    Some(match key.code {
        KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => Key::Quit,
        KeyCode::Char('q') | KeyCode::Esc => Key::Quit,
        KeyCode::Char('r') => Key::Look,
        KeyCode::Char(' ') => Key::Pause,
        KeyCode::Char('u') => Key::OnlyIll(true),
        KeyCode::Char('a') => Key::OnlyIll(false),
        KeyCode::Up | KeyCode::Char('k') => Key::Scroll(Scroll::Up),
        KeyCode::Down | KeyCode::Char('j') => Key::Scroll(Scroll::Down),
        KeyCode::PageUp => Key::Scroll(Scroll::PageUp),
        KeyCode::PageDown => Key::Scroll(Scroll::PageDown),
        KeyCode::Home | KeyCode::Char('g') => Key::Scroll(Scroll::First),
        KeyCode::End | KeyCode::Char('G') => Key::Scroll(Scroll::Last),
        _ => return None,
    })
}

fn scrolled(top: usize, to: Scroll, fits: usize, nodes: usize) -> usize {
    let last = nodes.saturating_sub(fits);
    let top = top.min(last);
    match to {
        Scroll::Up => top.saturating_sub(1),
        Scroll::Down => (top + 1).min(last),
        Scroll::PageUp => top.saturating_sub(fits),
        Scroll::PageDown => (top + fits).min(last),
        Scroll::First => 0,
        Scroll::Last => last,
    }
}

/// Keys as they are pressed. The reader blocks, so it has a thread of its own, which ends when nobody listens.
fn keys() -> UnboundedReceiver<Event> {
    let (sender, receiver) = unbounded_channel();
    std::thread::spawn(move || {
        while !sender.is_closed() {
            match event::poll(KEYS) {
                Ok(false) => {}
                Ok(true) => {
                    let Ok(event) = event::read() else { return };
                    if sender.send(event).is_err() {
                        return;
                    }
                }
                Err(_) => return,
            }
        }
    });
    receiver
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scrolling_stays_among_the_nodes() {
        assert_eq!(scrolled(0, Scroll::Up, 10, 23), 0);
        assert_eq!(scrolled(12, Scroll::Down, 10, 23), 13);
        assert_eq!(scrolled(13, Scroll::Down, 10, 23), 13);
        assert_eq!(scrolled(5, Scroll::PageDown, 10, 23), 13);
        assert_eq!(scrolled(5, Scroll::PageUp, 10, 23), 0);
        assert_eq!(scrolled(0, Scroll::Last, 30, 23), 0);
        // The window became higher, or nodes went.
        assert_eq!(scrolled(20, Scroll::Up, 10, 23), 12);
    }

    #[test]
    fn ctrl_c_quits_and_c_does_not() {
        assert_eq!(meant(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL)), Some(Key::Quit));
        assert_eq!(meant(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::NONE)), None);
    }
}
