//! What a plan leaves beside the records, so that its table can be printed again.

use super::Plan;
use nemesis_core::record::{Cell, CellId};
use nemesis_core::{Error, Result, files};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// What the plan leaves beside the records, so that its tables can be printed again.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedPlan {
    /// The table's title.
    pub title: String,
    /// Sentences for under the table.
    pub notes: Vec<String>,
    /// The protocol's name.
    pub protocol: String,
    /// The backbone's name.
    pub backbone: String,
    /// The columns' labels, in order.
    pub columns: Vec<String>,
    /// The rows' data sets, in order, by name and title.
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

/// An evaluation's place in a table.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedCell {
    /// The id of the evaluation.
    pub id: CellId,
    /// The row.
    pub dataset: String,
    /// The column; none for zero-shot.
    pub column: Option<String>,
    /// Shots and seed; none for zero-shot.
    pub sample: Option<(u32, u64)>,
}

impl Plan {
    /// The part of the plan that its table is made of.
    pub fn saved(&self) -> SavedPlan {
        let cells = self.cells.iter().filter(|cell| matches!(cell.cell, Cell::Evaluation(_)));
        let deviations = self.protocol.deviations.iter().cloned();
        SavedPlan {
            title: self.title.clone(),
            notes: self.notes.iter().cloned().chain(deviations).collect(),
            protocol: self.protocol.name.clone(),
            backbone: self.backbone.0.clone(),
            columns: self.methods.iter().map(|column| column.label.clone()).collect(),
            datasets: self.datasets.clone(),
            shots: self.shots.clone(),
            seeds: self.seeds.clone(),
            zero_shot: self.zero_shot,
            cells: cells
                .map(|cell| SavedCell {
                    id: cell.id,
                    dataset: cell.dataset().to_owned(),
                    column: cell.column.clone(),
                    sample: cell.sample(),
                })
                .collect(),
        }
    }

    /// Writes [`Plan::saved`] to `plans/SUITE.json` in the folder of the records.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub fn save(&self, out: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(&self.saved())
            .map_err(|e| Error::new(format!("the plan cannot be written as JSON: {e}")))?;
        files::write_atomic(&out.join("plans").join(format!("{}.json", self.suite)), text.as_bytes())
    }
}
