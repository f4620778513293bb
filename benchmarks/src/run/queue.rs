//! Which cells go to which worker next: those that share features stay together.

use crate::plan::PlannedCell;
use std::collections::VecDeque;

/// The jobs that are still to be done, by the data set of their few-shot samples.
#[derive(Debug)]
pub(super) struct Queue {
    lanes: Vec<Lane>,
}

/// The jobs of one data set. A worker that has its test features takes all of them, unless others would be idle.
#[derive(Debug)]
struct Lane {
    dataset: String,
    jobs: VecDeque<Vec<PlannedCell>>,
    workers: usize,
}

impl Queue {
    /// Groups cells into jobs: the trainings of one few-shot sample with their evaluations are one job. The order of
    /// the plan is kept, so that an evaluation follows its training.
    pub(super) fn new(cells: Vec<PlannedCell>) -> Self {
        let mut lanes: Vec<Lane> = Vec::new();
        for cell in cells {
            let at = lanes.iter().position(|lane| lane.dataset == cell.home()).unwrap_or_else(|| {
                lanes.push(Lane { dataset: cell.home().to_owned(), jobs: VecDeque::new(), workers: 0 });
                lanes.len() - 1
            });
            let jobs = &mut lanes[at].jobs;
            match jobs.back_mut() {
                Some(job) if job[0].sample() == cell.sample() => job.push(cell),
                _ => jobs.push_back(vec![cell]),
            }
        }
        Self { lanes }
    }

    /// All cells that are still to be done.
    pub(super) fn into_cells(self) -> impl Iterator<Item = PlannedCell> {
        self.lanes.into_iter().flat_map(|lane| lane.jobs).flatten()
    }

    /// The next job for a worker whose last data set was `last`: of the same data set, else of one that no other worker
    /// has, else of the one with the most work left.
    pub(super) fn next(&mut self, last: Option<&str>) -> Option<Vec<PlannedCell>> {
        let open = |lane: &&mut Lane| !lane.jobs.is_empty();
        if let Some(lane) = self.lanes.iter_mut().filter(open).find(|lane| Some(lane.dataset.as_str()) == last) {
            return lane.jobs.pop_front();
        }
        if let Some(lane) = self.lanes.iter_mut().find(|lane| Some(lane.dataset.as_str()) == last) {
            lane.workers = lane.workers.saturating_sub(1);
        }
        let lane = self.lanes.iter_mut().filter(open).min_by_key(|lane| {
            (lane.workers, std::cmp::Reverse(if lane.workers == 0 { 0 } else { lane.jobs.len() }))
        })?;
        lane.workers += 1;
        lane.jobs.pop_front()
    }
}
