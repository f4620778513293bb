//! The file that says who a run is and what it is doing, and the heartbeat that keeps it fresh.

use super::files::Places;
use crate::{Error, Result, machine};
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// A run as its file describes it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunState {
    /// Its name.
    pub run: String,
    /// The name of its machine.
    pub host: String,
    /// The id that the machine's kernel gave itself at its start. Two processes share locks if they have it in common.
    pub boot: String,
    /// The process.
    pub process: u32,
    /// Whether the process holds a lock that others can see.
    pub locked: bool,
    /// Seconds between heartbeats.
    pub every: f64,
    /// For how many seconds a run that was started like this one waits for a heartbeat before another counts as lost.
    /// Earlier versions did not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patience: Option<f64>,
    /// The number of heartbeats so far.
    pub beat: u64,
    /// For how many seconds it has run, on its own clock.
    pub seconds: u64,
    /// What it is doing.
    pub activity: Activity,
}

/// What a run is doing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Activity {
    /// The name of its table.
    pub question: String,
    /// What started it, such as the job of a queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_by: Option<String>,
    /// The cells at which its workers are.
    pub work: Vec<Work>,
    /// Cells computed by it.
    pub computed: usize,
    /// Cells that failed in it.
    pub failed: usize,
}

/// A cell that is being computed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Work {
    /// The worker's number in its run.
    pub worker: usize,
    /// The cell in words.
    pub cell: String,
    /// Since when, in seconds of the run.
    pub since: u64,
    /// The part of it, between 0 and 1, that is done.
    pub part: f64,
}

impl RunState {
    /// The state of a run, unless there is none or it is damaged.
    pub fn read(places: &Places, run: &str) -> Option<Self> {
        read(&places.run(run))
    }

    /// All runs that have left their state, whether they live or not.
    ///
    /// # Errors
    ///
    /// When the folder cannot be read.
    pub fn all(places: &Places) -> Result<Vec<Self>> {
        Ok(crate::files::list(places.runs())?
            .iter()
            .filter(|path| is_state(path))
            .filter_map(|path| read(path))
            .collect())
    }

    /// The files of runs that ended before they could leave their state: none of them is locked.
    ///
    /// # Errors
    ///
    /// When the folder cannot be read.
    pub fn without_state(places: &Places) -> Result<Vec<PathBuf>> {
        let is_alive = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "alive");
        let is_free =
            |path: &PathBuf| File::options().append(true).open(path).is_ok_and(|file| file.try_lock().is_ok());
        let mut files = crate::files::list(places.runs())?;
        files.retain(|path| is_alive(path) && is_free(path) && !path.with_extension("json").exists());
        Ok(files)
    }

    /// The time between its heartbeats. A damaged file may give any number, of which no more than a day is believed.
    pub fn heartbeat(&self) -> Duration {
        const MOST: Duration = Duration::from_secs(24 * 3600);
        Duration::try_from_secs_f64(self.every).unwrap_or_default().min(MOST)
    }

    /// For how long it may be silent before runs that were started like it take its jobs over. Without its word these are
    /// twelve heartbeats, as they are with the default; and nobody takes a job over before six.
    pub fn patience(&self) -> Duration {
        let told = self.patience.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        let every = self.heartbeat();
        told.unwrap_or(12 * every).max(6 * every)
    }

    /// Whether it ran on this machine and its process has ended, which the lock shows for certain. `false` if that cannot
    /// be seen from here.
    pub fn has_died_here(&self, places: &Places) -> bool {
        if !self.locked || self.boot.is_empty() || self.boot != machine::boot() {
            return false;
        }
        File::options().append(true).open(places.alive(&self.run)).is_ok_and(|file| file.try_lock().is_ok())
    }

    /// Whether it runs on this machine and its process lives, as the lock shows.
    pub fn lives_here(&self, places: &Places) -> bool {
        let locked = |file: File| matches!(file.try_lock(), Err(fs::TryLockError::WouldBlock));
        self.locked
            && self.boot == machine::boot()
            && File::options().append(true).open(places.alive(&self.run)).is_ok_and(locked)
    }

    /// How long before `now` its last heartbeat was. [`Places::now`] has the time of the file server, which stamped the
    /// heartbeat.
    pub fn silent_for(&self, places: &Places, now: SystemTime) -> Option<Duration> {
        let written = fs::metadata(places.run(&self.run)).ok()?.modified().ok()?;
        Some(now.duration_since(written).unwrap_or_default())
    }
}

