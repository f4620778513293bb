//! Stochastic gradient descent as `PyTorch` computes it, over the parameters of a method.

use super::protocol::ResolvedProtocol;
use crate::method::Parameter;
use crate::{Error, Result};
use tch::{Tensor, no_grad};

/// SGD with momentum and weight decay (`torch/optim/sgd.py`): `g ← ∇ + wd·p`, `b ← m·b + g` (the first time `b ← g`),
/// `p ← p − lr·b`.
#[derive(Debug)]
pub struct Sgd {
    slots: Vec<Slot>,
}

#[derive(Debug)]
struct Slot {
    parameter: Tensor,
    velocity: Option<Tensor>,
    rate_scale: f64,
    momentum: f64,
    weight_decay: f64,
}

impl Sgd {
    /// An optimiser of `parameters` with the protocol's numbers, as far as a parameter's own options leave them.
    ///
    /// # Errors
    ///
    /// When a parameter asks for another optimiser or has an option that SGD does not know.
    pub fn new(parameters: Vec<Parameter>, protocol: &ResolvedProtocol) -> Result<Self> {
        let slots = parameters.into_iter().map(|parameter| Slot::new(parameter, protocol)).collect::<Result<_>>()?;
        Ok(Self { slots })
    }

    /// Forgets the gradients of the last step.
    pub fn zero_grad(&mut self) {
        for slot in &mut self.slots {
            slot.parameter.zero_grad();
        }
    }

    /// Moves every parameter that has a gradient.
    pub fn step(&mut self, learning_rate: f64) {
        no_grad(|| {
            for slot in &mut self.slots {
                slot.step(learning_rate);
            }
        });
    }
}

impl Slot {
    fn new(parameter: Parameter, protocol: &ResolvedProtocol) -> Result<Self> {
        let name = &parameter.name;
        if !parameter.optimiser.is_empty() && parameter.optimiser != "sgd" {
            let asked = &parameter.optimiser;
            return Err(Error::new(format!("the parameter `{name}` asks for the optimiser `{asked}`"))
                .expected("`sgd`, or nothing for the protocol's"));
        }
        if !parameter.tensor.requires_grad() {
            return Err(Error::new(format!("the parameter `{name}` does not require a gradient")));
        }
        let mut slot = Self {
            parameter: parameter.tensor,
            velocity: None,
            rate_scale: 1.0,
            momentum: protocol.momentum,
            weight_decay: protocol.weight_decay,
        };
        for (option, value) in parameter.options {
            match option.as_str() {
                "lr_scale" => slot.rate_scale = value,
                "momentum" => slot.momentum = value,
                "weight_decay" => slot.weight_decay = value,
                _ => {
                    return Err(Error::new(format!("the parameter `{name}` has the unknown option `{option}`"))
                        .expected("`lr_scale`, `momentum` or `weight_decay`"));
                }
            }
        }
        Ok(slot)
    }

    fn step(&mut self, learning_rate: f64) {
        let gradient = self.parameter.grad();
        if !gradient.defined() {
            return;
        }
        let gradient = gradient + &self.parameter * self.weight_decay;
        let velocity = match &self.velocity {
            Some(velocity) => velocity * self.momentum + gradient,
            None => gradient,
        };
        let _ = self.parameter.g_sub_(&(&velocity * (learning_rate * self.rate_scale)));
        self.velocity = Some(velocity);
    }
}
