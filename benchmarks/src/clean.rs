//! What killed processes left in a folder of records, and what else may go at which cost.

mod damaged;
mod unshown;

use crate::cluster::submissions;
use crate::status::{self, Run, size};
use nemesis_core::error::Kind as ErrorKind;
use nemesis_core::leases::{self, LEASES, Places, RunState};
use nemesis_core::pool::Pool;
use nemesis_core::record::{CellId, Store};
use nemesis_core::{Error, Result};
use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Files of one kind that may go.
#[derive(Debug)]
pub struct Leftover {
    /// What they are.
    pub what: &'static str,
    /// What it costs to get them back.
    pub cost: String,
    /// Who may miss them.
    pub kind: Kind,
    /// The files and folders.
    pub paths: Vec<PathBuf>,
}

/// Whether files may be missed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Nobody can miss them.
    Waste,
    /// Checkpoints of trainings that a run may still resume.
    Checkpoints,
    /// Records that somebody may want to look at.
    Records,
    /// What submitted runs have said.
    Logs,
    /// What cannot be used, and has to go before a run computes it again.
    Damaged,
}

/// No write takes that long: an older temporary file belongs to a process that was killed.
const ABANDONED: Duration = Duration::from_secs(3600);

/// The folders in which files appear under temporary names.
const FOLDERS: [&str; 12] = [
    "",
    "records",
    "states",
    "predictions",
    "failures",
    "images",
    "plans",
    "adoptions",
    "checkpoints",
    "submissions",
    "leases/runs",
    "leases/jobs",
];

impl Leftover {
    /// Their size.
    pub fn bytes(&self) -> u64 {
        self.paths
            .iter()
            .map(|path| fs::metadata(path).map_or(0, |at| if at.is_dir() { size(path) } else { at.len() }))
            .sum()
    }

    /// Removes them.
    ///
    /// # Errors
    ///
    /// When one cannot be removed.
    pub fn remove(&self) -> Result<()> {
        for path in &self.paths {
            let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
            match removed {
                Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(Error::io_write("remove", path, &e)),
                _ => {}
            }
        }
        Ok(())
    }
}

