//! Trainings that end before they are done: saving them between two epochs, and finding what was saved.

use super::Notice;
use crate::record::{CellId, Checkpoint, Machine, Store};
use crate::train::Standing;
use crate::{Error, Result};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// A training as it is saved, and may be interrupted, after an epoch.
pub(super) struct Interruption<'a> {
    pub(super) store: &'a Store,
    pub(super) id: CellId,
    pub(super) machine: Machine,
    /// Whether the method can be resumed.
    pub(super) resumes: bool,
    pub(super) every: Duration,
    pub(super) stop: &'a AtomicBool,
    pub(super) started: Instant,
    /// When it was saved last.
    pub(super) saved: Instant,
    /// The seconds that earlier processes spent on it.
    pub(super) earlier: f64,
}

impl Interruption<'_> {
    /// Where an earlier process left the training, on a machine like this one, and the states kept so far. If somebody
    /// has removed one of them, the training begins again.
    pub(super) fn find(&mut self) -> Result<(Option<Standing>, BTreeMap<u64, String>)> {
        let found = if self.resumes { self.store.checkpoint(&self.id)? } else { None };
        let whole = |found: &Checkpoint| found.kept.values().all(|state| self.store.state_path(state).is_file());
        let Some(found) = found.filter(|found| found.machine == self.machine && whole(found)) else {
            return Ok((None, BTreeMap::new()));
        };
        self.earlier = found.seconds;
        Ok((Some(found.standing), found.kept))
    }

    /// Saves the training after an epoch that is not its last, if it is time to. Fails if the process is to end.
    pub(super) fn after_epoch(
        &mut self,
        standing: &dyn Fn() -> Standing,
        kept: &BTreeMap<u64, String>,
        tell: &mut dyn FnMut(Notice<'_>),
    ) -> Result<()> {
        let stop = self.stop.load(Ordering::Relaxed);
        if self.resumes && (stop || self.saved.elapsed() >= self.every) {
            let seconds = self.earlier + self.started.elapsed().as_secs_f64();
            let (standing, kept, machine) = (standing(), kept.clone(), self.machine.clone());
            // A full disk costs the work of these epochs only if the run ends before there is room again.
            if let Err(error) = self.store.put_checkpoint(&self.id, &Checkpoint { standing, kept, seconds, machine }) {
                tell(Notice::Warning(&format!("a training could not be saved between two epochs: {error}")));
            }
            self.saved = Instant::now();
        }
        if stop { Err(Error::new("the run was told to end")) } else { Ok(()) }
    }
}
