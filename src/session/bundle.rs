//! Bundles: making one with everything that the environment needs, and holding one against what it needs.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use futures_util::{StreamExt, stream};

use super::{
    Error, Session,
    vault::{Fill, Vault},
};
use crate::{
    bundle::{
        Bundle, BundleError, Depot, FORMAT, Gather, GatherError, Image, MadeFor, Manifest, Need, Writer, gather, lacks,
    },
    configure::{Fetched, Want},
    distribution::{Machine, Platform, PlatformError},
    event::{Events, StepLog},
    exit,
    provider::Host,
    remote::{Program, Remote},
    workspace::write_private,
};

/// Nodes asked at the same time.
const AT_ONCE: usize = 64;
/// File of a run's folder: digest of the bundle that it was begun with.
const USED: &str = "bundle";

/// What to put into a bundle.
#[derive(Debug, Clone, Default)]
pub struct BundleRequest {
    /// Where to write it.
    pub path: PathBuf,
    /// Kinds of machine; empty: those of the nodes that are there.
    pub platforms: Vec<Platform>,
    /// Mirror to take packages from.
    pub mirror: Option<String>,
}

/// A bundle that was made.
#[derive(Debug)]
pub struct Made {
    /// What is in it.
    pub manifest: Manifest,
    /// What stands for it.
    pub digest: String,
}

/// What the nodes of a topology need from elsewhere.
struct Wants {
    /// Role -> packages of nodes that carry it.
    packages: BTreeMap<String, Vec<String>>,
    /// Packages of each kind of node.
    sets: BTreeSet<Vec<String>>,
    /// What nodes fetch by themselves and no package makes unnecessary.
    fetched: BTreeSet<Fetched>,
}

impl Session {
    /// The same environment, made out of this bundle and of nothing else.
    ///
    /// # Errors
    /// When the bundle does not have what the environment needs. Nothing was touched.
    pub fn with_bundle(mut self, bundle: Bundle) -> Result<Self, Error> {
        let wants = self.wants()?;
        refuse_fetched(&wants.fetched)?;
        let suite = self.provider.image_suite().map(str::to_owned);
        let need = Need { packages: wants.packages, image_suite: suite, architecture: Platform::here().to_owned() };
        let lacking = lacks(bundle.manifest(), &need);
        if !lacking.is_empty() {
            return Err(Error::refused(
                exit::FAILED,
                format!(
                    "the bundle {} does not have what this environment needs: {}",
                    bundle.path().display(),
                    lacking.join("; ")
                ),
                Some("nothing was changed; `refarch bundle` makes one for this environment"),
            ));
        }
        if let Some(image) = &bundle.manifest().image
            && let Some(part) = bundle.part(&image.file)
        {
            self.provider.use_image(image, part);
        }
        self.bundle = Some((Arc::new(bundle.depot()), bundle));
        Ok(self)
    }

    /// The bundle that everything comes from.
    #[must_use]
    pub fn bundle(&self) -> Option<&Bundle> {
        self.bundle.as_ref().map(|(_, bundle)| bundle)
    }

    pub(super) fn depot(&self) -> Option<Arc<Depot>> {
        self.bundle.as_ref().map(|(depot, _)| Arc::clone(depot))
    }

    /// What a plan says about the bundle.
    pub(super) fn bundle_note(&self) -> Option<String> {
        let bundle = self.bundle()?;
        let path = bundle.path().display();
        Some(format!("packages and images come from {path} (sha256:{}), and nothing else is asked", bundle.digest()))
    }

    /// Writes down that a run has this bundle, so that it is not finished without it.
    pub(super) fn note_bundle(&self, run: &str) -> Result<(), Error> {
        let Some(bundle) = self.bundle() else { return Ok(()) };
        Ok(write_private(&self.workspace.runs().join(run).join(USED), bundle.digest().as_bytes())?)
    }

    /// Refuses to finish a run without the bundle that it was begun with.
    ///
    /// # Errors
    /// When this session has none, or another.
    pub fn same_bundle(&self, run: &str) -> Result<(), Error> {
        let Ok(digest) = std::fs::read_to_string(self.workspace.runs().join(run).join(USED)) else { return Ok(()) };
        match self.bundle() {
            Some(bundle) => Ok(bundle.expect(&digest)?),
            None => Err(Error::refused(
                exit::FAILED,
                format!("run {run} was begun with the bundle sha256:{digest}"),
                Some("give it again: `--bundle FILE`; or plan anew with `refarch apply`"),
            )),
        }
    }

