//! Every cell of a folder as a row of one flat table, for other programs: CSV, JSON and Parquet, by one schema.

mod columns;
mod files;
pub mod tensorboard;

pub use columns::{COLUMNS, Column, Content, SCHEMA, json_schema};
pub use files::{csv, json, parquet};

use columns::Values;
use nemesis_core::record::{
    Cell, CellId, EvaluationCell, EvaluationRecord, MethodKey, Provenance, Store, Subject, TrainingCell, TrainingRecord,
};
use nemesis_core::shots::written;
use nemesis_core::{Error, Result};
use serde_json::{Value, json};

/// A record of either kind.
#[derive(Clone, Debug)]
pub enum AnyRecord {
    /// Of a training.
    Training(Box<TrainingRecord>),
    /// Of an evaluation.
    Evaluation(Box<EvaluationRecord>),
}

impl AnyRecord {
    /// Reads a record.
    ///
    /// # Errors
    ///
    /// When it is missing, damaged or of another format; the message names the file.
    pub fn read(id: &CellId, store: &Store) -> Result<Self> {
        let record = match store.kind(id)?.as_deref() {
            Some("training") => store.get::<TrainingCell>(id)?.map(|record| Self::Training(Box::new(record))),
            _ => store.get::<EvaluationCell>(id)?.map(|record| Self::Evaluation(Box::new(record))),
        };
        record.ok_or_else(|| Error::new(format!("there is no cell {id}")).at(store.folder()))
    }

    /// The cell's id.
    pub fn id(&self) -> &CellId {
        match self {
            Self::Training(record) => &record.id,
            Self::Evaluation(record) => &record.id,
        }
    }

    /// What was computed.
    pub fn cell(&self) -> Cell {
        match self {
            Self::Training(record) => Cell::Training(record.cell.clone()),
            Self::Evaluation(record) => Cell::Evaluation(record.cell.clone()),
        }
    }

    /// Where and by what.
    pub fn provenance(&self) -> &Provenance {
        match self {
            Self::Training(record) => &record.provenance,
            Self::Evaluation(record) => &record.provenance,
        }
    }

    /// The training: itself, or what is evaluated.
    pub fn training(&self) -> Option<&TrainingCell> {
        match self {
            Self::Training(record) => Some(&record.cell),
            Self::Evaluation(record) => record.cell.subject.training(),
        }
    }

    /// The method, unless it is a zero-shot classifier.
    pub fn method(&self) -> Option<&MethodKey> {
        match self {
            Self::Training(record) => Some(&record.cell.method),
            Self::Evaluation(record) => record.cell.subject.method(),
        }
    }

    /// A row of the table, in the order of [`COLUMNS`].
    pub fn row(&self) -> Vec<Value> {
        let mut values = Values::default();
        let (cell, provenance) = (self.cell(), self.provenance());
        values.put("schema", json!(SCHEMA));
        values.put("id", json!(self.id()));
        if let Some(method) = self.method() {
            values.put("method", json!(method.id));
            values.put("options", json!(serde_json::Value::Object(method.options.clone()).to_string()));
            values.put("plugin", json!(method.source));
        }
        if let Some(training) = self.training() {
            values.put("trained_on", json!(training.dataset));
            values.put("shots", json!(written(training.shots)));
            values.put("seed", json!(training.seed));
            values.put("initialisation", json!(training.seeds().initialisation));
        }
        values.put("weights", json!(cell.backbone().weights));
        match self {
            Self::Training(record) => put_training(record, &mut values),
            Self::Evaluation(record) => put_evaluation(record, &mut values),
        }
        let Provenance { nemesis, libtorch, processor, device, threads, backbone, seconds, adopted, files: _ } =
            provenance;
        values.put("backbone", json!(backbone.as_ref().map(|facts| facts.known_as.as_ref().unwrap_or(&facts.shape))));
        values.put("seconds", json!(seconds));
        for (name, value) in
            [("nemesis", nemesis), ("libtorch", libtorch), ("processor", processor), ("device", device)]
        {
            values.put(name, json!(value));
        }
        values.put("threads", json!(threads));
        values.put("adopted_from", json!(adopted.as_ref().map(|adopted| adopted.from)));
        values.in_order()
    }
}

/// What trainings and evaluations say of themselves under the same names.
macro_rules! put_recipe {
    ($cell:ident, $values:ident) => {
        $values.put("dataset", json!($cell.dataset));
        $values.put("classes", json!($cell.classes.to_string()));
        $values.put("protocol", json!($cell.protocol.get("name").and_then(Value::as_str)));
        $values.put("protocol_parts", json!(Value::Object($cell.protocol.clone()).to_string()));
        $values.put("precision", json!($cell.precision));
        $values.put("engine", json!($cell.engine));
        $values.put("manifest", json!($cell.manifest));
        $values.put("images", json!($cell.images));
    };
}

fn put_training(record: &TrainingRecord, values: &mut Values) {
    let (cell, outcome) = (&record.cell, &record.outcome);
    values.put("kind", json!("training"));
    put_recipe!(cell, values);
    values.put("epochs", json!(outcome.epochs.len()));
    values.put("first_loss", json!(outcome.epochs.first().map(|epoch| epoch.loss)));
    values.put("last_loss", json!(outcome.epochs.last().map(|epoch| epoch.loss)));
    values.put("state", json!(outcome.state));
}

fn put_evaluation(record: &EvaluationRecord, values: &mut Values) {
    let (cell, outcome) = (&record.cell, &record.outcome);
    values.put("kind", json!("evaluation"));
    put_recipe!(cell, values);
    values.put("training", json!(cell.subject.training().map(TrainingCell::id)));
    values.put(
        "zero_shot",
        match &cell.subject {
            Subject::ZeroShot { template } => json!(template),
            Subject::Ensemble { name, .. } | Subject::Described { name, .. } => json!(name),
            Subject::Training { .. } | Subject::Imported { .. } => Value::Null,
        },
    );
    values.put("limit", json!(cell.limit));
    values.put("epoch", json!(cell.epoch));
    if let Some(corruption) = &cell.corruption {
        values.put("corruption", json!(corruption.kind));
        values.put("corrupted_position", json!(corruption.position + 1));
        values.put("corruption_value", json!(corruption.value));
    }
    values.put("accuracy", json!(outcome.accuracy));
    values.put("correct", json!(outcome.correct));
    values.put("total", json!(outcome.total));
    let norms = &outcome.context_norms;
    let mean = (!norms.is_empty()).then(|| norms.iter().sum::<f64>() / norms.len() as f64);
    values.put("mean_context_norm", json!(mean));
    values.put("predictions", json!(outcome.predictions));
}

/// The rows of all records of a store, sorted by id.
///
/// # Errors
///
/// When a record is damaged; the message names the file.
pub fn rows(store: &Store) -> Result<Vec<Vec<Value>>> {
    store.ids()?.iter().map(|id| Ok(AnyRecord::read(id, store)?.row())).collect()
}
