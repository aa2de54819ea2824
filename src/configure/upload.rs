//! Large files of the user's: read in pieces while the node takes them, a few nodes at a time.

use std::{
    collections::HashMap,
    io::{self, Read},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use sha2::{Digest, Sha256};
use tokio::{
    fs::File,
    io::{AsyncReadExt, AsyncSeekExt},
    sync::{
        Semaphore,
        mpsc::{Sender, UnboundedReceiver},
    },
    time::Instant,
};

use super::{
    program::contents,
    resource::{Item, Want},
};
use crate::bundle::Part;

/// Uploads at the same time, over all nodes. They share the controller's line; more of them would only end later.
const AT_ONCE: usize = 4;
static LINE: Semaphore = Semaphore::const_new(AT_ONCE);

/// Bytes read at a time. A node has two of these in the controller's memory, and what the SSH channel holds.
const PIECE: usize = 256 * 1024;

/// A file as it was measured: path, size, time of its last change.
type Measured = (PathBuf, u64, SystemTime);

/// Size and SHA-256 of files that were read already, as long as they stay as they were.
static KNOWN: Mutex<Option<HashMap<Measured, String>>> = Mutex::new(None);

/// Size in bytes and SHA-256 of a file. Reads it once, however many nodes ask.
///
/// # Errors
/// When it cannot be read.
pub(super) fn measure(path: &Path) -> io::Result<(u64, String)> {
    let metadata = std::fs::metadata(path)?;
    let key = (path.to_owned(), metadata.len(), metadata.modified()?);
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let known = known.get_or_insert_default();
    if let Some(sum) = known.get(&key) {
        return Ok((key.1, sum.clone()));
    }
    let (mut file, mut hash, mut piece) = (std::fs::File::open(path)?, Sha256::new(), vec![0; PIECE]);
    loop {
        match file.read(&mut piece)? {
            0 => break,
            read => hash.update(&piece[..read]),
        }
    }
    let sum: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    known.insert(key, sum.clone());
    Ok((metadata.len(), sum))
}

/// What a program asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    /// Number of the resource.
    pub number: usize,
    /// First byte.
    pub from: u64,
    /// SHA-256 of a package of the bundle, or [`CONTENTS`]; empty for the file that the resource is about.
    pub what: String,
}

/// The contents of a stage's files, where they do not come unasked.
pub(super) const CONTENTS: &str = "contents";

/// Sends what the program asks for, until it asks for nothing more.
///
/// # Errors
/// Why a file could not be sent; the program's input has ended then.
pub(super) async fn serve(
    items: &[&Item],
    mut asked: UnboundedReceiver<Asked>,
    pieces: Sender<Vec<u8>>,
    progress: &(dyn Fn(String) + Send + Sync),
) -> Result<(), String> {
    while let Some(Asked { number, from, what }) = asked.recv().await {
        let Some(item) = items.get(number) else { continue };
        if what == CONTENTS {
            // Whoever does not take them has ended, and says itself why.
            let _ = pieces.send(contents(items)).await;
            continue;
        }
        let part = match &item.want {
            Want::Upload { source, size, sha256, .. } => {
                Part { file: source.clone(), start: 0, size: *size, sha256: sha256.clone() }
            }
            Want::Packages { depot: Some(depot), .. } => match depot.part(&what) {
                Some(part) => part.clone(),
                None => return Err(format!("the node asks for {what}, which is not in the bundle")),
            },
            _ => continue,
        };
        if LINE.available_permits() == 0 {
            progress(format!("{}: waiting, {AT_ONCE} other nodes have their turn", item.id));
        }
        // The semaphore is never closed.
        let _turn = LINE.acquire().await.ok();
        let told = |sent: u64| progress(format!("{}: {} of {} MB", item.id, sent / 1_000_000, part.size / 1_000_000));
        send(&part, from, &pieces, &told).await.map_err(|error| format!("{}: {error}", part.file.display()))?;
    }
    Ok(())
}

async fn send(part: &Part, from: u64, pieces: &Sender<Vec<u8>>, told: &(dyn Fn(u64) + Send + Sync)) -> io::Result<()> {
    let size = part.size;
    let mut file = File::open(&part.file).await?;
    file.seek(io::SeekFrom::Start(part.start + from)).await?;
    let mut sent = from;
    let mut said = Instant::now();
    told(sent);
    while sent < size {
        let mut piece = Vec::with_capacity(PIECE);
        if (&mut file).take((size - sent).min(PIECE as u64)).read_to_end(&mut piece).await? == 0 {
            return Err(io::Error::other("the file became shorter while it was sent"));
        }
        sent += piece.len() as u64;
        if pieces.send(piece).await.is_err() {
            // The program ended; it says itself why.
            return Ok(());
        }
        if said.elapsed() >= Duration::from_secs(1) {
            said = Instant::now();
            told(sent);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::mpsc;

    use super::*;

    /// The most memory that this process ever had, in bytes.
    fn peak() -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
    }

    /// 30 nodes take a file that is larger than what the controller may have; few at a time.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_package_for_thirty_nodes_never_lies_in_memory() {
        const SIZE: u64 = 96 << 20;
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("package");
        std::fs::File::create(&source).unwrap().set_len(SIZE).unwrap();
        let want =
            Want::Upload { path: "/package".into(), source, size: SIZE, sha256: String::new(), unless: "false".into() };
        let item = Item { id: "upload".into(), want };
        let before = peak();
        let open = AtomicUsize::new(0);
        let most = AtomicUsize::new(0);
        let nodes = (0..30).map(|_| async {
            let (ask, asked) = mpsc::unbounded_channel();
            ask.send(Asked { number: 0, from: 0, what: String::new() }).unwrap();
            drop(ask);
            let (pieces, mut more) = mpsc::channel::<Vec<u8>>(1);
            let take = async {
                let mut taken = 0;
                while let Some(piece) = more.recv().await {
                    if taken == 0 {
                        let now = open.fetch_add(1, Ordering::SeqCst) + 1;
                        most.fetch_max(now, Ordering::SeqCst);
                    }
                    taken += piece.len() as u64;
                    if taken == SIZE {
                        open.fetch_sub(1, Ordering::SeqCst);
                    }
                }
                assert_eq!(taken, SIZE);
            };
            let items = [&item];
            let (served, ()) = tokio::join!(serve(&items, asked, pieces, &|_| {}), take);
            served.unwrap();
        });
        futures_util::future::join_all(nodes).await;
        let most = most.load(Ordering::SeqCst);
        // Whoever has sent its last piece makes room a little before the node has taken it.
        assert!((2..=2 * AT_ONCE).contains(&most), "{most} at the same time");
        let grown = peak() - before;
        assert!(grown < 48 << 20, "{} MB more than before", grown >> 20);
    }
}
