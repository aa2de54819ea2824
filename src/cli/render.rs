//! `render`.

use std::fmt::Write as _;

use super::{Failure, Output, Target};
use crate::{configure::Want, exit, session::Session, topology::Selector};

/// Arguments of `render`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    target: Target,
    /// Nodes
    #[arg(long, value_name = "SELECTOR")]
    on: Selector,
    /// Only this file
    #[arg(long = "file", value_name = "PATH")]
    path: Option<String>,
}

/// Prints what would be written; offline, with placeholder secrets.
pub fn run(args: Args, output: &Output) -> Result<u8, Failure> {
    let session = Session::open(&args.target.request()?)?;
    let nodes = args.on.nodes(session.topology()).map_err(|error| Failure::usage(error.to_string()))?;
    let stages = session.preview()?;
    let mut out = String::new();
    let mut found = false;
    for node in nodes {
        for stage in &stages[&node.name] {
            for item in &stage.resources {
                let Want::File { path, content, mode, owner, group, .. } = &item.want else {
                    if args.path.is_none() {
                        let _ = writeln!(out, "# {} {}: {}", node.name, stage.role, item.id);
                    }
                    continue;
                };
                if args.path.as_ref().is_some_and(|wanted| wanted != path) {
                    continue;
                }
                found = true;
                let text = String::from_utf8_lossy(content);
                if args.path.is_none() {
                    let _ = writeln!(out, "# {} {}: {path} {mode} {owner}:{group}", node.name, stage.role);
                }
                out.push_str(&text);
                if !text.ends_with('\n') {
                    out.push('\n');
                }
            }
        }
    }
    if let (Some(file), false) = (&args.path, found) {
        return Err(Failure::usage(format!("no role writes {file} there")).hint("leave `--file` out to see everything"));
    }
    output.print(&out)?;
    Ok(exit::DONE)
}
