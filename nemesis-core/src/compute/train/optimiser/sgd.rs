//! Stochastic gradient descent.

use super::rounding::plus;
use tch::Tensor;

/// SGD as in `torch/optim/sgd.py`: `g ← ∇ + wd·p`, `b ← m·b + (1 − dampening)·g` (the first time `b ← g`), `p ← p −
/// lr·b`; with Nesterov's rule `p ← p − lr·(g + m·b)`.
#[derive(Debug)]
pub(super) struct Sgd {
    pub(super) momentum: f64,
    pub(super) dampening: f64,
    pub(super) weight_decay: f64,
    nesterov: bool,
    pub(super) velocity: Option<Tensor>,
}

impl Sgd {
    pub(super) fn new(momentum: f64, dampening: f64, nesterov: bool) -> Self {
        Self { momentum, dampening, weight_decay: 0.0, nesterov, velocity: None }
    }

    /// What it remembers.
    pub(super) fn memory(&self) -> Vec<(&'static str, &Tensor)> {
        self.velocity.iter().map(|velocity| ("velocity", velocity)).collect()
    }

    pub(super) fn step(&mut self, parameter: &mut Tensor, gradient: &Tensor, learning_rate: f64) {
        let gradient = plus(gradient, parameter, self.weight_decay);
        let velocity = match &self.velocity {
            Some(velocity) if self.dampening == 0.0 => velocity * self.momentum + &gradient,
            Some(velocity) => plus(&(velocity * self.momentum), &gradient, 1.0 - self.dampening),
            None => gradient.shallow_clone(),
        };
        let direction =
            if self.nesterov { plus(&gradient, &velocity, self.momentum) } else { velocity.shallow_clone() };
        parameter.copy_(&plus(parameter, &direction, -learning_rate));
        self.velocity = Some(velocity);
    }
}
