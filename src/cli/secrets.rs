//! `secrets`.

use super::{
    Failure, Output,
    target::{Target, TargetOption},
};
use crate::{exit, session::Session};

/// Arguments of `secrets`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    target: TargetOption,
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Names, kinds and ages
    List,
    /// One secret, on standard output
    Show {
        /// Name
        name: String,
    },
}

/// Lists secrets, or shows one.
pub fn run(args: Args, output: &Output) -> Result<u8, Failure> {
    let session = Session::open(&Target::from(args.target).request()?)?;
    let store = session.stored_secrets()?;
    match args.what {
        What::List if output.json() => output.document(&store.list())?,
        What::List if store.list().is_empty() => output.print("no secrets yet: `apply` makes them\n")?,
        What::List => {
            let mut table = comfy_table::Table::new();
            table.load_style(comfy_table::presets::NOTHING);
            table.set_header(["NAME", "KIND", "CREATED", "EXPIRES"]);
            for secret in store.list() {
                let day = |time: jiff::Timestamp| time.strftime("%Y-%m-%d").to_string();
                let kind = format!("{:?}", secret.kind).to_lowercase();
                table.add_row([secret.name, kind, day(secret.created), secret.expires.map(day).unwrap_or_default()]);
            }
            output.print(&format!("{table}\n"))?;
        }
        What::Show { name } => match store.get(&name) {
            Some(secret) => output.print(&format!("{}\n", secret.expose()))?,
            None => {
                return Err(Failure::new(exit::FAILED, format!("there is no secret `{name}`"))
                    .hint("`refarch secrets list` names those that there are; `apply` makes them"));
            }
        },
    }
    Ok(exit::DONE)
}
