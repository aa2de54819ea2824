//! `adopt`.

use std::path::PathBuf;

use super::{Failure, Output, Target, apply::take_lock, target::Layers};
use crate::{exit, session, shared::Freshness};

/// Arguments of `adopt`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Environment file
    #[arg(value_name = "ENVIRONMENT")]
    file: PathBuf,
    #[command(flatten)]
    layers: Layers,
    /// Resource of the environment and the provider's identifier of what shall be it: `key=key-0abc`; may be repeated
    #[arg(value_name = "RESOURCE=ID", required = true)]
    pairs: Vec<String>,
    /// Seconds to wait for somebody else's lock
    #[arg(long, value_name = "SECONDS")]
    lock_wait: Option<u64>,
}

/// Makes things that exist the environment's own: from then on they are changed and destroyed with it.
pub async fn run(args: Args, output: &Output) -> Result<u8, Failure> {
    let target = Target { file: Some(args.file), layers: args.layers };
    let session = super::enter(&target.request()?, Freshness::Needed).await?;
    let desired = session.provider().desired(session.topology()).map_err(session::Error::from)?;
    let mut wanted = Vec::new();
    for pair in &args.pairs {
        let Some((id, handle)) = pair.rsplit_once('=').filter(|(id, handle)| !id.is_empty() && !handle.is_empty())
        else {
            return Err(Failure::usage(format!("`{pair}` is not RESOURCE=ID")).hint("for example `key=key-0abc`"));
        };
        let Some(resource) = desired.iter().find(|resource| resource.id == id) else {
            let known: Vec<&str> = desired.iter().map(|resource| resource.id.as_str()).collect();
            let near = crate::environment::nearest(id, known.iter().copied());
            let hint =
                near.map_or_else(|| format!("it has {}", known.join(", ")), |near| format!("did you mean `{near}`?"));
            return Err(Failure::usage(format!("the environment has no resource `{id}`")).hint(hint));
        };
        wanted.push((resource, handle));
    }
    let command = format!("adopt {}", args.pairs.join(" "));
    let lock = take_lock(&session, &command, None, args.lock_wait).await?;
    let mut outcome = Ok(exit::DONE);
    for (resource, handle) in wanted {
        match session.provider().adopt(resource, handle).await {
            Ok(()) => {
                output.print(&format!("{handle} is {} of {} now\n", resource.id, session.topology().environment))?
            }
            Err(error) => {
                outcome = Err(Failure::from(session::Error::from(error)));
                break;
            }
        }
    }
    super::enter::give_back(lock).await?;
    outcome
}
