//! Where a training stands between two epochs: all that the epochs to come depend on, beyond its cell.
//!
//! Randomness needs nothing, since every draw is keyed by its epoch or step. Floating-point numbers are kept as their bits,
//! because text would round some of them.

use super::averages::WeightAverage;
use super::optimiser::Optimiser;
use super::training::EpochRecord;
use crate::method::State;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tch::{Device, Tensor};

/// A training between two epochs.
#[derive(Debug)]
pub struct Standing {
    /// Parameters, what the optimiser remembers, and averages.
    pub tensors: State,
    /// Everything else.
    pub numbers: Numbers,
}

/// The numbers of a training between two epochs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Numbers {
    /// How many epochs are done.
    pub epochs: u64,
    /// By parameter: the optimiser's steps, and whether there is a gradient.
    pub(super) parameters: BTreeMap<String, (u64, bool)>,
    /// The loss scale's bits, the good steps since its last change, and whether there were good and bad steps.
    pub(super) scaler: Option<(u32, u32, (bool, bool))>,
    /// Bits of the parameters' norm at the start, and of the first and last loss.
    pub(super) course: (u64, Option<(u64, u64)>),
    /// The history.
    history: Vec<EpochBits>,
}

/// An [`EpochRecord`] in bits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct EpochBits {
    learning_rate: u64,
    loss: u64,
    reported: BTreeMap<String, Vec<u64>>,
}

impl Standing {
    /// What is needed to go on behind the epochs of `history`.
    pub(super) fn of(optimiser: &Optimiser, average: Option<&WeightAverage>, history: &[EpochRecord]) -> Self {
        let mut tensors = State::new();
        let numbers = Numbers {
            epochs: history.len() as u64,
            parameters: optimiser.remember(&mut tensors),
            scaler: optimiser.scaler_numbers(),
            course: optimiser.course.numbers(),
            history: history.iter().map(EpochBits::of).collect(),
        };
        for (number, tensor) in average.into_iter().flat_map(WeightAverage::tensors).enumerate() {
            tensors.push((format!("average/{number}"), tensor.copy()));
        }
        Self { tensors, numbers }
    }

    /// Puts a training that has just been set up where this one stood; returns the history.
    ///
    /// # Errors
    ///
    /// When it belongs to a training with other parameters.
    pub(super) fn restore(
        &self,
        optimiser: &mut Optimiser,
        average: Option<&mut WeightAverage>,
        device: Device,
    ) -> Result<Vec<EpochRecord>> {
        let tensors: BTreeMap<&str, &Tensor> =
            self.tensors.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
        optimiser.recall(&tensors, &self.numbers)?;
        if let Some(average) = average {
            let numbered = (0..).map_while(|number| tensors.get(format!("average/{number}").as_str()).copied());
            average.recall(numbered.map(|tensor| tensor.to_device(device).copy()).collect());
        }
        Ok(self.numbers.history.iter().map(EpochBits::record).collect())
    }
}

impl EpochBits {
    fn of(record: &EpochRecord) -> Self {
        let bits = |values: &Vec<f64>| values.iter().map(|value| value.to_bits()).collect();
        Self {
            learning_rate: record.learning_rate.to_bits(),
            loss: record.loss.to_bits(),
            reported: record.reported.iter().map(|(name, values)| (name.clone(), bits(values))).collect(),
        }
    }

    fn record(&self) -> EpochRecord {
        let floats = |values: &Vec<u64>| values.iter().map(|bits| f64::from_bits(*bits)).collect();
        EpochRecord {
            learning_rate: f64::from_bits(self.learning_rate),
            loss: f64::from_bits(self.loss),
            reported: self.reported.iter().map(|(name, values)| (name.clone(), floats(values))).collect(),
        }
    }
}

/// The error if a standing belongs to another training.
pub(super) fn foreign(what: &str) -> Error {
    Error::new(format!("the checkpoint belongs to another training: {what}"))
}
