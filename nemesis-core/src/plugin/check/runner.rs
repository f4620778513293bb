//! Starts one process for each check and reports how it ended.

use super::{Check, ENTRY, NO_OUTPUT, Outcome};
use crate::{Error, Result, files};
use rustix::process::{Pid, Signal, kill_process_group};
use std::fs::File;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How to check a plugin.
pub struct Kit<'a> {
    /// Starts a process that runs a check and writes the [`Outcome`], as JSON, to a file.
    pub start: &'a dyn Fn(&Start<'_>) -> Result<Box<dyn Process>>,
    /// How many checks run at once.
    pub jobs: usize,
    /// How long a check may take.
    pub limit: Duration,
}

/// The process that a check needs.
#[derive(Clone, Copy, Debug)]
pub struct Start<'a> {
    /// The id of the check.
    pub check: &'a str,
    /// The file for the [`Outcome`].
    pub verdict: &'a Path,
    /// The file that standard output goes to.
    pub out: &'a Path,
    /// The file that standard error goes to.
    pub err: &'a Path,
}

/// What processes that run checks find in their environment.
pub const ENVIRONMENT: [(&str, &str); 2] = [
    // Several checks run at once, and their threads would compete for the cores.
    ("OMP_NUM_THREADS", "1"),
    // glibc counts as in use what a thread has freed and keeps for itself, which grows for a while.
    ("GLIBC_TUNABLES", "glibc.malloc.tcache_count=0"),
];

/// A process that runs a check, in a process group of its own.
pub trait Process {
    /// How it ended, if it has.
    ///
    /// # Errors
    ///
    /// When that cannot be found out.
    fn ended(&mut self) -> Result<Option<ExitStatus>>;

    /// Ends it, and the processes that the plugin has started in it.
    fn kill(&mut self);
}

impl Start<'_> {
    /// Starts a command as the process of the check.
    ///
    /// # Errors
    ///
    /// When it cannot be started.
    pub fn spawn(&self, mut command: Command) -> Result<Box<dyn Process>> {
        let create = |file: &Path| File::create(file).map_err(|e| Error::io_write("create the file", file, &e));
        command.envs(ENVIRONMENT).stdin(Stdio::null()).stdout(create(self.out)?).stderr(create(self.err)?);
        // A process group of its own, so that processes the plugin starts end with it.
        let child = command.process_group(0).spawn();
        Ok(Box::new(child.map_err(|e| Error::new(format!("cannot start the check `{}`: {e}", self.check)))?))
    }
}

impl Process for Child {
    fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.try_wait().map_err(|e| Error::new(format!("cannot wait for a check: {e}")))
    }

    fn kill(&mut self) {
        kill_group(self.id());
        let _ = self.wait();
    }
}

/// Ends a process group.
pub fn kill_group(leader: u32) {
    if let Some(group) = i32::try_from(leader).ok().and_then(Pid::from_raw) {
        // It may have ended by itself in the meantime.
        let _ = kill_process_group(group, Signal::KILL);
    }
}

