//! What a plan leaves beside the records, so that its table can be printed again.

use super::seen::keep;
use super::{Plan, PlannedCell, Swept};
use crate::suite::TableKind;
use nemesis_core::dataset::ClassSubset;
use nemesis_core::record::{Cell, CellId, Corruption, Store};
use nemesis_core::{Error, Result, files};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// What the plan leaves beside the records, so that its tables can be printed again.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedPlan {
    /// The table's title.
    pub title: String,
    /// The kind of table.
    pub table: TableKind,
    /// Sentences for under the table.
    pub notes: Vec<String>,
    /// The protocol's name.
    pub protocol: String,
    /// The backbone's name.
    pub backbone: String,
    /// The columns, in order.
    pub columns: Vec<SavedColumn>,
    /// The data sets, in order, by name and title.
    pub datasets: Vec<(String, String)>,
    /// Shots, in order.
    pub shots: Vec<u32>,
    /// Seeds.
    pub seeds: Vec<u64>,
    /// Whether the zero-shot baseline is shown.
    pub zero_shot: bool,
    /// The evaluations that make the table.
    pub cells: Vec<SavedCell>,
}

/// A column of a table.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedColumn {
    /// What stands over the column.
    pub label: String,
    /// The option that the suite sweeps here, and its value in this column.
    pub swept: Option<Swept>,
}

/// An evaluation's place in a table.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedCell {
    /// The id of the evaluation.
    pub id: CellId,
    /// The data set that is tested on.
    pub dataset: String,
    /// The column; none for zero-shot.
    pub column: Option<String>,
    /// Shots and seed; none for zero-shot.
    pub sample: Option<(u32, u64)>,
    /// The classes that are told apart.
    pub classes: ClassSubset,
    /// The corruption, if a context vector is corrupted.
    pub corruption: Option<Corruption>,
    /// The epoch, if it is not the last.
    pub epoch: Option<u64>,
}

impl Plan {
    /// The part of the plan that its table is made of.
    pub fn saved(&self) -> SavedPlan {
        let deviations = self.protocol.deviations.iter().cloned();
        let precision = self.protocol.precision.note().to_owned();
        let file = self.backbone.1.file_name().unwrap_or_default().to_string_lossy();
        let assumed = self.checkpoint.note(&file);
        SavedPlan {
            title: self.title.clone(),
            table: self.table.clone(),
            notes: self
                .notes
                .iter()
                .cloned()
                .chain(self.lists())
                .chain(deviations)
                .chain([precision])
                .chain(assumed)
                .chain(self.left_out_notes())
                .collect(),
            protocol: self.protocol.name.clone(),
            backbone: self.backbone.0.clone(),
            columns: (self.methods.iter())
                .map(|column| SavedColumn { label: column.label.clone(), swept: column.swept.clone() })
                .collect(),
            datasets: self.datasets.clone(),
            shots: self.shots.clone(),
            seeds: self.seeds.clone(),
            zero_shot: self.zero_shot,
            cells: self.cells.iter().filter_map(saved).collect(),
        }
    }

    /// Says whose few-shot samples were taken, if they were not drawn.
    fn lists(&self) -> Option<String> {
        let lists = self.few_shot_lists.as_ref()?;
        // Methods that look at validation images may differ from the drawn sample where others do not.
        let mut samples: BTreeMap<(&str, u32, u64), bool> = BTreeMap::new();
        for cell in &self.cells {
            if let Cell::Training(training) = &cell.cell {
                let key = (training.dataset.as_str(), training.shots, training.seed);
                *samples.entry(key).or_default() |= training.sample.is_some();
            }
        }
        let differ = samples.values().filter(|differs| **differs).count();
        let all = samples.len();
        Some(format!(
            "few-shot samples are taken from the lists in `{}` instead of drawn; {differ} of {all} samples differ from \
             the drawn ones",
            lists.display()
        ))
    }

    /// Writes [`Plan::saved`] to `plans/SUITE.json` in the folder of the records, and what its images hold.
    ///
    /// # Errors
    ///
    /// When a file cannot be written.
    pub fn save(&self, out: &Path, store: &Store) -> Result<()> {
        keep(&self.images, store)?;
        let text = serde_json::to_string_pretty(&self.saved())
            .map_err(|e| Error::new(format!("the plan cannot be written as JSON: {e}")))?;
        files::write_atomic(&out.join("plans").join(format!("{}.json", self.suite)), text.as_bytes())
    }
}

/// What is saved of a cell, if it is an evaluation.
fn saved(cell: &PlannedCell) -> Option<SavedCell> {
    let Cell::Evaluation(evaluation) = &cell.cell else { return None };
    Some(SavedCell {
        id: cell.id,
        dataset: evaluation.dataset.clone(),
        column: cell.column.clone(),
        sample: cell.sample(),
        classes: evaluation.classes,
        corruption: evaluation.corruption,
        epoch: evaluation.epoch,
    })
}
