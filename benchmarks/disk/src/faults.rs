//! Which writes are refused.

use fuser::Errno;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Why a write is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The disk is full (`ENOSPC`).
    Full,
    /// It may not be written any more (`EROFS`), as after an error of the hardware.
    ReadOnly,
}

/// What goes wrong. Nothing does at first.
#[derive(Debug, Default)]
pub struct Faults {
    /// Writes so far.
    writes: AtomicU64,
    plan: Mutex<Option<Plan>>,
    /// What was refused, and how often.
    refused: Mutex<BTreeMap<String, u64>>,
}

/// The writes that are refused, counted from zero.
#[derive(Clone, Debug)]
struct Plan {
    from: u64,
    until: u64,
    refusal: Refusal,
}

impl Faults {
    /// How many writes there have been: files and folders created, linked, renamed, written to or synced.
    pub fn writes(&self) -> u64 {
        self.writes.load(Ordering::SeqCst)
    }

    /// Refuses so many writes after so many others.
    pub fn refuse(&self, refusal: Refusal, after: u64, count: u64) {
        let from = self.writes() + after;
        *lock(&self.plan) = Some(Plan { from, until: from.saturating_add(count), refusal });
    }

    /// Refuses nothing any more.
    pub fn end(&self) {
        *lock(&self.plan) = None;
    }

    /// What was refused so far, such as `write records`, and how often.
    pub fn refused(&self) -> BTreeMap<String, u64> {
        lock(&self.refused).clone()
    }

    /// Whether the next write is refused. `what` names it.
    pub(crate) fn strike(&self, what: impl FnOnce() -> String) -> Result<(), Errno> {
        let number = self.writes.fetch_add(1, Ordering::SeqCst);
        let refusal =
            lock(&self.plan).as_ref().filter(|plan| (plan.from..plan.until).contains(&number)).map(|p| p.refusal);
        let Some(refusal) = refusal else { return Ok(()) };
        *lock(&self.refused).entry(what()).or_default() += 1;
        Err(match refusal {
            Refusal::Full => Errno::ENOSPC,
            Refusal::ReadOnly => Errno::EROFS,
        })
    }

    /// Whether the disk is read-only now, so that removing and marking files fails as well.
    pub(crate) fn check_writable(&self) -> Result<(), Errno> {
        let writes = self.writes();
        let is_read_only = |plan: &Plan| plan.refusal == Refusal::ReadOnly && (plan.from..plan.until).contains(&writes);
        if lock(&self.plan).as_ref().is_some_and(is_read_only) { Err(Errno::EROFS) } else { Ok(()) }
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
