//! Builds the node image, once.

use std::{fs::File, path::PathBuf, time::Duration};

use bollard::{
    Docker, body_full,
    models::{ContainerConfig, ContainerCreateBody, HostConfig, HostConfigLogConfig},
    query_parameters::{
        CommitContainerOptionsBuilder, CreateContainerOptionsBuilder, LogsOptionsBuilder,
        UploadToContainerOptionsBuilder,
    },
};
use futures_util::StreamExt;

use super::{base, recipe::Recipe};
use crate::{
    event::StepLog,
    provider::{
        ProviderError,
        local::{
            container,
            engine::{failed, permanent, status},
            labels,
        },
    },
};

/// How long one call to the engine may take: it copies a gigabyte, perhaps on a busy machine.
pub(super) const PATIENCE: Duration = Duration::from_secs(30 * 60);

/// The name of the image of this recipe.
pub fn tag(recipe: &str) -> String {
    format!("refarch-node:{recipe}")
}

/// Whether the engine has the image of this recipe. It gets its name when it is complete, not before.
pub async fn exists(engine: &Docker, recipe: &str) -> Result<bool, ProviderError> {
    match engine.inspect_image(&tag(recipe)).await {
        Ok(_) => Ok(true),
        Err(error) if status(&error) == Some(404) => Ok(false),
        Err(error) => Err(failed("look for the node image", error)),
    }
}

/// Builds the image where the engine does not have it. Whoever comes second waits for the first.
pub async fn ensure(engine: &Docker, recipe: &Recipe, log: &StepLog) -> Result<(), ProviderError> {
    let hash = recipe.hash();
    if exists(engine, &hash).await? {
        return Ok(());
    }
    log.progress(0, 0, "waiting for another build of the image");
    let _one_at_a_time = lock(&hash).await?;
    if exists(engine, &hash).await? {
        return Ok(());
    }
    let engine = engine.clone().with_timeout(PATIENCE);
    let bare = base::ensure(&engine, recipe, log).await?;
    let builder = format!("refarch-build-{hash}");
    // What is there was left by a build that was killed: nobody else has the lock.
    container::delete(&engine, &builder).await?;
    let built = build(&engine, recipe, &hash, &builder, bare, log).await;
    let removed = container::delete(&engine, &builder).await;
    built.and(removed)
}

async fn build(
    engine: &Docker,
    recipe: &Recipe,
    hash: &str,
    builder: &str,
    bare: String,
    log: &StepLog,
) -> Result<(), ProviderError> {
    let doing = || format!("build the node image {}", tag(hash));
    let wrong = |error| failed(doing(), error);
    let body = ContainerCreateBody {
        image: Some(bare),
        cmd: Some(["sh", "/refarch-build/install.sh"].map(str::to_owned).into()),
        entrypoint: Some(Vec::new()),
        labels: Some([(labels::IMAGE.to_owned(), "build".to_owned())].into()),
        host_config: Some(HostConfig {
            // The mirror and its proxies are reached as this machine reaches them.
            network_mode: Some("host".to_owned()),
            log_config: Some(HostConfigLogConfig { typ: Some("json-file".to_owned()), config: None }),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    };
    let named = CreateContainerOptionsBuilder::new().name(builder).build();
    engine.create_container(Some(named), body).await.map_err(wrong)?;
    let archive = recipe.archive().map_err(|error| permanent(doing(), error.to_string(), None))?;
    let place = UploadToContainerOptionsBuilder::new().path("/").build();
    engine.upload_to_container(builder, Some(place), body_full(archive.into())).await.map_err(wrong)?;
    engine.start_container(builder, None).await.map_err(wrong)?;

    let tail = follow(engine, builder, log).await.map_err(wrong)?;
    let state = container::inspect(engine, builder).await?.and_then(|there| there.state);
    let code = state.and_then(|state| state.exit_code).unwrap_or(-1);
    if code != 0 {
        let hint = "is the mirror reachable, and does it have the packages? `local.mirror` and `local.suite` in the \
                    environment file name others";
        return Err(permanent(doing(), format!("ended with {code}: {}", tail.join("\n")), Some(hint.to_owned())));
    }
    log.progress(0, 0, "storing the image");
    let options =
        CommitContainerOptionsBuilder::new().container(builder).repo("refarch-node").tag(hash).pause(false).build();
    let config = ContainerConfig {
        entrypoint: Some(vec!["/sbin/refarch-init".to_owned()]),
        stop_signal: Some("SIGRTMIN+3".to_owned()),
        labels: Some(
            [(labels::IMAGE.to_owned(), "node".to_owned()), (labels::RECIPE.to_owned(), hash.to_owned())].into(),
        ),
        ..ContainerConfig::default()
    };
    engine.commit_container(options, config).await.map(drop).map_err(wrong)
}

/// Passes on what the build says until it ends; returns its last lines.
async fn follow(engine: &Docker, builder: &str, log: &StepLog) -> Result<Vec<String>, bollard::errors::Error> {
    let options = LogsOptionsBuilder::new().follow(true).stdout(true).stderr(true).tail("all").build();
    let mut output = engine.logs(builder, Some(options));
    let mut tail = std::collections::VecDeque::new();
    while let Some(piece) = output.next().await {
        for line in piece?.to_string().lines() {
            if let Some((done, total, note)) = progress(line) {
                log.progress(done, total, note);
                continue;
            }
            log.line(line);
            tail.push_back(line.to_owned());
            if tail.len() > 20 {
                tail.pop_front();
            }
        }
    }
    Ok(tail.into())
}

/// `refarch: DONE TOTAL NOTE`
fn progress(line: &str) -> Option<(u64, u64, &str)> {
    let mut words = line.strip_prefix("refarch: ")?.splitn(3, ' ');
    Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?, words.next()?))
}

/// Waits until nobody else of this user builds the image. Released when dropped, also by the end of the process.
pub(super) async fn lock(hash: &str) -> Result<File, ProviderError> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = variable("XDG_CACHE_HOME").or_else(|| Some(variable("HOME")?.join(".cache")));
    let folder = cache.unwrap_or_else(std::env::temp_dir).join("refarch");
    let path = folder.join(format!("image-{hash}.lock"));
    let doing = format!("lock {}", path.display());
    let locked = tokio::task::spawn_blocking(move || {
        std::fs::create_dir_all(&folder)?;
        let file = File::create(&path)?;
        file.lock()?;
        Ok::<_, std::io::Error>(file)
    });
    let locked = locked.await.map_err(|error| permanent(doing.clone(), error.to_string(), None))?;
    locked.map_err(|error| permanent(doing, error.to_string(), None))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_progress_is_told_from_output() {
        assert_eq!(progress("refarch: 3 171 installed jq"), Some((3, 171, "installed jq")));
        assert_eq!(progress("refarch: no such package: x"), None);
        assert_eq!(progress("E: Unable to fetch"), None);
    }
}
