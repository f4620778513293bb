//! Adam, with the weight decay in the gradient or decoupled.

use super::rounding::{in_single, plus};
use tch::Tensor;

/// Adam and `AdamW` as in `torch/optim/adam.py` (`_single_tensor_adam`).
#[derive(Debug)]
pub(super) struct Adam {
    pub(super) betas: [f64; 2],
    pub(super) eps: f64,
    pub(super) weight_decay: f64,
    /// Whether the weight decay shrinks the parameter, as in `AdamW`, in place of being added to the gradient.
    pub(super) is_decoupled: bool,
    amsgrad: bool,
    steps: u64,
    moments: Option<Moments>,
}

/// Running averages of the gradient and its square.
#[derive(Debug)]
struct Moments {
    first: Tensor,
    second: Tensor,
    /// The largest second moment so far.
    largest: Tensor,
}

impl Adam {
    pub(super) fn new(betas: [f64; 2], eps: f64, amsgrad: bool) -> Self {
        Self { betas, eps, weight_decay: 0.0, is_decoupled: false, amsgrad, steps: 0, moments: None }
    }

    /// What it remembers, and after how many steps.
    pub(super) fn memory(&self) -> (u64, Vec<(&'static str, &Tensor)>) {
        let moments = self.moments.iter();
        let tensors = moments.flat_map(|Moments { first, second, largest }| {
            [("first", first), ("second", second), ("largest", largest)]
        });
        (self.steps, tensors.collect())
    }

    /// Goes on from what was remembered: all three tensors, or none if there was no step.
    pub(super) fn recall(&mut self, steps: u64, moments: Option<[Tensor; 3]>) {
        self.steps = steps;
        self.moments = moments.map(|[first, second, largest]| Moments { first, second, largest });
    }

    pub(super) fn step(&mut self, parameter: &mut Tensor, gradient: &Tensor, learning_rate: f64) {
        let [beta1, beta2] = self.betas;
        self.steps += 1;
        let mut gradient = gradient.shallow_clone();
        if self.weight_decay != 0.0 {
            if self.is_decoupled {
                // In place, libtorch would round the factor to the half type first.
                let shrunk = &*parameter * (1.0 - learning_rate * self.weight_decay);
                parameter.copy_(&shrunk);
            } else {
                gradient = plus(&gradient, parameter, self.weight_decay);
            }
        }
        let zeros = || gradient.zeros_like();
        let moments =
            self.moments.take().unwrap_or_else(|| Moments { first: zeros(), second: zeros(), largest: zeros() });
        let first = moments.first.lerp(&gradient, 1.0 - beta1);
        let second = in_single([&(moments.second * beta2), &gradient], |[second, gradient]| {
            second + (gradient * (1.0 - beta2)) * gradient
        });
        let correction = |beta: f64| 1.0 - libm::pow(beta, self.steps as f64);
        let (correction1, correction2) = (correction(beta1), correction(beta2));
        let largest = if self.amsgrad { moments.largest.maximum(&second) } else { moments.largest };
        let root = if self.amsgrad { largest.sqrt() } else { second.sqrt() };
        let denominator = root / correction2.sqrt() + self.eps;
        let size = learning_rate / correction1;
        let moved = in_single([parameter, &first, &denominator], |[parameter, first, denominator]| {
            parameter - (first * size) / denominator
        });
        parameter.copy_(&moved);
        self.moments = Some(Moments { first, second, largest });
    }
}
