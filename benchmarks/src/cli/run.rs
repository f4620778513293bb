//! `nemesis run`: computes what a suite's table needs, and prints it.

use super::{Ending, print, tell_files, warn};
use crate::locks::taken;
use crate::numbers::counted;
use crate::page::Shown;
use crate::plan::Plan;
use crate::plugins::Standby;
use crate::progress::{Progress, duration};
use crate::report::{saved_plans, write_and_render};
use crate::run::{Outcome, RunOptions, run, smallest_gpu, workers_on_gpus};
use crate::settings::{Layer, Settings};
use clap::Args;
use nemesis_core::device;
use nemesis_core::record::{CellId, Store};
use nemesis_core::{Error, Result, files};
use serde::Serialize;
use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Computes what a suite's table needs and prints it. What already has a record is not computed again, so a run that
/// was stopped resumes where it stopped.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Run {
    #[command(flatten)]
    options: Layer,
    /// End when every job that is left is with another run on the same folder, instead of waiting for it and printing the
    /// table
    #[arg(long)]
    no_wait: bool,
    /// Write where the records go, and the ids of all cells of the plan, to this file, for the program that has started this run
    #[arg(long, value_name = "FILE", hide = true)]
    tell: Option<PathBuf>,
}

/// What `--tell` writes, as JSON.
#[derive(Serialize)]
struct Told<'a> {
    /// The folder of the records, absolute.
    out: PathBuf,
    cells: Vec<&'a CellId>,
}

const EXAMPLES: &str = "\
Examples:
  nemesis run
  nemesis run --data ROOT --weights RN50=RN50.pt --datasets eurosat,dtd --shots 1,16 --seeds 1
  nemesis run --datasets eurosat --shots 16 --seeds 1-5 --split-seeds
  nemesis run --data ROOT --weights RN50=RN50.pt --weights B16=ViT-B-16.pt --backbone B16
  nemesis run --plugin libmy_method.so --set my-method.alpha=2 --methods coop,my-method
  NEMESIS_SHOTS=16 nemesis run --out out/sixteen

Any number of runs on one --out divide the jobs, on one machine or on many that share its file system.";

impl Run {
    pub(super) fn run(&self) -> Result<Ending> {
        let settings = Settings::gather(&self.options)?;
        let out = settings.out();
        // Said here once, rather than by every worker.
        let devices = device::named(settings.device())?;
        let mut plugins = settings.plugins()?;
        plugins.begin();
        let mut plan = Plan::new(&settings, &mut plugins, &|text| log!("{text}"))?;
        plan.warnings.iter().for_each(warn);
        plan.leave_out_missing()?;
        plan.left_out_warnings().iter().for_each(warn);
        let _lock = lock(&out, Use::Adds)?;
        let store = Store::open(&out)?;
        store.require_writable()?;
        plan.save(&out)?;
        if let Some(file) = &self.tell {
            tell(file, &plan, &out)?;
        }
        let options = RunOptions { wait: !self.no_wait, ..worker_options(&settings, &plan, devices) };
        let outcome = compute(&plan, &store, &options, plugins.standby())?;
        if let Some(signal) = outcome.stopped {
            return Ok(Ending::Stopped(signal));
        }
        let ending = if outcome.failed == 0 && plan.is_whole() { Ending::Done } else { Ending::WithFailures };
        if outcome.left > 0 {
            let jobs = if outcome.left == 1 { "1 job is".to_owned() } else { format!("{} jobs are", outcome.left) };
            log!("{jobs} with other runs, of which the last one prints the table");
            return Ok(ending);
        }
        let (table, files) = write_and_render(&plan.name, &plan.saved(), &store, &out)?;
        print(&table)?;
        tell_files(&files);
        let page = out.join("report.html");
        crate::page::write(&saved_plans(&out, None)?, &store, Shown::All, &page)?;
        tell_files(&[page]);
        Ok(ending)
    }
}

/// Tells the program that has started the run where its records go, and which they are.
fn tell(file: &Path, plan: &Plan, out: &Path) -> Result<()> {
    let absolute = std::path::absolute(out).map_err(|e| Error::io("find the folder", out, &e))?;
    let told = Told { out: absolute, cells: plan.distinct_cells().map(|cell| &cell.id).collect() };
    let text = serde_json::to_vec(&told);
    let text = text.map_err(|e| Error::new(format!("the cells of the run cannot be told: {e}")).at(out))?;
    files::write_output(file, &text)
}

