//! Reading a bundle.

use std::{
    collections::HashMap,
    fs::File as OsFile,
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

use super::{
    BundleError, Depot,
    manifest::{FORMAT, File, MANIFEST, Manifest, digest, hex},
};

/// Bytes at a time.
const PIECE: usize = 256 * 1024;
/// A manifest names some hundred files; one of this size is none.
const LARGEST_MANIFEST: u64 = 64 << 20;

/// A stretch of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The file.
    pub file: PathBuf,
    /// First byte.
    pub start: u64,
    /// Bytes.
    pub size: u64,
    /// Their SHA-256 in hexadecimal.
    pub sha256: String,
}

/// An open bundle. Its members are read from the file when they are needed.
#[derive(Debug)]
pub struct Bundle {
    path: PathBuf,
    manifest: Manifest,
    digest: String,
    /// Member -> where it begins and how long it is.
    places: HashMap<String, (u64, u64)>,
}

impl Bundle {
    /// Opens a bundle: reads its manifest and where everything lies. [`Self::check`] reads the rest.
    ///
    /// # Errors
    /// When it is no bundle, is cut short, or has another format.
    pub fn open(path: &Path) -> Result<Self, BundleError> {
        let name = || path.display().to_string();
        let unreadable = |source| BundleError::File { path: name(), source };
        let foreign = |why: &str| BundleError::Foreign { path: name(), why: why.to_owned() };
        let file = OsFile::open(path).map_err(unreadable)?;
        let length = file.metadata().map_err(unreadable)?.len();
        let mut places = HashMap::new();
        let mut text = None;
        let mut archive = tar::Archive::new(file);
        for entry in archive.entries_with_seek().map_err(unreadable)? {
            let Ok(mut entry) = entry else {
                // A tar archive that ends in the middle of a header is one that was cut.
                return Err(if places.is_empty() {
                    foreign("it is no tar archive")
                } else {
                    BundleError::Short { path: name() }
                });
            };
            let member = entry.path().map_err(unreadable)?.display().to_string();
            let (start, size) = (entry.raw_file_position(), entry.size());
            if start + size > length {
                return Err(BundleError::Short { path: name() });
            }
            if member == MANIFEST {
                if size > LARGEST_MANIFEST {
                    return Err(foreign("its manifest is too large"));
                }
                let mut bytes = Vec::new();
                entry.read_to_end(&mut bytes).map_err(unreadable)?;
                text = Some(bytes);
            }
            if places.insert(member.clone(), (start, size)).is_some() {
                return Err(BundleError::Damaged { path: name(), file: member, why: "is in it twice".to_owned() });
            }
        }
        let Some(text) = text else {
            let ours =
                places.keys().any(|member| ["deb/", "image/", "own/"].iter().any(|kind| member.starts_with(kind)));
            return Err(if ours { BundleError::Short { path: name() } } else { foreign("it has no manifest") });
        };
        let manifest = parse(&text).map_err(|fault| match fault {
            Fault::Format(found) => BundleError::Format { path: name(), found, expected: FORMAT },
            Fault::Text(why) => foreign(&format!("its manifest cannot be read: {why}")),
        })?;
        let bundle = Self { path: path.to_owned(), digest: digest(&text), manifest, places };
        bundle.complete()?;
        Ok(bundle)
    }

