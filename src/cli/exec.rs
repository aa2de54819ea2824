//! `exec`.

use std::{io::Write as _, time::Duration};

use futures_util::{StreamExt, stream};

use super::{
    Failure, Format, Output,
    target::{Target, TargetOption},
};
use crate::{
    exit,
    remote::{Program, Remote},
    shared::Freshness,
    topology::Selector,
};

/// Arguments of `exec`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    target: TargetOption,
    /// Nodes: role:gitaly, group:app, zone:1, names with `*`; `!` takes out; joined by commas
    #[arg(long, value_name = "SELECTOR")]
    on: Selector,
    /// Seconds that the command may take on a node
    #[arg(long, default_value_t = 300)]
    deadline: u64,
    /// Run as the SSH user instead of root
    #[arg(long)]
    unprivileged: bool,
    /// Command and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<String>,
}

/// Nodes at the same time.
const AT_ONCE: usize = 32;

/// Runs a command on many nodes, in parallel; every line of output starts with its node.
pub async fn run(args: Args, output: &Output) -> Result<u8, Failure> {
    let session = super::enter(&Target::from(args.target).request()?, Freshness::Wanted).await?;
    let nodes = args.on.nodes(session.topology()).map_err(|error| Failure::usage(error.to_string()))?;
    let reach = session.reach().await?;
    let width = nodes.iter().map(|node| node.name.len()).max().unwrap_or_default();
    // One argument is a shell line, as with ssh; more are taken as they are.
    let command = match args.command.as_slice() {
        [line] => line.clone(),
        words => words.iter().map(|word| quote(word)).collect::<Vec<_>>().join(" "),
    };
    let json = matches!(output.format(), Format::Json | Format::Jsonl);
    let results: Vec<(String, Result<crate::remote::Output, String>)> = stream::iter(&nodes)
        .map(|node| {
            let (reach, command) = (&reach, &command);
            async move {
                let Some(host) = reach.hosts.get(&node.name) else {
                    return (node.name.clone(), Err("it is not there".to_owned()));
                };
                let program = Program {
                    // The command is the user's own: like ssh, it may show in the node's process list.
                    command: "sh -s".to_owned(),
                    stdin: format!("{command}\n").into_bytes(),
                    root: !args.unprivileged,
                    deadline: Duration::from_secs(args.deadline),
                };
                let print = |line: &str| {
                    if !json {
                        let _ = writeln!(std::io::stdout(), "{:<width$} | {line}", node.name);
                    }
                };
                let result = reach.remote.run(host, program, &print).await.map_err(|error| error.to_string());
                (node.name.clone(), result)
            }
        })
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    let mut failed = 0;
    for (node, result) in &results {
        let trouble = match result {
            Ok(done) if done.code == Some(0) => None,
            Ok(done) => Some(done.code.map_or("ended by a signal".to_owned(), |code| format!("exit code {code}"))),
            Err(error) => Some(error.clone()),
        };
        if json {
            let (code, stdout, stderr) = result.as_ref().map_or((None, String::new(), String::new()), |done| {
                let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                (done.code, text(&done.stdout), text(&done.stderr))
            });
            let line = serde_json::json!({"node": node, "code": code, "stdout": stdout, "stderr": stderr,
                "error": result.as_ref().err()});
            let _ = writeln!(std::io::stdout(), "{line}");
        } else if let Ok(done) = result {
            for line in String::from_utf8_lossy(&done.stderr).lines() {
                let _ = writeln!(std::io::stderr(), "{node:<width$} ! {line}");
            }
        }
        if let Some(trouble) = trouble {
            failed += 1;
            if !json {
                let _ = writeln!(std::io::stderr(), "{node:<width$} ! {trouble}");
            }
        }
    }
    Ok(if failed == 0 { exit::DONE } else { exit::FAILED })
}

/// A word as the shell takes it literally.
fn quote(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}
