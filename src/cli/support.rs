//! `support`.

use std::{io::Write as _, path::PathBuf};

use super::{Failure, Output, Target};
use crate::{exit, shared::Freshness, workspace::write_private};

/// Arguments of `support`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    target: Target,
    /// The file to write [default: refarch-support-ENVIRONMENT.tar]
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Packs what somebody who helps needs to see; secrets are taken out.
pub async fn run(args: Args, output: &Output) -> Result<u8, Failure> {
    let session = super::enter(&args.target.request()?, Freshness::Wanted).await?;
    let (events, viewing) = output.start();
    let files = session.support(&events).await;
    drop(events);
    viewing.finish().await;
    let files = files?;
    let name = format!("refarch-support-{}", session.topology().environment);
    let path = args.out.unwrap_or_else(|| format!("{name}.tar").into());
    let now = u64::try_from(jiff::Timestamp::now().as_second()).unwrap_or_default();
    let mut archive = tar::Builder::new(Vec::new());
    for (inner, content) in &files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o600);
        header.set_mtime(now);
        archive.append_data(&mut header, format!("{name}/{inner}"), content.as_slice())?;
    }
    let bytes = archive.into_inner()?;
    write_private(&path, &bytes).map_err(crate::session::Error::from)?;
    if output.json() {
        let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
        output.document(&serde_json::json!({ "file": path, "bytes": bytes.len(), "contains": names }))?;
        return Ok(exit::DONE);
    }
    output.print(&format!("{}\n", path.display()))?;
    let _ = writeln!(
        std::io::stderr(),
        "{} files, {} kB: look through it before you send it; secrets of the environment were taken out, names and \
         addresses were not",
        files.len(),
        bytes.len() / 1024
    );
    Ok(exit::DONE)
}
