//! The state of a folder of records: what is done, who is at work, how fast it goes, and how much room it takes.

use crate::bytes::ByteSize;
use crate::cluster::submissions::{self, Queues, Standing, Submission};
use crate::numbers::counted;
use crate::progress::duration;
use crate::report::all_plans;
use nemesis_core::Result;
use nemesis_core::leases::{self, HeldJob, Places, RunState, Work};
use nemesis_core::record::{CellId, Store};
use serde::Serialize;
use std::collections::HashSet;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// The state of a folder of records.
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    /// Its tables.
    pub questions: Vec<Question>,
    /// The runs that work on it, and those that were lost.
    pub runs: Vec<Run>,
    /// What was submitted for it and is in a queue.
    pub queued: Vec<Queued>,
    /// The jobs that were submitted for it and are over, or that their queue has forgotten.
    pub over: Vec<String>,
    /// Where the logs of submitted runs lie.
    pub logs: PathBuf,
    /// How many records there are, of trainings and evaluations, whatever table they belong to.
    pub records: usize,
    /// How fast evaluations are done, if runs are at work and that can be told.
    pub rate: Option<Rate>,
    /// Bytes of all but the feature pool.
    pub bytes: u64,
    /// Bytes of the feature pool.
    pub pool_bytes: u64,
    /// Bytes that are free where the records lie.
    pub free_bytes: Option<u64>,
}

/// How far a table is.
#[derive(Clone, Debug, Serialize)]
pub struct Question {
    /// Its name.
    pub name: String,
    /// Its evaluations.
    pub evaluations: usize,
    /// Those that have a record.
    pub done: usize,
    /// Those that failed when they were last tried.
    pub failed: usize,
}

/// A run.
#[derive(Clone, Debug, Serialize)]
pub struct Run {
    /// Its name among the leases.
    pub id: String,
    /// Its machine.
    pub host: String,
    /// Its process.
    pub process: u32,
    /// The name of its table.
    pub question: String,
    /// The queue's job that it is part of.
    pub started_by: Option<String>,
    /// For how many seconds it has run.
    pub seconds: u64,
    /// For how many seconds it has given no sign of life.
    pub silent_seconds: Option<u64>,
    /// Whether it is certain, or likely by its silence, that it is gone.
    pub lost: bool,
    /// Cells computed by it.
    pub computed: usize,
    /// Cells that failed in it.
    pub failed: usize,
    /// What its workers are at.
    pub work: Vec<Work>,
    /// The jobs that it holds.
    pub jobs: Vec<String>,
    /// The jobs that it held when another run took them over.
    pub taken_over: Vec<String>,
}

/// What was submitted to a queue.
#[derive(Clone, Debug, Serialize)]
pub struct Queued {
    /// The job's number.
    pub job: String,
    /// Its runs that wait or are at work, each with its state.
    pub runs: Vec<(String, String)>,
    /// Who submitted it, if that is another user, whose queue is not asked.
    pub submitted_by: Option<String>,
    /// Why the queue could not be asked, if so.
    pub error: Option<String>,
}

/// How fast evaluations are done.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Rate {
    /// Evaluations done in the last so many seconds.
    pub evaluations: usize,
    /// The seconds.
    pub seconds: u64,
    /// The seconds that the rest takes at this rate.
    pub seconds_left: u64,
}

/// The longest time that a rate is measured over.
const WINDOW: Duration = Duration::from_secs(600);

/// Fewer evaluations say nothing about those to come.
const ENOUGH: usize = 5;

impl Status {
    /// Looks at the records in `out` and the feature pool.
    ///
    /// # Errors
    ///
    /// When a folder cannot be read, or a saved plan is damaged.
    pub fn of(out: &Path, pool: &Path) -> Result<Self> {
        let store = Store::open(out)?;
        let records: HashSet<CellId> = store.ids()?.into_iter().collect();
        let failures: HashSet<CellId> = store.failures()?.into_iter().collect();
        let plans = all_plans(out)?;
        let mut of_plans = HashSet::new();
        let mut questions = Vec::new();
        for (name, plan) in plans {
            let cells: HashSet<CellId> = plan.cells.iter().map(|cell| cell.id).collect();
            let done = cells.iter().filter(|id| records.contains(*id)).count();
            let failed = cells.iter().filter(|id| !records.contains(*id) && failures.contains(*id)).count();
            questions.push(Question { name, evaluations: cells.len(), done, failed });
            of_plans.extend(cells);
        }
        let runs = runs(out)?;
        let at_work = |question: &&Question| runs.iter().any(|run| !run.lost && run.question == question.name);
        let left = |question: &Question| question.evaluations.saturating_sub(question.done + question.failed);
        let left = questions.iter().filter(at_work).map(left).sum();
        let longest = runs.iter().filter(|run| !run.lost).map(|run| run.seconds).max();
        let rate = longest.and_then(|seconds| rate(&store, &of_plans, Duration::from_secs(seconds), left));
        let (queued, over) = submitted(out)?;
        let pool_inside = pool.starts_with(out);
        let pool_bytes = size(pool);
        Ok(Self {
            questions,
            runs,
            queued,
            over,
            logs: submissions::logs(out),
            records: records.len(),
            rate,
            bytes: size(out).saturating_sub(if pool_inside { pool_bytes } else { 0 }),
            pool_bytes,
            free_bytes: free(out),
        })
    }

