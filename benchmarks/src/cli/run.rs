//! `nemesis run`: computes what a suite's table needs, and prints it.

use super::{Ending, print, tell_files, warn};
use crate::page::Shown;
use crate::plan::Plan;
use crate::progress::{Progress, duration};
use crate::report::{saved_plans, write_and_render};
use crate::run::{Outcome, RunOptions, run};
use crate::settings::{Layer, Settings};
use clap::Args;
use nemesis_core::device;
use nemesis_core::record::Store;
use nemesis_core::{Error, Result};
use std::fs::{File, TryLockError};
use std::path::Path;
use std::time::{Duration, Instant};

/// Computes what a suite's table needs and prints it. What already has a record is not computed again, so a run that
/// was stopped resumes where it stopped.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Run {
    #[command(flatten)]
    options: Layer,
}

const EXAMPLES: &str = "\
Examples:
  nemesis run
  nemesis run --data ROOT --weights RN50=RN50.pt --datasets eurosat,dtd --shots 1,16 --seeds 1
  nemesis run --data ROOT --weights RN50=RN50.pt --weights B16=ViT-B-16.pt --backbone B16
  nemesis run --plugin libmy_method.so --set my-method.alpha=2 --methods coop,my-method
  NEMESIS_SHOTS=16 nemesis run --out out/sixteen";

impl Run {
    pub(super) fn run(&self) -> Result<Ending> {
        let settings = Settings::gather(&self.options)?;
        let out = settings.out();
        // Said here once, rather than by every worker.
        device::open(settings.device())?;
        let mut plan = Plan::new(&settings, settings.plugins()?, &|text| eprintln!("{text}"))?;
        plan.warnings.iter().for_each(warn);
        plan.leave_out_missing()?;
        plan.left_out_warnings().iter().for_each(warn);
        let _lock = lock(&out)?;
        let store = Store::open(&out)?;
        plan.save(&out, &store)?;
        let outcome = compute(&plan, &store, &worker_options(&settings, &plan))?;
        if let Some(signal) = outcome.stopped {
            return Ok(Ending::Stopped(signal));
        }
        let (table, files) = write_and_render(&plan.name, &plan.saved(), &store, &out)?;
        print(&table)?;
        tell_files(&files);
        let page = out.join("report.html");
        crate::page::write(&saved_plans(&out, None)?, &store, Shown::All, &page)?;
        tell_files(&[page]);
        Ok(if outcome.failed == 0 && plan.is_whole() { Ending::Done } else { Ending::WithFailures })
    }
}

/// Runs the plan with progress, and says at the end what was done.
fn compute(plan: &Plan, store: &Store, options: &RunOptions) -> Result<Outcome> {
    let started = Instant::now();
    let mut progress = Progress::new(plan, store);
    let outcome = run(plan, store, options, &mut |event| progress.on(&event));
    progress.end();
    let outcome = outcome?;
    let Outcome { reused, computed, failed, stopped } = outcome;
    if stopped.is_some() {
        let (done, all) = plan
            .distinct_cells()
            .fold((0, 0), |(done, all), cell| (done + usize::from(store.contains(&cell.id)), all + 1));
        eprintln!("{done} of {all} cells done; the same command resumes");
        return Ok(outcome);
    }
    let failed = if failed > 0 { format!(", {failed} failed") } else { String::new() };
    eprintln!("{computed} cells computed, {reused} reused{failed}, in {}", duration(started.elapsed()));
    eprintln!();
    Ok(outcome)
}

/// Workers and threads. A protocol with a fixed number of threads gets as many workers as fit the cores: the last
/// digits of a result depend on the threads of a worker, but not on the number of workers.
pub(super) fn worker_options(settings: &Settings, plan: &Plan) -> RunOptions {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let threads = plan.protocol.threads.unwrap_or(cores).max(1);
    RunOptions {
        jobs: settings.layer.jobs.unwrap_or((cores / threads).max(1)),
        threads,
        device: settings.device().to_owned(),
        pool: settings.pool(),
        contents: settings.contents(),
        memory: settings.layer.memory.map(|size| size.0),
        cell_timeout: settings.layer.cell_timeout.map(Duration::from_secs),
    }
}

/// Two runs must not write to one folder. The lock ends with the process, however that ends.
pub(super) fn lock(out: &Path) -> Result<File> {
    std::fs::create_dir_all(out).map_err(|e| Error::io_write("create the folder", out, &e))?;
    let path = out.join("lock");
    let file = File::create(&path).map_err(|e| Error::io_write("create the file", &path, &e))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::new("another run is writing to this folder")
            .at(out)
            .help("wait for it, or choose another folder with `--out DIR`")),
        Err(TryLockError::Error(e)) => Err(Error::io("lock the file", &path, &e)),
    }
}
