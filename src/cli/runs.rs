//! `runs`.

use super::{Failure, Output, Target, target::TargetOption};
use crate::{
    exit,
    journal::{RunDetail, RunState, RunSummary, StepEnd, StepRecord},
    session::{self, Session},
    shared::Freshness,
    view,
};

/// Arguments of `runs`.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(flatten)]
    target: Target,
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// One run: who worked on it when, and what came of every step
    Show {
        /// Run, or the beginning of its id that no other has, or `latest`
        #[arg(value_name = "RUN")]
        id: String,
        #[command(flatten)]
        target: TargetOption,
    },
}

/// Lists runs, the latest first, or shows one.
pub async fn run(args: Args, output: &Output) -> Result<u8, Failure> {
    match args.what {
        None => list(&args.target, output).await,
        Some(What::Show { id, target }) => show(&id, &Target::from(target), output).await,
    }
}

async fn open(target: &Target) -> Result<(Session, Option<String>), Failure> {
    let session = super::enter(&target.request()?, Freshness::Wanted).await?;
    let active = session.active_run()?;
    Ok((session, active))
}

async fn list(target: &Target, output: &Output) -> Result<u8, Failure> {
    let (session, active) = open(target).await?;
    let runs = session.runs().list(active.as_deref()).map_err(session::Error::from)?;
    if output.json() {
        output.document(&runs)?;
        return Ok(exit::DONE);
    }
    if runs.is_empty() {
        output.print("nothing was run yet\n")?;
        return Ok(exit::DONE);
    }
    let mut table = table(["RUN", "WHAT", "BY", "STARTED", "TOOK", "RESULT", "STEPS"]);
    for run in &runs {
        table.add_row([
            run.id.to_string(),
            run.command.clone(),
            run.by.clone(),
            when(run.started),
            took(run),
            run.state.as_str().to_owned(),
            format!("{}/{}", run.done, run.total),
        ]);
    }
    output.print(&format!("{table}\n"))?;
    Ok(exit::DONE)
}

async fn show(id: &str, target: &Target, output: &Output) -> Result<u8, Failure> {
    let (session, active) = open(target).await?;
    let detail = session
        .runs()
        .detail(id, active.as_deref())
        .map_err(|error| Failure::from(session::Error::from(error)).hint("`refarch runs` lists them"))?;
    if output.json() {
        output.document(&detail)?;
        return Ok(exit::DONE);
    }
    let folder = session.workspace().runs().join(detail.summary.id.as_str());
    output.print(&text(&detail, &folder))?;
    Ok(exit::DONE)
}

fn text(detail: &RunDetail, folder: &std::path::Path) -> String {
    let RunDetail { summary, sessions, steps } = detail;
    let mut text = format!("{}  {}, {} of {} steps done\n", summary.id, summary.command, summary.done, summary.total);
    for (number, session) in sessions.iter().enumerate() {
        let verb = if number == 0 { "began" } else { "resumed" };
        let end = match (session.ended, session.exit) {
            (Some(ended), Some(code)) => format!("ended {} with exit code {code}", when(ended)),
            _ if summary.state == RunState::Running => "still at work".to_owned(),
            _ => "broke off: nobody wrote how it ended".to_owned(),
        };
        let line = format!("{} by {} with refarch {}", when(session.started), session.by, session.version);
        text.push_str(&format!("{verb} {line}; {end}\n"));
    }
    let mut table = table(["STARTED", "TOOK", "RESULT", "CHANGED", "STEP"]);
    for step in steps {
        table.add_row([
            step.started.map(|at| at.strftime("%H:%M:%S").to_string()).unwrap_or_default(),
            step_took(step),
            outcome(step),
            if step.outcome == StepEnd::Done { step.changed.to_string() } else { String::new() },
            step.step.to_string(),
        ]);
    }
    text.push_str(&format!("\n{table}\n"));
    for step in steps.iter().filter(|step| step.outcome != StepEnd::Done) {
        if let Some(error) = &step.error {
            text.push_str(&format!("\n{}: {error}\n", step.step));
        }
    }
    text.push_str(&format!("\nall output: {}\n", folder.join("output.log").display()));
    text
}

fn outcome(step: &StepRecord) -> String {
    let word = match step.outcome {
        StepEnd::Done => "done",
        StepEnd::Failed => "failed",
        StepEnd::Unknown => "unknown",
        StepEnd::NotTried => "not tried",
    };
    if step.attempts > 1 { format!("{word} (attempt {})", step.attempts) } else { word.to_owned() }
}

fn table<const N: usize>(header: [&str; N]) -> comfy_table::Table {
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table.set_header(header);
    table
}

fn when(time: jiff::Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

fn took(run: &RunSummary) -> String {
    milliseconds(run.duration.as_millis())
}

fn step_took(step: &StepRecord) -> String {
    let between = step.started.zip(step.ended);
    between.map(|(from, to)| milliseconds(to.duration_since(from).unsigned_abs().as_millis())).unwrap_or_default()
}

fn milliseconds(milliseconds: u128) -> String {
    view::duration(u64::try_from(milliseconds).unwrap_or(u64::MAX))
}