    /// Whether there is more to come: a run is at work, or waits in a queue.
    pub fn is_open(&self) -> bool {
        self.runs.iter().any(|run| !run.lost) || self.queued.iter().any(|job| !job.runs.is_empty())
    }
}

/// The runs on the records in `out`.
///
/// # Errors
///
/// When their folder cannot be read.
pub fn runs(out: &Path) -> Result<Vec<Run>> {
    let places = Places::of(out);
    let held = leases::leases(out)?;
    let states = RunState::all(&places)?;
    // To know the time, a file is written and synced.
    let now = if states.is_empty() { None } else { places.now() };
    let mut runs = Vec::new();
    for state in states {
        let silent = now.and_then(|now| state.silent_for(&places, now));
        let is_silent = silent.is_some_and(|silent| silent > state.patience());
        // A process of this machine that was stopped may go on.
        let lost = state.has_died_here(&places) || (is_silent && !state.lives_here(&places));
        let its = held.iter().filter(|job| job.run.as_ref() == Some(&state.run));
        let (taken_over, jobs): (Vec<&HeldJob>, Vec<&HeldJob>) = its.partition(|job| job.taken_over);
        let names = |jobs: Vec<&HeldJob>| jobs.into_iter().map(|job| job.what.clone()).collect();
        runs.push(Run {
            jobs: names(jobs),
            taken_over: names(taken_over),
            id: state.run,
            host: state.host,
            process: state.process,
            question: state.activity.question,
            started_by: state.activity.started_by,
            seconds: state.seconds,
            silent_seconds: silent.map(|silent| silent.as_secs()),
            lost,
            computed: state.activity.computed,
            failed: state.activity.failed,
            work: state.activity.work,
        });
    }
    runs.sort_by(|a, b| (&a.host, a.process).cmp(&(&b.host, b.process)));
    Ok(runs)
}

/// The submissions that are in a queue, and the jobs of those that are over.
fn submitted(out: &Path) -> Result<(Vec<Queued>, Vec<String>)> {
    let (mut queued, mut over) = (Vec::new(), Vec::new());
    let mut queues = Queues::default();
    for submission in Submission::all(out)? {
        let standing = queues.look(&submission);
        let mut listed = Queued { job: submission.job, runs: Vec::new(), submitted_by: None, error: None };
        match standing {
            Standing::Over => {
                over.push(listed.job);
                continue;
            }
            Standing::InQueue(runs) => listed.runs = runs.into_iter().map(|run| (run.id, run.state)).collect(),
            Standing::OfAnother(user) => listed.submitted_by = Some(user.to_string()),
            Standing::Unknown(error) => {
                listed.error = Some(error.to_string().lines().next().unwrap_or_default().to_owned());
            }
        }
        queued.push(listed);
    }
    Ok((queued, over))
}

/// The evaluations whose records were written last, up to the newest one. All times are those of the file server.
fn rate(store: &Store, ids: &HashSet<CellId>, longest: Duration, left: usize) -> Option<Rate> {
    let times: Vec<SystemTime> = ids.iter().filter_map(|id| store.written(id)).collect();
    let newest = *times.iter().max()?;
    let window = longest.min(WINDOW);
    let recent = times.iter().filter(|time| newest.duration_since(**time).is_ok_and(|ago| ago <= window)).count();
    if recent < ENOUGH || window.is_zero() {
        return None;
    }
    let seconds_left = (left as f64 * window.as_secs_f64() / recent as f64).round() as u64;
    Some(Rate { evaluations: recent, seconds: window.as_secs(), seconds_left })
}

