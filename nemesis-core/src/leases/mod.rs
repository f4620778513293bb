//! Leases: how any number of runs on one folder divide its jobs, on one machine or on many that share a file system.
//!
//! There is no server. What the runs know of each other are small files in `leases/`:
//!
//! - `runs/RUN.json` says who a run is and what it is doing. The run replaces it at every heartbeat, with a higher count.
//! - `runs/RUN.alive` is locked with `flock` while the run's process lives. Processes on the same machine learn from it
//!   at once that a run has died. Nothing else depends on it.
//! - `jobs/KEY-N.json` is the Nth lease of a job. The highest N holds the job.
//!
//! A lease is taken by creating the file with the next number, which succeeds for one run only: the content is written
//! under another name, and `link` gives it the name unless that exists. NFS does this on the server. A run that was lost
//! is followed, not overwritten: its file stays until its successor is done, so a run that wakes up sees a higher number
//! and knows that the job is no longer its own.
//!
//! No clock is compared with that of another machine. A run is lost if its heartbeat has not changed for the
//! [`patience`](Leases::open) of the run that looks, on that run's own monotonic clock (`Watch`). Time in which that
//! run did not look counts for nothing, since it may have been asleep itself.
//!
//! Leases save work, but no result depends on them. If a run is taken for lost while it still computes, or a stale listing
//! of the folder hides a lease, a cell is computed twice. The record that is there first stays.

mod files;
mod run;
mod watch;

pub use files::{LEASES, Places};
pub use run::{Activity, RunState, Work};

use crate::{Error, Result, threads};
use files::{JobFile, read_job};
use run::Pulse;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use watch::Watch;

/// A run's part in the division of jobs: its heartbeat, and the leases that it takes.
#[derive(Debug)]
pub struct Leases {
    shared: Arc<Shared>,
    /// Ends the heartbeat when it is dropped.
    stop: Option<Sender<()>>,
    heart: Option<JoinHandle<()>>,
}

/// What the heartbeat's thread shares with the run.
#[derive(Debug)]
struct Shared {
    places: Places,
    pulse: Pulse,
    patience: Duration,
    watches: Mutex<HashMap<String, Watch>>,
}

/// A job that is ours until this is dropped.
#[derive(Debug)]
pub struct Lease {
    places: Places,
    /// The run that holds it. After a long sleep the number alone may be that of somebody else's lease.
    run: String,
    key: String,
    number: u64,
}

/// What came of asking for a job.
#[derive(Debug)]
pub enum Claim {
    /// The job is ours.
    Ours(Lease),
    /// Another run, or another worker of this one, is at it.
    Held,
}

/// The leases in force, by the job's key. It is a snapshot: another run may be ahead of it.
#[derive(Debug, Default)]
pub struct Held(BTreeMap<String, Holding>);

impl Held {
    /// How many jobs are held.
    pub fn jobs(&self) -> usize {
        self.0.len()
    }
}

/// The highest lease of a job.
#[derive(Debug)]
struct Holding {
    number: u64,
    file: PathBuf,
    job: Option<JobFile>,
}

impl Leases {
    /// Registers this run in `folder/leases` and starts its heartbeat, which ends when this is dropped. A run whose
    /// heartbeat does not change for `patience` counts as lost.
    ///
    /// # Errors
    ///
    /// When the folder cannot be written, or no thread can be started.
    pub fn open(folder: &Path, patience: Duration, activity: Activity) -> Result<Self> {
        let places = Places::of(folder);
        places.create()?;
        let pulse = Pulse::start(&places, heartbeat(patience), patience, activity)?;
        let shared = Arc::new(Shared { places, pulse, patience, watches: Mutex::default() });
        let (stop, stopped) = mpsc::channel::<()>();
        let beating = Arc::clone(&shared);
        let heart = threads::spawn(move || {
            while stopped.recv_timeout(heartbeat(beating.patience)) == Err(RecvTimeoutError::Timeout) {
                // On a full disk this run may be taken for lost, which costs work but no result.
                let _ = beating.pulse.beat(&beating.places);
                let _ = beating.look();
            }
        })?;
        Ok(Self { shared, stop: Some(stop), heart: Some(heart) })
    }

    /// Changes what the next heartbeat says of this run.
    pub fn tell(&self, change: impl FnOnce(&mut Activity)) {
        self.shared.pulse.change(change);
    }

