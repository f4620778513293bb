//! A file system over a folder that misbehaves on demand: it fills up, it becomes read-only, and it shows the changes of
//! other machines late. The fault campaign runs `nemesis` on it. Linux only, and only where FUSE file systems may be mounted.
//!
//! Two mounts of one folder stand for two machines that share a file server. What one of them does it sees at once. What
//! the other does it sees up to a *lag* later, as with NFS: names that were missing stay missing, names that were replaced
//! lead to the old file, and removed files can still be read. `flock` works among the processes
//! of one mount only.

#![forbid(unsafe_code)]
#![cfg(target_os = "linux")]

mod faults;
mod nodes;
mod system;

pub use faults::{Faults, Refusal};

use fuser::{BackgroundSession, Config, MountOption};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use system::System;

/// A mounted file system, until it is dropped.
#[derive(Debug)]
pub struct Disk {
    _session: BackgroundSession,
    faults: Arc<Faults>,
}

impl Disk {
    /// Shows `folder` at the existing folder `at`. What other mounts of `folder` change appears `lag` later.
    ///
    /// # Errors
    ///
    /// When the folder cannot be opened, or this machine lets us mount nothing.
    pub fn mount(folder: &Path, at: &Path, lag: Duration) -> io::Result<Self> {
        let faults = Arc::new(Faults::default());
        let system = System::new(folder, lag, Arc::clone(&faults))?;
        let mut config = Config::default();
        config.mount_options = vec![MountOption::FSName("nemesis-disk".to_owned()), MountOption::NoDev];
        config.n_threads = Some(4);
        Ok(Self { _session: fuser::spawn_mount(system, at, &config)?, faults })
    }

    /// What goes wrong on it.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }
}
