//! The node image on its way from one machine to another: out of the engine into a bundle, and back.

use std::{
    io::{SeekFrom, Write},
    path::Path,
};

use bollard::{Docker, body_try_stream, query_parameters::ImportImageOptionsBuilder};
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::io::{AsyncReadExt, AsyncSeekExt};

use super::build::{PATIENCE, exists, lock, tag};
use crate::{
    bundle::{Image, Part},
    event::StepLog,
    provider::{
        ProviderError,
        local::engine::{failed, permanent},
    },
};

/// What to do where an image came out of a bundle and is gone.
pub const GIVE_AGAIN: &str = "give the bundle again: `--bundle FILE`";

/// Bytes read at a time.
const PIECE: u64 = 256 * 1024;
/// File of the workspace that names the image.
const PIN: &str = "image.json";

/// Writes the image of this recipe as the engine saves it.
pub async fn carry(
    engine: &Docker,
    recipe: &str,
    into: &mut (dyn Write + Send),
    log: &StepLog,
) -> Result<(), ProviderError> {
    let doing = || format!("carry {}", tag(recipe));
    let engine = engine.clone().with_timeout(PATIENCE);
    let name = tag(recipe);
    let mut pieces = Box::pin(engine.export_image(&name));
    let (mut written, mut said) = (0_u64, 0_u64);
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|error| failed(doing(), error))?;
        into.write_all(&piece).map_err(|error| permanent(doing(), error.to_string(), None))?;
        written += piece.len() as u64;
        if written / 10_000_000 > said {
            said = written / 10_000_000;
            log.progress(0, 0, format!("{name}: {} MB", written / 1_000_000));
        }
    }
    Ok(())
}

/// Gives the engine the image out of a bundle, where it does not have it. Whoever comes second waits for the first.
pub async fn take(engine: &Docker, recipe: &str, part: &Part, log: &StepLog) -> Result<(), ProviderError> {
    if exists(engine, recipe).await? {
        return Ok(());
    }
    log.progress(0, 0, "waiting for another that takes the image");
    let _one_at_a_time = lock(recipe).await?;
    if exists(engine, recipe).await? {
        return Ok(());
    }
    let doing = || format!("take {} out of {}", tag(recipe), part.file.display());
    let unreadable = |error: std::io::Error| permanent(doing(), error.to_string(), None);
    let mut file = tokio::fs::File::open(&part.file).await.map_err(unreadable)?;
    file.seek(SeekFrom::Start(part.start)).await.map_err(unreadable)?;
    let (log, name, size) = (log.clone(), tag(recipe), part.size);
    let pieces = stream::try_unfold((file, part.size), move |(mut file, left)| {
        let (log, name) = (log.clone(), name.clone());
        async move {
            if left == 0 {
                return Ok::<_, std::io::Error>(None);
            }
            let mut bytes = Vec::new();
            let read = (&mut file).take(left.min(PIECE)).read_to_end(&mut bytes).await? as u64;
            if read == 0 {
                return Err(std::io::Error::other("the bundle became shorter while it was read"));
            }
            let done = size - left + read;
            if done / 10_000_000 > (size - left) / 10_000_000 {
                log.progress(done, size, format!("{name}: {} of {} MB", done / 1_000_000, size / 1_000_000));
            }
            Ok(Some((bytes.into(), (file, left - read))))
        }
    });
    let engine = engine.clone().with_timeout(PATIENCE);
    let quiet = ImportImageOptionsBuilder::new().quiet(true).build();
    let taken: Result<Vec<_>, _> = engine.import_image(quiet, body_try_stream(pieces), None).try_collect().await;
    taken.map_err(|error| failed(doing(), error))?;
    match exists(&engine, recipe).await? {
        true => Ok(()),
        false => Err(permanent(doing(), "what is in the bundle is another image", None)),
    }
}

/// Refuses where the engine does not have an image that cannot be made here.
pub async fn must_be(engine: &Docker, recipe: &str) -> Result<(), ProviderError> {
    if exists(engine, recipe).await? {
        return Ok(());
    }
    let message = "it came with a bundle and is not here any more";
    Err(permanent(format!("take {}", tag(recipe)), message, Some(GIVE_AGAIN.to_owned())))
}

/// The image out of a bundle that the environment's nodes start from, where there is one.
pub fn pinned(workspace: &Path) -> Option<Image> {
    serde_json::from_slice(&std::fs::read(workspace.join(PIN)).ok()?).ok()
}

/// Keeps which image the environment's nodes start from: it cannot be made here, and another would be another.
pub fn pin(workspace: &Path, image: &Image) -> Result<(), ProviderError> {
    let path = workspace.join(PIN);
    let write = || {
        std::fs::create_dir_all(workspace)?;
        let fresh = tempfile::NamedTempFile::new_in(workspace)?;
        serde_json::to_writer_pretty(&fresh, image)?;
        fresh.persist(&path)?;
        Ok(())
    };
    write().map_err(|error: std::io::Error| permanent(format!("keep {}", path.display()), error.to_string(), None))
}
