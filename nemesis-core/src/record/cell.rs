//! Cells: what a run computes, and the ids that name them.
//!
//! A cell holds all that can change its result, and nothing that cannot. Its id is a hash over that.

use super::canonical::canonical;
use crate::backbone::BackboneKey;
use crate::dataset::ClassSubset;
use crate::seeds::Seeds;
use crate::train::Corruption;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::fmt;
use std::str::FromStr;

/// The name of a cell: blake3 over the canonical JSON of the cell, 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct CellId([u8; 32]);

impl CellId {
    /// The first twelve digits, enough to tell cells apart in a message.
    pub fn short(&self) -> String {
        self.to_string()[..12].to_owned()
    }
}

impl fmt::Display for CellId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&blake3::Hash::from_bytes(self.0).to_hex())
    }
}

impl fmt::Debug for CellId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CellId({self})")
    }
}

impl FromStr for CellId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        blake3::Hash::from_hex(text)
            .map(|hash| Self(hash.into()))
            .map_err(|_| Error::new(format!("`{text}` is no cell id")).expected("64 hexadecimal digits"))
    }
}

impl From<CellId> for String {
    fn from(id: CellId) -> Self {
        id.to_string()
    }
}

impl TryFrom<String> for CellId {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

/// A method as it enters an id.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MethodKey {
    /// The method's id, for instance `nemesis-pen`.
    pub id: String,
    /// All options with their values, those left at their defaults included.
    pub options: Map<String, Value>,
    /// The fingerprint of the sources that the plugin was built from.
    pub source: String,
}

/// One training: what it leaves is its learned state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingCell {
    /// The data set's name in `datasets.yaml`.
    pub dataset: String,
    /// The hash of the data set's manifest: its classes and samples.
    pub manifest: String,
    /// What the images of the few-shot sample hold, in order, behind them those of the validation sample where the
    /// method asks for it: [`digest`](crate::contents::digest).
    pub images: String,
    /// The classes that are trained on.
    pub classes: ClassSubset,
    /// The method and its options.
    pub method: MethodKey,
    /// The backbone whose prompts are tuned.
    pub backbone: BackboneKey,
    /// Training images per class.
    #[serde(with = "crate::shots::one")]
    pub shots: u32,
    /// The seed of the few-shot sample, and of every other draw of the training unless `initialisation` is set.
    pub seed: u64,
    /// The seed of all that is drawn beside the sample, its crops and its flips, if it is not `seed`. Written only then,
    /// so that a cell with equal seeds is the same whether or not its run split them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initialisation: Option<u64>,
    /// The protocol: its name and every number of it.
    pub protocol: Map<String, Value>,
    /// The precision that is computed in: `fp32`, `fp64`, `fp16`, …
    pub precision: String,
    /// The fingerprint of the sources that the engine was built from.
    pub engine: String,
    /// The epochs, counted from one, after which the learned state is kept beside the last one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kept_epochs: Vec<u64>,
    /// The fingerprint of the few-shot sample, if it came from a list and is not the one that is drawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sample: Option<String>,
}

/// Where the classifier of an evaluation comes from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "from", deny_unknown_fields)]
pub enum Subject {
    /// The learned state of a training. The whole cell is kept, so that a record explains itself.
    Training {
        /// The training.
        cell: Box<TrainingCell>,
    },
    /// Hand-written prompts: nothing is learned.
    ZeroShot {
        /// The template, with `{}` in place of the class name.
        template: String,
    },
    /// Hand-written prompts, several for each class: the features of each are unit vectors, and so is their mean.
    Ensemble {
        /// What the list of templates is called in suites: `ensemble-80`.
        name: String,
        /// The templates, with `{}` in place of the class name.
        templates: Vec<String>,
    },
    /// Sentences for each class: the features of each are unit vectors, and so is their mean.
    Described {
        /// What they are called in suites.
        name: String,
        /// The sentences of each class that is tested, in the order of the labels.
        sentences: Vec<Vec<String>>,
    },
    /// A learned state from elsewhere, for instance a CoOp checkpoint.
    Imported {
        /// blake3 of the imported state.
        state: String,
        /// The method that gives the state its meaning.
        method: MethodKey,
    },
}