    /// Gathers everything that the environment needs from elsewhere into one file.
    ///
    /// # Errors
    /// When something cannot be gathered; then there is no file.
    pub async fn make_bundle(&self, request: &BundleRequest, events: &Events) -> Result<Made, Error> {
        let log = StepLog::new(events.clone(), "bundle", None);
        let wants = self.wants()?;
        refuse_fetched(&wants.fetched)?;
        let uploads = self.uploads()?;
        let mut platforms = self.platforms(request).await?;
        let mut sets = wants.sets;
        if let Some(suite) = self.provider.image_suite()
            && platforms.is_empty()
            && !uploads.is_empty()
        {
            // The roles' packages are in the image; what a package of the user's needs is not.
            platforms.extend(Platform::of_suite(suite));
            sets = BTreeSet::new();
        }
        let mut writer = Writer::create(&request.path)?;
        let own = self.pack_own(&uploads, &mut writer)?;
        let machine = Machine::look(Path::new("/"));
        let mut repositories = Vec::new();
        for platform in &platforms {
            let folder = request.path.parent().filter(|folder| !folder.as_os_str().is_empty());
            let scratch = tempfile::Builder::new()
                .prefix(".refarch-bundle-")
                .tempdir_in(std::path::absolute(folder.unwrap_or(Path::new("."))).unwrap_or_default())
                .map_err(|error| Error::refused(exit::FAILED, format!("no scratch folder: {error}"), None))?;
            let ask = Gather {
                platform,
                mirror: request.mirror.as_deref().or(self.loaded.environment.local.mirror.as_deref()),
                machine: &machine,
                sets: &sets,
                uploads: &uploads,
                told: &|what| log.progress(0, 0, what),
            };
            repositories.push(gather(&ask, scratch.path(), &mut writer).await?);
        }
        let image = match self.provider.image_suite() {
            Some(_) => Some(self.pack_image(&mut writer, &log).await?),
            None => None,
        };
        let topology = &self.topology;
        let manifest = Manifest {
            format: FORMAT,
            refarch: env!("CARGO_PKG_VERSION").to_owned(),
            made_for: MadeFor {
                environment: topology.environment.clone(),
                stack: topology.stack.clone(),
                provider: topology.provider.clone(),
                architecture: topology.architecture.clone(),
            },
            image,
            repositories,
            own,
            files: Vec::new(),
        };
        let (manifest, digest) = writer.finish(manifest)?;
        Ok(Made { manifest, digest })
    }

    async fn pack_image(&self, writer: &mut Writer, log: &StepLog) -> Result<Image, Error> {
        const MEMBER: &str = "image/node.tar";
        let mut stream = writer.stream(MEMBER)?;
        let image = self.provider.carry_image(&mut stream, log).await?;
        stream.end()?;
        Ok(Image { file: MEMBER.to_owned(), ..image })
    }

    /// Puts files of the user's into the bundle that are sent to nodes: path from the environment file's folder -> member.
    fn pack_own(
        &self,
        uploads: &BTreeMap<String, Vec<PathBuf>>,
        writer: &mut Writer,
    ) -> Result<BTreeMap<String, String>, Error> {
        let folder = self.file().parent().unwrap_or(Path::new(""));
        let mut own = BTreeMap::new();
        for (number, file) in uploads.values().flatten().collect::<BTreeSet<_>>().into_iter().enumerate() {
            let member = format!("own/{number}-{}", file.file_name().unwrap_or_default().to_string_lossy());
            writer.file(&member, file)?;
            own.insert(file.strip_prefix(folder).unwrap_or(file).display().to_string(), member);
        }
        Ok(own)
    }

    fn wants(&self) -> Result<Wants, Error> {
        let addresses = self.addresses(&BTreeMap::new());
        let store = self.secrets(&addresses, Fill::OnlyPlaceholders)?;
        let vault = Vault(&store);
        let renderer = self.renderer(&addresses, &vault, false)?;
        let mut wants = Wants { packages: BTreeMap::new(), sets: BTreeSet::new(), fetched: BTreeSet::new() };
        for node in &self.topology.nodes {
            let mut set = BTreeSet::new();
            let mut want = |role: &str, name: &str| {
                set.insert(name.to_owned());
                let packages = wants.packages.entry(role.to_owned()).or_default();
                if !packages.iter().any(|known| known == name) {
                    packages.push(name.to_owned());
                }
            };
            for role in &node.roles {
                let packages = self.catalog.roles.get(role).into_iter().flat_map(|role| role.debian_packages());
                packages.for_each(|name| want(role, name));
            }
            for fetched in renderer.fetched(&node.name)? {
                if fetched.packages.is_empty() {
                    wants.fetched.insert(fetched);
                } else {
                    fetched.packages.iter().for_each(|name| want(&fetched.role, name));
                }
            }
            if !set.is_empty() {
                wants.sets.insert(set.into_iter().collect());
            }
        }
        Ok(wants)
    }

