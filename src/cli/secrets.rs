//! `secrets`.

use super::{
    Failure, Output,
    apply::RunArgs,
    rotate,
    target::{Target, TargetOption},
};
use crate::{environment::SecretOrigin, exit, secrets::IdentitySource, session, shared::Freshness};

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
    /// Your public key, for `recipients` in the environment files of others; made on first use
    Identity,
    /// One secret, on standard output
    Show {
        /// Name
        name: String,
    },
    /// Give a secret a new value while everybody goes on working; the same command again goes on where it was left
    Rotate {
        /// Name
        name: String,
        /// End after this phase; the same command without it goes on. For users outside, who must learn of a new authority
        /// before it is used
        #[arg(long, value_name = "PHASE", value_enum, default_value_t = rotate::Until::Retire)]
        until: rotate::Until,
        #[command(flatten)]
        run: RunArgs,
    },
}

/// Lists secrets, shows one, or rotates one.
pub async fn run(args: Args, output: &Output) -> Result<u8, Failure> {
    if let What::Identity = args.what {
        let own = IdentitySource::from_env().and_then(|identity| identity.public_key());
        output.print(&format!("{}\n", own.map_err(session::Error::from)?))?;
        return Ok(exit::DONE);
    }
    let session = super::enter(&Target::from(args.target).request()?, Freshness::Needed).await?;
    if let What::Rotate { name, until, run } = &args.what {
        return rotate::run(&session, name, *until, run, output).await;
    }
    let store = session.stored_secrets()?;
    match args.what {
        What::List if output.json() => output.document(&store.list())?,
        What::List if store.list().is_empty() => output.print("no secrets yet: `apply` makes them\n")?,
        What::List => {
            let mut table = comfy_table::Table::new();
            table.load_style(comfy_table::presets::NOTHING);
            table.set_header(["NAME", "KIND", "CREATED", "EXPIRES", "FROM", "ROTATION"]);
            for secret in store.list() {
                let day = |time: jiff::Timestamp| time.strftime("%Y-%m-%d").to_string();
                let kind = format!("{:?}", secret.kind).to_lowercase();
                let from = session.loaded().environment.secrets.get(&secret.name);
                let rotation = secret.rotation.map(|phase| phase.describe().1).unwrap_or_default();
                table.add_row([
                    secret.name,
                    kind,
                    day(secret.created),
                    secret.expires.map(day).unwrap_or_default(),
                    from.map(source).unwrap_or_default(),
                    rotation.to_owned(),
                ]);
            }
            output.print(&format!("{table}\n"))?;
        }
        What::Identity | What::Rotate { .. } => {}
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

fn source(origin: &SecretOrigin) -> String {
    match (&origin.env, &origin.command) {
        (Some(name), _) => format!("env {name}"),
        (None, words) => format!("command {}", words.iter().flatten().next().map_or("", String::as_str)),
    }
}
