//! Results: the records of a folder, what was learned, and what was predicted.

use crate::border::{Crossing, detached};
use crate::error::caught;
use nemesis_core::record::{AnyRecord, CellId, EvaluationCell, Store, TrainingCell};
use nemesis_core::{Error, Result};
use pyo3::prelude::*;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Every record as JSON, and the id of the training that it evaluates.
#[pyfunction]
pub(crate) fn records(py: Python<'_>, out: PathBuf) -> PyResult<Vec<(String, Option<String>)>> {
    let read = || {
        let store = opened(&out)?;
        let text = |record| match record {
            AnyRecord::Training(record) => Ok((json(&record)?, None)),
            AnyRecord::Evaluation(record) => {
                let training = record.cell.subject.training().map(|training| training.id().to_string());
                Ok((json(&record)?, training))
            }
        };
        store.read_all(|_, record| Some(record.and_then(text)))?.into_iter().collect()
    };
    detached(py, || caught(read))
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
    let state = detached(py, || caught(read))?;
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
    detached(py, || caught(read))
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
