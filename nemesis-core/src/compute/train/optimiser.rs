//! Stochastic gradient descent as `PyTorch` computes it, over the parameters of a method.

use super::course::{Course, Watched};
use super::protocol::ResolvedProtocol;
use super::scaler::GradScaler;
use crate::method::{Batch, Parameter};
use crate::{Error, Result};
use std::collections::BTreeMap;
use tch::{Kind, Tensor, no_grad};

/// SGD with momentum and weight decay (`torch/optim/sgd.py`): `g ← ∇ + wd·p`, `b ← m·b + g` (the first time `b ← g`),
/// `p ← p − lr·b`.
#[derive(Debug)]
pub struct Sgd {
    slots: Vec<Slot>,
    scaler: Option<GradScaler>,
    /// What has happened so far, to explain a step that goes wrong.
    pub(super) course: Course,
}

#[derive(Debug)]
struct Slot {
    name: String,
    parameter: Tensor,
    velocity: Option<Tensor>,
    rate_scale: f64,
    momentum: f64,
    weight_decay: f64,
}

impl Sgd {
    /// An optimiser of `parameters` with the protocol's numbers, unless a parameter's own options override them.
    ///
    /// # Errors
    ///
    /// When a parameter asks for another optimiser or has an option that SGD does not know.
    pub fn new(parameters: Vec<Parameter>, protocol: &ResolvedProtocol) -> Result<Self> {
        let slots =
            parameters.into_iter().map(|parameter| Slot::new(parameter, protocol)).collect::<Result<Vec<_>>>()?;
        let course = Course::new(slots.iter().map(Slot::watched));
        Ok(Self { slots, scaler: None, course })
    }

    /// The parameters, for checks.
    pub(super) fn parameters(&self) -> impl Iterator<Item = Watched<'_>> + Clone {
        self.slots.iter().map(Slot::watched)
    }

    /// Records the loss of a step: see [`Course::loss`].
    pub(super) fn note_loss(
        &mut self,
        loss: f64,
        batch: &Batch,
        reports: &BTreeMap<String, Vec<Tensor>>,
    ) -> Result<()> {
        self.course.loss(loss, batch, self.slots.iter().map(Slot::watched), reports)
    }

    /// Whether every step so far was skipped, because no loss scale made its gradients finite.
    pub(super) fn took_no_step(&self) -> bool {
        self.scaler.as_ref().is_some_and(GradScaler::took_no_step)
    }

    /// The same optimiser for mixed precision, with a gradient scaler before it.
    #[must_use]
    pub(super) fn scaled(self) -> Self {
        Self { scaler: Some(GradScaler::new()), ..self }
    }

    /// Whether there is a gradient scaler.
    pub(super) fn is_scaled(&self) -> bool {
        self.scaler.is_some()
    }

    /// The factor to apply to the loss for [`Self::step_scaled`]: 1 without a gradient scaler.
    pub(super) fn loss_scale(&self) -> f64 {
        self.scaler.as_ref().map_or(1.0, GradScaler::scale)
    }

    /// [`Self::step`] for gradients of the loss times [`Self::loss_scale`]. The step is skipped if one is not finite.
    pub(super) fn step_scaled(&mut self, learning_rate: f64) -> Result<()> {
        let factor = 1.0 / self.loss_scale();
        let Some(scaler) = &mut self.scaler else {
            self.step(learning_rate);
            return Ok(());
        };
        let mut finite = true;
        for slot in &self.slots {
            let mut gradient = slot.parameter.grad();
            if gradient.defined() {
                let _ = no_grad(|| gradient.g_mul_scalar_(factor));
                finite &= bool::try_from(gradient.isfinite().all())?;
            }
        }
        scaler.update(finite);
        if finite {
            self.step(learning_rate);
        }
        Ok(())
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
        let name = parameter.name.clone();
        if !parameter.optimiser.is_empty() && parameter.optimiser != "sgd" {
            let asked = &parameter.optimiser;
            return Err(Error::new(format!("the parameter `{name}` asks for the optimiser `{asked}`"))
                .expected("`sgd`, or an empty string for the protocol's optimiser"));
        }
        if !parameter.tensor.requires_grad() {
            return Err(Error::new(format!("the parameter `{name}` does not require a gradient")));
        }
        let mut slot = Self {
            name: parameter.name,
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

    fn watched(&self) -> Watched<'_> {
        Watched { name: &self.name, tensor: &self.parameter, moves: self.rate_scale != 0.0 }
    }

    fn step(&mut self, learning_rate: f64) {
        let gradient = self.parameter.grad();
        if !gradient.defined() {
            return;
        }
        let gradient = plus(&gradient, &self.parameter, self.weight_decay);
        let velocity = match &self.velocity {
            Some(velocity) => velocity * self.momentum + gradient,
            None => gradient,
        };
        self.parameter.copy_(&plus(&self.parameter, &velocity, -learning_rate * self.rate_scale));
        self.velocity = Some(velocity);
    }
}

