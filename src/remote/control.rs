//! Where the sockets of running ssh connections lie.

use std::{
    fs, io,
    os::unix::{
        fs::{DirBuilderExt, MetadataExt},
        net::UnixStream,
    },
    path::{Path, PathBuf},
};

use super::warm::PREFIX;

/// A socket's path may have 104 bytes, and ssh adds 17 to it while it is made.
const LONGEST: usize = 60;

/// The user's folder for sockets: nobody else may look into it. Made where it is missing; what processes that are
/// gone left in it is removed.
pub(super) fn folder() -> io::Result<PathBuf> {
    let probe = tempfile::tempdir()?;
    let user = fs::metadata(probe.path())?.uid();
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    // Whoever owns the folder above could put another one in the place of ours.
    let own = |path: &PathBuf| fs::metadata(path).is_ok_and(|found| found.is_dir() && found.uid() == user);
    let usable = |path: &PathBuf| path.is_absolute() && path.as_os_str().len() + 10 <= LONGEST && own(path);
    let folder = match runtime.filter(usable) {
        Some(runtime) => runtime.join("refarch"),
        None => PathBuf::from(format!("/tmp/refarch-{user}")),
    };
    private(&folder, user)?;
    remove_stale(&folder);
    Ok(folder)
}

/// Makes the folder, or makes sure that it is the user's alone: others may write to `/tmp` as well.
fn private(folder: &Path, user: u32) -> io::Result<()> {
    match fs::DirBuilder::new().mode(0o700).create(folder) {
        Ok(()) => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    let found = fs::symlink_metadata(folder)?;
    if found.is_dir() && found.uid() == user && found.mode() & 0o077 == 0 {
        return Ok(());
    }
    let message = format!("{} is not a folder that only you can use; remove it", folder.display());
    Err(io::Error::new(io::ErrorKind::PermissionDenied, message))
}

/// A folder for one connection; its name begins with the number of this process.
pub(super) fn connection(folder: &Path) -> io::Result<tempfile::TempDir> {
    tempfile::Builder::new().prefix(&format!("{}.", std::process::id())).tempdir_in(folder)
}

fn remove_stale(folder: &Path) {
    // Without /proc nobody can tell which process is gone.
    if !Path::new("/proc/self").exists() {
        return;
    }
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let warm = name.to_str().is_some_and(|name| name.starts_with(PREFIX));
        if warm && UnixStream::connect(entry.path().join("master")).is_err() {
            let _ = fs::remove_dir_all(entry.path());
            continue;
        }
        let process = name.to_str().and_then(|name| name.split('.').next()?.parse::<u32>().ok());
        if process.is_some_and(|process| !Path::new(&format!("/proc/{process}")).exists()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::{
        fs::{PermissionsExt, symlink},
        net::UnixListener,
    };

    use super::*;

    #[test]
    fn only_a_folder_of_ones_own_is_used() {
        let scratch = tempfile::tempdir().unwrap();
        let user = fs::metadata(scratch.path()).unwrap().uid();
        let fresh = scratch.path().join("fresh");
        private(&fresh, user).unwrap();
        assert_eq!(fs::metadata(&fresh).unwrap().mode() & 0o777, 0o700);
        private(&fresh, user).unwrap();
        assert!(private(&fresh, user + 1).is_err());
        symlink(&fresh, scratch.path().join("link")).unwrap();
        assert!(private(&scratch.path().join("link"), user).is_err());
        fs::set_permissions(&fresh, fs::Permissions::from_mode(0o755)).unwrap();
        assert!(private(&fresh, user).is_err());
    }

    #[test]
    fn only_what_dead_processes_left_is_removed() {
        let scratch = tempfile::tempdir().unwrap();
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let dead = scratch.path().join(format!("{}.abc", child.id()));
        child.wait().unwrap();
        let own = connection(scratch.path()).unwrap();
        fs::create_dir(&dead).unwrap();
        let (open, closed) = (scratch.path().join("warm.1"), scratch.path().join("warm.2"));
        fs::create_dir(&open).unwrap();
        fs::create_dir(&closed).unwrap();
        let _listener = UnixListener::bind(open.join("master")).unwrap();
        drop(UnixListener::bind(closed.join("master")).unwrap());
        remove_stale(scratch.path());
        assert!(open.exists() && !closed.exists());
        assert!(!dead.exists());
        assert!(own.path().exists());
    }
}
