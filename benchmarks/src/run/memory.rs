//! The memory that a worker may have.

use nemesis_core::{Error, Result};

/// Limits the memory of this process to `bytes`: what it asks for beyond fails, which libtorch tells as an error.
///
/// Private memory that can be written to is counted, not the address space: libtorch and CUDA reserve far more of that
/// than they use.
///
/// # Errors
///
/// When the system has no such limit.
#[cfg(target_os = "linux")]
pub(super) fn limit(bytes: u64) -> Result<()> {
    use rustix::process::{Resource, Rlimit, setrlimit};
    let limit = Rlimit { current: Some(bytes), maximum: Some(bytes) };
    setrlimit(Resource::Data, limit).map_err(|e| Error::new(format!("cannot limit the memory of a worker: {e}")))
}

/// As on Linux.
#[cfg(not(target_os = "linux"))]
pub(super) fn limit(_bytes: u64) -> Result<()> {
    Err(Error::new("this system cannot limit the memory of a worker").help("leave `--cell-memory` out"))
}

/// Where memory runs out, has the system end this process rather than the coordinator or the user's other programs.
pub(super) fn offer_as_victim() {
    // Only Linux has this file; elsewhere the system makes its own choice.
    let _ = std::fs::write("/proc/self/oom_score_adj", "800");
}

/// What a reason for a failure lacks where it is about memory, given the limit: how much there was.
pub(super) fn note(reason: &str, limit: Option<u64>) -> String {
    let about_memory = ["allocate memory", "not enough memory", "out of memory"];
    match limit {
        Some(limit) if about_memory.iter().any(|words| reason.contains(words)) && !reason.contains("--cell-memory") => {
            format!("{reason}\n  help: the worker was given {} of memory; --cell-memory sets it", gigabytes(limit))
        }
        _ => reason.to_owned(),
    }
}

/// An amount of memory as a user gives it.
pub(super) fn gigabytes(bytes: u64) -> String {
    format!("{} GB", bytes >> 30)
}
