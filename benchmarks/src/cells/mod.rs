//! Every cell of a folder as a row of one flat table, for other programs: CSV, JSON and Parquet, by one schema.

mod columns;
mod files;
pub mod tensorboard;

pub use columns::{COLUMNS, Column, Content, SCHEMA, json_schema};
pub use files::{csv, json, parquet};
pub use nemesis_core::record::AnyRecord;

use columns::Values;
use nemesis_core::Result;
use nemesis_core::record::{
    CorruptionKind, EvaluationCell, EvaluationRecord, Provenance, Store, Subject, TrainingCell, TrainingRecord,
};
use nemesis_core::shots::written;
use serde_json::{Value, json};

/// What an evaluation is of, apart from its data set, in words: `new classes, v3 times 0.5`.
pub(crate) fn tested(cell: &EvaluationCell) -> String {
    let mut words = vec![format!("{} classes", cell.classes)];
    if let Some(training) = cell.subject.training().filter(|training| training.dataset != cell.dataset) {
        words.push(format!("trained on {}", training.dataset));
    }
    if let Some(corruption) = &cell.corruption {
        let what = match corruption.kind {
            CorruptionKind::Replace => format!("replaced by noise of {}", corruption.value),
            CorruptionKind::Rescale => format!("times {}", corruption.value),
        };
        words.push(format!("v{} {what}", corruption.position + 1));
    }
    words.extend(cell.epoch.map(|epoch| format!("after epoch {epoch}")));
    words.extend(cell.limit.map(|limit| format!("the first {limit} images of each class")));
    words.join(", ")
}

/// A row of the table, in the order of [`COLUMNS`].
pub fn row(record: &AnyRecord) -> Vec<Value> {
    let mut values = Values::default();
    let (cell, provenance) = (record.cell(), record.provenance());
    values.put("schema", json!(SCHEMA));
    values.put("id", json!(record.id()));
    if let Some(method) = record.method() {
        values.put("method", json!(method.id));
        values.put("options", json!(serde_json::Value::Object(method.options.clone()).to_string()));
        values.put("plugin", json!(method.source));
    }
    if let Some(training) = record.training() {
        values.put("trained_on", json!(training.dataset));
        values.put("shots", json!(written(training.shots)));
        values.put("seed", json!(training.seed));
        values.put("initialisation", json!(training.seeds().initialisation));
    }
    values.put("weights", json!(cell.backbone().weights));
    match record {
        AnyRecord::Training(record) => put_training(record, &mut values),
        AnyRecord::Evaluation(record) => put_evaluation(record, &mut values),
    }
    let Provenance { nemesis, libtorch, processor, device, threads, backbone, seconds, adopted, files: _ } = provenance;
    values.put("backbone", json!(backbone.as_ref().map(|facts| facts.known_as.as_ref().unwrap_or(&facts.shape))));
    values.put("seconds", json!(seconds));
    for (name, value) in [("nemesis", nemesis), ("libtorch", libtorch), ("processor", processor), ("device", device)] {
        values.put(name, json!(value));
    }
    values.put("threads", json!(threads));
    values.put("adopted_from", json!(adopted.as_ref().map(|adopted| adopted.from)));
    values.in_order()
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
    store.read_all(|_, record| Some(record.map(|record| row(&record))))?.into_iter().collect()
}
