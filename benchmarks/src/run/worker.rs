//! The worker process: computes cells one after another until its standard input ends.

use super::late;
use super::memory;
use super::message::{Assignment, FromWorker, ToWorker};
use crate::process::{Messages, Reporter, messages_from_stdin};
use nemesis_core::engine::{Engine, Notice};
use nemesis_core::method::border::{catch, report_panics};
use nemesis_core::record::CellId;
use nemesis_core::{Error, Result, threads};
use signal_hook::consts::SIGTERM;
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Runs a worker: reads jobs from standard input and reports on standard output.
///
/// It ends with the coordinator, whether that finishes or is killed.
///
/// # Errors
///
/// When the coordinator's first line is not a setup, or what it names cannot be opened.
pub fn work() -> Result<()> {
    work_on(&Reporter::take_over_stdout()?, &messages_from_stdin()?)
}

/// The same, in a process that has talked to the coordinator before.
pub(crate) fn work_on(reporter: &Reporter, jobs: &Messages) -> Result<()> {
    memory::offer_as_victim();
    let Some(ToWorker::Setup(setup)) = jobs.next() else {
        return Err(Error::new("`nemesis run` starts workers; they are not meant to be started by hand"));
    };
    let limit = memory::limit_of(setup.memory, &setup.device);
    limit.map(memory::limit).transpose()?;
    // Clusters send SIGTERM to all processes of a job, and the coordinator passes it on.
    let stop = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(SIGTERM, Arc::clone(&stop))
        .map_err(|e| Error::new(format!("cannot listen for the signal that ends a worker: {e}")))?;
    // Decoding, too, takes no more cores than this worker was given: others have theirs. A pool that is there stays.
    threads::share_among(setup.threads)?;
    report_panics();
    let mut engine = Engine::open(*setup)?.stopped_by(Arc::clone(&stop));
    while let Some(ToWorker::Job(cells)) = jobs.next() {
        let job: HashSet<CellId> = cells.iter().map(|assignment| assignment.id).collect();
        for Assignment { id, cell } in cells {
            if stop.load(Ordering::Relaxed) {
                reporter.send(&FromWorker::Stopped);
                return Ok(());
            }
            // Leases cannot rule out that another run was faster.
            if engine.store().contains(&id) {
                reporter.send(&FromWorker::Started(id));
                reporter.send(&FromWorker::Elsewhere(id));
                continue;
            }
            reporter.send(&FromWorker::Started(id));
            let mut tell = |notice: Notice<'_>| {
                reporter.send(&match notice {
                    Notice::Progress(part) => FromWorker::Progress(part),
                    Notice::Warning(text) => FromWorker::Warning(text.to_owned()),
                });
            };
            // A method's tensors may be what no check has thought of. Everything that a cell has opened is dropped with it.
            let mut compute =
                |engine: &mut Engine| catch(|| Ok(engine.compute(&cell, &mut tell))).map_err(Error::from).flatten();
            let mut result = compute(&mut engine);
            if result.is_err() && late::has_come(engine.store(), &job, &cell) {
                result = compute(&mut engine);
            }
            match result {
                Ok(()) => reporter.send(&FromWorker::Done(id)),
                // The training is saved, and nothing failed.
                Err(_) if stop.load(Ordering::Relaxed) => {
                    reporter.send(&FromWorker::Stopped);
                    return Ok(());
                }
                Err(error) => {
                    let error = memory::note(error, limit);
                    engine.store().put_failure(&cell, &error)?;
                    reporter.send(&FromWorker::Failed(id, error));
                }
            }
        }
        engine.release()?;
        reporter.send(&FromWorker::Finished);
    }
    Ok(())
}
