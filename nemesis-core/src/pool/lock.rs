//! A lock between processes that neither a dying holder can leave behind nor a stopped one keep others waiting at.

use crate::{Error, Result, threads};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

/// An exclusive `flock` on a file of its own, which is removed with the lock, and touched as long as it is held. It saves
/// work that others do at the same time, and no result depends on it: where files cannot be locked, as on some file
/// systems of clusters, there is none.
#[derive(Debug)]
pub(super) struct Lock {
    path: PathBuf,
    file: File,
    /// Ends the touching when it is dropped.
    _touching: Option<Sender<()>>,
}

/// How often a holder touches its lock.
const TOUCH: Duration = Duration::from_secs(20);

/// How long others wait at a lock that nobody touches. A network file system may show the time of a touch a minute late.
pub(super) const SILENCE: Duration = Duration::from_secs(180);

/// How long to wait before asking for the lock again, at first and in the end.
const SHORTEST_PAUSE: Duration = Duration::from_millis(2);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

impl Lock {
    /// Waits until the lock at `path` is ours. Its holder may be stopped, as queues stop one job in favour of another: after
    /// so long a `silence` there is no lock, and whoever waited does the work, too.
    pub(super) fn acquire(path: &Path, silence: Duration) -> Result<Option<Self>> {
        let failed = |e| Error::io("lock the file", path, &e);
        let (mut heard, mut touched, mut pause) = (Instant::now(), None, SHORTEST_PAUSE);
        loop {
            let file = open(File::options().create(true), path).map_err(failed)?;
            match file.try_lock() {
                Err(TryLockError::WouldBlock) => {
                    // Another file is another holder's.
                    let now = file.metadata().and_then(|there| Ok((there.ino(), there.modified()?))).map_err(failed)?;
                    if touched.replace(now) != Some(now) {
                        heard = Instant::now();
                    }
                    if heard.elapsed() >= silence {
                        return Ok(None);
                    }
                    thread::sleep(pause);
                    pause = (2 * pause).min(LONGEST_PAUSE);
                }
                Err(TryLockError::Error(e)) if e.kind() == ErrorKind::Interrupted => {}
                Err(TryLockError::Error(_)) => return Ok(Some(Self { path: path.to_owned(), file, _touching: None })),
                // The holder before us may have removed the file that we opened, and others may meet at a new one by now.
                Ok(()) if !is_at(&file, path).map_err(failed)? => {}
                Ok(()) => {
                    let touching = file.try_clone().ok().and_then(|file| touching(file, TOUCH));
                    return Ok(Some(Self { path: path.to_owned(), file, _touching: touching }));
                }
            }
        }
    }

    /// Removes a lock file that no process holds, such as a kill leaves behind.
    pub(super) fn remove_if_free(path: &Path) -> Result<()> {
        let failed = |e| Error::io_write("remove the file", path, &e);
        match take(path).map_err(failed)? {
            Some(_held) => fs::remove_file(path).map_err(failed),
            None => Ok(()),
        }
    }

    /// Whether this is a lock file that no process of this machine holds.
    pub(super) fn is_free(path: &Path) -> Result<bool> {
        Ok(take(path).map_err(|e| Error::io("lock the file", path, &e))?.is_some())
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

/// Locks the file at `path`, if it is there and can be locked now.
fn take(path: &Path) -> io::Result<Option<File>> {
    let file = match open(&mut File::options(), path) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    let is_taken = file.try_lock().is_ok() && is_at(&file, path)?;
    Ok(is_taken.then_some(file))
}

/// Touches a file for as long as what is returned lives; none where no thread can be started. Where a file is not touched,
/// others may take it for left behind, which costs time but no result.
pub(super) fn touching(file: File, every: Duration) -> Option<Sender<()>> {
    let (sender, ended) = mpsc::channel();
    let touching = threads::spawn(move || {
        while ended.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
            let _ = file.set_modified(SystemTime::now());
        }
    });
    touching.is_ok().then_some(sender)
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

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_millis(400);

    #[test]
    fn a_holder_that_is_stopped_keeps_nobody_waiting() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("part.lock");
        let holder = File::create(&path).unwrap();
        holder.lock().unwrap();
        let start = Instant::now();
        assert!(Lock::acquire(&path, SHORT).unwrap().is_none());
        assert!(start.elapsed() >= SHORT);
        assert!(path.exists(), "the holder has its lock still");
        drop(holder);
        drop(Lock::acquire(&path, SHORT).unwrap().expect("nobody holds it any more"));
        assert!(!path.exists());
    }

    #[test]
    fn a_holder_that_works_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("part.lock");
        let holder = File::create(&path).unwrap();
        holder.lock().unwrap();
        let touching = touching(holder.try_clone().unwrap(), SHORT / 8);
        thread::scope(|scope| {
            let waiting = scope.spawn(|| Lock::acquire(&path, SHORT).unwrap().is_some());
            thread::sleep(3 * SHORT);
            assert!(!waiting.is_finished());
            drop(touching);
            drop(holder);
            assert!(waiting.join().unwrap());
        });
    }
}
