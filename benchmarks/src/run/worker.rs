//! The worker process: computes cells one after the other until its standard input ends.

use super::memory;
use super::message::{Assignment, FromWorker, ToWorker};
use nemesis_core::engine::{Engine, Notice};
use nemesis_core::{Error, Result};
use rustix::process::{Signal, getpgrp, getpid, kill_current_process_group};
use std::fs::File;
use std::io::{BufRead, Write};
use std::sync::mpsc;

/// Runs a worker: reads jobs from standard input and reports on standard output.
///
/// It ends when the coordinator is gone, whether that ended well or was killed: nothing else holds the other end of
/// its standard input.
///
/// `memory` is how many bytes it may have.
///
/// # Errors
///
/// When the coordinator's first line is not a setup, or what it names cannot be opened.
pub fn work(memory: Option<u64>) -> Result<()> {
    memory::offer_as_victim();
    memory.map(memory::limit).transpose()?;
    let reporter = Reporter::take_over_stdout()?;
    let jobs = jobs_from_stdin();
    let Ok(ToWorker::Setup(setup)) = jobs.recv() else {
        return Err(Error::new("a worker is started by `nemesis run`, not by hand"));
    };
    let mut engine = Engine::open(setup)?;
    while let Ok(ToWorker::Job(cells)) = jobs.recv() {
        for Assignment { id, cell } in cells {
            reporter.send(&FromWorker::Started(id));
            let mut tell = |notice: Notice<'_>| {
                reporter.send(&match notice {
                    Notice::Progress(part) => FromWorker::Progress(part),
                    Notice::Warning(text) => FromWorker::Warning(text.to_owned()),
                });
            };
            match engine.compute(&cell, &mut tell) {
                Ok(()) => reporter.send(&FromWorker::Done(id)),
                Err(error) => {
                    let reason = memory::note(&error.to_string(), memory);
                    engine.store().put_failure(&cell, &reason)?;
                    reporter.send(&FromWorker::Failed(id, reason));
                }
            }
        }
        engine.release()?;
        reporter.send(&FromWorker::Finished);
    }
    Ok(())
}

/// Reads the coordinator's lines in a thread of its own, so that the process ends at once when the coordinator does.
fn jobs_from_stdin() -> mpsc::Receiver<ToWorker> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            let message = line.ok().and_then(|line| serde_json::from_str(&line).ok());
            let Some(message) = message else { break };
            if sender.send(message).is_err() {
                break;
            }
        }
        // Whatever is at work is lost on purpose: without a coordinator nobody waits for it. Processes that a plugin has
        // started go with it, and no destructor of libtorch or a plugin gets to hang.
        if getpgrp() == getpid() {
            let _ = kill_current_process_group(Signal::KILL);
        }
        std::process::exit(0);
    });
    receiver
}

/// The way back to the coordinator.
#[derive(Debug)]
struct Reporter {
    to: File,
}

impl Reporter {
    /// Keeps the real standard output for reports and points file descriptor 1 at standard error: a plugin that prints
    /// would otherwise garble the conversation.
    fn take_over_stdout() -> Result<Self> {
        let failed = |e: rustix::io::Errno| Error::new(format!("cannot redirect standard output: {e}"));
        let to = rustix::io::dup(std::io::stdout()).map_err(failed)?;
        rustix::stdio::dup2_stdout(std::io::stderr()).map_err(failed)?;
        Ok(Self { to: File::from(to) })
    }

    /// Sends one message. A failure is ignored: the coordinator is gone then, and this process soon, too.
    fn send(&self, message: &FromWorker) {
        if let Ok(mut line) = serde_json::to_vec(message) {
            line.push(b'\n');
            let _ = (&self.to).write_all(&line);
        }
    }
}
