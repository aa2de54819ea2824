//! `explain`.

use super::{
    Failure, Output,
    target::{Target, TargetOption},
};
use crate::{
    environment::{self, StackFacts},
    exit,
    session::Session,
    topology::{Leg, Node, Topology},
};

/// Arguments of `explain`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    target: TargetOption,
    /// A key (`nodes.app.count`, `settings.postgres.ttl`) or a node (`app-1`)
    subject: String,
}

/// Tells where a value comes from, or why a node exists.
pub fn run(args: Args, output: &Output) -> Result<u8, Failure> {
    let session = Session::open(&Target::from(args.target).request()?)?;
    let topology = session.topology();
    let full = format!("{}-{}", topology.environment, args.subject);
    if let Some(node) = topology.node(&args.subject).or_else(|| topology.node(&full)) {
        if output.json() {
            output.document(node)?;
        } else {
            output.print(&about(node, topology))?;
        }
        return Ok(exit::DONE);
    }
    let catalog = session.catalog();
    let facts = StackFacts::new(catalog);
    match environment::explain(&args.subject, Some(session.loaded()), Some(&facts)) {
        Ok(explanation) if output.json() => output.document(&explanation)?,
        Ok(explanation) => output.print(&explanation.to_string())?,
        Err(unknown) if args.subject.contains('.') => {
            return Err(Failure::usage(unknown.to_string()).hint(unknown.hint));
        }
        Err(unknown) => {
            let names = topology.nodes.iter().map(|node| node.name.as_str());
            let near =
                environment::nearest(&args.subject, names.clone()).or_else(|| environment::nearest(&full, names));
            let hint = near.map_or(unknown.hint, |near| format!("did you mean `{near}`?"));
            return Err(Failure::usage(format!("there is no key and no node `{}`", args.subject)).hint(hint));
        }
    }
    Ok(exit::DONE)
}

fn about(node: &Node, topology: &Topology) -> String {
    let mut text = format!(
        "{}: node {} of group {}, zone {}\n  why      {}\n  roles    {}\n  machine  {} vCPU, {} GB{}\n",
        node.name,
        node.ordinal,
        node.group,
        node.zone,
        node.reason,
        node.roles.join(", "),
        node.machine.vcpu,
        node.machine.memory_gb,
        if node.data_bearing { "; holds data" } else { "" }
    );
    let mut ways = |title: &str, pick: &dyn Fn(&crate::topology::Edge) -> Option<String>| {
        let mut lines: Vec<String> = topology.edges.iter().filter_map(pick).collect();
        lines.sort();
        lines.dedup();
        for (index, line) in lines.iter().enumerate() {
            text.push_str(&format!("  {:<8} {line}\n", if index == 0 { title } else { "" }));
        }
    };
    let group = |name: &str| topology.node(name).map_or(name.to_owned(), |node| node.group.clone());
    ways("reaches", &|edge| {
        let leg = if edge.leg == Leg::Front { ", a balancer" } else { "" };
        (edge.from == node.name).then(|| format!("{} on {} for {}{leg}", group(&edge.to), edge.port, edge.service))
    });
    ways("serves", &|edge| {
        (edge.to == node.name).then(|| format!("{} on {} for {}", group(&edge.from), edge.port, edge.service))
    });
    text
}