/// The outcomes of the checks.
#[derive(Clone, Debug)]
pub struct Report {
    /// Each check that was run, with its outcome.
    pub outcomes: Vec<(&'static Check, Outcome)>,
}

impl Report {
    /// How many checks passed, failed and were skipped.
    pub fn counts(&self) -> (usize, usize, usize) {
        let count = |wanted: fn(&Outcome) -> bool| self.outcomes.iter().filter(|(_, outcome)| wanted(outcome)).count();
        (
            count(|outcome| *outcome == Outcome::Passed),
            count(|outcome| matches!(outcome, Outcome::Failed(_))),
            count(|outcome| matches!(outcome, Outcome::Skipped(_))),
        )
    }
}

impl Kit<'_> {
    /// Runs checks and passes each outcome to `report`, in order, as soon as it is known. If the plugin does not load,
    /// the other checks are skipped.
    ///
    /// # Errors
    ///
    /// When a process cannot be started.
    pub fn run(&self, checks: &[&'static Check], report: &mut dyn FnMut(&Check, &Outcome)) -> Result<Report> {
        let folder = tempfile::tempdir().map_err(|e| Error::new(format!("cannot create a temporary folder: {e}")))?;
        // All others depend on this one, so it comes first, even if nobody asked for it.
        let entry = super::find(ENTRY)?;
        let first = self.run_some(&[entry], &folder, report)?.remove(0);
        let rest: Vec<&'static Check> = checks.iter().copied().filter(|check| check.id != ENTRY).collect();
        let found = if matches!(first, Outcome::Failed(_)) {
            let skipped = Outcome::Skipped("the plugin does not load".to_owned());
            for check in &rest {
                report(check, &skipped);
            }
            vec![skipped; rest.len()]
        } else {
            self.run_some(&rest, &folder, report)?
        };
        Ok(Report { outcomes: std::iter::once(entry).chain(rest).zip(std::iter::once(first).chain(found)).collect() })
    }

    fn run_some(
        &self,
        checks: &[&'static Check],
        folder: &TempDir,
        report: &mut dyn FnMut(&Check, &Outcome),
    ) -> Result<Vec<Outcome>> {
        let mut outcomes: Vec<Option<Outcome>> = vec![None; checks.len()];
        let mut running: Vec<(usize, Running)> = Vec::new();
        let (mut started, mut next) = (0, 0);
        while next < checks.len() {
            while started < checks.len() && running.len() < self.jobs.max(1) {
                running.push((started, self.start(checks[started], folder)?));
                started += 1;
            }
            let mut still = Vec::new();
            for (at, mut check) in running {
                match check.finished(self.limit)? {
                    Some(outcome) => outcomes[at] = Some(outcome),
                    None => still.push((at, check)),
                }
            }
            running = still;
            while let Some(outcome) = outcomes.get(next).and_then(Option::as_ref) {
                report(checks[next], outcome);
                next += 1;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(outcomes.into_iter().flatten().collect())
    }

    fn start(&self, check: &'static Check, folder: &TempDir) -> Result<Running> {
        let [verdict, out, err] = ["json", "out", "err"].map(|kind| folder.path().join(format!("{}.{kind}", check.id)));
        let process = (self.start)(&Start { check: check.id, verdict: &verdict, out: &out, err: &err })?;
        Ok(Running { check, process, started: Instant::now(), folder: folder.path().to_owned() })
    }
}

/// A check whose process has been started.
struct Running {
    check: &'static Check,
    process: Box<dyn Process>,
    started: Instant,
    folder: std::path::PathBuf,
}

impl Running {
    /// The outcome, once the process has ended or run too long.
    fn finished(&mut self, limit: Duration) -> Result<Option<Outcome>> {
        if let Some(status) = self.process.ended()? {
            return self.outcome(status).map(Some);
        }
        if self.started.elapsed() < limit {
            return Ok(None);
        }
        self.process.kill();
        Ok(Some(Outcome::Failed(format!("it ran longer than {} s and was killed", limit.as_secs()))))
    }

    fn outcome(&self, status: ExitStatus) -> Result<Outcome> {
        let read = |kind: &str| {
            let bytes = std::fs::read(self.folder.join(format!("{}.{kind}", self.check.id))).unwrap_or_default();
            String::from_utf8_lossy(&bytes).into_owned()
        };
        let verdict = read("json");
        if verdict.is_empty() {
            let last = read("err").lines().rev().find(|line| !line.trim().is_empty()).map(|line| format!(": {line}"));
            return Ok(Outcome::Failed(format!("its process {}{}", ending(status), last.unwrap_or_default())));
        }
        let outcome = serde_json::from_str(&verdict)
            .map_err(|e| Error::new(format!("cannot read the outcome of a check: {e}")))?;
        if !status.success() && outcome == Outcome::Passed {
            return Ok(Outcome::Failed(format!("its process {}", ending(status))));
        }
        let printed = read("out");
        if self.check.id == NO_OUTPUT && outcome == Outcome::Passed && !printed.is_empty() {
            return Ok(Outcome::Failed(format!("it printed {:?}", printed.lines().next().unwrap_or("\n"))));
        }
        Ok(outcome)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Its process may have ended, and left others that the plugin has started.
        self.process.kill();
    }
}

fn ending(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (_, Some(signal)) => {
            let known = [
                (Signal::ABORT, "SIGABRT"),
                (Signal::BUS, "SIGBUS"),
                (Signal::FPE, "SIGFPE"),
                (Signal::ILL, "SIGILL"),
                (Signal::KILL, "SIGKILL"),
                (Signal::SEGV, "SIGSEGV"),
            ];
            let name = known.iter().find(|(known, _)| known.as_raw() == signal).map_or("", |(_, name)| name);
            format!("was killed by signal {signal} {name}").trim_end().to_owned()
        }
        (Some(code), None) => format!("exited with code {code}"),
        (None, None) => "ended".to_owned(),
    }
}

/// Writes the outcome of a check for the parent process.
pub(super) fn leave(outcome: &Outcome, verdict: &Path) -> Result<()> {
    let json = serde_json::to_string(outcome).map_err(|e| Error::new(e.to_string()))?;
    files::write_atomic(verdict, json.as_bytes())
}
