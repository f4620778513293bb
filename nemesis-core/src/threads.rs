//! Threads, which a system may refuse: it limits how many there are (`ulimit -u`, a container's number of processes) and the
//! memory for their stacks.

use crate::{Error, Result};
use std::error::Error as _;
use std::io;
use std::sync::OnceLock;
use std::thread::{Builder, JoinHandle};

/// Starts a thread.
///
/// # Errors
///
/// When the system refuses it.
pub fn spawn<T: Send + 'static>(body: impl FnOnce() -> T + Send + 'static) -> Result<JoinHandle<T>> {
    Builder::new().spawn(body).map_err(|e| refused(&e))
}

/// Makes sure that there are threads to share work with rayon, which panics where there are none.
///
/// # Errors
///
/// When the system refuses them.
pub fn ready() -> Result<()> {
    share_among(0)
}

/// The same with so many threads, if this process has none yet; `0` stands for as many as there are cores.
///
/// # Errors
///
/// When the system refuses them.
pub fn share_among(threads: usize) -> Result<()> {
    // Rayon tries once, and remembers no reason.
    static REFUSED: OnceLock<Option<Error>> = OnceLock::new();
    if rayon::current_thread_index().is_some() {
        return Ok(());
    }
    let started = REFUSED.get_or_init(|| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build_global().err()?;
        // Without a cause it says that the threads are there already.
        pool.source().map(|cause| refused(cause.downcast_ref().unwrap_or(&io::Error::other(cause.to_string()))))
    });
    started.clone().map_or(Ok(()), Err)
}

fn refused(error: &io::Error) -> Error {
    Error::new(format!("the system refuses another thread: {error}")).help(
        "it limits how many threads a user may have, or their memory: see `ulimit -a` and what the queue or container grants",
    )
}
