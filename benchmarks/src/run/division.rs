//! This run's part of the jobs of a folder: which it may take, and what other runs have done meanwhile.

use super::queue::Offer;
use crate::plan::PlannedCell;
use crate::process::Program;
use nemesis_core::leases::{Activity, Claim, Held, Lease, Leases, Work};
use nemesis_core::record::{CellId, FailureStamp, Store};
use nemesis_core::{Error, Result};
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Cells for one worker, and the lease on them.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) program: Program,
    pub(super) cells: Vec<PlannedCell>,
    pub(super) lease: Lease,
}

/// A cell that another run has settled.
#[derive(Debug)]
pub(super) enum Elsewhere {
    /// It has a record.
    Done(PlannedCell),
    /// It failed there, with the reason.
    Failed(PlannedCell, Error),
}

/// The leases of this run, and what it knows of the work of others.
#[derive(Debug)]
pub(super) struct Division<'a> {
    leases: Leases,
    store: &'a Store,
    started: Instant,
    /// The failures that were noted before this run began, which it tries again.
    failures: HashMap<CellId, FailureStamp>,
    /// Cells that other runs have settled, until they are asked for.
    settled: Vec<Elsewhere>,
}

impl<'a> Division<'a> {
    pub(super) fn new(store: &'a Store, question: &str, patience: Duration) -> Result<Self> {
        let activity = Activity { question: question.to_owned(), started_by: starter(), ..Activity::default() };
        Ok(Self {
            leases: Leases::open(store.folder(), patience, activity)?,
            store,
            started: Instant::now(),
            failures: store.failure_stamps()?,
            settled: Vec::new(),
        })
    }

    /// The leases in force, and how many jobs of each data set other runs hold.
    pub(super) fn look(&self) -> Result<(Held, HashMap<String, usize>)> {
        let held = self.leases.held()?;
        let groups = self.leases.by_group(&held);
        Ok((held, groups))
    }

    /// Whether each run that holds a job is known to live or to be lost.
    pub(super) fn knows_all(&self, held: &Held) -> bool {
        self.leases.knows_all(held)
    }

    /// Takes a job with what is left of it, if no other run is at it.
    pub(super) fn offer(&mut self, held: &Held, program: Program, job: &[PlannedCell]) -> Result<Offer<Job>> {
        let (key, first) = (key(program, &job[0])?, &job[0]);
        if self.leases.is_held(held, &key) {
            return Ok(Offer::Refused);
        }
        if self.left(job)?.is_empty() {
            return self.finish(job);
        }
        let Claim::Ours(lease) = self.leases.claim(held, &key, first.home(), &first.job_title())? else {
            return Ok(Offer::Refused);
        };
        // Another run may have finished the job just before it was ours.
        let cells = self.left(job)?;
        if cells.is_empty() {
            return self.finish(job);
        }
        self.note_settled(job, &cells)?;
        Ok(Offer::Taken(Job { program, cells, lease }))
    }

    fn finish(&mut self, job: &[PlannedCell]) -> Result<Offer<Job>> {
        self.note_settled(job, &[])?;
        Ok(Offer::Finished)
    }

    /// The cells that nobody has settled since this run began.
    fn left(&self, job: &[PlannedCell]) -> Result<Vec<PlannedCell>> {
        let mut left = Vec::new();
        for cell in job {
            if !self.store.contains(&cell.id) && !self.failed_elsewhere(&cell.id)? {
                left.push(cell.clone());
            }
        }
        Ok(left)
    }

    /// Whether a cell has failed since this run began. Its own failures never come back here.
    fn failed_elsewhere(&self, id: &CellId) -> Result<bool> {
        let now = self.store.failure_stamp(id)?;
        Ok(now.is_some() && now.as_ref() != self.failures.get(id))
    }

    fn note_settled(&mut self, job: &[PlannedCell], left: &[PlannedCell]) -> Result<()> {
        for cell in job.iter().filter(|cell| !left.iter().any(|other| other.id == cell.id)) {
            let failure = if self.store.contains(&cell.id) { None } else { self.store.failure(&cell.id)? };
            self.settled.push(match failure {
                Some(failure) => Elsewhere::Failed(cell.clone(), failure.reason),
                None => Elsewhere::Done(cell.clone()),
            });
        }
        Ok(())
    }

    /// What other runs have settled since this was last asked.
    pub(super) fn take_settled(&mut self) -> Vec<Elsewhere> {
        std::mem::take(&mut self.settled)
    }

    /// Shows others the cell that a worker is at.
    pub(super) fn tell_work(&self, worker: usize, cell: Option<&PlannedCell>) {
        let since = self.started.elapsed().as_secs();
        self.leases.tell(|activity| {
            activity.work.retain(|work| work.worker != worker);
            activity.work.extend(cell.map(|cell| Work { worker, cell: cell.title(), since, part: 0.0 }));
        });
    }

    /// Shows others how far the worker's cell is.
    pub(super) fn tell_part(&self, worker: usize, part: f64) {
        self.leases.tell(|activity| {
            activity.work.iter_mut().filter(|work| work.worker == worker).for_each(|work| work.part = part);
        });
    }

    /// Shows others how many cells are computed and have failed.
    pub(super) fn tell_counts(&self, computed: usize, failed: usize) {
        self.leases.tell(|activity| (activity.computed, activity.failed) = (computed, failed));
    }
}

/// What all cells of a job have in common, and no others: their few-shot sample, backbone and program.
fn key(program: Program, cell: &PlannedCell) -> Result<String> {
    let of = (format!("{program:?}"), cell.home(), cell.sample(), cell.backbone());
    let text = serde_json::to_vec(&of).map_err(|e| Error::new(format!("a job cannot be named: {e}")))?;
    Ok(blake3::hash(&text).to_hex()[..24].to_owned())
}

/// The queue's job that this process is part of, as far as queues say so in the environment.
fn starter() -> Option<String> {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    // Its workers may be jobs of Slurm themselves.
    if let Some(job) = variable("HQ_JOB_ID") {
        return Some(format!("HyperQueue {job}.{}", variable("HQ_TASK_ID").unwrap_or_default()));
    }
    if let Some(job) = variable("SLURM_ARRAY_JOB_ID") {
        return Some(format!("Slurm {job}_{}", variable("SLURM_ARRAY_TASK_ID").unwrap_or_default()));
    }
    variable("SLURM_JOB_ID").map(|job| format!("Slurm {job}"))
}
