//! `bundle`, and the options of verbs that use one.

use std::{
    fmt::Write as _,
    io::Write as _,
    path::{Component, Path, PathBuf},
};

use super::{Failure, Output, Target};
use crate::{
    bundle::{Bundle, Manifest},
    distribution::Platform,
    exit,
    session::{self, BundleRequest, Request, Session},
    shared::Freshness,
    view,
};

/// Arguments of `bundle`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    target: Target,
    /// The file to write [default: refarch-bundle-ENVIRONMENT.tar]
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Gather packages for machines of this release, such as `debian-12` or `ubuntu-24.04-arm64`, instead of asking the
    /// nodes; may be repeated
    #[arg(long, value_name = "RELEASE", value_parser = release)]
    release: Vec<Platform>,
    /// Take packages from this mirror [default: this machine's own]
    #[arg(long, value_name = "URL")]
    mirror: Option<String>,
}

/// Options of verbs that take everything out of a bundle.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct FromBundle {
    /// Take every package and image out of this file (`refarch bundle` makes it), and ask nobody else
    #[arg(long, value_name = "FILE")]
    bundle: Option<PathBuf>,
    /// Refuse a bundle other than the one of this digest, which `refarch bundle` printed
    #[arg(long, value_name = "SHA256", requires = "bundle")]
    bundle_digest: Option<String>,
}

fn release(text: &str) -> Result<Platform, String> {
    text.parse().map_err(|error: crate::distribution::PlatformError| format!("{error}: {}", error.hint()))
}

/// Packs everything that the environment needs from elsewhere into one file.
pub async fn run(args: Args, output: &Output) -> Result<u8, Failure> {
    let session = Session::open(&args.target.request()?)?;
    super::apply::warn(&session, output);
    let name = format!("refarch-bundle-{}.tar", session.topology().environment);
    let path = args.out.unwrap_or_else(|| name.into());
    let request = BundleRequest { path: path.clone(), platforms: args.release, mirror: args.mirror };
    let (events, viewing) = output.start();
    let made = session.make_bundle(&request, &events).await;
    drop(events);
    viewing.finish().await;
    let made = made?;
    if output.json() {
        output.document(&serde_json::json!({ "file": path, "digest": made.digest, "manifest": made.manifest }))?;
        return Ok(exit::DONE);
    }
    let mut text = format!("{}: {}\nsha256:{}\n", path.display(), contents(&made.manifest), made.digest);
    if session.provider().owns_machines() && made.manifest.image.is_none() {
        let _ = writeln!(text, "the images of machines are {}'s own and not in it", session.provider().name());
    }
    let _ = writeln!(text, "where it is used: refarch apply {} --bundle {}", session.file().display(), path.display());
    output.print(&text)?;
    Ok(exit::DONE)
}

/// What is in a bundle, in a line.
fn contents(manifest: &Manifest) -> String {
    let megabytes = |start: &str| {
        let sizes = manifest.files.iter().filter(|file| file.name.starts_with(start)).map(|file| file.size);
        sizes.sum::<u64>() / 1_000_000
    };
    let mut parts: Vec<String> = manifest
        .repositories
        .iter()
        .map(|repository| {
            let folder = format!("deb/{}/", repository.platform);
            let packages = view::count(repository.packages.len(), "package");
            format!("{packages} for {} ({} MB)", repository.platform, megabytes(&folder))
        })
        .collect();
    if let Some(image) = &manifest.image {
        parts.push(format!("the node image {} ({} MB)", image.recipe, megabytes("image/")));
    }
    if !manifest.own.is_empty() {
        let files: Vec<&str> = manifest.own.keys().map(String::as_str).collect();
        parts.push(format!("{} ({} MB)", files.join(", "), megabytes("own/")));
    }
    if parts.is_empty() { "nothing: the environment needs nothing from elsewhere".to_owned() } else { parts.join(", ") }
}

impl FromBundle {
    /// Opens the environment with the newest state that its team knows; out of the bundle, where one was named.
    ///
    /// # Errors
    /// When the bundle is not whole, is another, or lacks something.
    pub async fn enter(&self, request: &Request, output: &Output) -> Result<Session, Failure> {
        let bundle = self.unpack(request, output)?;
        with(super::enter(request, Freshness::Needed).await?, bundle)
    }

    /// The same without asking anybody for the team's state.
    ///
    /// # Errors
    /// As [`FromBundle::enter`].
    pub fn open(&self, request: &Request, output: &Output) -> Result<Session, Failure> {
        let bundle = self.unpack(request, output)?;
        with(Session::open(request)?, bundle)
    }

    fn unpack(&self, request: &Request, output: &Output) -> Result<Option<Bundle>, Failure> {
        let Some(path) = &self.bundle else { return Ok(None) };
        let bundle = Bundle::open(path).map_err(session::Error::from)?;
        if let Some(digest) = &self.bundle_digest {
            bundle.expect(digest).map_err(session::Error::from)?;
        }
        let say = |text: String| {
            if !output.json() {
                let _ = writeln!(std::io::stderr(), "{text}");
            }
        };
        say(format!("reading {}: {} MB, sha256:{}", path.display(), bundle.size() / 1_000_000, bundle.digest()));
        bundle.check(|_| {}).map_err(session::Error::from)?;
        for (own, member) in &bundle.manifest().own {
            let place = request.file.parent().unwrap_or(Path::new("")).join(own);
            // What lies there is the user's: the environment's own checks tell whether it fits.
            let inside = Path::new(own).components().all(|part| matches!(part, Component::Normal(_)));
            if inside && !place.exists() {
                bundle.take_out(member, &place)?;
                say(format!("{own}: was missing beside the environment file, taken out of the bundle"));
            }
        }
        Ok(Some(bundle))
    }
}

fn with(session: Session, bundle: Option<Bundle>) -> Result<Session, Failure> {
    Ok(match bundle {
        Some(bundle) => session.with_bundle(bundle)?,
        None => session,
    })
}
