//! The feature pool: image features on the disk, computed once and shared by every method, option and process.
//!
//! Frozen features depend on none of what a sweep varies, and crops are a pure function of (seed, epoch, image). So
//! each part, the features of one list of images in one view, is a file named by the hash of what it depends on
//! ([`PartKey`]) and is read through a memory map. Any number of processes may share a folder:
//!
//! - A part is written under another name and renamed, and holds a checksum. A file that is cut off or was altered
//!   counts as missing and is replaced.
//! - Whoever computes a part holds its lock, which the kernel releases when the process dies. Others wait and read, unless
//!   the holder is stopped.
//! - A run that is going on holds a [`Lease`], so that nobody prunes the pool under it unawares.
//! - [`Pool::open`] takes a budget in bytes. To make room, parts that were not used since then are removed, nor since
//!   the oldest lease began, the longest unused first. If that is not enough, a new part is not stored: a loop over more parts than fit then
//!   still finds those that did, where replacing them would leave it none.

mod key;
mod lease;
mod lock;
mod part;
mod room;

pub use key::{PartKey, View};
pub use lease::{Holder, Lease};

use crate::{Error, Result};
use lock::Lock;
use room::Allowance;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};
use tch::{Device, Tensor};

/// A folder of features with a budget.
#[derive(Debug)]
pub struct Pool {
    folder: PathBuf,
    budget: u64,
    opened: SystemTime,
    allowance: Mutex<Allowance>,
}

/// A stored part, as `nemesis pool list` shows it.
#[derive(Clone, Debug)]
pub struct PartInfo {
    /// What the features belong to; `None` when the file is damaged.
    pub key: Option<PartKey>,
    /// The size of the file.
    pub bytes: u64,
    /// When the part was read or written last; the beginning of time for one that was released.
    pub used: SystemTime,
    path: PathBuf,
}

/// What [`Pool::prune`] removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// How many parts.
    pub parts: u64,
    /// Their size on the disk.
    pub bytes: u64,
}

impl Pruned {
    fn of(parts: &[PartInfo]) -> Self {
        Self { parts: parts.len() as u64, bytes: parts.iter().map(|part| part.bytes).sum() }
    }
}

impl Pool {
    /// Opens the pool in `folder`, which is created when it is missing. Its parts may take up to `budget` bytes.
    ///
    /// # Errors
    ///
    /// When the folder cannot be created, or has a name that libtorch cannot open.
    pub fn open(folder: &Path, budget: u64) -> Result<Self> {
        fs::create_dir_all(folder).map_err(|e| Error::io_write("create the folder of the feature pool", folder, &e))?;
        if folder.to_str().is_none() {
            return Err(Error::new("the feature pool's folder has a name that is not UTF-8").at(folder));
        }
        Ok(Self { folder: folder.to_owned(), budget, opened: SystemTime::now(), allowance: Mutex::default() })
    }

    /// The features of `key`, on the CPU and without gradient: from the pool, or by `compute`, which is then called
    /// once whatever the number of threads and processes that ask, as long as none of them is stopped.
    ///
    /// `compute` may ask for other parts if they never ask for this one.
    ///
    /// # Errors
    ///
    /// Those of `compute`, and when the pool's folder cannot be read or written.
    pub fn get_or_compute(&self, key: &PartKey, compute: impl FnOnce() -> Result<Tensor>) -> Result<Tensor> {
        let path = self.path(key);
        if let Some(features) = read(&path, key)? {
            return Ok(features);
        }
        let _lock = Lock::acquire(&path.with_extension(LOCK), lock::SILENCE)?;
        // Somebody may have computed it while we waited.
        if let Some(features) = read(&path, key)? {
            return Ok(features);
        }
        let features = compute()?.detach().to_device(Device::Cpu).contiguous();
        self.store(&path, key, &features)?;
        Ok(features)
    }

    /// Says that no planned cell needs the part any more: it is the first to go when room is needed. A part that we may
    /// not mark, since it is another user's, keeps its turn.
    ///
    /// # Errors
    ///
    /// When the file is there and cannot be marked for another reason.
    pub fn release(&self, key: &PartKey) -> Result<()> {
        let path = self.path(key);
        match set_used(&path, SystemTime::UNIX_EPOCH) {
            Err(e) if e.kind() != ErrorKind::NotFound && !is_denied(&e) => {
                Err(Error::io_write("mark the part as released", &path, &e))
            }
            _ => Ok(()),
        }
    }

    /// All parts, the longest unused first.
    ///
    /// # Errors
    ///
    /// When the folder cannot be read.
    pub fn list(&self) -> Result<Vec<PartInfo>> {
        let mut parts = self.files(PART)?;
        for part in &mut parts {
            part.key = part::read_key(&part.path);
        }
        Ok(parts)
    }

    /// What [`Self::prune`] would remove.
    ///
    /// # Errors
    ///
    /// When the folder cannot be read.
    pub fn would_prune(&self, budget: u64) -> Result<Pruned> {
        let (_, going) = self.too_many(budget, |_| true)?;
        Ok(Pruned::of(&going))
    }

