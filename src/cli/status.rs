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
        let own = node.own.as_ref();
        let main = |name: &str| {
            own.and_then(|own| own.facts.iter().rev().find(|fact| fact.name == name)).map(|fact| fact.value.clone())
        };
        let health = match (own, &node.trouble) {
            (None, Some(trouble)) => trouble.clone(),
            (None, None) => node.machine.clone(),
            (Some(own), _) => own
                .services
                .iter()
                .find(|service| service.state != "active")
                .map(|service| format!("{} is {}", service.unit, service.state))
                .or_else(|| own.probes.iter().find(|probe| !probe.holds).map(|probe| format!("not: {}", probe.name)))
                .unwrap_or_else(|| "healthy".to_owned()),
        };
        let details: Vec<String> = own
            .map(|own| &own.facts[..])
            .unwrap_or_default()
            .iter()
            .filter(|fact| fact.name != "state" && !fact.value.is_empty() && fact.role == last_role(own))
            .map(|fact| format!("{} {}", fact.name, fact.value))
            .collect();
        table.add_row([
            node.node.clone(),
            node.address.clone().unwrap_or_default(),
            health,
            main("state").unwrap_or_default(),
            details.join(", "),
        ]);
    }
    let healthy = nodes.iter().filter(|node| node.is_healthy()).count();
    format!("{table}\n{healthy} of {} nodes healthy\n", nodes.len())
}

/// The role that the node is there for: the one whose stage runs last.
fn last_role(own: Option<&crate::configure::NodeStatus>) -> &str {
    own.and_then(|own| own.facts.last()).map_or("", |fact| fact.role.as_str())
}
