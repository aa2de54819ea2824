//! The bare Debian that the node image starts from.

use std::{os::unix::fs::MetadataExt, process::Stdio, time::Duration};

use bollard::{
    Docker, body_try_stream,
    query_parameters::{CreateImageOptions, CreateImageOptionsBuilder},
};
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    process::{Child, ChildStdout, Command},
};

use super::recipe::Recipe;
use crate::{
    event::StepLog,
    provider::{
        ProviderError,
        local::{
            engine::{failed, permanent},
            labels,
        },
    },
};

/// How long a registry may take to say anything at all.
const REGISTRY_PATIENCE: Duration = Duration::from_secs(6);
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Whether mmdebstrap can be used here: it is installed, and the user is root. Else what to do.
pub async fn bootstrap_possible() -> Result<(), String> {
    let runs = Command::new("mmdebstrap").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().await;
    if !runs.is_ok_and(|status| status.success()) {
        return Err("install mmdebstrap (scripts/setup.sh does), or let the engine reach a registry".to_owned());
    }
    if !std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0) {
        return Err("run this once as root to build the node image, or let the engine reach a registry".to_owned());
    }
    if !std::path::Path::new(KEYRING).exists() {
        return Err("install debian-archive-keyring (scripts/setup.sh does)".to_owned());
    }
    Ok(())
}

/// The name of a bare Debian image that the engine has; gets or makes one where it has none.
pub async fn ensure(engine: &Docker, recipe: &Recipe, log: &StepLog) -> Result<String, ProviderError> {
    let public = format!("debian:{}-slim", recipe.suite);
    let own = format!("refarch-base:{}", recipe.base_hash());
    for name in [&public, &own] {
        if engine.inspect_image(name).await.is_ok() {
            return Ok(name.clone());
        }
    }
    log.progress(0, 0, format!("asking the registry for {public}"));
    match pull(engine, &recipe.suite).await {
        Ok(()) => return Ok(public),
        Err(reason) => log.line(format!("{public} is not to be had from a registry: {reason}")),
    }
    bootstrap(engine, recipe, &own, log).await?;
    Ok(own)
}

async fn pull(engine: &Docker, suite: &str) -> Result<(), String> {
    let options = CreateImageOptionsBuilder::new().from_image("debian").tag(&format!("{suite}-slim")).build();
    let mut answers = Box::pin(engine.create_image(Some(options), None, None));
    let mut next = tokio::time::timeout(REGISTRY_PATIENCE, answers.next()).await.map_err(|_| "no answer".to_owned())?;
    while let Some(answer) = next {
        answer.map_err(|error| error.to_string())?;
        next = answers.next().await;
    }
    Ok(())
}

/// Makes a Debian from the distribution's packages; the engine takes it in while it is written.
async fn bootstrap(engine: &Docker, recipe: &Recipe, name: &str, log: &StepLog) -> Result<(), ProviderError> {
    let doing = || format!("bootstrap Debian {} from {}", recipe.suite, recipe.mirror);
    bootstrap_possible().await.map_err(|hint| permanent(doing(), "neither a registry nor mmdebstrap", Some(hint)))?;
    log.progress(0, 0, "bootstrapping a bare Debian");
    let settings = tempfile::NamedTempFile::new().map_err(|error| permanent(doing(), error.to_string(), None))?;
    let proxies: Vec<u8> = recipe.proxies().collect::<Vec<_>>().concat();
    std::fs::write(&settings, proxies).map_err(|error| permanent(doing(), error.to_string(), None))?;
    let mut child = Command::new("mmdebstrap")
        .args(["--variant=minbase", "--format=tar", "--include=ca-certificates"])
        .arg(format!("--keyring={KEYRING}"))
        .arg(format!("--aptopt={}", settings.path().display()))
        .args(["--aptopt=Acquire::Languages \"none\"", "--aptopt=APT::Install-Recommends \"false\""])
        .args(["--dpkgopt=force-unsafe-io", "--dpkgopt=path-exclude=/usr/share/man/*"])
        .args(["--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-exclude=/usr/share/locale/*"])
        .args([&recipe.suite, "-", &format!("deb {} {} main", recipe.mirror, recipe.suite)])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| permanent(doing(), error.to_string(), None))?;
    let stdout = child.stdout.take().expect("was asked for");
    let stderr = child.stderr.take().expect("was asked for");
    let complaints = tokio::spawn({
        let log = log.clone();
        async move {
            let mut lines = BufReader::new(stderr).lines();
            let mut complaints = Vec::new();
            while let Ok(Some(line)) = lines.next_line().await {
                if line.starts_with("E: ") || line.starts_with("W: ") {
                    complaints.push(line.clone());
                }
                log.line(line);
            }
            complaints
        }
    });
    let (repository, tag) = name.split_once(':').unwrap_or((name, "latest"));
    let options = CreateImageOptions {
        changes: vec![format!("LABEL {}=base", labels::IMAGE)],
        ..CreateImageOptionsBuilder::new().from_src("-").repo(repository).tag(tag).build()
    };
    let body = body_try_stream(stream::try_unfold((child, stdout), chunk));
    let imported: Result<Vec<_>, _> = engine.create_image(Some(options), Some(body), None).try_collect().await;
    let complaints = complaints.await.unwrap_or_default();
    match imported {
        Ok(_) => Ok(()),
        Err(error) if complaints.is_empty() => Err(failed(doing(), error)),
        Err(_) => Err(permanent(
            doing(),
            complaints.join("; "),
            Some("is the mirror reachable? `local.mirror` in the environment file names another".to_owned()),
        )),
    }
}

/// The next piece of the archive. Where mmdebstrap failed the last one is an error, so that the engine throws away
/// what it has read.
async fn chunk<B: From<Vec<u8>>>(
    (mut child, mut stdout): (Child, ChildStdout),
) -> std::io::Result<Option<(B, (Child, ChildStdout))>> {
    let mut bytes = vec![0; 256 * 1024];
    let length = stdout.read(&mut bytes).await?;
    if length > 0 {
        bytes.truncate(length);
        return Ok(Some((B::from(bytes), (child, stdout))));
    }
    let status = child.wait().await?;
    if status.success() { Ok(None) } else { Err(std::io::Error::other(format!("mmdebstrap ended with {status}"))) }
}
