//! A copy of a process that has loaded libtorch, which takes longer than most checks do.

use crate::{Error, Result};

/// Which of the two processes goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forked {
    /// The one that forked. The new one has this id.
    Parent(u32),
    /// The new one.
    Child,
}

/// Forks this process, which must have one thread.
///
/// # Errors
///
/// When this process has other threads, which the new one would lack, or when the system refuses. Systems that do not tell
/// of threads in files refuse always: libraries of theirs start some by themselves.
pub fn fork() -> Result<Forked> {
    let refused = |why: &dyn std::fmt::Display| Error::new(format!("cannot fork this process: {why}"));
    let threads = std::fs::read_dir("/proc/self/task").map_err(|e| refused(&e))?.count();
    if threads != 1 {
        return Err(refused(&format!("it has {threads} threads")));
    }
    // SAFETY: this is the only thread, as was just seen, so nobody else can start one now. No lock is held by a thread that
    // the new process lacks, and it may go on as this one could.
    let child = unsafe { libc::fork() };
    match u32::try_from(child) {
        Ok(0) => Ok(Forked::Child),
        Ok(child) => Ok(Forked::Parent(child)),
        Err(_) => Err(refused(&std::io::Error::last_os_error())),
    }
}
