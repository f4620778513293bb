//! Averages of the parameters over epochs.

use super::protocol::ResolvedProtocol;
use crate::method::AverageKind;
use tch::{Kind, Tensor, no_grad};

/// An average of parameters at the ends of epochs, which takes their place when training is over.
#[derive(Debug)]
pub struct WeightAverage {
    weighting: Weighting,
    /// The average so far: its type is that of the parameters, or single precision for half types.
    average: Option<Vec<Tensor>>,
}

#[derive(Debug)]
enum Weighting {
    /// The average times this, and the state times the rest; at first the state, as `torch.optim.swa_utils` does.
    Moving(f64),
    /// A weight for each epoch, which are 1 together (`trainers/promptsrc.py` of `PromptSRC`).
    Weights(Vec<f64>),
}

impl WeightAverage {
    /// The average that a protocol asks for, if it does.
    pub fn new(protocol: &ResolvedProtocol) -> Option<Self> {
        let weighting = match protocol.average {
            AverageKind::None => return None,
            AverageKind::Moving => Weighting::Moving(protocol.average_decay.unwrap_or(0.0)),
            AverageKind::Gaussian => {
                let mean = protocol.average_mean.unwrap_or(0.0);
                let deviation = protocol.average_deviation.unwrap_or(1.0);
                Weighting::Weights(gaussian(protocol.epochs, mean, deviation))
            }
        };
        Some(Self { weighting, average: None })
    }

    /// Takes in the parameters at the end of a zero-based `epoch`.
    pub fn end_epoch<'a>(&mut self, epoch: u64, parameters: impl Iterator<Item = &'a Tensor>) {
        no_grad(|| {
            let parameters = parameters.map(|tensor| {
                let kind = match tensor.kind() {
                    Kind::Half | Kind::BFloat16 => Kind::Float,
                    kind => kind,
                };
                tensor.detach().to_kind(kind)
            });
            let (kept, added) = match &self.weighting {
                Weighting::Moving(decay) if self.average.is_some() => (*decay, 1.0 - decay),
                Weighting::Moving(_) => (0.0, 1.0),
                Weighting::Weights(weights) => (1.0, weights.get(epoch as usize).copied().unwrap_or(0.0)),
            };
            self.average = Some(match self.average.take() {
                Some(average) => average.iter().zip(parameters).map(|(old, new)| old * kept + new * added).collect(),
                None => parameters.map(|new| new * added).collect(),
            });
        });
    }

    /// The average so far.
    pub(super) fn tensors(&self) -> impl Iterator<Item = &Tensor> {
        self.average.iter().flatten()
    }

    /// Goes on from an average that was reached earlier.
    pub(super) fn recall(&mut self, average: Vec<Tensor>) {
        self.average = (!average.is_empty()).then_some(average);
    }

    /// Replaces the parameters by their average.
    pub fn replace<'a>(&self, parameters: impl Iterator<Item = &'a Tensor>) {
        no_grad(|| {
            for (parameter, average) in parameters.zip(self.average.iter().flatten()) {
                parameter.shallow_clone().copy_(average);
            }
        });
    }
}

/// The weights of the epochs from 1 on. Their common factor falls out; the largest exponent is 0, so that a mean far off
/// leaves the nearest epoch instead of nothing.
fn gaussian(epochs: u64, mean: f64, deviation: f64) -> Vec<f64> {
    let exponents: Vec<f64> = (1..=epochs).map(|epoch| -0.5 * ((epoch as f64 - mean) / deviation).powi(2)).collect();
    let largest = exponents.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let weights: Vec<f64> = exponents.into_iter().map(|exponent| libm::exp(exponent - largest)).collect();
    let sum: f64 = weights.iter().sum();
    weights.into_iter().map(|weight| weight / sum).collect()
}
