//! `drill`.

use std::path::PathBuf;

use super::{
    Failure, Format, Output, Target,
    apply::{take_lock, under_lock, warn},
};
use crate::{
    drill::junit,
    exit,
    session::{self, DrillRequest},
    shared::Freshness,
    view,
};

/// Arguments of `drill`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    target: Target,
    /// Only this drill; may be repeated
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// Leave this drill out; may be repeated
    #[arg(long, value_name = "NAME")]
    except: Vec<String>,
    /// List the drills, and end
    #[arg(long)]
    list: bool,
    /// Mend what a drill broke whose process was killed, and end
    #[arg(long, conflicts_with_all = ["only", "except", "list", "junit"])]
    undo: bool,
    /// Write the results as JUnit's XML
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Consent to disturb this environment, which is not marked `purpose: test`, by its name
    #[arg(long, value_name = "NAME")]
    disturb: Option<String>,
    /// Seconds to wait for somebody else's lock
    #[arg(long, value_name = "SECONDS")]
    lock_wait: Option<u64>,
}

/// Breaks things on a running environment, one after the other, and tells what its users noticed.
pub async fn run(args: Args, output: &Output) -> Result<u8, Failure> {
    let session = super::enter(&args.target.request()?, Freshness::Needed).await?;
    warn(&session, output);
    let name = session.topology().environment.clone();
    if args.undo {
        let mended = session.has_open_faults()?;
        // Whoever takes the lock mends what is left.
        let lock = take_lock(&session, &format!("drill {name} --undo"), None, args.lock_wait).await?;
        super::enter::give_back(lock).await?;
        if !mended {
            output.print(&format!("{name}: nothing is left to mend\n"))?;
        }
        return Ok(exit::DONE);
    }
    // A name that is not there is a mistake also where it is left out.
    session.drills(&args.except)?;
    let drills: Vec<_> =
        session.drills(&args.only)?.into_iter().filter(|drill| !args.except.contains(&drill.name)).collect();
    if args.list {
        if output.json() {
            output.document(&drills)?;
            return Ok(exit::DONE);
        }
        let width = drills.iter().map(|drill| drill.name.len()).max().unwrap_or_default();
        for drill in drills {
            output.print(&format!("{:<width$}  {}; expected: {}\n", drill.name, drill.fault, drill.expect))?;
        }
        return Ok(exit::DONE);
    }
    session.may_drill(args.disturb.as_deref())?;
    let command = format!("drill {name}");
    let id = session.runs().new_id();
    let lock = take_lock(&session, &command, Some(&id), args.lock_wait).await?;
    let reach = session.reach().await?;
    let plan = session.drill_plan(&drills);
    let mut run = session.begin(id.clone(), &plan, &command)?;
    let (outcome, code) = under_lock(lock, async |stop| {
        let (events, viewing) = output.start();
        let request = DrillRequest { drills: &drills, run: &mut run, events: &events, stop };
        let outcome = session.drill(&reach, request).await;
        drop(events);
        viewing.finish().await;
        let code = match &outcome {
            Ok(drilled) => drilled.exit_code,
            Err(error) => error.code(),
        };
        if let Ok(drilled) = &outcome {
            let document = serde_json::to_vec_pretty(drilled)
                .map_err(|error| Failure::new(exit::FAILED, format!("no JSON: {error}")))?;
            run.keep("drills.json", &document).map_err(session::Error::from)?;
            if let Some(file) = &args.junit {
                std::fs::write(file, junit(drilled))
                    .map_err(|error| Failure::new(exit::FAILED, format!("{}: {error}", file.display())))?;
            }
        }
        run.finish(code).map_err(session::Error::from)?;
        Ok::<_, Failure>((outcome, code))
    })
    .await??;
    let drilled = outcome?;
    match output.format() {
        Format::Json => output.document(&drilled)?,
        Format::Jsonl => {}
        _ => {
            output.print(&view::drills(&drilled, output.color()))?;
            output.print(&format!("refarch report {id} -e {} -o report.html draws it\n", session.file().display()))?;
        }
    }
    Ok(code)
}
