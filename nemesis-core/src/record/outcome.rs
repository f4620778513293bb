//! What a record holds: the cell, what came out of it, and where it was computed.

use super::{Cell, CellId, EvaluationCell, TrainingCell};
use crate::backbone::BackboneFacts;
use crate::method::State;
use crate::train::EpochRecord;
use crate::{Error, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;

/// The version of the format that records are written in.
pub(super) const SCHEMA: u32 = 2;

/// The version of the format that notes of failures are written in. Before, the reason was a text, which is still read.
pub(super) const FAILURE_SCHEMA: u32 = 3;

/// The two kinds of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RecordKind {
    /// The record of a [`TrainingCell`].
    Training,
    /// The record of an [`EvaluationCell`].
    Evaluation,
}

/// A cell that leaves a record.
pub trait Recorded: Clone + Serialize + DeserializeOwned {
    /// What comes out of it.
    type Outcome: Serialize + DeserializeOwned;
    /// The word for it in the record.
    const KIND: RecordKind;
    /// The cell's id.
    fn id(&self) -> CellId;
}

impl Recorded for TrainingCell {
    type Outcome = TrainingOutcome;
    const KIND: RecordKind = RecordKind::Training;

    fn id(&self) -> CellId {
        TrainingCell::id(self)
    }
}

impl Recorded for EvaluationCell {
    type Outcome = EvaluationOutcome;
    const KIND: RecordKind = RecordKind::Evaluation;

    fn id(&self) -> CellId {
        EvaluationCell::id(self)
    }
}

/// A completed cell. Its file exists if and only if it is complete.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, bound = "C: Recorded")]
pub struct Record<C: Recorded> {
    /// The version of the format.
    pub schema: u32,
    /// Whether this is a training or an evaluation.
    pub kind: RecordKind,
    /// The cell's id, which is also the file's name.
    pub id: CellId,
    /// What was computed.
    pub cell: C,
    /// What came out.
    pub outcome: C::Outcome,
    /// Where and by what.
    pub provenance: Provenance,
}

/// The record of a training.
pub type TrainingRecord = Record<TrainingCell>;
/// The record of an evaluation.
pub type EvaluationRecord = Record<EvaluationCell>;

/// What a training leaves beside its learned state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingOutcome {
    /// blake3 of the learned state, which the store keeps by this name.
    pub state: String,
    /// What happened in each epoch.
    pub epochs: Vec<EpochRecord>,
    /// blake3 of the states that were kept on the way, by epoch counted from one.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub kept: BTreeMap<u64, String>,
}

/// What is recorded of a training.
#[derive(Debug)]
pub struct Trained<'a> {
    /// What happened in each epoch.
    pub epochs: Vec<EpochRecord>,
    /// What was learned.
    pub state: &'a State,
    /// The names of the classes that it was learned for, by label.
    pub classes: &'a [String],
    /// Hashes of the states that were stored on the way, by epoch counted from one.
    pub kept: BTreeMap<u64, String>,
}

/// What is recorded of an evaluation.
#[derive(Clone, Debug)]
pub struct Evaluated<'a> {
    /// The predicted class of each test image, in test order.
    pub predicted: &'a [u32],
    /// The label of each test image.
    pub labels: &'a [u32],
    /// The number of classes, which labels and predictions lie below.
    pub classes: usize,
    /// The norms of the context vectors that were evaluated; none where there is no context.
    pub context_norms: Vec<f64>,
}

/// JSON has no word for infinity, and a loss that is not a number is no result. The trainer has refused such numbers where
/// they arose, so this is told of values that something else puts into a record.
pub(super) fn check_finite(epochs: &[EpochRecord]) -> Result<()> {
    for (epoch, record) in (1..).zip(epochs) {
        let own = [("the loss", record.loss), ("the learning rate", record.learning_rate)];
        let own = own.into_iter().map(|(name, value)| (name.to_owned(), value));
        let reported = record.reported.iter().flat_map(|(name, values)| {
            values.iter().map(move |value| (format!("the reported value `{name}`"), *value))
        });
        if let Some((name, value)) = own.chain(reported).find(|(_, value)| !value.is_finite()) {
            return Err(Error::new(format!("{name} of epoch {epoch} is {value}, which a record cannot hold")));
        }
    }
    Ok(())
}

/// Correct predictions of a class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassCount {
    /// Test images of the class that were recognised.
    pub correct: u32,
    /// Test images of the class.
    pub total: u32,
}

/// What an evaluation leaves beside its predictions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvaluationOutcome {
    /// Top-1 accuracy over all test images, in percent.
    pub accuracy: f64,
    /// Test images whose class was predicted.
    pub correct: u32,
    /// Test images.
    pub total: u32,
    /// The same by class, in the order of the labels.
    pub classes: Vec<ClassCount>,
    /// blake3 of the packed predictions that lie beside the record.
    pub predictions: String,
    /// The 2-norm of each context vector as it was evaluated, corrupted or not; with class-specific contexts, averaged
    /// over the classes (`calculate_norm` in `trainers/coop_nemesis.py`). Empty where no context was learned.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub context_norms: Vec<f64>,
}

