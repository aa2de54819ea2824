//! `ssh`.

use std::os::unix::process::CommandExt as _;

use super::{
    Failure,
    target::{Target, TargetOption},
};
use crate::{exit, shared::Freshness, topology::Selector};

/// Arguments of `ssh`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    target: TargetOption,
    /// Node; the environment's name may be left out: `postgres-1`
    node: Selector,
    /// Command to run instead of a shell
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

/// Becomes the system's `ssh`, with the environment's own configuration and known hosts.
pub async fn run(args: Args) -> Result<u8, Failure> {
    let session = super::enter(&Target::from(args.target).request()?, Freshness::Wanted).await?;
    let nodes = args.node.nodes(session.topology()).map_err(|error| Failure::usage(error.to_string()))?;
    let [node] = nodes.as_slice() else {
        return Err(Failure::usage(format!("`{}` selects {} nodes; ssh takes one", args.node, nodes.len())));
    };
    let reach = session.reach().await?;
    let error =
        std::process::Command::new("ssh").arg("-F").arg(&reach.ssh_config).arg(&node.name).args(&args.command).exec();
    Err(Failure::new(exit::FAILED, format!("ssh cannot be started: {error}"))
        .hint("install the OpenSSH client (`apt-get install openssh-client`)"))
}