/// `x + factor · y`, rounded once in half precision, as `torch.add` with `alpha` does. A product with a weight decay or
/// a learning rate may be below the normal range of fp16.
fn plus(x: &Tensor, y: &Tensor, factor: f64) -> Tensor {
    match x.kind() {
        kind @ (Kind::Half | Kind::BFloat16) => {
            (x.to_kind(Kind::Float) + y.to_kind(Kind::Float) * factor).to_kind(kind)
        }
        _ => x + y * factor,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::OptimiserKind;

    /// The values are from `PyTorch` 2.11 on a CPU: `torch.optim.SGD([p], lr, momentum=0.9, weight_decay=131 / 2**18)`
    /// with a parameter of the type, whose `grad` is set, and whose rate is changed before each step. Decay and rates
    /// are numbers that half types hold, and the four numbers are repeated 16 times: `PyTorch`'s CPU
    /// kernels round other factors first, and values that do not fill a vector twice; GPU kernels do neither.
    #[test]
    fn half_types_are_rounded_where_pytorch_rounds_them() {
        let steps = [
            (131.0, [-0.553, 12.71, -0.008, -0.657]),
            (171.0, [-1.643, 19.606, -0.001, -0.821]),
            (137.0, [0.313, -22.703, 0.008, -0.282]),
        ];
        let half = (
            [0.030_059_814_453_125, -0.417_480_468_75, 4.101_562_5, 0.108_215_332_031_25],
            [-1.613_281_25, 5.234_375, 0.006_175_994_873_046_875, -1.552_734_375],
        );
        let bfloat = (
            [0.030_151_367_187_5, -0.416_015_625, 4.093_75, 0.108_886_718_75],
            [-1.617_187_5, 5.125, 0.006_164_550_781_25, -1.546_875],
        );
        for (kind, (parameter, velocity)) in [(Kind::Half, half), (Kind::BFloat16, bfloat)] {
            let tensor = |values: [f64; 4]| Tensor::from_slice(&values).to_kind(kind).repeat([16]);
            let context = tensor([0.02, -0.3, 4.1, 0.1]).set_requires_grad(true);
            let mut sgd = Sgd::new(vec![Parameter::new("ctx", context.shallow_clone())], &protocol()).unwrap();
            for (rate, gradient) in steps {
                sgd.zero_grad();
                (&context * tensor(gradient)).sum(None::<Kind>).backward();
                sgd.step(rate * 2.0_f64.powi(-16));
            }
            assert_eq!(context, tensor(parameter), "{kind:?}");
            let found = sgd.slots[0].velocity.as_ref().unwrap();
            assert_eq!((found.kind(), found), (kind, &tensor(velocity)));
        }
    }

    /// A step with scaled gradients equals one with the gradients, and is skipped if one of them is not finite.
    #[test]
    fn scaled_steps_are_plain_ones_or_none() {
        let parameter = || Tensor::from_slice(&[0.5_f32, -2.0]).set_requires_grad(true);
        let [plain, mixed] = [parameter(), parameter()];
        let sgd = |tensor: &Tensor| Sgd::new(vec![Parameter::new("ctx", tensor.shallow_clone())], &protocol()).unwrap();
        let (mut one, mut two) = (sgd(&plain), sgd(&mixed).scaled());
        for slope in [1.0, f64::INFINITY, 3.0] {
            if slope.is_finite() {
                one.zero_grad();
                (&plain * slope).sum(None::<Kind>).backward();
                one.step(0.1);
            }
            two.zero_grad();
            ((&mixed * slope).sum(None::<Kind>) * two.loss_scale()).backward();
            two.step_scaled(0.1).unwrap();
        }
        assert_eq!(mixed, plain);
        assert!((two.loss_scale() - 32768.0).abs() < f64::EPSILON);
    }

    fn protocol() -> ResolvedProtocol {
        ResolvedProtocol {
            name: "paper".to_owned(),
            optimiser: OptimiserKind::Sgd,
            learning_rate: 0.002,
            momentum: 0.9,
            weight_decay: 131.0 * 2.0_f64.powi(-18),
            warmup_epochs: 1,
            warmup_learning_rate: 1e-5,
            batch_size: 32,
            epochs: 50,
            views: 50,
        }
    }
}