    /// The leases in force now.
    ///
    /// # Errors
    ///
    /// When the folder cannot be read.
    pub fn held(&self) -> Result<Held> {
        held(&self.shared.places)
    }

    /// How many jobs of each group other runs hold.
    pub fn by_group(&self, held: &Held) -> HashMap<String, usize> {
        let mut groups = HashMap::new();
        for job in held.0.values().filter_map(|holding| holding.job.as_ref()) {
            if job.run != self.shared.pulse.run() {
                *groups.entry(job.group.clone()).or_default() += 1;
            }
        }
        groups
    }

    /// Whether a run that is not lost holds the job `key`.
    pub fn is_held(&self, held: &Held, key: &str) -> bool {
        held.0.get(key).is_some_and(|holding| !self.shared.is_lost(holding))
    }

    /// Whether each run that holds a lease is known to live or to be lost. Until then a job may be with a run that died on
    /// another machine, and whoever leaves it to that run leaves it to nobody.
    pub fn knows_all(&self, held: &Held) -> bool {
        held.0.values().all(|holding| self.shared.is_lost(holding) || self.shared.is_alive(holding))
    }

    /// Takes the job `key`, unless a run that is not lost holds it. `group` and `what` tell others what the job is.
    ///
    /// # Errors
    ///
    /// When a lease cannot be read or written.
    pub fn claim(&self, held: &Held, key: &str, group: &str, what: &str) -> Result<Claim> {
        let places = &self.shared.places;
        let number = match held.0.get(key) {
            None => 1,
            Some(holding) if self.shared.is_lost(holding) => holding.number + 1,
            Some(_) => return Ok(Claim::Held),
        };
        let run = self.shared.pulse.run().to_owned();
        let job = JobFile { run: run.clone(), group: group.to_owned(), what: what.to_owned() };
        if !places.create_job(key, number, &job)? {
            return Ok(Claim::Held);
        }
        let lease = Lease { places: places.clone(), run, key: key.to_owned(), number };
        // The listing may have been stale: a higher number was there all along.
        if lease.is_lost(&self.held()?) {
            lease.withdraw();
            return Ok(Claim::Held);
        }
        Ok(Claim::Ours(lease))
    }
}

impl Drop for Leases {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(heart) = self.heart.take() {
            let _ = heart.join();
        }
        self.shared.pulse.end(&self.shared.places);
        self.shared.remove_the_dead();
    }
}

impl Shared {
    fn watches(&self) -> MutexGuard<'_, HashMap<String, Watch>> {
        self.watches.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the holder of a lease is lost.
    fn is_lost(&self, holding: &Holding) -> bool {
        let name = holding.watched();
        if holding.job.as_ref().is_some_and(|job| job.run == self.pulse.run()) {
            return false;
        }
        let state = holding.job.as_ref().and_then(|job| RunState::read(&self.places, &job.run));
        if state.as_ref().is_some_and(|state| state.has_died_here(&self.places)) {
            return true;
        }
        let patience = self.patience_with(state.as_ref());
        let mut watches = self.watches();
        let watch = watches.entry(name).or_insert_with(|| Watch::new(2 * heartbeat(self.patience)));
        watch.look(state.map(|state| state.beat), Instant::now());
        watch.unchanged() >= patience
    }

    /// Whether the holder of a lease was seen to live: by its lock, or by a heartbeat not long ago.
    fn is_alive(&self, holding: &Holding) -> bool {
        let Some(job) = &holding.job else { return false };
        if job.run == self.pulse.run() {
            return true;
        }
        let Some(state) = RunState::read(&self.places, &job.run) else { return false };
        let not_long = self.patience_with(Some(&state)) / 4;
        let beats = |watch: &Watch| watch.has_changed() && watch.unchanged() <= not_long;
        self.watches().get(&job.run).is_some_and(beats) || state.lives_here(&self.places)
    }

    /// For how long a run may be silent before it is lost. One that beats slowly gets more time.
    fn patience_with(&self, state: Option<&RunState>) -> Duration {
        self.patience.max(6 * state.map_or(Duration::ZERO, RunState::heartbeat))
    }

    /// Looks at every run that holds a lease, so that time in which its heartbeat stands still counts.
    fn look(&self) -> Result<()> {
        let held = held(&self.places)?;
        let mut watched = HashSet::new();
        for holding in held.0.values() {
            // A run with many workers holds many leases, and has one heartbeat.
            if watched.insert(holding.watched()) {
                self.is_lost(holding);
            }
        }
        self.watches().retain(|name, _| watched.contains(name));
        Ok(())
    }

