//! `cost`.

use std::io::Write as _;

use super::{Failure, Output, Target};
use crate::{exit, session::Session, view};

/// Arguments of `cost`.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Ask the cloud for today's prices in the environment's region, and keep them on this machine
    Refresh {
        #[command(flatten)]
        target: Target,
    },
}

/// Shows what the environment costs once it is as its file says; asks nobody.
pub async fn run(args: Args, output: &Output) -> Result<u8, Failure> {
    match args.action {
        Some(Action::Refresh { target }) => refresh(&target, output).await,
        None => show(&args.target, output),
    }
}

fn show(target: &Target, output: &Output) -> Result<u8, Failure> {
    let session = Session::open(&target.request()?)?;
    let name = session.topology().environment.clone();
    let prices = session.prices();
    if let Some(trouble) = prices.as_ref().and_then(|prices| prices.trouble.as_ref()) {
        let _ = writeln!(std::io::stderr(), "note: {trouble}; the prices that refarch came with are used");
    }
    let estimate = match &prices {
        Some(prices) => session.estimate(prices)?,
        None => None,
    };
    if output.json() {
        output.document(&estimate)?;
    } else {
        match &estimate {
            Some(estimate) => output.print(&view::cost(&name, estimate))?,
            None => {
                let provider = session.provider().name();
                output.print(&format!("{name}: provider `{provider}` sends no bill that refarch knows of\n"))?;
            }
        }
    }
    Ok(exit::DONE)
}

async fn refresh(target: &Target, output: &Output) -> Result<u8, Failure> {
    let session = Session::open(&target.request()?)?;
    let (table, file) = session.refresh_prices().await?;
    if output.json() {
        output.document(&table)?;
    } else {
        let regions: Vec<String> = table
            .regions
            .iter()
            .map(|(region, prices)| format!("{region}: {}", view::count(prices.machines.len(), "machine type")))
            .collect();
        output.print(&format!("prices of {} kept in {}\n{}\n", table.date, file.display(), regions.join("\n")))?;
    }
    Ok(exit::DONE)
}
