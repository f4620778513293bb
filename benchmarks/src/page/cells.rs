//! Evaluations and trainings as the page shows them.

use crate::cells::tested;
use crate::plan::SavedCell;
use nemesis_core::Result;
use nemesis_core::record::{EvaluationRecord, Provenance, Store, TrainingCell, TrainingRecord};
use nemesis_core::shots::written;
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// An evaluation.
#[derive(Debug, Serialize)]
pub(super) struct Cell {
    pub(super) dataset: String,
    shots: Option<String>,
    seed: Option<String>,
    /// What was tested, in words.
    what: String,
    accuracy: f64,
    correct: u32,
    total: u32,
    /// Which list of classes it was tested on; none for variants of a context, of which only the accuracy is shown.
    classes: Option<usize>,
    /// Correct predictions by class.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    correct_by_class: Vec<u32>,
    /// Class, what it was taken for, and how often.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) confused: Vec<(String, String, u32)>,
    /// Norms of the context vectors.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    norms: Vec<f64>,
    training: Option<String>,
    provenance: usize,
    /// Images that it got wrong, by their numbers, and the label that it gave them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) wrong: Vec<(usize, u32)>,
}

/// A training.
#[derive(Debug, Serialize)]
pub(super) struct Training {
    /// Which recipe.
    recipe: usize,
    /// How many epochs it had.
    epochs: usize,
    /// What happened in epochs, by what it is. Of many epochs it holds every so many, and the last.
    history: BTreeMap<String, Vec<f64>>,
    /// For each context vector, the words nearest to it, if the backbone is at hand.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) nearest: Vec<Near>,
    /// The hash of what it learned.
    #[serde(skip)]
    pub(super) state: String,
    /// The hash of the backbone's weights.
    #[serde(skip)]
    pub(super) weights: String,
}

/// How trainings were done.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Recipe {
    options: Map<String, Value>,
    protocol: Map<String, Value>,
    precision: String,
}

/// Words of the vocabulary near a context vector, and how far they are.
pub(super) type Near = Vec<(String, f64)>;

/// Epochs that a history shows at most.
const EPOCHS: usize = 50;

/// The classes of a test set: names, as far as they are known, and how many images each has.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Classes {
    dataset: String,
    subset: String,
    pub(super) names: Vec<String>,
    totals: Vec<u32>,
}

/// The cells of a page, each once.
#[derive(Debug, Default)]
pub(super) struct Cells {
    pub(super) evaluations: BTreeMap<String, Cell>,
    /// The labels of the columns that each evaluation stands in.
    pub(super) columns: BTreeMap<String, BTreeSet<String>>,
    pub(super) trainings: BTreeMap<String, Training>,
    pub(super) recipes: Vec<Recipe>,
    pub(super) provenance: Vec<BTreeMap<String, String>>,
    pub(super) classes: Vec<Classes>,
    /// The records of the evaluations, for what looks at predictions.
    pub(super) records: BTreeMap<String, EvaluationRecord>,
    /// Whether only what a list of cells shows is kept, because there are too many.
    pub(super) brief: bool,
}

impl Cells {
    /// Adds an evaluation with its training, and returns the digits that it is known by. It may stand in several columns.
    pub(super) fn add(&mut self, cell: &SavedCell, record: &EvaluationRecord, store: &Store) -> Result<String> {
        let key = cell.id.short();
        self.columns.entry(key.clone()).or_default().insert(cell.label().to_owned());
        if self.evaluations.contains_key(&key) {
            return Ok(key);
        }
        let training = record.cell.subject.training().filter(|_| !self.brief);
        let training = training.map(|cell| self.add_training(cell, store)).transpose()?.flatten();
        let outcome = &record.outcome;
        let provenance = self.place(&record.provenance);
        let plain = cell.corruption.is_none() && cell.epoch.is_none() && !self.brief;
        let classes = plain.then(|| self.classes_of(record));
        self.evaluations.insert(
            key.clone(),
            Cell {
                dataset: cell.dataset.clone(),
                shots: cell.sample.map(|(shots, _)| written(shots)),
                seed: cell.sample.map(|(_, seeds)| seeds.to_string()),
                what: tested(&record.cell),
                accuracy: rounded(outcome.accuracy),
                correct: outcome.correct,
                total: outcome.total,
                classes,
                correct_by_class: outcome.classes.iter().filter(|_| plain).map(|class| class.correct).collect(),
                confused: Vec::new(),
                norms: match cell.corruption {
                    None if !self.brief => outcome.context_norms.iter().copied().map(rounded).collect(),
                    _ => Vec::new(),
                },
                training,
                provenance,
                wrong: Vec::new(),
            },
        );
        if !self.brief {
            self.records.insert(key.clone(), record.clone());
        }
        Ok(key)
    }