    /// Removes what runs have left that died on this machine and hold no lease any more.
    fn remove_the_dead(&self) {
        let Ok(held) = held(&self.places) else { return };
        for state in RunState::all(&self.places).unwrap_or_default() {
            let holds = |holding: &Holding| holding.job.as_ref().is_some_and(|job| job.run == state.run);
            if !held.0.values().any(holds) && state.has_died_here(&self.places) {
                self.places.remove_run(&state.run);
            }
        }
    }
}

impl Holding {
    /// What is watched to see whether the holder lives: its run, or the lease itself if it cannot be read.
    fn watched(&self) -> String {
        self.job.as_ref().map_or_else(|| self.file.display().to_string(), |job| job.run.clone())
    }

    /// Whether it is a lease of this run, as far as it can be read.
    fn may_be_of(&self, run: &str) -> bool {
        self.job.as_ref().is_none_or(|job| job.run == run)
    }
}

impl Lease {
    /// Whether another run has taken the job over, or the lease was removed.
    pub fn is_lost(&self, held: &Held) -> bool {
        held.0.get(&self.key).is_none_or(|holding| holding.number != self.number || !holding.may_be_of(&self.run))
    }

    /// Removes this lease alone.
    fn withdraw(self) {
        self.places.remove_job(&self.key, self.number);
        std::mem::forget(self);
    }
}

impl Drop for Lease {
    /// Gives the job back: lower numbers go first, so that nobody takes one of them for the holder. If the lease was lost
    /// and given back by its successor, the next one has the same number again, and that one stays.
    fn drop(&mut self) {
        if self.places.read_job(&self.key, self.number).is_some_and(|job| job.run != self.run) {
            return;
        }
        let lower = self
            .places
            .jobs()
            .into_iter()
            .flatten()
            .filter(|(key, number, _)| *key == self.key && *number < self.number);
        lower.for_each(|(key, number, _)| self.places.remove_job(&key, number));
        self.places.remove_job(&self.key, self.number);
    }
}

fn held(places: &Places) -> Result<Held> {
    let mut highest: BTreeMap<String, (u64, PathBuf)> = BTreeMap::new();
    for (key, number, file) in places.jobs()? {
        if highest.get(&key).is_none_or(|(other, _)| *other < number) {
            highest.insert(key, (number, file));
        }
    }
    let read = |(number, file): (u64, PathBuf)| Holding { number, job: read_job(&file), file };
    Ok(Held(highest.into_iter().map(|(key, found)| (key, read(found))).collect()))
}

/// How often a run shows that it lives. Several beats fit into the patience of those who look.
fn heartbeat(patience: Duration) -> Duration {
    (patience / 12).clamp(Duration::from_millis(50), Duration::from_secs(10))
}

/// A lease as `nemesis status` shows it.
#[derive(Clone, Debug)]
pub struct HeldJob {
    /// The run that holds it; unknown if the lease cannot be read.
    pub run: Option<String>,
    /// What the job is.
    pub what: String,
    /// Whether another run has taken the job over.
    pub taken_over: bool,
    /// The lease's file.
    pub file: PathBuf,
}

/// All leases in `folder/leases`, the superseded ones too.
///
/// # Errors
///
/// When the folder cannot be read.
pub fn leases(folder: &Path) -> Result<Vec<HeldJob>> {
    let places = Places::of(folder);
    let jobs = places.jobs()?;
    let mut highest: HashMap<&str, u64> = HashMap::new();
    for (key, number, _) in &jobs {
        let so_far = highest.entry(key).or_insert(*number);
        *so_far = (*so_far).max(*number);
    }
    let lease = |(key, number, file): &(String, u64, PathBuf)| {
        let job = read_job(file);
        let (run, what) = job.map_or((None, "an unreadable lease".to_owned()), |job| (Some(job.run), job.what));
        HeldJob { run, what, taken_over: highest[key.as_str()] > *number, file: file.clone() }
    };
    Ok(jobs.iter().map(lease).collect())
}

/// The error if a lease cannot be written.
fn cannot_write(path: &Path, error: &std::io::Error) -> Error {
    Error::io_write("write the lease", path, error)
}

#[cfg(test)]
mod tests;
