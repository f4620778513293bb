//! Records that no table shows any more: of another build, of options that were changed, of questions whose plan is gone.

use super::{Kind, Leftover};
use crate::cells::AnyRecord;
use crate::progress::duration;
use crate::report::all_plans;
use nemesis_core::Result;
use nemesis_core::record::{CellId, Store};
use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::time::Duration;

/// The records that no table shows, with what was learned for them alone. None if all are shown, or there is no table.
///
/// A training without any evaluation is kept: a run that was stopped between the two has left it.
pub(super) fn unshown(store: &Store, records: &[AnyRecord]) -> Result<Option<Leftover>> {
    let out = store.folder();
    let plans = all_plans(out)?;
    if plans.is_empty() {
        return Ok(None);
    }
    let shown: HashSet<CellId> = plans.iter().flat_map(|(_, plan)| &plan.cells).map(|cell| cell.id).collect();
    let mut evaluations: HashMap<CellId, bool> = HashMap::new();
    for record in records {
        if let AnyRecord::Evaluation(record) = record
            && let Some(training) = record.cell.subject.training()
        {
            *evaluations.entry(training.id()).or_default() |= shown.contains(&record.id);
        }
    }
    let is_shown = |record: &AnyRecord| match record {
        AnyRecord::Training(record) => evaluations.get(&record.id).copied().unwrap_or(true),
        AnyRecord::Evaluation(record) => shown.contains(&record.id),
    };
    let (kept, gone): (Vec<&AnyRecord>, Vec<&AnyRecord>) = records.iter().partition(|record| is_shown(record));
    let needed: HashSet<&str> = kept.iter().flat_map(|record| record.states()).collect();
    let lost: HashSet<&str> = gone.iter().flat_map(|record| record.states()).collect();
    let ids = || gone.iter().map(|record| record.id());
    let mut paths: Vec<PathBuf> = ids().map(|id| store.record_path(id)).collect();
    paths.extend(ids().map(|id| out.join(format!("predictions/{id}.bin"))));
    paths.extend(lost.difference(&needed).map(|state| store.state_path(state)));
    paths.retain(|path| path.exists());
    let seconds = gone.iter().map(|record| record.provenance().seconds).sum::<f64>().max(0.0);
    let time = Duration::try_from_secs_f64(seconds).unwrap_or_default();
    let cost = format!("about {} of computing", duration(time));
    let what = "records that no table shows, with what was learned for them";
    Ok((!paths.is_empty()).then_some(Leftover { what, cost, kind: Kind::Records, paths }))
}

/// Those of the states that were learned for no record: their process was killed before it wrote that. A state may be that
/// of several records, and of a training that was interrupted and has kept some on the way.
pub(super) fn states_without_record(
    store: &Store,
    mut states: Vec<PathBuf>,
    records: &[AnyRecord],
    interrupted: impl Iterator<Item = CellId>,
) -> Result<Vec<PathBuf>> {
    let mut needed: HashSet<String> = records.iter().flat_map(AnyRecord::states).map(str::to_owned).collect();
    for id in interrupted {
        needed.extend(store.checkpoint(&id)?.into_iter().flat_map(|checkpoint| checkpoint.kept.into_values()));
    }
    let is_state = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "safetensors");
    let name = |path: &PathBuf| path.file_stem().map(|name| name.to_string_lossy().into_owned());
    states.retain(|path| is_state(path) && name(path).is_some_and(|name| !needed.contains(&name)));
    Ok(states)
}
