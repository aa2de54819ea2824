//! `reap`.

use std::path::PathBuf;

use super::{Failure, Output};
use crate::{
    engine::StopHandle,
    environment::ProviderKind,
    exit,
    session::{Expired, Place},
};

/// Arguments of `reap`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Cloud to look in
    #[arg(long, value_name = "PROVIDER")]
    provider: String,
    /// Region [default: that of your credentials]
    #[arg(long, value_name = "REGION")]
    region: Option<String>,
    /// Profile of your credentials
    #[arg(long, value_name = "PROFILE")]
    profile: Option<String>,
    /// Destroy what is over its time; without it, it is only listed
    #[arg(short, long)]
    yes: bool,
}

/// Lists the environments of an account and region, and destroys those that are over their time.
pub async fn run(args: Args, output: &Output) -> Result<u8, Failure> {
    let kind = ProviderKind::ALL
        .into_iter()
        .find(|kind| kind.name() == args.provider)
        .ok_or_else(|| Failure::usage(format!("`{}` is no provider", args.provider)).hint("`--provider aws`"))?;
    // The address of a shared place is no folder: what is destroyed by its tags is written down here.
    let is_folder = |value: &std::ffi::OsString| !value.is_empty() && !value.to_string_lossy().contains("://");
    let workspaces = std::env::var_os("REFARCH_WORKSPACE").filter(is_folder);
    let workspaces = workspaces.map_or_else(|| PathBuf::from(".refarch"), PathBuf::from);
    let place = Place { provider: kind, region: args.region, profile: args.profile, workspaces };
    let now = jiff::Timestamp::now();
    let found = place.environments().await?;
    let listed: Vec<Expired> = found.into_iter().map(|one| Expired::of(one, now)).collect();
    if output.json() && !args.yes {
        output.document(&listed)?;
    } else if !output.json() {
        output.print(&table(&listed))?;
    }
    if !args.yes {
        return Ok(exit::DONE);
    }
    let mut code = exit::DONE;
    let mut reports = Vec::new();
    for one in listed.iter().filter(|one| one.over) {
        let (events, viewing) = output.start();
        let (stop, signal) = StopHandle::new();
        let watching = stop.listen()?;
        let outcome = place.destroy(&one.environment, &events, signal).await;
        watching.abort();
        let ended = match &outcome {
            Ok(Some(report)) => {
                let ended = report.exit_code();
                events.send(report.finished(&one.environment, ended));
                ended
            }
            Ok(None) => exit::DONE,
            Err(_) => exit::FAILED,
        };
        drop(events);
        viewing.finish().await;
        let told = match outcome {
            Ok(Some(_)) if ended == exit::DONE => "destroyed".to_owned(),
            Ok(Some(_)) => "not all of it is gone: the same command again goes on".to_owned(),
            Ok(None) => "was given more time meanwhile".to_owned(),
            // One that cannot be destroyed keeps nobody else's.
            Err(error) => format!("not destroyed: {error}"),
        };
        if output.json() {
            reports.push(serde_json::json!({ "environment": one.environment, "outcome": told, "exit_code": ended }));
        } else {
            output.print(&format!("{}: {told}\n", one.environment))?;
        }
        code = code.max(ended);
        if ended == exit::STOPPED || ended == exit::INTERRUPTED {
            break;
        }
    }
    if output.json() {
        output.document(&reports)?;
    }
    Ok(code)
}

fn table(listed: &[Expired]) -> String {
    if listed.is_empty() {
        return "no environment of refarch's is here\n".to_owned();
    }
    let width = listed.iter().map(|one| one.environment.len()).max().unwrap_or_default();
    let line = |one: &Expired| {
        let owner = one.owner.as_deref().unwrap_or("nobody named");
        let end = match (one.expires, one.over) {
            (None, _) => "no end".to_owned(),
            (Some(end), true) => format!("over since {end}"),
            (Some(end), false) => format!("until {end}"),
        };
        format!("{:<width$}  {end}, {} resources, {owner}\n", one.environment, one.resources)
    };
    listed.iter().map(line).collect()
}
