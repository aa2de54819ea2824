//! Opening an environment for a verb that looks at its state or changes it.

use std::io::Write as _;

use super::Failure;
use crate::{
    session::{Held, Request, Session},
    shared::Freshness,
};

/// Opens it with the newest state that its team knows, and says what people should know of that.
pub async fn enter(request: &Request, freshness: Freshness) -> Result<Session, Failure> {
    let session = Session::enter(request, freshness).await?;
    say(&session);
    Ok(session)
}

/// Says what became of the shared workspace since this was said last.
pub fn say(session: &Session) {
    print(session.take_notes());
}

/// Gives the lock back, and says what people should know of that.
pub async fn give_back(lock: Held) -> Result<(), Failure> {
    print(lock.release().await?);
    Ok(())
}

fn print(notes: Vec<String>) {
    for note in notes {
        let _ = writeln!(std::io::stderr(), "note: {note}");
    }
}