    /// Removes the longest unused parts until the rest takes at most `budget` bytes, and what killed processes left.
    ///
    /// With `despite_runs` it does so under runs that are going on, too: they lose nothing but time, since they compute
    /// again what they need.
    ///
    /// # Errors
    ///
    /// When a run that is going on holds a lease, the folder cannot be read, or a file cannot be removed.
    pub fn prune(&self, budget: u64, despite_runs: bool) -> Result<Pruned> {
        if despite_runs {
            self.remove_free_leases()?;
        } else {
            self.refuse_while_in_use()?;
        }
        for lock in self.files(LOCK)? {
            Lock::remove_if_free(&lock.path)?;
        }
        self.half_written(false)?.iter().try_for_each(|path| remove(path))?;
        let (_, going) = self.too_many(budget, |_| true)?;
        going.iter().try_for_each(|part| remove(&part.path))?;
        Ok(Pruned::of(&going))
    }

    /// The files that killed processes left: parts that are half written, their locks, and leases. If nobody else uses the
    /// folder, because the caller is `alone`, that is every such part, else the ones that no write takes so long for.
    ///
    /// # Errors
    ///
    /// When the folder cannot be read.
    pub fn left_behind(&self, alone: bool) -> Result<Vec<PathBuf>> {
        let mut files = self.half_written(alone)?;
        for lock in self.abandoned(LOCK, alone)? {
            if Lock::is_free(&lock)? {
                files.push(lock);
            }
        }
        files.extend(self.free_leases()?);
        Ok(files)
    }

    fn half_written(&self, alone: bool) -> Result<Vec<PathBuf>> {
        self.abandoned(part::TEMPORARY, alone)
    }

    fn abandoned(&self, extension: &str, alone: bool) -> Result<Vec<PathBuf>> {
        let long_ago = SystemTime::now() - ABANDONED;
        let files = self.files(extension)?.into_iter().filter(|file| alone || file.used < long_ago);
        Ok(files.map(|file| file.path).collect())
    }

    fn path(&self, key: &PartKey) -> PathBuf {
        self.folder.join(key.id()).with_extension(PART)
    }

    fn store(&self, path: &Path, key: &PartKey, features: &Tensor) -> Result<()> {
        let bytes = part::to_bytes(key, features)?;
        let size = bytes.len() as u64;
        let Some(room) = self.budget.checked_sub(size) else { return Ok(()) };
        if self.allowance().take(size) {
            return part::write(path, &bytes);
        }
        // What another run that is going on has used it will use again, in its next epoch or for its next method.
        let in_use = self.holders()?.first().map_or(self.opened, |oldest| oldest.since.min(self.opened));
        let (taken, going) = self.too_many(room, |part| part.used < in_use)?;
        // Nothing goes in vain: where that would not be room enough, all parts stay.
        let Some(free) = room.checked_sub(taken) else { return Ok(()) };
        going.iter().try_for_each(|part| remove(&part.path))?;
        self.allowance().renew(free);
        part::write(path, &bytes)
    }

    fn allowance(&self) -> MutexGuard<'_, Allowance> {
        self.allowance.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The parts that are too many for `budget` bytes among those that `may_go`, the longest unused first, and how many
    /// bytes are left without them.
    fn too_many(&self, budget: u64, may_go: impl Fn(&PartInfo) -> bool) -> Result<(u64, Vec<PartInfo>)> {
        let parts = self.files(PART)?;
        let mut taken: u64 = parts.iter().map(|part| part.bytes).sum();
        let mut going = Vec::new();
        for part in parts.into_iter().filter(|part| may_go(part)) {
            if taken <= budget {
                break;
            }
            taken -= part.bytes;
            going.push(part);
        }
        Ok((taken, going))
    }

    /// The files with this extension, the longest unused first.
    fn files(&self, extension: &str) -> Result<Vec<PartInfo>> {
        let failed = |e| Error::io("read the folder of the feature pool", &self.folder, &e);
        let mut files = vec![];
        for entry in fs::read_dir(&self.folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let path = entry.path();
            if path.extension().is_some_and(|other| other == extension) {
                // Another process may have removed it by now.
                let Ok(metadata) = entry.metadata() else { continue };
                let used = metadata.modified().map_err(failed)?;
                files.push(PartInfo { key: None, bytes: metadata.len(), used, path });
            }
        }
        files.sort_by(|a, b| (a.used, &a.path).cmp(&(b.used, &b.path)));
        Ok(files)
    }
}

const PART: &str = "safetensors";
const LOCK: &str = "lock";

/// No write takes that long, and nobody holds a lock that long without touching it: an older file belongs to a process that
/// was killed.
const ABANDONED: Duration = Duration::from_secs(3600);

fn read(path: &Path, key: &PartKey) -> Result<Option<Tensor>> {
    let features = part::read(path, key)?;
    if features.is_some() {
        // In a pool that is read-only for us the order of use does not matter to us either.
        let _ = set_used(path, SystemTime::now());
    }
    Ok(features)
}

/// Whether we may not write there. That is no failure where others share what we only read.
fn is_denied(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem)
}

fn set_used(path: &Path, time: SystemTime) -> std::io::Result<()> {
    File::options().append(true).open(path)?.set_modified(time)
}

/// Removes a file that others may remove at the same time.
fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(Error::io_write("remove the file", path, &e)),
        _ => Ok(()),
    }
}
