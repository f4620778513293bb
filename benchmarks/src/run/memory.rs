//! The memory that a worker may have.

use crate::bytes::ByteSize;
use nemesis_core::error::Kind;
use nemesis_core::{Error, Result};

/// The bytes beyond which a worker is refused more: twice its limit, since that is an estimate.
///
/// There is none on a GPU, whose driver reserves memory in its own way, and none if the system has no such limit.
pub(super) fn limit_of(memory: Option<u64>, device: &str) -> Option<u64> {
    memory.filter(|_| cfg!(target_os = "linux") && device == "cpu").map(|memory| memory.saturating_mul(2))
}

/// Limits the memory of this process to `bytes`. Allocations beyond that fail, which libtorch reports as an error.
///
/// The limit counts private writable memory rather than address space, of which libtorch reserves far more than it
/// uses.
///
/// # Errors
///
/// When the system refuses.
#[cfg(target_os = "linux")]
pub(super) fn limit(bytes: u64) -> Result<()> {
    use rustix::process::{Resource, Rlimit, setrlimit};
    let limit = Rlimit { current: Some(bytes), maximum: Some(bytes) };
    setrlimit(Resource::Data, limit).map_err(|e| Error::new(format!("cannot limit the memory of a worker: {e}")))
}

/// Only Linux has such a limit; see [`limit_of`].
#[cfg(not(target_os = "linux"))]
pub(super) fn limit(_bytes: u64) -> Result<()> {
    Ok(())
}

/// If memory runs out, has the system kill this process rather than the coordinator or the user's other programs.
pub(super) fn offer_as_victim() {
    // Only Linux has this file; other systems make their own choice.
    let _ = std::fs::write("/proc/self/oom_score_adj", "800");
}

/// Adds the limit to a failure for lack of memory. An evaluation may have failed because its training did, whose
/// message already says so.
pub(super) fn note(error: Error, limit: Option<u64>) -> Error {
    match limit {
        Some(limit) if error.kind() == Kind::OutOfMemory && !error.has_help() => {
            error.help(format!("memory beyond {} is refused to a worker, twice `--memory`", ByteSize(limit)))
        }
        _ => error,
    }
}