impl Subject {
    /// The training, where there is one.
    pub fn training(&self) -> Option<&TrainingCell> {
        match self {
            Self::Training { cell } => Some(cell),
            Self::ZeroShot { .. } | Self::Ensemble { .. } | Self::Described { .. } | Self::Imported { .. } => None,
        }
    }

    /// The method, unless the classifier is a zero-shot one.
    pub fn method(&self) -> Option<&MethodKey> {
        match self {
            Self::Training { cell } => Some(&cell.method),
            Self::Imported { method, .. } => Some(method),
            Self::ZeroShot { .. } | Self::Ensemble { .. } | Self::Described { .. } => None,
        }
    }
}

/// One evaluation of a classifier on a test set. It never trains.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvaluationCell {
    /// What is evaluated.
    pub subject: Subject,
    /// The data set of the test images, by its name in `datasets.yaml`.
    pub dataset: String,
    /// The hash of that data set's manifest.
    pub manifest: String,
    /// What the test images of the classes hold, in order: [`digest`](crate::contents::digest).
    pub images: String,
    /// The classes that are told apart, and whose test images are counted.
    pub classes: ClassSubset,
    /// Only the first so many test images of each class, if set.
    pub limit: Option<u32>,
    /// The context vector that is corrupted first, if one is.
    pub corruption: Option<Corruption>,
    /// The kept epoch of the training that is evaluated, if it is not the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u64>,
    /// The backbone.
    pub backbone: BackboneKey,
    /// The protocol's name, and what of it an evaluation depends on.
    pub protocol: Map<String, Value>,
    /// The precision that is computed in.
    pub precision: String,
    /// The fingerprint of the sources that the engine was built from.
    pub engine: String,
}

/// A unit of a plan: computed once, recorded once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "kind")]
pub enum Cell {
    /// Leaves a learned state.
    Training(TrainingCell),
    /// Leaves predictions and an accuracy.
    Evaluation(EvaluationCell),
}

impl Cell {
    /// The backbone that it is computed with.
    pub fn backbone(&self) -> &BackboneKey {
        match self {
            Self::Training(cell) => &cell.backbone,
            Self::Evaluation(cell) => &cell.backbone,
        }
    }

    /// The cell's name. Equal cells have equal ids, whatever the order of their options.
    pub fn id(&self) -> CellId {
        match self {
            Self::Training(cell) => cell.id(),
            Self::Evaluation(cell) => cell.id(),
        }
    }
}

/// A [`Cell`] that is lent: its text is the same.
#[derive(Serialize)]
#[serde(rename_all = "lowercase", tag = "kind")]
enum CellRef<'a> {
    Training(&'a TrainingCell),
    Evaluation(&'a EvaluationCell),
}

impl CellRef<'_> {
    fn id(&self) -> CellId {
        CellId(blake3::hash(&canonical(self)).into())
    }
}

impl From<TrainingCell> for Cell {
    fn from(cell: TrainingCell) -> Self {
        Self::Training(cell)
    }
}

impl From<EvaluationCell> for Cell {
    fn from(cell: EvaluationCell) -> Self {
        Self::Evaluation(cell)
    }
}

impl TrainingCell {
    /// Both seeds.
    pub fn seeds(&self) -> Seeds {
        Seeds { sample: self.seed, initialisation: self.initialisation.unwrap_or(self.seed) }
    }

    /// The same cell with these seeds.
    #[must_use]
    pub fn with_seeds(mut self, seeds: Seeds) -> Self {
        self.set_seeds(seeds);
        self
    }

    /// Gives it these seeds.
    pub fn set_seeds(&mut self, seeds: Seeds) {
        self.seed = seeds.sample;
        self.initialisation = (!seeds.are_equal()).then_some(seeds.initialisation);
    }

    /// The id of this cell as a [`Cell`].
    pub fn id(&self) -> CellId {
        CellRef::Training(self).id()
    }
}

impl EvaluationCell {
    /// The data set whose few-shot sample it hangs on: that of its training, else its own.
    pub fn home(&self) -> &str {
        self.subject.training().map_or(&self.dataset, |training| &training.dataset)
    }

