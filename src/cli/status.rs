//! `status`.

use super::{Failure, Output, Target};
use crate::{exit, session::NodeStatus, shared::Freshness};

/// Arguments of `status`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    target: Target,
}

/// Shows every node.
pub async fn run(args: Args, output: &Output) -> Result<u8, Failure> {
    let session = super::enter(&args.target.request()?, Freshness::Wanted).await?;
    let reach = session.reach().await?;
    let nodes = session.status(&reach).await?;
    if output.json() {
        output.document(&nodes)?;
    } else {
        output.print(&table(&nodes))?;
    }
    Ok(if nodes.iter().all(NodeStatus::is_healthy) { exit::DONE } else { exit::CHECKS_FAILED })
}

fn table(nodes: &[NodeStatus]) -> String {
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table.set_header(["NODE", "ADDRESS", "HEALTH", "STATE", "DETAILS"]);
    for node in nodes {
        table.add_row([
            node.node.clone(),
            node.address.clone().unwrap_or_default(),
            node.health(),
            node.state().unwrap_or_default().to_owned(),
            node.details(),
        ]);
    }
    let healthy = nodes.iter().filter(|node| node.is_healthy()).count();
    format!("{table}\n{healthy} of {} nodes healthy\n", nodes.len())
}
