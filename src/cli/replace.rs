//! `replace`.

use super::{
    Failure, Output,
    apply::{self, Making, RunArgs, warn},
    bundle::FromBundle,
    target::{Target, TargetOption},
};
use crate::{exit, topology::Selector};

/// Arguments of `replace`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    target: TargetOption,
    #[command(flatten)]
    run: RunArgs,
    /// Node to make anew: it takes its leave, gets a new machine under its name, and joins again
    node: String,
    /// End without proving the whole paths
    #[arg(long)]
    no_verify: bool,
    #[command(flatten)]
    bundle: FromBundle,
}

/// Makes one node anew under its name.
pub async fn run(args: Args, output: &Output) -> Result<u8, Failure> {
    let session = args.bundle.enter(&Target::from(args.target).request()?, output).await?;
    warn(&session, output);
    let selector: Selector = args.node.parse().map_err(|error| Failure::usage(format!("{error}")))?;
    let nodes = selector.nodes(session.topology()).map_err(|error| Failure::usage(error.to_string()))?;
    let [node] = nodes.as_slice() else {
        return Err(Failure::usage(format!("`{}` names {} nodes: one at a time is made anew", args.node, nodes.len())));
    };
    if !session.provider().owns_machines() {
        return Err(Failure::new(
            exit::FAILED,
            format!("{} was there before refarch, which cannot make it anew", node.name),
        )
        .hint("reinstall the machine, and `refarch apply`"));
    }
    let replace = [node.name.clone()];
    let change = Making {
        newer_image: false,
        command: format!("replace {}", node.name),
        replace: &replace,
        saved: None,
        verify: !args.no_verify,
        infrastructure: false,
        agreed: &|| Ok(()),
    };
    apply::change(&session, &args.run, change, output).await
}
