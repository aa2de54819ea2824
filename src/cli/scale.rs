//! `scale`.

use std::path::Path;

use super::{
    Failure, Output,
    apply::{self, Making, RunArgs, warn},
    bundle::FromBundle,
    target::{Target, TargetOption},
};
use crate::{
    environment, exit,
    session::{Request, load},
};

/// Arguments of `scale`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    target: TargetOption,
    #[command(flatten)]
    run: RunArgs,
    /// Group of nodes and how many it shall have: `app=5`
    #[arg(required = true, value_name = "GROUP=COUNT", value_parser = wish)]
    wishes: Vec<Wish>,
    /// End without proving the whole paths
    #[arg(long)]
    no_verify: bool,
    #[command(flatten)]
    bundle: FromBundle,
}

/// A group and its new count.
#[derive(Debug, Clone)]
struct Wish {
    group: String,
    count: u32,
}

fn wish(text: &str) -> Result<Wish, String> {
    let (group, count) = text.split_once('=').ok_or("write it like app=5")?;
    let count = count.parse().map_err(|_| format!("`{count}` is not a number of nodes"))?;
    Ok(Wish { group: group.to_owned(), count })
}

/// Changes counts in the environment file, and makes the environment so.
pub async fn run(args: Args, output: &Output) -> Result<u8, Failure> {
    let target = Target::from(args.target);
    let plain = target.request()?;
    let before = args.bundle.enter(&plain, output).await?;
    for Wish { group, .. } in &args.wishes {
        let groups: Vec<&str> = before.topology().nodes.iter().map(|node| node.group.as_str()).collect();
        if !groups.contains(&group.as_str()) {
            let mut known = groups;
            known.dedup();
            return Err(Failure::usage(format!("the environment has no group `{group}`"))
                .hint(format!("there are {}; a new group is written into the environment file", known.join(", "))));
        }
    }
    let text = edited(&plain, &args.wishes)?;
    // As if it were written already; it is when somebody agreed.
    let session = before.over(sets(&args.wishes))?;
    warn(&session, output);
    let file = plain.file.clone();
    let wishes: Vec<String> = args.wishes.iter().map(|Wish { group, count }| format!("{group}={count}")).collect();
    let agreed = || write(&file, &text);
    let change = Making {
        newer_image: false,
        command: format!("scale {} {}", session.topology().environment, wishes.join(" ")),
        replace: &[],
        saved: None,
        verify: !args.no_verify,
        infrastructure: false,
        agreed: &agreed,
    };
    apply::change(&session, &args.run, change, output).await
}

/// The file's text with the counts; refused where anything else would change with it.
fn edited(request: &Request, wishes: &[Wish]) -> Result<String, Failure> {
    let by_hand = || {
        let wishes: Vec<String> =
            wishes.iter().map(|Wish { group, count }| format!("nodes.{group}.count to {count}")).collect();
        Failure::new(exit::FAILED, format!("{} is written in a way that refarch does not edit", request.file.display()))
            .hint(format!("set {} by hand, and `refarch apply`", wishes.join(" and ")))
    };
    let mut text = std::fs::read_to_string(&request.file)?;
    for Wish { group, count } in wishes {
        text = environment::set_count(&text, group, *count).ok_or_else(by_hand)?;
    }
    // Beside the file: what it names by relative paths must be found.
    let folder = request.file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let trial = tempfile::Builder::new().prefix(".refarch-scale-").suffix(".yaml").tempfile_in(folder)?;
    std::fs::write(trial.path(), &text)?;
    let wanted = load(&Request { sets: [request.sets.clone(), sets(wishes)].concat(), ..request.clone() })?;
    // What lies over the file (a `.local.yaml`, variables, `--set`) lies over both, and would hide the edit.
    let found = load(&Request { file: trial.path().to_owned(), ..request.clone() }).map_err(|_| by_hand())?;
    if found.environment.nodes == wanted.environment.nodes { Ok(text) } else { Err(by_hand()) }
}

/// The same as values that lie over the file.
fn sets(wishes: &[Wish]) -> Vec<String> {
    wishes.iter().map(|Wish { group, count }| format!("nodes.{group}.count={count}")).collect()
}

fn write(file: &Path, text: &str) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::new(exit::FAILED, format!("{}: {error}", file.display()));
    // The whole file or the old one, with the mode that it has.
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let new = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    std::fs::write(new.path(), text).map_err(failed)?;
    let mode = std::fs::metadata(file).map_err(failed)?.permissions();
    std::fs::set_permissions(new.path(), mode).map_err(failed)?;
    new.persist(file).map_err(|error| failed(error.error))?;
    Ok(())
}
