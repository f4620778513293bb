//! `nemesis adopt`: uses the records of another build, once a sample of them has been recomputed and found equal.

use super::run::worker_options;
use super::trainings::require_records;
use super::{Ending, print, warn};
use crate::adopt::{Candidate, candidates, compare, part, proof, sample};
use crate::plan::Plan;
use crate::progress::Progress;
use crate::settings::{Layer, Settings};
use clap::Args;
use nemesis_core::device;
use nemesis_core::record::Store;
use nemesis_core::{Error, Result};
use std::fs;
use std::path::Path;

/// Lets this build use the records that another build left in the folder.
///
/// A record belongs to the build that computed it. Of those that this build would compute again for the given options,
/// a sample is computed again, and learned states and predictions are compared. If all are equal, the records are used
/// as if this build had computed them, and tables say so. If one differs, nothing is adopted.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Adopt {
    #[command(flatten)]
    options: Layer,
    /// How many evaluations are computed again with their trainings, spread over data sets and methods
    #[arg(long, value_name = "N", default_value_t = 10)]
    cells: usize,
    /// The seed that chooses them
    #[arg(long, value_name = "N", default_value_t = 1)]
    sample_seed: u64,
    /// How far learned vectors may lie apart, relative to the largest number [default: 0, and 0.001 for records of
    /// another machine]
    #[arg(long, value_name = "X")]
    tolerance: Option<f64>,
}

const EXAMPLES: &str = "\
Examples:
  nemesis adopt                                      all that `nemesis run` would compute again
  nemesis adopt --data ROOT --weights RN50=RN50.pt --out out --cells 30

Exit codes: 0 adopted, 1 something differs and nothing was adopted, 2 could not run.";

impl Adopt {
    pub(super) fn run(&self) -> Result<Ending> {
        let settings = Settings::gather(&self.options)?;
        let out = settings.out();
        require_records(&out)?;
        let mut plan = Plan::new(&settings, &mut settings.plugins()?, &|text| log!("{text}"))?;
        plan.warnings.iter().for_each(warn);
        plan.leave_out_missing()?;
        plan.left_out_warnings().iter().for_each(warn);
        let _lock = super::run::lock(&out, super::run::Use::Changes)?;
        let store = Store::open(&out)?;
        let all = candidates(&plan, &store)?;
        let part = part(&plan, &sample(&all, self.cells, self.sample_seed));
        if part.cells.is_empty() {
            return Err(Error::new("no record of another build fits what these options ask for")
                .at(&out)
                .help("`nemesis plan` with the same options shows what is done and what is not"));
        }
        remove_what_a_kill_left(&out)?;
        let scratch = tempfile::Builder::new().prefix(SCRATCH).tempdir_in(&out);
        let scratch = scratch.map_err(|e| Error::io_write("create a folder", &out, &e))?;
        let again = Store::open(scratch.path())?;
        log!("recomputing {} of {} cells", part.cells.len(), all.len());
        let mut progress = Progress::new(&part, &again)?;
        let options = worker_options(&settings, &plan, device::named(settings.device())?);
        let told = &mut |event: crate::run::Event<'_>| progress.on(&event);
        let comparison = compare(&part, &all, (&store, &again), &options, self.tolerance, told);
        progress.end();
        let comparison = comparison?;
        if let Some(signal) = comparison.stopped {
            log!("stopped before everything was compared: nothing was adopted");
            return Ok(Ending::Stopped(signal));
        }
        if !comparison.differences.is_empty() {
            for difference in &comparison.differences {
                print(&format!("differs: {}: {}\n", difference.cell, difference.what))?;
            }
            print("nothing was adopted\n")?;
            return Ok(Ending::WithFailures);
        }
        let proof = proof(&part, &all, comparison.tolerance)?;
        let mut lists = plan.images.keeper(&store)?;
        all.iter().try_for_each(|candidate| lists.keep(&candidate.planned))?;
        store.adopt(&proof)?;
        plan.save(&out)?;
        print(&adopted(&all, &proof.statement))?;
        Ok(Ending::Done)
    }
}

/// How the names of folders begin in which cells are computed again.
const SCRATCH: &str = ".adopt-";

/// Removes the folders of commands that were killed.
fn remove_what_a_kill_left(out: &Path) -> Result<()> {
    let failed = |e| Error::io("read the folder", out, &e);
    for entry in fs::read_dir(out).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if entry.file_name().to_string_lossy().starts_with(SCRATCH) {
            fs::remove_dir_all(entry.path()).map_err(|e| Error::io_write("remove the folder", entry.path(), &e))?;
        }
    }
    Ok(())
}

fn adopted(all: &[Candidate], statement: &str) -> String {
    format!("{} records of another build were adopted: {statement}\n", all.len())
}
