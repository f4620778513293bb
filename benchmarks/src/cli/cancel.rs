//! `nemesis cancel`: ends the runs on a folder, those in a queue and those on this machine.

use super::only::{Only, Records};
use super::trainings::require_records;
use super::{Ending, say, warn};
use crate::cluster::submissions::{Queues, Standing, Submission};
use clap::Args;
use nemesis_core::leases::{Places, RunState};
use nemesis_core::{Error, Result};
use rustix::process::{Pid, Signal, kill_process};
use std::path::{Path, PathBuf};

/// Ends the runs on a folder: what was submitted for it is cancelled, and runs on this machine get SIGTERM. What they have
/// computed stays.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Cancel {
    #[command(flatten)]
    records: Only<Records>,
    /// Only this job of a queue
    #[arg(long, value_name = "JOB")]
    job: Option<String>,
}

const EXAMPLES: &str = "\
Examples:
  nemesis cancel --out out
  nemesis cancel --job 4711";

impl Cancel {
    pub(super) fn run(&self) -> Result<Ending> {
        let out = self.records.settings()?.out();
        require_records(&out)?;
        let mut submissions = Submission::all(&out)?;
        if let Some(job) = &self.job {
            submissions.retain(|submission| submission.job == *job);
            if submissions.is_empty() {
                return Err(Error::new(format!("job {job} was not submitted for this folder")).at(&out));
            }
        }
        let mut ending = Ending::Done;
        let mut found = !submissions.is_empty();
        let (mut queues, mut cancelled) = (Queues::default(), Vec::new());
        for submission in submissions {
            match end(&submission, &mut queues) {
                Ok(ended) => {
                    say!("job {} {}", submission.job, if ended { "is cancelled" } else { "is over" })?;
                    submission.forget(&out)?;
                    cancelled.extend(ended.then_some(submission));
                }
                Err(error) => {
                    warn(&error.context(format!("job {} could not be cancelled", submission.job)));
                    ending = Ending::WithFailures;
                }
            }
        }
        if self.job.is_none() {
            found |= end_here(&out, &cancelled)?;
        }
        if !found {
            say!("nothing was submitted for this folder, and no run on this machine is at work on it")?;
        }
        Ok(ending)
    }
}

/// Cancels a job that is not over yet; says whether it was not.
fn end(submission: &Submission, queues: &mut Queues) -> Result<bool> {
    match queues.look(submission) {
        Standing::InQueue(_) => submission.cancel().map(|()| true),
        Standing::Over => Ok(false),
        Standing::OfAnother(user) => Err(Error::new(format!("it is {user}'s"))),
        Standing::Unknown(error) => Err(error),
    }
}

/// Tells the runs on this machine to end, except for those of jobs that were just cancelled: that of a slow queue would be a
/// second signal, which ends them before their trainings are saved. Says whether there are any.
fn end_here(out: &Path, cancelled: &[Submission]) -> Result<bool> {
    let places = Places::of(out);
    let mut found = false;
    for state in RunState::all(&places)?.into_iter().filter(|state| state.lives_here(&places)) {
        let by = state.activity.started_by.as_deref().unwrap_or_default();
        if cancelled.iter().any(|submission| submission.has_started(by)) {
            continue;
        }
        let process = i32::try_from(state.process).ok().and_then(Pid::from_raw);
        // In a container the number may be that of a different process.
        let Ok(lock) = places.alive(&state.run).canonicalize() else { continue };
        let is_lock = |file: PathBuf| std::fs::read_link(file).is_ok_and(|file| file == lock);
        let holds = std::fs::read_dir(format!("/proc/{}/fd", state.process))
            .is_ok_and(|open| open.flatten().any(|file| is_lock(file.path())));
        if holds && process.is_some_and(|process| kill_process(process, Signal::TERM).is_ok()) {
            say!("process {} is told to end", state.process)?;
            found = true;
        }
    }
    Ok(found)
}
