//! Threads of this module's own. Those of rayon's global pool are gone in a process that Python has forked, where work that
//! was handed to them would wait for ever.

use crate::border::detached;
use crate::error::{caught, to_python};
use nemesis_core::{Error, Result};
use pyo3::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};
use std::sync::{Arc, Mutex, PoisonError};

/// The pool, and the id of the process that has its threads.
static POOL: Mutex<Option<(u32, Arc<ThreadPool>)>> = Mutex::new(None);

/// Runs `body` on all cores, without holding Python's lock. A panic in it becomes an error.
pub(crate) fn on_all_cores<T: Send>(py: Python<'_>, body: impl FnOnce() -> Result<T> + Send) -> PyResult<T> {
    let pool = pool().map_err(|error| to_python(&error))?;
    detached(py, || caught(|| pool.install(body)))
}

/// The pool of this process. Python's lock is held meanwhile, so that Python never forks while `POOL` is locked.
fn pool() -> Result<Arc<ThreadPool>> {
    let mut known = POOL.lock().unwrap_or_else(PoisonError::into_inner);
    let here = std::process::id();
    if let Some((process, pool)) = &*known
        && *process == here
    {
        return Ok(Arc::clone(pool));
    }
    let made = ThreadPoolBuilder::new().build();
    let made = Arc::new(made.map_err(|e| Error::new(format!("no threads can be started: {e}")))?);
    // A pool of the process that was forked has no threads here that could be ended.
    std::mem::forget(known.replace((here, Arc::clone(&made))));
    Ok(made)
}