    /// Role -> files of the user's that it sends to nodes.
    fn uploads(&self) -> Result<BTreeMap<String, Vec<PathBuf>>, Error> {
        let addresses = self.addresses(&BTreeMap::new());
        let store = self.secrets(&addresses, Fill::OnlyPlaceholders)?;
        let mut uploads: BTreeMap<String, BTreeSet<PathBuf>> = BTreeMap::new();
        for stage in self.stages(&addresses, &store)?.values().flatten() {
            for item in &stage.resources {
                let Want::Upload { source, .. } = &item.want else { continue };
                if source.extension().is_none_or(|ending| ending != "deb") {
                    return Err(Error::refused(
                        exit::FAILED,
                        format!("{} is no Debian package", source.display()),
                        Some("bundles are for Debian and Ubuntu; RPM distributions are not yet"),
                    ));
                }
                uploads.entry(stage.role.clone()).or_default().insert(source.clone());
            }
        }
        Ok(uploads.into_iter().map(|(role, files)| (role, files.into_iter().collect())).collect())
    }

    /// The kinds of machine to gather packages for.
    async fn platforms(&self, request: &BundleRequest) -> Result<Vec<Platform>, Error> {
        // Nodes that start from an image have all their packages from it.
        if !request.platforms.is_empty() || self.provider.image_suite().is_some() {
            return Ok(request.platforms.clone());
        }
        if self.provider.owns_machines() {
            return Err(Error::refused(
                exit::USAGE,
                format!("nobody knows yet what the machines of {} will be", self.provider.name()),
                Some("say it: `--release debian-12`, as the environment file's image is; may be repeated"),
            ));
        }
        let reach = self.reach().await?;
        let asked = stream::iter(reach.hosts.values())
            .map(|host| async { (host.node.clone(), platform(&reach.remote, host).await) })
            .buffer_unordered(AT_ONCE);
        let mut platforms = BTreeSet::new();
        for (node, answer) in asked.collect::<Vec<_>>().await {
            platforms.insert(
                answer.map_err(|(message, hint)| {
                    Error::refused(exit::FAILED, format!("{node}: {message}"), Some(&hint))
                })?,
            );
        }
        Ok(platforms.into_iter().collect())
    }
}

/// Asks a node what it is. An error has a hint.
async fn platform(remote: &dyn Remote, host: &Host) -> Result<Platform, (String, String)> {
    let program = Program {
        command: "sh -s".to_owned(),
        stdin: b". /etc/os-release 2>/dev/null\nprintf '%s-%s-%s' \"${ID-}\" \"${VERSION_ID-}\" \
                 \"$(dpkg --print-architecture 2>/dev/null || uname -m)\"\n"
            .to_vec(),
        root: false,
        deadline: Duration::from_secs(30),
    };
    let output = remote.run(host, program, &|_| {}).await.map_err(|error| {
        (
            error.to_string(),
            "a bundle can be made without the nodes: `--release debian-12` says what they are".to_owned(),
        )
    })?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    text.parse().map_err(|error: PlatformError| (error.to_string(), error.hint()))
}

/// What is fetched from elsewhere by a role's own commands is in no bundle.
fn refuse_fetched(fetched: &BTreeSet<Fetched>) -> Result<(), Error> {
    let Some(first) = fetched.first() else { return Ok(()) };
    let named: Vec<String> = fetched.iter().map(|one| format!("{} (role {})", one.what, one.role)).collect();
    let message = format!("nodes fetch by themselves what no bundle can hold: {}", named.join("; "));
    Err(Error::refused(exit::FAILED, message, first.instead.as_deref()))
}

impl From<BundleError> for Error {
    fn from(error: BundleError) -> Self {
        Self::refused(exit::FAILED, error.to_string(), error.hint())
    }
}

impl From<GatherError> for Error {
    fn from(error: GatherError) -> Self {
        Self::refused(exit::FAILED, error.to_string(), error.hint.as_deref())
    }
}