/// Everything that may go from the records in `out` and the feature pool, kinds of which there is nothing left out. As long
/// as a run is at work, or it is not `alone` that this process uses the folder, only that may go which no run needs. Whether
/// learned states and predictions are damaged is found out only if they are to be read `in_full`.
///
/// # Errors
///
/// When a folder cannot be read.
pub fn leftovers(out: &Path, pool: &Path, runs: &[Run], alone: bool, in_full: bool) -> Result<Vec<Leftover>> {
    let quiet = alone && runs.iter().all(|run| run.lost);
    // Before the records are read: what is written meanwhile is not for us to judge.
    let temporary = temporary(out, pool, quiet)?;
    let states = entries(&out.join("states"));
    let predictions = entries(&out.join("predictions"));
    let lost: HashSet<&str> = runs.iter().filter(|run| run.lost).map(|run| run.id.as_str()).collect();
    let places = Places::of(out);
    let mut stale: Vec<PathBuf> =
        lost.iter().flat_map(|run| [places.run(run), places.alive(run)]).filter(|path| path.exists()).collect();
    stale.extend(RunState::without_state(&places)?.into_iter().filter(|path| quiet || is_old(path)));
    // In this order: a run says who it is before it takes a lease.
    let leases = leases::leases(out)?;
    let known: HashSet<String> = RunState::all(&places)?.into_iter().map(|state| state.run).collect();
    for lease in leases {
        let is_stale = match &lease.run {
            Some(run) => lost.contains(run.as_str()) || (!known.contains(run) && (quiet || is_old(&lease.file))),
            None => quiet || is_old(&lease.file),
        };
        if is_stale {
            stale.push(lease.file);
        }
    }
    let store = Store::open(out)?;
    let of_cell = |path: &Path| path.file_stem()?.to_str()?.parse::<CellId>().ok();
    let checkpoints = entries(&store.checkpoints_folder()).into_iter().filter(|path| of_cell(path).is_some());
    let (spent, open): (Vec<_>, Vec<_>) =
        checkpoints.partition(|path| of_cell(path).is_some_and(|id| store.contains(&id)));
    let orphans = predictions.into_iter().filter(|path| quiet && of_cell(path).is_some_and(|id| !store.contains(&id)));
    // What no record needs may go only once no run is about to need it. What is damaged is so in any case.
    let all = if quiet || in_full { store.read_all(|id, record| Some((id, record)))? } else { Vec::new() };
    let (mut records, mut damaged, mut unreadable) = (Vec::new(), Vec::new(), false);
    for (id, record) in all {
        match record {
            Ok(record) => records.push(record),
            Err(error) if error.kind() == ErrorKind::Damaged => damaged.push(store.record_path(&id)),
            // A record of another version is good for that one.
            Err(_) => unreadable = true,
        }
    }
    // What a record refers to that cannot be read, nobody knows.
    let all_known = quiet && damaged.is_empty() && !unreadable;
    let interrupted = open.iter().filter_map(|path| of_cell(path));
    let learned =
        if all_known { unshown::states_without_record(&store, states, &records, interrupted)? } else { Vec::new() };
    let logs = if quiet { entries(&submissions::logs(out)) } else { Vec::new() };
    let all = [
        ("temporary files of processes that were killed", "nothing", Kind::Waste, temporary),
        ("runs that are lost, and their leases", "nothing", Kind::Waste, stale),
        ("checkpoints of trainings that are done", "nothing", Kind::Waste, spent),
        ("predictions without a record", "nothing", Kind::Waste, orphans.collect()),
        ("what was learned for no record", "nothing", Kind::Waste, learned),
        (
            "scripts that were not submitted, or are cancelled",
            "nothing",
            Kind::Waste,
            submissions::outlived_scripts(out),
        ),
        ("notes and scripts of submitted jobs that are over", "nothing", Kind::Waste, submissions::over(out)),
        ("notes of failures of cells that are done", "nothing", Kind::Waste, store.outlived_failures()?),
        ("checkpoints of trainings that were interrupted", "the epochs that they hold", Kind::Checkpoints, open),
        ("logs of submitted runs that have ended", "what they say", Kind::Logs, logs),
    ];
    let leftover = |(what, cost, kind, paths): (_, &str, _, _)| Leftover { what, cost: cost.to_owned(), kind, paths };
    let mut all: Vec<Leftover> = all.into_iter().map(leftover).filter(|leftover| !leftover.paths.is_empty()).collect();
    all.extend(damaged::damaged(&store, damaged, &records, in_full)?);
    all.extend(if quiet { unshown::unshown(&store, &records)? } else { None });
    Ok(all)
}

/// Files and folders under names that writers use until they are done.
fn temporary(out: &Path, pool: &Path, quiet: bool) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for path in FOLDERS.iter().flat_map(|folder| entries(&out.join(folder))) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let begins = |prefix| name.starts_with(prefix);
        // An adoption at work has runs of its own in its folder.
        let may_go = if begins(".adopt-") {
            (quiet || is_old(&path)) && status::runs(&path)?.iter().all(|run| run.lost)
        } else {
            (begins(".tmp") || begins(".mini-")) && (quiet || is_old(&path))
        };
        if may_go {
            found.push(path);
        }
    }
    // Other folders of records may use a pool that lies elsewhere, and their runs are not seen from here.
    if pool.is_dir() {
        found.extend(Pool::open(pool, 0)?.left_behind(quiet && pool.starts_with(out))?);
    }
    Ok(found)
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut entries: Vec<PathBuf> =
        fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    entries.retain(|path| !path.ends_with(LEASES));
    entries
}

fn is_old(path: &Path) -> bool {
    let written = fs::symlink_metadata(path).and_then(|found| found.modified());
    written.is_ok_and(|at| SystemTime::now().duration_since(at).is_ok_and(|age| age > ABANDONED))
}