    /// The id of this cell as a [`Cell`].
    pub fn id(&self) -> CellId {
        CellRef::Evaluation(self).id()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::backbone::Assumption;
    use crate::train::CorruptionKind;
    use serde_json::json;

    fn map(value: &Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    pub(crate) fn training() -> TrainingCell {
        TrainingCell {
            dataset: "eurosat".into(),
            manifest: "m".into(),
            images: "i".into(),
            classes: ClassSubset::All,
            method: MethodKey {
                id: "nemesis-pen".into(),
                options: map(&json!({ "n_ctx": 16, "alpha": 1.0 })),
                source: "s".into(),
            },
            backbone: BackboneKey { weights: "w".into(), assumed: None },
            shots: 16,
            seed: 1,
            initialisation: None,
            protocol: map(&json!({ "name": "paper", "lr": 0.002 })),
            precision: "fp32".into(),
            engine: "e".into(),
            kept_epochs: Vec::new(),
            sample: None,
        }
    }

    pub(crate) fn evaluation() -> EvaluationCell {
        EvaluationCell {
            subject: Subject::Training { cell: Box::new(training()) },
            dataset: "eurosat".into(),
            manifest: "m".into(),
            images: "i".into(),
            classes: ClassSubset::All,
            limit: None,
            corruption: Some(Corruption { kind: CorruptionKind::Rescale, position: 3, value: 0.5 }),
            epoch: None,
            backbone: BackboneKey { weights: "w".into(), assumed: None },
            protocol: map(&json!({ "name": "paper" })),
            precision: "fp32".into(),
            engine: "e".into(),
        }
    }

    /// A change of these ids would make every stored record foreign.
    #[test]
    fn ids_are_known() {
        insta::assert_snapshot!(training().id(), @"4c70095fd644f00cfb97d6c4fbfdfccaa22b12a0ff5400cdef00f8968b45ee3e");
    }

    #[test]
    fn the_id_is_the_hash_of_the_canonical_text() {
        let text = concat!(
            r#"{"backbone":{"weights":"w"},"classes":"all","dataset":"eurosat","engine":"e","images":"i","kind":"training","#,
            r#""manifest":"m","method":{"id":"nemesis-pen","options":{"alpha":1.0,"n_ctx":16},"source":"s"},"#,
            r#""precision":"fp32","protocol":{"lr":0.002,"name":"paper"},"seed":1,"shots":16}"#
        );
        assert_eq!(training().id().to_string(), blake3::hash(text.as_bytes()).to_hex().as_str());
    }

    #[test]
    fn the_order_of_options_does_not_matter_and_their_values_do() {
        let mut other = training();
        other.method.options = map(&json!({ "alpha": 1.0, "n_ctx": 16 }));
        assert_eq!(other.id(), training().id());
        other.method.options["alpha"] = json!(2.0);
        assert_ne!(other.id(), training().id());
    }

    #[test]
    fn split_seeds_are_part_of_the_id_if_they_differ() {
        let with = |sample, initialisation| training().with_seeds(Seeds { sample, initialisation });
        assert_eq!(with(1, 1).id(), training().id());
        let ids = [with(1, 1), with(1, 2), with(2, 1), with(2, 2)].map(|cell| cell.id());
        assert!(ids.iter().enumerate().all(|(at, id)| !ids[..at].contains(id)), "{ids:?}");
        assert_eq!(with(2, 1).seeds(), Seeds { sample: 2, initialisation: 1 });
        assert_eq!(serde_json::to_value(with(2, 1)).unwrap()["initialisation"], 1);
    }

    #[test]
    fn what_was_assumed_of_the_weights_is_part_of_the_id() {
        let mut other = training();
        other.backbone.assumed = Some(Assumption::OpenAi);
        assert_ne!(other.id(), training().id());
        assert_eq!(serde_json::to_string(&other.backbone).unwrap(), r#"{"weights":"w","assumed":"openai"}"#);
        assert_eq!(serde_json::to_string(&training().backbone).unwrap(), r#"{"weights":"w"}"#);
    }

    #[test]
    fn cells_and_ids_survive_json() {
        for cell in [Cell::Training(training()), Cell::Evaluation(evaluation())] {
            let read: Cell = serde_json::from_str(&serde_json::to_string(&cell).unwrap()).unwrap();
            assert_eq!(read, cell);
            let id: CellId = serde_json::from_str(&serde_json::to_string(&cell.id()).unwrap()).unwrap();
            assert_eq!(id, cell.id());
        }
        assert!("xyz".parse::<CellId>().is_err());
    }
}