impl Places {
    /// The time of the server on which the files lie, as it stamps a new file. Who may not write there gets the time of
    /// this machine, which does for a look. `None` if no file can be written for another reason: on a full disk no
    /// heartbeat can be written either, and silence says nothing.
    pub fn now(&self) -> Option<SystemTime> {
        use std::io::ErrorKind::{PermissionDenied, ReadOnlyFilesystem};
        match stamp(self) {
            Ok(now) => Some(now),
            Err(e) if matches!(e.kind(), PermissionDenied | ReadOnlyFilesystem) => Some(SystemTime::now()),
            Err(_) => None,
        }
    }
}

fn stamp(places: &Places) -> std::io::Result<SystemTime> {
    let mut probe = crate::files::temporary_in(places.runs(), ".tmp-", "")?;
    probe.write_all(b"now")?;
    probe.as_file().sync_all()?;
    fs::metadata(probe.path())?.modified()
}

fn is_state(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "json")
}

fn read(path: &Path) -> Option<RunState> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

/// The heartbeat of this run.
#[derive(Debug)]
pub(super) struct Pulse {
    started: Instant,
    run: String,
    state: Mutex<RunState>,
    /// What the lock hangs on.
    _alive: File,
}

impl Pulse {
    /// Locks a file that shows others on this machine that the process lives, and beats for the first time.
    pub(super) fn start(places: &Places, every: Duration, patience: Duration, activity: Activity) -> Result<Self> {
        let (run, alive) = create_alive(places)?;
        // Not every shared file system has locks. Without one, a run that died is noticed by its silence.
        let locked = alive.try_lock().is_ok();
        let state = RunState {
            run: run.clone(),
            host: machine::host(),
            boot: machine::boot(),
            process: std::process::id(),
            locked,
            every: every.as_secs_f64(),
            patience: Some(patience.as_secs_f64()),
            beat: 0,
            seconds: 0,
            activity,
        };
        let pulse = Self { started: Instant::now(), run, state: Mutex::new(state), _alive: alive };
        match pulse.beat(places) {
            Ok(()) => Ok(pulse),
            Err(e) => {
                pulse.end(places);
                Err(e)
            }
        }
    }

    pub(super) fn run(&self) -> &str {
        &self.run
    }

    fn state(&self) -> MutexGuard<'_, RunState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut Activity)) {
        let mut state = self.state();
        state.seconds = self.started.elapsed().as_secs();
        change(&mut state.activity);
    }

    /// Writes the state, with a higher count.
    pub(super) fn beat(&self, places: &Places) -> Result<()> {
        let path = places.run(&self.run);
        let text = {
            let mut state = self.state();
            state.beat += 1;
            state.seconds = self.started.elapsed().as_secs();
            serde_json::to_vec(&*state).map_err(|e| Error::new(e.to_string()).at(&path))?
        };
        // Not synced: after a power cut, nobody needs it.
        let write = || {
            let mut file = crate::files::temporary_in(places.runs(), ".tmp-", "")?;
            file.write_all(&text)?;
            file.persist(&path).map(|_| ()).map_err(|e| e.error)
        };
        write().map_err(|e| Error::io_write("write the heartbeat", &path, &e))
    }

    /// Removes what says that the run lives.
    pub(super) fn end(&self, places: &Places) {
        places.remove_run(&self.run);
    }
}

/// A file under a name that no other run has.
fn create_alive(places: &Places) -> Result<(String, File)> {
    let mut attempt = 0_u32;
    loop {
        let of =
            format!("{} {} {} {:?} {attempt}", machine::host(), machine::boot(), std::process::id(), SystemTime::now());
        let run = blake3::hash(of.as_bytes()).to_hex()[..16].to_owned();
        let path = places.alive(&run);
        match File::options().append(true).create_new(true).open(&path) {
            Ok(file) => return Ok((run, file)),
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists && attempt < 100 => attempt += 1,
            Err(e) => return Err(Error::io_write("create the file", &path, &e)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_tells_for_how_long_it_may_be_silent() {
        let folder = tempfile::tempdir().unwrap();
        let places = Places::of(folder.path());
        places.create().unwrap();
        let second = Duration::from_secs(1);
        let pulse = Pulse::start(&places, 10 * second, 3600 * second, Activity::default()).unwrap();
        let state = RunState::read(&places, pulse.run()).unwrap();
        assert_eq!(state.patience(), 3600 * second);
        let with = |patience| RunState { patience, ..state.clone() }.patience();
        assert_eq!(with(None), 120 * second, "an earlier version");
        for impatient in [0.0, 1.0] {
            assert_eq!(with(Some(impatient)), 60 * second, "six of its heartbeats");
        }
        for damaged in [-1.0, f64::MAX] {
            assert_eq!(with(Some(damaged)), 120 * second);
        }
        assert!(state.silent_for(&places, places.now().unwrap()).unwrap() < 60 * second);
        assert!(state.lives_here(&places) && !state.has_died_here(&places));
    }
}