/// Runs the plan with progress, and says at the end what was done.
fn compute(plan: &Plan, store: &Store, options: &RunOptions, standby: Option<Standby>) -> Result<Outcome> {
    let started = Instant::now();
    let mut progress = Progress::new(plan, store)?;
    let outcome = run(plan, store, options, standby, &mut |event| progress.on(&event));
    progress.end();
    let outcome = outcome?;
    let Outcome { reused, computed, elsewhere, failed, stopped, .. } = outcome;
    if stopped.is_some() {
        let complete = store.complete()?;
        let (done, all) = plan
            .distinct_cells()
            .fold((0, 0), |(done, all), cell| (done + usize::from(complete.contains(&cell.id)), all + 1));
        log!("{done} of {all} cells done; the same command resumes");
        return Ok(outcome);
    }
    let failed = if failed > 0 { format!(", {failed} failed") } else { String::new() };
    let elsewhere = if elsewhere > 0 { format!(", {elsewhere} computed by other runs") } else { String::new() };
    log!(
        "{} computed, {reused} reused{elsewhere}{failed}, in {}",
        counted(computed as u64, "cell"),
        duration(started.elapsed())
    );
    log!();
    Ok(outcome)
}

/// Workers and threads. A protocol with a fixed number of threads gets as many workers as fit the cores: the last
/// digits of a result depend on the threads of a worker, but not on the number of workers.
///
/// On GPUs there is a worker for each, or several if `--memory` says that they fit; they divide the cores among them.
pub(super) fn worker_options(settings: &Settings, plan: &Plan, devices: Vec<String>) -> RunOptions {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let memory = settings.layer.memory.map(|size| size.0);
    let on_gpus = devices.iter().any(|device| device != "cpu");
    let fitting = || workers_on_gpus(devices.len(), memory, memory.and_then(|_| smallest_gpu()));
    let (jobs, threads) = if on_gpus {
        let jobs = settings.layer.jobs.unwrap_or_else(fitting).max(1);
        (jobs, plan.protocol.threads.unwrap_or(cores / jobs).max(1))
    } else {
        let threads = plan.protocol.threads.unwrap_or(cores).max(1);
        (settings.layer.jobs.unwrap_or(cores / threads).max(1), threads)
    };
    RunOptions {
        jobs,
        threads,
        devices,
        pool: settings.pool(),
        contents: settings.contents(),
        memory,
        cell_timeout: settings.layer.cell_timeout.map(Duration::from_secs),
        lease_timeout: Duration::from_secs(settings.layer.lease_timeout.unwrap_or(LEASE_TIMEOUT).max(1)),
        checkpoint_every: Duration::from_secs(settings.layer.checkpoint_every.unwrap_or(CHECKPOINT_EVERY)),
        stop_within: Duration::from_secs(settings.layer.stop_within.unwrap_or(STOP_WITHIN)),
        wait: true,
    }
}

/// For how many seconds a run may be silent. Shared file systems may show a change up to a minute late.
const LEASE_TIMEOUT: u64 = 120;

/// For how many seconds of work a kill may cost at most, if epochs are short.
const CHECKPOINT_EVERY: u64 = 300;

/// For how many seconds a run may go on after it was told to end. Slurm kills after 30.
const STOP_WITHIN: u64 = 20;

/// What a command does to a folder while it holds its lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// It adds records, as any number of runs may at a time.
    Adds,
    /// It changes what is there.
    Changes,
}

/// Locks a folder of records, so that no run adds to it on this machine while another command changes it. The lock ends
/// with the process, however that ends.
pub(super) fn lock(out: &Path, what: Use) -> Result<File> {
    std::fs::create_dir_all(out).map_err(|e| Error::io_write("create the folder", out, &e))?;
    let path = out.join("lock");
    let file = File::options().read(true).append(true).create(true).open(&path);
    let file = file.map_err(|e| Error::io_write("create the file", &path, &e))?;
    let asked = if what == Use::Adds { file.try_lock_shared() } else { file.try_lock() };
    match taken(asked) {
        Ok(()) => Ok(file),
        Err(e) if e.kind() == ErrorKind::WouldBlock => Err(Error::new(match what {
            Use::Adds => "another command is changing this folder",
            Use::Changes => "a run is writing to this folder",
        })
        .at(out)
        .help("wait for it, or choose another folder with `--out DIR`")),
        Err(e) => Err(Error::io("lock the file", &path, &e)),
    }
}
