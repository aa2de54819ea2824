//! `secrets rotate`.

use std::{collections::BTreeSet, io::Write as _};

use super::{
    Failure, Output,
    apply::{self, RunArgs, Work},
};
use crate::{
    event::Event,
    exit,
    secrets::RotationPhase,
    session::{Reach, Session},
};

/// A phase to end after.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Until {
    /// Both values are good, the old one is used
    Accept,
    /// Both values are good, the new one is used
    Use,
    /// Only the new value is good: nothing is left to do
    Retire,
}

impl Until {
    /// Whether this phase is the one, or comes after it.
    fn reached(self, phase: RotationPhase) -> bool {
        let last = match self {
            Self::Accept => RotationPhase::Accept,
            Self::Use => RotationPhase::Use,
            Self::Retire => return false,
        };
        phase.describe().0 >= last.describe().0
    }
}

/// Goes from one value of a secret to the next. Taken up where it was left, it comes to the same end.
pub async fn run(session: &Session, name: &str, until: Until, args: &RunArgs, output: &Output) -> Result<u8, Failure> {
    let command = format!("rotate {name}");
    let lock = apply::take_lock(session, &command, None, args.lock_wait).await?;
    let reach = session.reach().await?;
    let mut phase = match session.rotation(name)? {
        Some(phase) => phase,
        None => {
            settled(session, &reach, name, output).await?;
            ask(session, name, args, output)?;
            session.begin_rotation(name)?
        }
    };
    let mut paused = false;
    let code = apply::under_lock(lock, async |stop| {
        Ok::<_, Failure>(loop {
            let (number, what) = phase.describe();
            let title = format!("{command}: {number} of {}, {what}", RotationPhase::COUNT);
            let done = carry(session, &reach, &title, phase, args, stop.clone(), output).await;
            match done {
                Ok(exit::DONE) => {}
                other => break other,
            }
            if stop.asked().is_some() {
                break Ok(exit::STOPPED);
            }
            if until.reached(phase) {
                paused = true;
                break Ok(exit::DONE);
            }
            match session.advance_rotation(name)? {
                Some(next) => phase = next,
                None => break Ok(exit::DONE),
            }
        })
    })
    .await??;
    let (number, what) = phase.describe();
    if !output.json() && !matches!(code, Ok(exit::DONE)) {
        let _ = writeln!(
            std::io::stderr(),
            "the rotation of {name} is not done: it stopped in phase {number} of {} ({what}), and the same command goes on",
            RotationPhase::COUNT
        );
    }
    if !output.json() && matches!(code, Ok(exit::DONE)) {
        output.print(&match paused {
            true => format!(
                "{name} is in phase {number} of {}: {what}; `refarch secrets rotate {name}` goes on\n",
                RotationPhase::COUNT
            ),
            false => format!("{name} is rotated: the new value is in use, the old one is good no more\n"),
        })?;
    }
    code
}

/// Applies one phase: what follows from it for the nodes.
async fn carry(
    session: &Session,
    reach: &Reach,
    title: &str,
    phase: RotationPhase,
    args: &RunArgs,
    stop: crate::engine::StopSignal,
    output: &Output,
) -> Result<u8, Failure> {
    let (events, viewing) = output.start();
    events.send(Event::Note { text: title.to_owned() });
    let survey = session.survey(reach, &[], &events).await;
    drop(events);
    viewing.finish().await;
    let survey = survey?;
    session.note_settled(&survey)?;
    let last = phase == RotationPhase::Retire;
    // The end is proven, also where an attempt before this one did all the work.
    if survey.plan.is_empty() && !last {
        return Ok(exit::DONE);
    }
    let run = session.begin(session.runs().new_id(), &survey.plan, title)?;
    let work = Work { plan: &survey.plan, run, finished: BTreeSet::new(), concurrency: args.concurrency, stop };
    apply::carry_out(session, reach, work, last, output).await
}

/// A rotation begins where everything is as it should be: else it would change more than the secret.
async fn settled(session: &Session, reach: &Reach, name: &str, output: &Output) -> Result<(), Failure> {
    let (events, viewing) = output.start();
    let survey = session.survey(reach, &[], &events).await;
    drop(events);
    viewing.finish().await;
    let steps = survey?.plan.steps.len();
    if steps == 0 {
        return Ok(());
    }
    Err(Failure::new(
        exit::FAILED,
        format!("`{name}` was not rotated: the environment is not as its file says ({steps} steps would be done)"),
    )
    .hint("look at `refarch plan`, and `refarch apply` first; nothing was changed"))
}

fn ask(session: &Session, name: &str, args: &RunArgs, output: &Output) -> Result<(), Failure> {
    if args.yes {
        return Ok(());
    }
    if !output.json() {
        output.print(&format!(
            "{}: {name} gets a new value in {} phases, each applied on every node that it concerns; both values are good \
             meanwhile\n",
            session.topology().environment,
            RotationPhase::COUNT
        ))?;
    }
    apply::ask()
}
