//! Few-shot samples, as CoOp draws them.

use crate::pool::on_all_cores;
use nemesis_core::dataset::{Registry, Sample};
use nemesis_core::interchange::few_shot_lists;
use pyo3::prelude::*;
use std::path::{Path, PathBuf};

/// Path and label of each image.
type Items = Vec<(PathBuf, u32)>;

/// Class names, template, training items and validation items of a few-shot sample; all images without `shots`.
#[pyfunction]
pub(crate) fn few_shot(
    py: Python<'_>,
    data: PathBuf,
    dataset: &str,
    shots: Option<u32>,
    seed: u64,
    lists: Option<PathBuf>,
) -> PyResult<(Vec<String>, String, Items, Items)> {
    let shots = shots.unwrap_or(nemesis_core::dataset::few_shot::ALL_SHOTS) as usize;
    let drawn = || {
        let opened = Registry::load(&data)?.get(dataset)?.open(&data)?;
        let sample = few_shot_lists::sample(&*opened, lists.as_deref(), shots, seed)?;
        let items = |samples: &[Sample]| samples.iter().map(|sample| item(opened.folder(), sample)).collect::<Items>();
        let (train, val) = (items(&sample.train), items(&sample.val));
        Ok((opened.class_names().to_vec(), opened.template().to_owned(), train, val))
    };
    on_all_cores(py, drawn)
}

fn item(folder: &Path, sample: &Sample) -> (PathBuf, u32) {
    (folder.join(&sample.path), sample.label)
}