/// The bytes of all files in a folder, as far as they can be seen.
pub(crate) fn size(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let of = |entry: fs::DirEntry| match entry.metadata() {
        Ok(found) if found.is_dir() => size(&entry.path()),
        found => found.map_or(0, |found| found.len()),
    };
    entries.map(of).sum()
}

fn free(folder: &Path) -> Option<u64> {
    let found = rustix::fs::statvfs(folder).ok()?;
    Some(found.f_bavail.saturating_mul(found.f_frsize))
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.questions.iter().map(|question| question.name.len()).max().unwrap_or(0);
        for Question { name, evaluations, done, failed } in &self.questions {
            let failed = if *failed > 0 { format!(", {failed} failed") } else { String::new() };
            writeln!(f, "{name:width$}  {done} of {evaluations} evaluations done{failed}")?;
        }
        if self.questions.is_empty() {
            writeln!(f, "no table was asked for here yet")?;
        }
        for run in &self.runs {
            write!(f, "{run}")?;
        }
        if self.runs.is_empty() {
            writeln!(f, "no run is at work")?;
        }
        for Queued { job, runs, submitted_by, error } in &self.queued {
            match (error, submitted_by) {
                (Some(error), _) => writeln!(f, "job {job}: {error}")?,
                (None, Some(user)) => writeln!(f, "job {job}: submitted by {user}")?,
                (None, None) => runs.iter().try_for_each(|(run, state)| writeln!(f, "job {run}: {state}"))?,
            }
        }
        if !self.over.is_empty() {
            let jobs = if self.over.len() == 1 { "job" } else { "jobs" };
            writeln!(f, "{jobs} {}: over; logs are in {}", self.over.join(", "), self.logs.display())?;
        }
        if let Some(Rate { evaluations, seconds, seconds_left }) = self.rate {
            let [window, left] = [seconds, seconds_left].map(|seconds| duration(Duration::from_secs(seconds)));
            writeln!(f, "{evaluations} evaluations in the last {window}; about {left} left at this rate")?;
        }
        let free = self.free_bytes.map_or_else(String::new, |free| format!("; {} free", ByteSize(free)));
        let (bytes, pool) = (ByteSize(self.bytes), ByteSize(self.pool_bytes));
        let records = counted(self.records as u64, "record");
        writeln!(f, "{records}; {bytes} on disk, and {pool} of features in the pool{free}")
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, process, question, computed, .. } = self;
        let by = self.started_by.as_ref().map_or_else(String::new, |by| format!(" ({by})"));
        let failed = if self.failed > 0 { format!(", {} failed", self.failed) } else { String::new() };
        let time = |seconds: u64| duration(Duration::from_secs(seconds));
        let sign = match self.silent_seconds {
            _ if self.lost => {
                format!("lost, last heard of {} ago", self.silent_seconds.map_or_else(|| "some time".to_owned(), time))
            }
            Some(silent) if silent > 60 => format!("silent for {}", time(silent)),
            _ => format!("for {}", time(self.seconds)),
        };
        let cells = counted(*computed as u64, "cell");
        writeln!(f, "{host}:{process}{by}  {question}, {cells} computed{failed}, {sign}")?;
        if self.lost {
            self.jobs.iter().try_for_each(|job| writeln!(f, "  its job {job} is free"))?;
            return self.taken_over.iter().try_for_each(|job| writeln!(f, "  its job {job} is taken over"));
        }
        for Work { cell, since, part, .. } in &self.work {
            let part = if *part > 0.0 { format!("{:.0} %, ", 100.0 * part) } else { String::new() };
            writeln!(f, "  {cell}: {part}for {}", time(self.seconds.saturating_sub(*since)))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_more_to_come_while_a_queue_has_runs() {
        let of = |queued: Queued| Status {
            questions: Vec::new(),
            runs: Vec::new(),
            queued: vec![queued],
            over: Vec::new(),
            logs: PathBuf::new(),
            records: 0,
            rate: None,
            bytes: 0,
            pool_bytes: 0,
            free_bytes: None,
        };
        let silent = Queued { job: "4711".to_owned(), runs: Vec::new(), submitted_by: None, error: None };
        let waiting = Queued { runs: vec![("4711_0".to_owned(), "PENDING (Priority)".to_owned())], ..silent.clone() };
        assert!(of(waiting).is_open());
        // Nobody knows when these end.
        assert!(!of(Queued { error: Some("no server".to_owned()), ..silent.clone() }).is_open());
        assert!(!of(Queued { submitted_by: Some("anna".to_owned()), ..silent }).is_open());
    }
}
