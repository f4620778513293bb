//! Results: the records of a folder, what was learned, and what was predicted.

use crate::border::Crossing;
use crate::pool::on_all_cores;
use nemesis_bench::cells::{COLUMNS, Content, row};
use nemesis_core::record::{AnyRecord, CellId, EvaluationCell, Store, TrainingCell};
use nemesis_core::{Error, Result};
use pyo3::prelude::*;
use serde::Serialize;
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// The columns of the table of cells: their names, and whether they hold whole numbers.
#[pyfunction]
pub(crate) fn columns() -> Vec<(&'static str, bool)> {
    COLUMNS.iter().map(|column| (column.name, column.content == Content::Integer)).collect()
}

/// Every record, or those with the ids: its row of the table of cells, and itself, as JSON.
#[pyfunction]
#[pyo3(signature = (out, ids = None))]
pub(crate) fn records(py: Python<'_>, out: PathBuf, ids: Option<Vec<String>>) -> PyResult<Vec<(String, String)>> {
    let read = || {
        let store = opened(&out)?;
        let parsed = |ids: &Vec<String>| ids.iter().map(|id| id.parse::<CellId>()).collect::<Result<HashSet<CellId>>>();
        let wanted = ids.as_ref().map(parsed).transpose()?;
        let is_wanted = |id: &CellId| wanted.as_ref().is_none_or(|wanted| wanted.contains(id));
        store.read_some(is_wanted, |_, record| Some(record.and_then(|record| told(&record))))?.into_iter().collect()
    };
    on_all_cores(py, read)
}

fn told(record: &AnyRecord) -> Result<(String, String)> {
    let whole = match record {
        AnyRecord::Training(record) => json(record)?,
        AnyRecord::Evaluation(record) => json(record)?,
    };
    Ok((json(&row(record))?, whole))
}

/// What a training learned: in the end, or up to an epoch that it kept. Of an evaluation, what it evaluated.
#[pyfunction]
pub(crate) fn learned(py: Python<'_>, out: PathBuf, id: &str, epoch: Option<u64>) -> PyResult<Vec<(String, Crossing)>> {
    let read = || {
        let store = opened(&out)?;
        let id: CellId = id.parse()?;
        let (training, epoch) = match store.get::<EvaluationCell>(&id) {
            Ok(Some(record)) => {
                let nothing = || Error::new("the evaluation is of no training").help("it is zero-shot, or imported");
                (record.cell.subject.training().ok_or_else(nothing)?.id(), epoch.or(record.cell.epoch))
            }
            _ => (id, epoch),
        };
        let record = store.get::<TrainingCell>(&training)?.ok_or_else(|| missing(&out, &training))?;
        store.learned(&record, epoch)
    };
    let state = on_all_cores(py, read)?;
    Ok(state.into_iter().map(|(name, tensor)| (name, Crossing(tensor))).collect())
}

/// The predicted class of each test image of an evaluation, in test order.
#[pyfunction]
pub(crate) fn predictions(py: Python<'_>, out: PathBuf, id: &str) -> PyResult<Vec<u32>> {
    let read = || {
        let store = opened(&out)?;
        let id: CellId = id.parse()?;
        let record = store.get::<EvaluationCell>(&id)?.ok_or_else(|| missing(&out, &id))?;
        store.predictions(&record)
    };
    on_all_cores(py, read)
}

fn opened(out: &Path) -> Result<Store> {
    if !out.join("records").is_dir() {
        let help = "name the folder that `nemesis run` wrote to with `--out`";
        return Err(Error::new("there are no records in this folder").at(out).help(help));
    }
    Store::open(out)
}

fn missing(out: &Path, id: &CellId) -> Error {
    Error::new(format!("there is no record `{}` of this kind", id.short())).at(out)
}

fn json(record: &impl Serialize) -> Result<String> {
    serde_json::to_string(record).map_err(|e| Error::new(format!("a record cannot be written as JSON: {e}")))
}
