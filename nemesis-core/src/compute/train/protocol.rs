//! How training is run: the numbers that are the same for every method and data set of a table.

use crate::note::Note;
use crate::shots::in_words;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use tch::Kind;

/// A named protocol, as written in `benchmarks/protocols/*.yaml`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Protocol {
    /// The name shown under every table made with it.
    pub name: String,
    /// Differences from the published code, one sentence each, shown with the table. [`Precision::note`] covers those
    /// due to the precision.
    #[serde(default)]
    pub deviations: Vec<Note>,
    /// The optimiser.
    pub optimiser: OptimiserKind,
    /// The peak learning rate.
    pub learning_rate: f64,
    /// The momentum of SGD.
    pub momentum: f64,
    /// The weight decay, added to the gradient.
    pub weight_decay: f64,
    /// How many first epochs run at the warm-up learning rate.
    pub warmup_epochs: u64,
    /// The constant learning rate of the warm-up.
    pub warmup_learning_rate: f64,
    /// Images per step.
    pub batch_size: u64,
    /// Epochs by shots: the entry with the largest number of shots not above the one asked for applies.
    pub epochs: BTreeMap<u32, u64>,
    /// Epochs of data sets that have a number of their own, whatever the shots.
    #[serde(default)]
    pub epochs_by_dataset: BTreeMap<String, u64>,
    /// How many augmented views of an image there are; epoch `e` uses view `e mod views`. Without it every epoch has a
    /// view of its own, as published.
    #[serde(default)]
    pub views: Option<u64>,
    /// The numeric type of all computation.
    pub precision: Precision,
    /// Threads per worker. By default, all cores are divided among the workers.
    #[serde(default)]
    pub threads: Option<usize>,
    /// Options for every method that has them; the suite's override them.
    #[serde(default)]
    pub method_options: serde_json::Map<String, serde_json::Value>,
}

/// The available optimisers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OptimiserKind {
    /// Stochastic gradient descent with momentum, as in `PyTorch`, without dampening and Nesterov's rule.
    Sgd,
}

/// The numeric type that a cell is computed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// Single precision.
    Fp32,
    /// Double precision: slow, and the same table on every machine.
    Fp64,
    /// Half precision as the authors use it: for weights, activations, context, gradient and momentum. Normalisation is
    /// computed in single precision.
    Fp16,
    /// The same in the other half type: the range of single precision, with three bits less than fp16. No paper uses
    /// it.
    Bf16,
    /// Mixed precision as the authors' `amp` has it: trained with products in half precision and a gradient scaler,
    /// evaluated in single precision.
    Amp,
}

/// A protocol resolved for a data set and a number of shots. It is part of a training's id.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResolvedProtocol {
    /// The protocol's name.
    pub name: String,
    /// The optimiser.
    pub optimiser: OptimiserKind,
    /// The peak learning rate.
    pub learning_rate: f64,
    /// The momentum of SGD.
    pub momentum: f64,
    /// The weight decay, added to the gradient.
    pub weight_decay: f64,
    /// How many first epochs run at the warm-up learning rate.
    pub warmup_epochs: u64,
    /// The constant learning rate of the warm-up.
    pub warmup_learning_rate: f64,
    /// Images per step.
    pub batch_size: u64,
    /// The number of epochs.
    pub epochs: u64,
    /// The number of augmented views, at most `epochs`.
    pub views: u64,
}

impl Protocol {
    /// Resolves what depends on the data set and the shots.
    ///
    /// # Errors
    ///
    /// When the protocol gives no number of epochs for so few shots.
    pub fn resolve(&self, dataset: &str, shots: u32) -> Result<ResolvedProtocol> {
        let by_shots = || self.epochs.range(..=shots).next_back().map(|(_, epochs)| *epochs);
        let epochs = self.epochs_by_dataset.get(dataset).copied().or_else(by_shots).ok_or_else(|| {
            Error::new(format!("the protocol `{}` has no number of epochs for {}", self.name, in_words(shots)))
                .help("add an entry to `epochs` in the protocol")
        })?;
        Ok(ResolvedProtocol {
            name: self.name.clone(),
            optimiser: self.optimiser,
            learning_rate: self.learning_rate,
            momentum: self.momentum,
            weight_decay: self.weight_decay,
            warmup_epochs: self.warmup_epochs,
            warmup_learning_rate: self.warmup_learning_rate,
            batch_size: self.batch_size,
            epochs,
            views: self.views.unwrap_or(epochs).clamp(1, epochs.max(1)),
        })
    }
}

