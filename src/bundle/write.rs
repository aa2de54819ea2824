//! Writing a bundle: members one after the other, each measured while it is written, the manifest at the end.

use std::{
    fs::File as OsFile,
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;

use super::{
    BundleError,
    manifest::{File, MANIFEST, Manifest, digest, hex},
};

/// Bytes at a time.
const PIECE: usize = 256 * 1024;
const BLOCK: u64 = 512;

/// A bundle that is being written. It has its name when it is complete, not before.
pub struct Writer {
    path: PathBuf,
    archive: tar::Builder<NamedTempFile>,
    files: Vec<File>,
}

impl Writer {
    /// Begins one.
    ///
    /// # Errors
    /// When nothing can be written there.
    pub fn create(path: &Path) -> Result<Self, BundleError> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let begin = || {
            // Packages are no secret: what reads the folder may read the bundle.
            let file = tempfile::Builder::new().prefix(".refarch-bundle-").tempfile_in(folder)?;
            Ok(tar::Builder::new(file))
        };
        let archive = begin().map_err(|source| BundleError::File { path: path.display().to_string(), source })?;
        Ok(Self { path: path.to_owned(), archive, files: Vec::new() })
    }

    /// Adds a file.
    ///
    /// # Errors
    /// When it cannot be read, or the bundle not be written.
    pub fn file(&mut self, name: &str, source: &Path) -> Result<(), BundleError> {
        let mut add = || {
            let file = OsFile::open(source)?;
            let size = file.metadata()?.len();
            self.add(name, size, file)
        };
        add().map_err(|error| self.failed(error))
    }

    /// Adds a text.
    ///
    /// # Errors
    /// When the bundle cannot be written.
    pub fn text(&mut self, name: &str, text: &[u8]) -> Result<(), BundleError> {
        self.add(name, text.len() as u64, text).map_err(|error| self.failed(error))
    }

    /// Adds what comes in pieces and whose size is known at the end only: begin it, write, end it.
    ///
    /// # Errors
    /// When the bundle cannot be written.
    pub fn stream(&mut self, name: &str) -> Result<Stream<'_>, BundleError> {
        let begin = |archive: &mut tar::Builder<NamedTempFile>| {
            let start = archive.get_mut().stream_position()?;
            archive.get_mut().write_all(&[0; BLOCK as usize])?;
            Ok(start)
        };
        match begin(&mut self.archive) {
            Ok(start) => Ok(Stream { writer: self, name: name.to_owned(), start, size: 0, hash: Sha256::new() }),
            Err(error) => Err(self.failed(error)),
        }
    }

    /// Writes the manifest and gives the bundle its name. Returns the digest that stands for it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish(mut self, manifest: Manifest) -> Result<(Manifest, String), BundleError> {
        let manifest = Manifest { files: std::mem::take(&mut self.files), ..manifest };
        let path = self.path.display().to_string();
        let end = || {
            let mut text = serde_json::to_vec_pretty(&manifest)?;
            text.push(b'\n');
            self.archive.append_data(&mut header(text.len() as u64), MANIFEST, text.as_slice())?;
            let file = self.archive.into_inner()?;
            file.as_file().sync_all()?;
            let kept = file.persist(&self.path).map_err(|error| error.error)?;
            readable(&kept)?;
            Ok(digest(&text))
        };
        let digest = end().map_err(|source| BundleError::File { path, source })?;
        Ok((manifest, digest))
    }

    fn add(&mut self, name: &str, size: u64, source: impl Read) -> io::Result<()> {
        let mut measured = Measured { source, hash: Sha256::new(), read: 0 };
        self.archive.append_data(&mut header(size), name, measured.by_ref().take(size))?;
        if measured.read != size {
            return Err(io::Error::other(format!("{name} became shorter while it was read")));
        }
        self.files.push(File { name: name.to_owned(), size, sha256: hex(measured.hash.finalize()) });
        Ok(())
    }

    fn failed(&self, source: io::Error) -> BundleError {
        BundleError::File { path: self.path.display().to_string(), source }
    }
}

/// A member that is written in pieces.
pub struct Stream<'a> {
    writer: &'a mut Writer,
    name: String,
    start: u64,
    size: u64,
    hash: Sha256,
}

impl Stream<'_> {
    /// Ends it.
    ///
    /// # Errors
    /// When the bundle cannot be written.
    pub fn end(self) -> Result<(), BundleError> {
        let Self { writer, name, start, size, hash } = self;
        let mut header = header(size);
        let mut end = |file: &mut NamedTempFile| {
            header.set_path(&name)?;
            header.set_cksum();
            let rest = size.next_multiple_of(BLOCK) - size;
            file.write_all(&vec![0; usize::try_from(rest).unwrap_or_default()])?;
            let end = file.stream_position()?;
            file.seek(SeekFrom::Start(start))?;
            file.write_all(header.as_bytes())?;
            file.seek(SeekFrom::Start(end)).map(drop)
        };
        end(writer.archive.get_mut()).map_err(|error| writer.failed(error))?;
        writer.files.push(File { name, size, sha256: hex(hash.finalize()) });
        Ok(())
    }
}

impl Write for Stream<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.writer.archive.get_mut().write(bytes)?;
        self.hash.update(&bytes[..written]);
        self.size += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.archive.get_mut().flush()
    }
}

/// Measures what is read through it.
struct Measured<R> {
    source: R,
    hash: Sha256,
    read: u64,
}

impl<R: Read> Read for Measured<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len().min(PIECE);
        let read = self.source.read(&mut buffer[..most])?;
        self.hash.update(&buffer[..read]);
        self.read += read as u64;
        Ok(read)
    }
}

/// The same for everybody, so that the same content is the same archive.
fn header(size: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_size(size);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_entry_type(tar::EntryType::Regular);
    header
}

/// Temporary files are for their owner only; a bundle is as readable as any file that the user makes.
fn readable(file: &OsFile) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    file.set_permissions(std::fs::Permissions::from_mode(0o644))
}