impl EvaluationOutcome {
    /// Counts the correct ones among the predictions, whose packed bytes hash to `hash`.
    pub(super) fn count(evaluated: Evaluated<'_>, hash: String) -> Result<Self> {
        let Evaluated { predicted: predictions, labels, classes, context_norms } = evaluated;
        if predictions.len() != labels.len() || labels.is_empty() {
            let (n, m) = (predictions.len(), labels.len());
            return Err(Error::new(format!("{n} predictions for {m} test images")).expected("as many, and some"));
        }
        let mut counts = vec![ClassCount::default(); classes];
        for (prediction, label) in predictions.iter().zip(labels) {
            let class = counts.get_mut(*label as usize).filter(|_| (*prediction as usize) < classes);
            let class = class.ok_or_else(|| {
                Error::new(format!("prediction {prediction} for label {label}")).expected(format!("below {classes}"))
            })?;
            class.total += 1;
            class.correct += u32::from(prediction == label);
        }
        let correct = counts.iter().map(|class| class.correct).sum();
        let total = labels.len() as u32;
        let accuracy = 100.0 * f64::from(correct) / f64::from(total);
        Ok(Self { accuracy, correct, total, classes: counts, predictions: hash, context_norms })
    }
}

/// Where and by what a cell was computed. It is not part of the id: it moves the last digits at most.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provenance {
    /// The version of nemesis.
    pub nemesis: String,
    /// The version of libtorch.
    pub libtorch: String,
    /// The processor's name.
    pub processor: String,
    /// Where tensors lay: `cpu`, `cuda:0 (NVIDIA H100)`, …
    pub device: String,
    /// Threads of the worker.
    pub threads: u32,
    /// blake3 of the files that took part, by what they are: `weights`, `plugin coop`, …
    pub files: BTreeMap<String, String>,
    /// What the weights are; records of earlier versions lack it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backbone: Option<BackboneFacts>,
    /// How long the cell took.
    pub seconds: f64,
    /// That another build computed it, and why this one uses it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adopted: Option<Adopted>,
}

/// Where an adopted record is from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Adopted {
    /// The record of the other build.
    pub from: CellId,
    /// The name of the proof in the store's folder `adoptions`.
    pub proof: String,
    /// What the proof rests on, in a sentence for under tables.
    pub statement: String,
}

/// In what the provenance of records differs, a line for each difference; none when all agree. Times are not compared.
pub fn differences<'a>(all: impl IntoIterator<Item = &'a Provenance>) -> Vec<String> {
    let mut seen: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for Provenance { nemesis, libtorch, processor, device, threads, files, backbone: _, seconds: _, adopted: _ } in all
    {
        let named = [("nemesis", nemesis), ("libtorch", libtorch), ("processor", processor), ("device", device)];
        let threads = ("threads".to_owned(), threads.to_string());
        let files = files.iter().map(|(what, hash)| (format!("file `{what}`"), hash.chars().take(12).collect()));
        for (what, value) in
            named.iter().map(|(what, value)| ((*what).to_owned(), (*value).clone())).chain([threads]).chain(files)
        {
            let values = seen.entry(what).or_default();
            if let Err(place) = values.binary_search(&value) {
                values.insert(place, value);
            }
        }
    }
    seen.into_iter()
        .filter(|(_, values)| values.len() > 1)
        .map(|(what, values)| format!("{what}: {}", values.join(" and ")))
        .collect()
}

/// A cell that could not be computed, and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failure {
    /// The version of the format.
    pub schema: u32,
    /// The cell's id.
    pub id: CellId,
    /// What was to be computed.
    pub cell: Cell,
    /// What went wrong.
    #[serde(deserialize_with = "text_or_whole")]
    pub reason: Error,
}

/// An error, or only its text.
fn text_or_whole<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Error, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        Text(String),
        Whole(Error),
    }
    Either::deserialize(deserializer).map(|reason| match reason {
        Either::Text(text) => Error::new(text),
        Either::Whole(error) => error,
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) fn provenance() -> Provenance {
        Provenance {
            nemesis: "0.1.0".into(),
            libtorch: "2.11.0".into(),
            processor: "A".into(),
            device: "cpu".into(),
            threads: 1,
            files: BTreeMap::from([("weights".into(), "aa".into())]),
            backbone: None,
            seconds: 1.5,
            adopted: None,
        }
    }

    fn count(predicted: &[u32], labels: &[u32]) -> Result<EvaluationOutcome> {
        EvaluationOutcome::count(Evaluated { predicted, labels, classes: 3, context_norms: Vec::new() }, String::new())
    }

    #[test]
    fn accuracy_is_counted_by_class() {
        let outcome = count(&[0, 1, 1, 2], &[0, 1, 2, 2]).unwrap();
        assert_eq!((outcome.correct, outcome.total), (3, 4));
        assert!((outcome.accuracy - 75.0).abs() < f64::EPSILON);
        assert_eq!(outcome.classes[2], ClassCount { correct: 1, total: 2 });
        assert!(count(&[0], &[0, 1]).is_err());
        assert!(count(&[3], &[0]).is_err());
        assert!(count(&[], &[]).is_err());
    }

    #[test]
    fn mixed_provenance_is_told_by_what_differs() {
        let (one, mut two) = (provenance(), provenance());
        two.seconds = 99.0;
        assert!(differences([&one, &two]).is_empty());
        two.processor = "B".into();
        two.files.insert("weights".into(), "bb".into());
        two.files.insert("plugin".into(), "cc".into());
        assert_eq!(differences([&one, &two, &one]), ["file `weights`: aa and bb", "processor: A and B"]);
    }
}
