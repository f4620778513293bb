//! Leases: which runs are using a pool now.
//!
//! A run that is going on holds a file of its own in the pool's folder, locked with `flock` for as long as its process
//! lives. The kernel lets go of the lock when the process dies, however it does, so that a file whose lock is free was left
//! behind. That is certain among the processes of one machine. Of a file that another machine wrote nothing is certain,
//! since not every shared file system passes such locks on: it counts as held as long as its holder touches it, which it
//! does every few minutes.

use super::Pool;
use super::lock::{self, Lock};
use crate::machine::host;
use crate::{Error, Result, files};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::fs::{self, File, TryLockError};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::Sender;
use std::time::{Duration, SystemTime};

/// The extension of leases.
pub(super) const LEASE: &str = "lease";

/// Who holds a lease.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The process.
    pub process: u32,
    /// The name of its machine.
    pub host: String,
    /// The folder that it writes its records to.
    pub folder: PathBuf,
    /// Since when it holds the lease.
    #[serde(default = "SystemTime::now")]
    pub since: SystemTime,
}

/// How often a holder touches its lease.
const TOUCH: Duration = Duration::from_secs(600);

/// A lease that was not touched for so long is no longer held, whatever the clocks of two machines differ by.
const SILENCE: Duration = Duration::from_secs(2 * 3600);

/// Says that a run is using a pool, until it is dropped or its process ends.
#[derive(Debug)]
pub struct Lease {
    path: PathBuf,
    /// What the lock hangs on.
    _file: File,
    /// Ends the touching when it is dropped.
    _touching: Option<Sender<()>>,
}

impl Drop for Lease {
    fn drop(&mut self) {
        // A file that cannot be removed is a free lease, which the next who looks removes.
        let _ = fs::remove_file(&self.path);
    }
}

impl Pool {
    /// Says that this process is using the pool for a run whose records go to `folder`: until the lease is dropped, nobody
    /// prunes the pool without being told of it, and no other run makes room by removing what was used since now.
    ///
    /// In a pool that may only be read there is none: nobody who may not write prunes it either.
    ///
    /// # Errors
    ///
    /// When the lease cannot be written.
    pub fn lease(&self, folder: &Path) -> Result<Option<Lease>> {
        let failed =
            |e: std::io::Error| Error::io_write("write a lease into the folder of the feature pool", &self.folder, &e);
        let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
        let suffix = format!(".{}", super::part::TEMPORARY);
        let mut file = match files::temporary_in(&self.folder, ".tmp", &suffix) {
            Err(e) if super::is_denied(&e) => return Ok(None),
            file => file.map_err(failed)?,
        };
        // On the clock that stamps parts, which may be some milliseconds behind, or that of another machine.
        let since = file.as_file().metadata().and_then(|made| made.modified()).map_err(failed)?;
        let holder = Holder { process: std::process::id(), host: host(), folder, since };
        let text = serde_json::to_string(&holder).map_err(|e| Error::new(e.to_string()).at(&self.folder))?;
        file.write_all(text.as_bytes()).map_err(failed)?;
        // Before it has its name, so that nobody finds it free. Where files cannot be locked, it counts as held.
        let _ = file.as_file().lock();
        let path = file.path().with_extension(LEASE);
        let file = file.persist(&path).map_err(|e| failed(e.error))?;
        let touched = file.try_clone().map_err(failed)?;
        Ok(Some(Lease { path, _file: file, _touching: lock::touching(touched, TOUCH) }))
    }

    /// The leases that are held, the oldest first. Those that dead processes left are removed.
    ///
    /// # Errors
    ///
    /// When the folder cannot be read.
    pub fn holders(&self) -> Result<Vec<Holder>> {
        let mut holders = Vec::new();
        for file in self.files(LEASE)? {
            match holder(&file.path, file.used)? {
                Some(holder) => holders.push(holder),
                // Where we may not remove it, whoever may will find it free as well.
                None => drop(fs::remove_file(&file.path)),
            }
        }
        holders.sort_by_key(|holder| holder.since);
        Ok(holders)
    }

    /// The files of leases that dead processes left.
    pub(super) fn free_leases(&self) -> Result<Vec<PathBuf>> {
        let mut free = Vec::new();
        for file in self.files(LEASE)? {
            if holder(&file.path, file.used)?.is_none() {
                free.push(file.path);
            }
        }
        Ok(free)
    }

    /// Removes the leases that no process of this machine holds, whatever machine they are of.
    pub(super) fn remove_free_leases(&self) -> Result<()> {
        self.files(LEASE)?.iter().try_for_each(|file| Lock::remove_if_free(&file.path))
    }

    /// The refusal to prune where runs are going on, which names them.
    pub(super) fn refuse_while_in_use(&self) -> Result<()> {
        let holders = self.holders()?;
        let Some(first) = holders.first() else { return Ok(()) };
        let others = match holders.len() {
            1 => String::new(),
            2 => ", and so is another".to_owned(),
            n => format!(", and so are {} others", n - 1),
        };
        let help = if holders.iter().all(Holder::is_here) {
            "wait until it has ended, or remove features all the same with `--force`: it computes again what it misses"
        } else {
            "whether a run on another machine is still going on cannot be seen from here; where it is not, `--force` removes \
             its claim"
        };
        Err(Error::new(format!("a run is using the feature pool: {first}{others}")).at(&self.folder).help(help))
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { process, host, folder, since } = self;
        let seconds = since.elapsed().unwrap_or_default().as_secs();
        let ago = match seconds {
            0..60 => format!("{seconds} s"),
            60..3600 => format!("{} min", seconds / 60),
            _ => format!("{} h", seconds / 3600),
        };
        write!(f, "process {process} on {host}, since {ago}, with its records in {}", folder.display())
    }
}

/// Who holds the lease at `path`, which was `touched` then; nobody where it was left behind.
fn holder(path: &Path, touched: SystemTime) -> Result<Option<Holder>> {
    let failed = |e| Error::io("read the lease", path, &e);
    let unknown = || Holder { process: 0, host: String::new(), folder: PathBuf::new(), since: touched };
    let is_silent = touched.elapsed().is_ok_and(|silent| silent > SILENCE);
    let mut file = match lock::open(File::options().read(true), path) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        // Of another user's lease that may not be read nothing is certain.
        Err(e) if super::is_denied(&e) => return Ok(Some(unknown())),
        opened => opened.map_err(failed)?,
    };
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(failed)?;
    let holder = serde_json::from_str(&text).unwrap_or_else(|_| unknown());
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => Ok(Some(holder)),
        // Nor is it where files cannot be locked.
        Err(TryLockError::Error(_)) if !is_silent => Ok(Some(holder)),
        Ok(()) if !holder.is_here() && !holder.host.is_empty() && !is_silent => Ok(Some(holder)),
        Ok(()) | Err(TryLockError::Error(_)) => Ok(None),
    }
}

impl Holder {
    /// Whether it is on this machine, where it is certain that it lives.
    pub fn is_here(&self) -> bool {
        self.host == host()
    }
}
