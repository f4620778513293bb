//! Which cells go to which worker next: those that share features stay together.

use crate::plan::{Plan, PlannedCell};
use crate::process::Program;
use nemesis_core::Result;
use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, VecDeque};

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
}

/// What becomes of a job that is at hand.
#[derive(Debug)]
pub(super) enum Offer<T> {
    /// It is taken.
    Taken(T),
    /// Nothing of it is left to do.
    Finished,
    /// It stays: another run is at it.
    Refused,
}

/// The jobs for each program, since only Python computes methods that are written in it.
pub(super) fn queues(plan: &Plan, cells: Vec<PlannedCell>) -> BTreeMap<Program, Queue> {
    let of_method: BTreeMap<&str, Program> =
        plan.methods.iter().map(|column| (column.method.as_str(), Program::of_plugin(&column.plugin))).collect();
    let mut by_program: BTreeMap<Program, Vec<PlannedCell>> = BTreeMap::new();
    for cell in cells {
        let program = cell.method().and_then(|method| of_method.get(method.id.as_str())).copied().unwrap_or_default();
        by_program.entry(program).or_default().push(cell);
    }
    by_program.into_iter().map(|(program, cells)| (program, Queue::new(cells))).collect()
}

impl Queue {
    /// Groups cells into jobs: the trainings of one few-shot sample with their evaluations are one job. The order of
    /// the plan is kept, so that an evaluation follows its training.
    pub(super) fn new(cells: Vec<PlannedCell>) -> Self {
        let mut lanes: Vec<Lane> = Vec::new();
        for cell in cells {
            let at = lanes.iter().position(|lane| lane.dataset == cell.home()).unwrap_or_else(|| {
                lanes.push(Lane { dataset: cell.home().to_owned(), jobs: VecDeque::new() });
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

    /// How many jobs are left.
    pub(super) fn len(&self) -> usize {
        self.lanes.iter().map(|lane| lane.jobs.len()).sum()
    }

    /// Puts a job back that another run has taken over.
    pub(super) fn give_back(&mut self, job: Vec<PlannedCell>) {
        if let Some(lane) = self.lanes.iter_mut().find(|lane| lane.dataset == job[0].home()) {
            lane.jobs.push_back(job);
        }
    }

    /// The next job that `offer` takes, for a worker whose last data set was `last`: of the same data set, else of one
    /// that nobody is at, else of the one with the most work left. `busy` counts this run's workers and the jobs that other
    /// runs hold, by data set.
    pub(super) fn next<T>(
        &mut self,
        last: Option<&str>,
        busy: &HashMap<String, usize>,
        offer: &mut dyn FnMut(&[PlannedCell]) -> Result<Offer<T>>,
    ) -> Result<Option<T>> {
        let is_last = |lane: &Lane| Some(lane.dataset.as_str()) == last;
        let mut order: Vec<usize> = (0..self.lanes.len()).collect();
        order.sort_by_key(|at| {
            let lane = &self.lanes[*at];
            let workers = busy.get(&lane.dataset).copied().unwrap_or(0);
            (!is_last(lane), workers, Reverse(if workers == 0 { 0 } else { lane.jobs.len() }))
        });
        for at in order {
            if let Some(taken) = self.lanes[at].next(offer)? {
                return Ok(Some(taken));
            }
        }
        Ok(None)
    }
}

impl Lane {
    /// The first job that is taken. Those that are finished are removed.
    fn next<T>(&mut self, offer: &mut dyn FnMut(&[PlannedCell]) -> Result<Offer<T>>) -> Result<Option<T>> {
        let mut at = 0;
        while let Some(job) = self.jobs.get(at) {
            match offer(job)? {
                Offer::Taken(taken) => {
                    self.jobs.remove(at);
                    return Ok(Some(taken));
                }
                Offer::Finished => drop(self.jobs.remove(at)),
                Offer::Refused => at += 1,
            }
        }
        Ok(None)
    }
}