    /// What it says about itself.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The SHA-256 that stands for the whole bundle.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes of all members.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.manifest.files.iter().map(|file| file.size).sum()
    }

    /// Refuses a bundle that is not the one of this digest.
    ///
    /// # Errors
    /// When it is another.
    pub fn expect(&self, digest: &str) -> Result<(), BundleError> {
        let wanted = digest.trim().trim_start_matches("sha256:").to_lowercase();
        if wanted == self.digest {
            return Ok(());
        }
        Err(BundleError::Another { path: self.path.display().to_string(), found: self.digest.clone(), wanted })
    }

    /// Reads every member and compares it with the manifest. `told` hears how many bytes were read.
    ///
    /// # Errors
    /// The first that differs.
    pub fn check(&self, told: impl Fn(u64)) -> Result<(), BundleError> {
        let unreadable = |source| BundleError::File { path: self.path.display().to_string(), source };
        let mut read = 0;
        for member in &self.manifest.files {
            let found = self.measure(member).map_err(unreadable)?;
            if found != member.sha256 {
                return Err(self.damaged(&member.name, "has another content than its manifest says"));
            }
            read += member.size;
            told(read);
        }
        Ok(())
    }

    /// Where a member lies.
    #[must_use]
    pub fn part(&self, name: &str) -> Option<Part> {
        let member = self.manifest.files.iter().find(|file| file.name == name)?;
        Some(self.at(member))
    }

    /// What nodes may take from it.
    #[must_use]
    pub fn depot(&self) -> Depot {
        let files: HashMap<&str, &File> = self.manifest.files.iter().map(|file| (file.name.as_str(), file)).collect();
        Depot::new(&self.digest, &self.manifest.repositories, |name| files.get(name).map(|file| self.at(file)))
    }

    /// Writes a member to a file of its own, all of it or nothing.
    ///
    /// # Errors
    /// When it cannot be read or written.
    pub fn take_out(&self, name: &str, to: &Path) -> io::Result<()> {
        let part = self.part(name).ok_or_else(|| io::Error::other(format!("{name} is not in the bundle")))?;
        let mut source = OsFile::open(&part.file)?;
        source.seek(SeekFrom::Start(part.start))?;
        let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        io::copy(&mut source.take(part.size), &mut file)?;
        file.as_file().sync_all()?;
        file.persist_noclobber(to).map_err(|error| error.error)?;
        Ok(())
    }

    fn at(&self, member: &File) -> Part {
        let (start, size) = self.places.get(&member.name).copied().unwrap_or_default();
        Part { file: self.path.clone(), start, size, sha256: member.sha256.clone() }
    }

    /// Everything that the manifest names is there with its size, and nothing else is.
    fn complete(&self) -> Result<(), BundleError> {
        for member in &self.manifest.files {
            match self.places.get(&member.name) {
                None => return Err(self.damaged(&member.name, "is not in it")),
                Some((_, size)) if *size != member.size => {
                    return Err(self.damaged(&member.name, &format!("has {size} bytes instead of {}", member.size)));
                }
                Some(_) => {}
            }
        }
        let named = |name: &String| name == MANIFEST || self.manifest.files.iter().any(|file| file.name == *name);
        if self.places.len() > self.manifest.files.len() + 1
            && let Some(stranger) = self.places.keys().find(|name| !named(name))
        {
            return Err(self.damaged(stranger, "is in it and not in its manifest"));
        }
        let manifest = &self.manifest;
        let wanted = manifest
            .repositories
            .iter()
            .flat_map(|repository| repository.packages.iter().map(|package| &package.file).chain([&repository.index]));
        let wanted = wanted.chain(manifest.image.iter().map(|image| &image.file)).chain(manifest.own.values());
        for name in wanted {
            if !self.places.contains_key(name) {
                return Err(self.damaged(name, "is not in it"));
            }
        }
        Ok(())
    }

    fn measure(&self, member: &File) -> io::Result<String> {
        let part = self.at(member);
        let mut file = OsFile::open(&part.file)?;
        file.seek(SeekFrom::Start(part.start))?;
        let (mut left, mut hash, mut piece) = (part.size, Sha256::new(), vec![0; PIECE]);
        while left > 0 {
            let most = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
            let read = file.read(&mut piece[..most])?;
            if read == 0 {
                return Err(io::Error::other("it became shorter while it was read"));
            }
            hash.update(&piece[..read]);
            left -= read as u64;
        }
        Ok(hex(hash.finalize()))
    }

    fn damaged(&self, file: &str, why: &str) -> BundleError {
        BundleError::Damaged { path: self.path.display().to_string(), file: file.to_owned(), why: why.to_owned() }
    }
}

enum Fault {
    Format(u64),
    Text(String),
}

/// The format first: a manifest of another version may not fit today's types.
fn parse(text: &[u8]) -> Result<Manifest, Fault> {
    let value: serde_json::Value = serde_json::from_slice(text).map_err(|error| Fault::Text(error.to_string()))?;
    match value.get("format").and_then(serde_json::Value::as_u64) {
        Some(FORMAT) => serde_json::from_value(value).map_err(|error| Fault::Text(error.to_string())),
        Some(found) => Err(Fault::Format(found)),
        None => Err(Fault::Text("it names no format".to_owned())),
    }
}
