//! A copy of a process that has loaded libtorch, which takes longer than most of what plugins are asked.

use crate::{Error, Result};

/// Which of the two processes goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forked {
    /// The one that forked. The new one has this id.
    Parent(u32),
    /// The new one.
    Child,
}

/// Says whether this process may be forked: it has one thread.
///
/// # Errors
///
/// When it has other threads, which the new process would lack. On systems that do not tell of threads in files, always:
/// libraries of theirs start some by themselves.
pub fn may_fork() -> Result<()> {
    let threads = std::fs::read_dir("/proc/self/task").map_err(|e| refused(&e))?.count();
    if threads == 1 { Ok(()) } else { Err(refused(&format!("it has {threads} threads"))) }
}

/// Forks this process.
///
/// # Errors
///
/// As [`may_fork`], or when the system refuses.
pub fn fork() -> Result<Forked> {
    may_fork()?;
    // SAFETY: this is the only thread, as was just seen, so nobody else can start one now. No lock is held by a thread that
    // the new process lacks, and it may go on as this one could.
    let child = unsafe { libc::fork() };
    match u32::try_from(child) {
        Ok(0) => Ok(Forked::Child),
        Ok(child) => Ok(Forked::Parent(child)),
        Err(_) => Err(refused(&std::io::Error::last_os_error())),
    }
}

fn refused(why: &dyn std::fmt::Display) -> Error {
    Error::new(format!("cannot fork this process: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A test runs in a thread beside that of the program.
    #[test]
    fn a_process_with_threads_is_not_forked() {
        assert!(may_fork().unwrap_err().what().starts_with("cannot fork this process: "));
        assert!(fork().is_err());
    }
}
