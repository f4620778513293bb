//! From records to a suite's table: on the terminal, and as files beside the records.

use crate::plan::{SavedCell, SavedColumn, SavedPlan};
use crate::results::ZERO_SHOT;
use crate::suite::TableKind;
use crate::tables::{
    Contents, Entry, MethodColumn, Outcome, Place, Table, Terminal, ablation, base_to_new, domain_generalization,
    few_shot, low_norm_effect, norm_curve, write_all,
};
use nemesis_core::record::{EvaluationCell, Store};
use nemesis_core::{Error, Result, files};
use std::path::Path;

/// Writes the table of a saved plan in every format to `out` and returns it as text for the terminal.
///
/// # Errors
///
/// When a record is damaged or a file cannot be written.
pub fn write_and_render(suite: &str, plan: &SavedPlan, store: &Store, out: &Path) -> Result<String> {
    let table = table(plan, store)?;
    write_all(&table, out, suite)?;
    Ok(Terminal::of_stdout().render(&table))
}

/// The table of a saved plan, from the records that there are.
///
/// # Errors
///
/// When a record is damaged.
pub fn table(plan: &SavedPlan, store: &Store) -> Result<Table> {
    let entries = plan.cells.iter().map(|cell| entry(cell, store)).collect::<Result<Vec<_>>>()?;
    let about = format!("the backbone is `{}`", plan.backbone);
    let column = |column: &SavedColumn| MethodColumn {
        label: column.label.clone(),
        swept: column.swept.as_ref().map(|swept| (swept.what.clone(), swept.value.clone())),
    };
    let contents = Contents {
        title: plan.title.clone(),
        datasets: plan.datasets.clone(),
        methods: plan.columns.iter().map(column).collect(),
        shots: plan.shots.clone(),
        seeds: plan.seeds.clone(),
        zero_shot: plan.zero_shot.then(|| ZERO_SHOT.to_owned()),
        remarks: std::iter::once(about).chain(plan.notes.iter().cloned()).collect(),
    };
    Ok(match &plan.table {
        TableKind::FewShot => few_shot(&contents, &entries),
        TableKind::BaseToNew => base_to_new(&contents, &entries),
        TableKind::DomainGeneralization { targets } => domain_generalization(&contents, targets, &entries),
        TableKind::LowNormEffect { replace, rescale } => low_norm_effect(&contents, replace, rescale, &entries),
        TableKind::NormCurve { .. } => norm_curve(&contents, &entries),
        TableKind::Ablation => ablation(&contents, &entries),
    })
}

fn entry(cell: &SavedCell, store: &Store) -> Result<Entry> {
    let outcome = match store.get::<EvaluationCell>(&cell.id)? {
        Some(record) => Outcome::Done(Box::new(record)),
        None => match store.failure(&cell.id)? {
            Some(failure) => Outcome::Failed(failure.reason),
            None => Outcome::Missing,
        },
    };
    let place = match (&cell.column, cell.sample) {
        (Some(method), Some((shots, seed))) => Place::Trained { method: method.clone(), shots, seed },
        _ => Place::ZeroShot,
    };
    Ok(Entry {
        dataset: cell.dataset.clone(),
        classes: cell.classes,
        place,
        corruption: cell.corruption,
        epoch: cell.epoch,
        outcome,
    })
}

/// The plans saved beside the records in `out`, by suite: all of them, or that of one suite.
///
/// # Errors
///
/// When there is none, or one is damaged.
pub fn saved_plans(out: &Path, suite: Option<&str>) -> Result<Vec<(String, SavedPlan)>> {
    let folder = out.join("plans");
    let nothing = || {
        Error::new("there is no table here yet")
            .at(out)
            .help("`nemesis run --out DIR` computes one and leaves its plan in DIR")
    };
    let mut names: Vec<String> = std::fs::read_dir(&folder)
        .map_err(|_| nothing())?
        .filter_map(|entry| Some(entry.ok()?.file_name().to_str()?.strip_suffix(".json")?.to_owned()))
        .filter(|name| suite.is_none_or(|suite| suite == name))
        .collect();
    names.sort();
    if names.is_empty() {
        return Err(nothing());
    }
    let read = |name: String| {
        let path = folder.join(format!("{name}.json"));
        let plan = serde_json::from_str(&files::read_text(&path)?)
            .map_err(|e| Error::new(format!("the saved plan is damaged: {e}")).at(&path).line(e.line()))?;
        Ok((name, plan))
    };
    names.into_iter().map(read).collect()
}
