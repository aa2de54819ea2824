//! The command line: arguments, one library call per verb, the choice of a view.

mod adopt;
mod apply;
mod backup;
mod bundle;
mod check;
mod completion;
mod cost;
mod destroy;
mod drill;
mod enter;
mod exec;
mod explain;
mod failure;
mod graph;
mod init;
mod lock;
mod migrate;
mod output;
mod plan;
mod reap;
mod render;
mod replace;
mod report;
mod resume;
mod rotate;
mod runs;
mod scale;
mod schema;
mod secrets;
mod ssh;
mod status;
mod support;
mod target;
mod timeline;
mod upgrade;
mod validate;
mod verify;
mod watch;

use clap::{Parser, Subcommand};

pub use enter::enter;
pub use failure::Failure;
pub use output::{Format, Output};
pub use target::Target;

use crate::exit;

/// One environment file becomes a running, verified, highly available reference architecture.
#[derive(Debug, Parser)]
#[command(name = "refarch", version, max_term_width = 110, after_help = AFTER)]
pub struct Cli {
    #[command(flatten)]
    output: Output,
    #[command(subcommand)]
    command: Command,
}

const AFTER: &str = "\
ENVIRONMENT is an environment file. Without it: $REFARCH_ENVIRONMENT, else refarch.yaml here or in a folder above.
Exit codes: 0 done, 1 failed, 2 plan has changes (--detailed-exitcode), 3 checks failed, 4 locked,
5 stopped and resumable, 64 usage, 65 environment file, 130 interrupted.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Write a commented environment file
    Init(init::InitArgs),
    /// Check an environment file; touches nothing
    Validate(validate::Args),
    /// Look whether this machine, the provider and the nodes are ready for an apply
    #[command(alias = "doctor")]
    Check(check::Args),
    /// Show what apply would do, and why
    #[command(alias = "diff")]
    Plan(plan::Args),
    /// Make the environment what its file says, and prove that it works
    #[command(alias = "up")]
    Apply(apply::Args),
    /// Pack every package and image that the environment needs into one file, for a place without a network
    Bundle(bundle::Args),
    /// Show what the environment costs by the hour and by the month
    Cost(cost::Args),
    /// Show every node: role, address, health, who leads, versions
    Status(status::Args),
    /// Show the same live: nodes, the latest run, what changes
    Watch(watch::Args),
    /// Prove the whole paths: writes, jobs, pushes
    Verify(verify::Args),
    /// Open a shell on a node
    Ssh(ssh::Args),
    /// Run a command on many nodes
    Exec(exec::Args),
    /// Tell where a value comes from, or why a node exists
    Explain(explain::Args),
    /// Draw the topology
    Graph(graph::Args),
    /// Print what would be written to a node; offline, with placeholder secrets
    Render(render::Args),
    /// Bring the product to another version while it serves
    Upgrade(upgrade::Args),
    /// Change how many nodes groups have, in the environment file and in the environment
    Scale(scale::Args),
    /// Make one node anew under its name
    Replace(replace::Args),
    /// Break things on a running environment while users work, and tell what they noticed
    Drill(drill::Args),
    /// Write a page about a run: one HTML file
    Report(report::Args),
    /// Make what exists already the environment's own
    Adopt(adopt::Args),
    /// Destroy environments of a cloud that are over their time
    Reap(reap::Args),
    /// List what was done, by whom, when; or show one run
    Runs(runs::Args),
    /// Draw what a run did when, and what it waited for
    Timeline(timeline::Args),
    /// Make, list, prove or restore backups
    Backup(backup::Args),
    /// Move an environment's data into another one, of another size or provider
    Migrate(migrate::Args),
    /// Pack logs, versions, plan and health into one file, without secrets
    Support(support::Args),
    /// Finish a run that was stopped
    Resume(resume::Args),
    /// Show or break the environment's lock
    Lock(lock::Args),
    /// List, show or rotate secrets
    Secrets(secrets::Args),
    /// Remove the environment
    #[command(alias = "down")]
    Destroy(destroy::Args),
    /// Print the JSON Schema of environment files
    Schema(schema::SchemaArgs),
    /// Print a completion script
    Completion(completion::Args),
    /// Print the manual page
    Man,
}

/// Reads the command line, does what it says, and returns the exit code.
#[must_use]
pub fn main() -> u8 {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Printing can only fail where nobody reads.
            let _ = error.print();
            return if error.use_stderr() { exit::USAGE } else { exit::DONE };
        }
    };
    let output = cli.output.clone();
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            return output.failure(&Failure::new(exit::FAILED, format!("cannot start: {error}")));
        }
    };
    match runtime.block_on(run(cli)) {
        Ok(code) => code,
        Err(failure) => output.failure(&failure),
    }
}

async fn run(cli: Cli) -> Result<u8, Failure> {
    let output = cli.output;
    match cli.command {
        Command::Init(args) => init::run(&args).map_err(|error| Failure::new(error.exit_code(), error.to_string())),
        Command::Validate(args) => validate::run(args, &output),
        Command::Check(args) => check::run(args, &output).await,
        Command::Plan(args) => plan::run(args, &output).await,
        Command::Apply(args) => apply::run(args, &output).await,
        Command::Bundle(args) => bundle::run(args, &output).await,
        Command::Cost(args) => cost::run(args, &output).await,
        Command::Status(args) => status::run(args, &output).await,
        Command::Watch(args) => watch::run(args, &output).await,
        Command::Verify(args) => verify::run(args, &output).await,
        Command::Ssh(args) => ssh::run(args).await,
        Command::Exec(args) => exec::run(args, &output).await,
        Command::Explain(args) => explain::run(args, &output),
        Command::Graph(args) => graph::run(args),
        Command::Render(args) => render::run(args, &output),
        Command::Upgrade(args) => upgrade::run(args, &output).await,
        Command::Adopt(args) => adopt::run(args, &output).await,
        Command::Reap(args) => reap::run(args, &output).await,
        Command::Scale(args) => scale::run(args, &output).await,
        Command::Replace(args) => replace::run(args, &output).await,
        Command::Drill(args) => drill::run(args, &output).await,
        Command::Report(args) => report::run(args, &output).await,
        Command::Runs(args) => runs::run(args, &output).await,
        Command::Timeline(args) => timeline::run(args, &output).await,
        Command::Backup(args) => backup::run(args, &output).await,
        Command::Migrate(args) => migrate::run(args, &output).await,
        Command::Support(args) => support::run(args, &output).await,
        Command::Resume(args) => resume::run(args, &output).await,
        Command::Lock(args) => lock::run(args, &output).await,
        Command::Secrets(args) => secrets::run(args, &output).await,
        Command::Destroy(args) => destroy::run(args, &output).await,
        Command::Schema(args) => schema::run(&args),
        Command::Completion(args) => completion::run(&args),
        Command::Man => completion::man(),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn every_verb_can_be_read_from_a_command_line() {
        super::Cli::command().debug_assert();
    }
}
