//! The plan: every cell of a table, worked out before anything is computed.

mod cells;
mod choose;
mod missing;
mod saved;
mod variants;

pub use choose::mini_root;
pub use saved::{SavedCell, SavedColumn, SavedPlan};

use crate::plugins::Plugins;
use crate::settings::Settings;
use crate::suite::{TableKind, load_protocol};
use cells::Cells;
use nemesis_core::backbone::BackboneSpec;
use nemesis_core::dataset::{ClassSubset, Registry};
use nemesis_core::record::{Cell, CellId};
use nemesis_core::train::Protocol;
use nemesis_core::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::PathBuf;

/// Everything a run is about to do.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The suite's name, which names the table's files.
    pub suite: String,
    /// The table's title.
    pub title: String,
    /// The kind of table.
    pub table: TableKind,
    /// Sentences for under the table.
    pub notes: Vec<String>,
    /// The protocol.
    pub protocol: Protocol,
    /// Where the data sets lie.
    pub data: PathBuf,
    /// The root of few-shot lists, if samples are not drawn.
    pub few_shot_lists: Option<PathBuf>,
    /// The backbone's name and checkpoint.
    pub backbone: (String, PathBuf),
    /// What the checkpoint is.
    pub checkpoint: BackboneSpec,
    /// The columns' methods, in order.
    pub methods: Vec<Column>,
    /// The ids of those that look at validation images, too.
    pub validating: BTreeSet<String>,
    /// The rows' data sets, in order, by name and title.
    pub datasets: Vec<(String, String)>,
    /// Shots, in order.
    pub shots: Vec<u32>,
    /// Seeds.
    pub seeds: Vec<u64>,
    /// Whether the zero-shot baseline is evaluated.
    pub zero_shot: bool,
    /// The cells that the table shows, each behind what it needs.
    pub cells: Vec<PlannedCell>,
    /// What the user should know before they are computed.
    pub warnings: Vec<Error>,
}

/// A method as a column of the table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// The method's id.
    pub method: String,
    /// What stands over the column.
    pub label: String,
    /// The option that the suite sweeps here, and its value in this column.
    pub swept: Option<Swept>,
    /// The plugin's file.
    pub plugin: PathBuf,
}

/// What makes a column one of a sweep.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Swept {
    /// What is swept, as a heading: `Nemesis-PEN, alpha`.
    pub what: String,
    /// The value: `0.1`.
    pub value: String,
}

/// A cell with its place in the table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlannedCell {
    /// The cell's id.
    pub id: CellId,
    /// The cell.
    pub cell: Cell,
    /// The label of the method's column; none for zero-shot.
    pub column: Option<String>,
    /// How many images it works through: views to encode for a training, test images for an evaluation.
    pub images: u64,
    /// How many optimiser steps a training has.
    pub steps: u64,
}

impl PlannedCell {
    /// The data set that is trained or tested on.
    pub fn dataset(&self) -> &str {
        match &self.cell {
            Cell::Training(cell) => &cell.dataset,
            Cell::Evaluation(cell) => &cell.dataset,
        }
    }

    /// The data set whose few-shot sample the cell hangs on: that of its training, else its own.
    pub fn home(&self) -> &str {
        match &self.cell {
            Cell::Training(cell) => &cell.dataset,
            Cell::Evaluation(cell) => cell.home(),
        }
    }

    /// The classes that take part.
    pub fn classes(&self) -> ClassSubset {
        match &self.cell {
            Cell::Training(cell) => cell.classes,
            Cell::Evaluation(cell) => cell.classes,
        }
    }

    /// Shots and seed of the training that this cell is or needs.
    pub fn sample(&self) -> Option<(u32, u64)> {
        let training = match &self.cell {
            Cell::Training(cell) => Some(cell),
            Cell::Evaluation(cell) => cell.subject.training(),
        };
        training.map(|cell| (cell.shots, cell.seed))
    }

    /// One line that names the cell to a person.
    pub fn title(&self) -> String {
        let what = match &self.cell {
            Cell::Training(_) => "train",
            Cell::Evaluation(_) => "evaluate",
        };
        let dataset = match self.classes() {
            ClassSubset::All => self.dataset().to_owned(),
            half => format!("{} ({half})", self.dataset()),
        };
        match (&self.column, self.sample()) {
            (Some(column), Some((shots, seed))) => format!("{what} {column} on {dataset}, {shots} shots, seed {seed}"),
            _ => format!("{what} zero-shot CLIP on {dataset}"),
        }
    }
}

impl Plan {
    /// Works out the plan. Nothing is computed, but split files and the checkpoint are read, and plugins are tried in
    /// another process, which ends with this call.
    ///
    /// All that the user says is checked before anything is written, the mini suite's data included.
    ///
    /// # Errors
    ///
    /// When a data set, checkpoint, protocol, method or option is missing or wrong.
    pub fn new(settings: &Settings, mut plugins: Plugins) -> Result<Self> {
        let (layer, suite) = (&settings.layer, &settings.suite.value);
        let default_protocol = if layer.data.is_none() { "mini" } else { "paper" };
        let mut protocol = load_protocol(layer.protocol.as_deref().unwrap_or(default_protocol))?;
        protocol.precision = layer.precision.unwrap_or(protocol.precision);
        let entries = choose::methods(settings, &mut plugins)?;
        let columns = choose::columns(&entries, &mut plugins)?;
        choose::refuse_stray_settings(settings, &entries)?;
        let names = choose::datasets(settings)?;
        let targets = choose::targets(settings, &names)?;
        let shots = layer.shots.clone().unwrap_or_else(|| suite.shots.clone());
        let seeds = layer.seeds.clone().unwrap_or_else(|| suite.seeds.clone());
        let mut validating = BTreeSet::new();
        for entry in &entries {
            if plugins.get(&entry.method)?.descriptor.needs.validation {
                validating.insert(entry.method.clone());
            }
        }
        let mut cells = Cells::new(settings, &mut plugins, &protocol, &entries, &columns);
        cells.check_options(&names)?;

        let backbone = choose::backbone(settings)?;
        let checkpoint = choose::checkpoint(settings, &backbone.1, protocol.precision)?;
        cells.backbone = checkpoint.key();
        let data = choose::data_root(settings)?;
        let registry = Registry::load(&data)?;
        let mut datasets = Vec::with_capacity(names.len());
        let targets = cells::open_all(&registry, &data, &targets)?;
        for name in names {
            let entry = registry.get(&name)?;
            cells.add_dataset(&*entry.open(&data)?, &targets, suite, &shots, &seeds)?;
            datasets.push((name, entry.title.clone()));
        }
        for target in &targets {
            datasets.push((target.name().to_owned(), registry.get(target.name())?.title.clone()));
        }
        Ok(Self {
            suite: suite.name.clone(),
            title: suite.title.clone(),
            table: suite.table.clone(),
            notes: suite.notes.clone(),
            data,
            few_shot_lists: layer.few_shot_lists.clone(),
            backbone,
            checkpoint,
            cells: cells.planned,
            validating,
            warnings: plugins.take_warnings(),
            methods: columns,
            datasets,
            shots,
            seeds,
            zero_shot: suite.zero_shot,
            protocol,
        })
    }
}