impl ResolvedProtocol {
    /// How many steps an epoch over `images` has. A partial last batch is dropped if there is a whole one
    /// (`dassl/data/data_manager.py`, `drop_last`).
    pub fn steps_per_epoch(&self, images: u64) -> u64 {
        if images >= self.batch_size { images / self.batch_size } else { u64::from(images > 0) }
    }
}

impl Precision {
    /// The tensor type of activations and parameters.
    pub fn kind(self) -> Kind {
        match self {
            Self::Fp32 | Self::Amp => Kind::Float,
            Self::Fp64 => Kind::Double,
            Self::Fp16 => Kind::Half,
            Self::Bf16 => Kind::BFloat16,
        }
    }
}

impl Precision {
    /// How numbers computed in this precision relate to the published ones: a sentence to show with a table.
    pub fn note(self) -> &'static str {
        match self {
            Self::Fp32 => {
                "computed in single precision where the authors' GPUs computed in half (there context, gradient and \
                 momentum are half, too)"
            }
            Self::Fp64 => "double precision, so that the rounded table is the same on every machine",
            Self::Fp16 => {
                "computed in half precision (fp16) as on the authors' GPUs, context, gradient and momentum included; \
                 these results depend on the hardware"
            }
            Self::Bf16 => {
                "computed in bfloat16, context, gradient and momentum included, where the authors' GPUs computed in \
                 fp16; these results depend on the hardware"
            }
            Self::Amp => {
                "mixed precision as the authors' `amp` has it: trained with products in fp16 and a gradient scaler, \
                 evaluated in single precision; the scaler and what is rounded where autocast would do it are ours, \
                 logits and losses are in single precision, and PAN tries positions on the features that it trains \
                 on; these results depend on the hardware"
            }
        }
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fp32 => "fp32",
            Self::Fp64 => "fp64",
            Self::Fp16 => "fp16",
            Self::Bf16 => "bf16",
            Self::Amp => "amp",
        })
    }
}

impl FromStr for Precision {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "fp32" => Ok(Self::Fp32),
            "fp64" => Ok(Self::Fp64),
            "fp16" => Ok(Self::Fp16),
            "bf16" => Ok(Self::Bf16),
            "amp" => Ok(Self::Amp),
            _ => Err("expected `fp32`, `fp64`, `fp16`, `bf16` or `amp`".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn protocol() -> Protocol {
        Protocol {
            name: "paper".to_owned(),
            deviations: vec![],
            optimiser: OptimiserKind::Sgd,
            learning_rate: 0.002,
            momentum: 0.9,
            weight_decay: 5e-4,
            warmup_epochs: 1,
            warmup_learning_rate: 1e-5,
            batch_size: 32,
            epochs: BTreeMap::from([(1, 50), (2, 100), (8, 200)]),
            epochs_by_dataset: BTreeMap::from([("imagenet".to_owned(), 50)]),
            views: None,
            precision: Precision::Fp32,
            threads: None,
            method_options: serde_json::Map::new(),
        }
    }

    #[test]
    fn epochs_depend_on_shots_and_data_set() {
        let epochs = |dataset, shots| protocol().resolve(dataset, shots).unwrap().epochs;
        assert_eq!([1, 2, 4, 8, 16].map(|shots| epochs("dtd", shots)), [50, 100, 100, 200, 200]);
        assert_eq!(epochs("imagenet", 16), 50);
    }

    #[test]
    fn the_last_partial_batch_is_dropped_only_behind_a_whole_one() {
        let resolved = protocol().resolve("dtd", 1).unwrap();
        // EuroSAT, OxfordPets, DTD, StanfordCars, SUN397 and ImageNet with one shot.
        let steps = [10, 37, 47, 196, 397, 1000].map(|images| resolved.steps_per_epoch(images));
        assert_eq!(steps, [1, 1, 1, 6, 12, 31]);
    }
}