    fn add_training(&mut self, cell: &TrainingCell, store: &Store) -> Result<Option<String>> {
        let id = cell.id();
        let key = id.short();
        if !self.trainings.contains_key(&key) {
            let Some(record): Option<TrainingRecord> = store.get(&id)? else { return Ok(None) };
            let mut history: BTreeMap<String, Vec<f64>> = BTreeMap::new();
            let epochs = record.outcome.epochs.len();
            let every = epochs.div_ceil(EPOCHS).max(1);
            let shown = |place: usize| place.is_multiple_of(every) || place + 1 == epochs;
            for (_, epoch) in record.outcome.epochs.iter().enumerate().filter(|(place, _)| shown(*place)) {
                let own = [("loss", epoch.loss), ("learning rate", epoch.learning_rate)];
                let own = own.into_iter().map(|(name, value)| (name.to_owned(), value));
                // Of a vector the page shows each number as a value of its own.
                let reported = epoch.reported.iter().flat_map(|(name, values)| {
                    let name = name.replace('_', " ");
                    values.iter().enumerate().map(move |(i, value)| match values.len() {
                        1 => (name.clone(), *value),
                        _ => (format!("{name} {}", i + 1), *value),
                    })
                });
                for (name, value) in own.chain(reported) {
                    history.entry(name).or_default().push(rounded(value));
                }
            }
            let recipe = Recipe {
                options: cell.method.options.clone(),
                protocol: cell.protocol.clone(),
                precision: cell.precision.clone(),
            };
            let recipe = place_of(&mut self.recipes, recipe);
            let (state, weights) = (record.outcome.state.clone(), cell.backbone.weights.clone());
            let training = Training { recipe, epochs, history, nearest: Vec::new(), state, weights };
            self.trainings.insert(key.clone(), training);
        }
        Ok(Some(key))
    }

    /// The number of a list of classes, whose names are not known yet.
    fn classes_of(&mut self, record: &EvaluationRecord) -> usize {
        let classes = Classes {
            dataset: record.cell.dataset.clone(),
            subset: record.cell.classes.to_string(),
            names: (0..record.outcome.classes.len()).map(|label| format!("class {label}")).collect(),
            totals: record.outcome.classes.iter().map(|class| class.total).collect(),
        };
        place_of(&mut self.classes, classes)
    }

    /// Gives the classes of a cell their names.
    pub(super) fn name_classes(&mut self, key: &str, names: &[String]) {
        if let Some(classes) = self.evaluations.get(key).and_then(|cell| cell.classes) {
            self.classes[classes].names = names.to_vec();
        }
    }

    /// The number of a place where cells were computed.
    fn place(&mut self, provenance: &Provenance) -> usize {
        let Provenance { nemesis, libtorch, processor, device, threads, files, backbone, .. } = provenance;
        let mut facts: BTreeMap<String, String> = BTreeMap::from([
            ("nemesis".to_owned(), nemesis.clone()),
            ("libtorch".to_owned(), libtorch.clone()),
            ("processor".to_owned(), processor.clone()),
            ("device".to_owned(), device.clone()),
            ("threads".to_owned(), threads.to_string()),
        ]);
        facts.extend(files.iter().map(|(what, hash)| (format!("blake3 of {what}"), hash.clone())));
        if let Some(backbone) = backbone {
            facts.insert("backbone".to_owned(), backbone.shape.clone());
            facts.insert("preprocessing and activation".to_owned(), backbone.origin.clone());
        }
        place_of(&mut self.provenance, facts)
    }
}

/// The place of an item in a list, to which it is added if it is new.
fn place_of<T: PartialEq>(list: &mut Vec<T>, item: T) -> usize {
    list.iter().position(|known| *known == item).unwrap_or_else(|| {
        list.push(item);
        list.len() - 1
    })
}

/// Five digits are more than a page shows.
fn rounded(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return value;
    }
    let scale = 10f64.powi(5 - value.abs().log10().ceil() as i32);
    (value * scale).round() / scale
}
