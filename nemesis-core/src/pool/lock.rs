//! A lock between processes that a dying holder cannot leave behind.

use crate::{Error, Result};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// An exclusive `flock` on a file of its own, which is removed with the lock. It saves work that others do at the same
/// time, and no result depends on it: where files cannot be locked, as on some file systems of clusters, there is none.
#[derive(Debug)]
pub(super) struct Lock {
    path: PathBuf,
    file: File,
}

impl Lock {
    /// Waits until the lock at `path` is ours.
    pub(super) fn acquire(path: &Path) -> Result<Self> {
        let failed = |e| Error::io("lock the file", path, &e);
        loop {
            let file = open(File::options().create(true), path).map_err(failed)?;
            match file.lock() {
                Err(e) if e.kind() == ErrorKind::Interrupted => continue,
                Err(_) => return Ok(Self { path: path.to_owned(), file }),
                Ok(()) => {}
            }
            // The holder before us removed the file that we waited for. Others may meet at a new one by now.
            if is_at(&file, path).map_err(failed)? {
                return Ok(Self { path: path.to_owned(), file });
            }
        }
    }

    /// Removes a lock file that no process holds, such as a kill leaves behind.
    pub(super) fn remove_if_free(path: &Path) -> Result<()> {
        let failed = |e| Error::io_write("remove the file", path, &e);
        let file = match open(&mut File::options(), path) {
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
            opened => opened.map_err(failed)?,
        };
        match file.try_lock() {
            Ok(()) if is_at(&file, path).map_err(failed)? => fs::remove_file(path).map_err(failed),
            Ok(()) | Err(TryLockError::WouldBlock | TryLockError::Error(_)) => Ok(()),
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // While the lock is still held, so that nobody can hold the same file and another one of the same name. The
        // lock goes with the open file; a file that cannot be removed does no harm.
        let _ = fs::remove_file(&self.path);
        let _ = self.file.unlock();
    }
}

/// Opens a file to lock it: for writing, as locks on network file systems need, or for reading where it is another user's.
pub(super) fn open(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    match options.append(true).open(path) {
        Err(e) if e.kind() == ErrorKind::PermissionDenied => File::open(path),
        opened => opened,
    }
}

/// Whether the open file is the one that the path leads to.
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let ours = file.metadata()?;
    match fs::metadata(path) {
        Ok(there) => Ok((ours.dev(), ours.ino()) == (there.dev(), there.ino())),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(false),
        Err(e) => Err(e),
    }
}
