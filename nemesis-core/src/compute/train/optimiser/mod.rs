//! The optimisers of `torch.optim` as `PyTorch` computes them, over the parameters of a method.

mod adam;
mod clipping;
mod rounding;
mod sgd;

use super::course::{Course, Watched};
use super::protocol::{BETAS, EPS, ResolvedProtocol};
use super::scaler::GradScaler;
use super::standing::{Numbers, foreign};
use crate::method::{Batch, GroupPatch, OptimiserKind, Parameter, State};
use crate::{Error, Result};
use adam::Adam;
use sgd::Sgd;
use std::collections::BTreeMap;
use tch::{Tensor, no_grad, with_grad};

/// SGD, Adam or `AdamW` for each parameter, behind gradient clipping and, in mixed precision, a gradient scaler.
#[derive(Debug)]
pub struct Optimiser {
    slots: Vec<Slot>,
    /// The largest norm of all gradients together.
    clip_norm: Option<f64>,
    scaler: Option<GradScaler>,
    /// What has happened so far, to explain a step that goes wrong.
    pub(super) course: Course,
}

/// A parameter with what moves it.
#[derive(Debug)]
struct Slot {
    name: String,
    parameter: Tensor,
    rate_scale: f64,
    rule: Rule,
}

/// An update rule with its numbers and what it remembers.
#[derive(Debug)]
enum Rule {
    Sgd(Sgd),
    Adam(Adam),
}

impl Optimiser {
    /// An optimiser of `parameters` with the protocol's numbers, unless a parameter's own options, or the protocol's
    /// settings for its group, override them.
    ///
    /// # Errors
    ///
    /// When a parameter asks for an unknown optimiser or has an option that its optimiser does not know, or the
    /// protocol has settings for a group that no parameter belongs to.
    pub fn new(parameters: Vec<Parameter>, protocol: &ResolvedProtocol) -> Result<Self> {
        for group in protocol.groups.keys() {
            if !parameters.iter().any(|parameter| parameter.group == *group) {
                let known: std::collections::BTreeSet<&str> =
                    parameters.iter().map(|parameter| parameter.group.as_str()).collect();
                let known: Vec<&str> = known.into_iter().collect();
                return Err(Error::new(format!(
                    "the protocol has settings for the group `{group}`, which no parameter of the method belongs to"
                ))
                .about("groups")
                .expected(format!("one of the method's groups: {}", known.join(", "))));
            }
        }
        refuse_twins(&parameters)?;
        let slots =
            parameters.into_iter().map(|parameter| Slot::new(parameter, protocol)).collect::<Result<Vec<_>>>()?;
        let course = Course::new(slots.iter().map(Slot::watched));
        Ok(Self { slots, clip_norm: protocol.clip_norm, scaler: None, course })
    }

    /// Refuses a method that has put other tensors into the place of its parameters, or beside them: these would not be
    /// trained.
    ///
    /// # Errors
    ///
    /// When a parameter is not the one that this optimiser has, or is one more.
    pub(super) fn require_same(&self, parameters: &[Parameter]) -> Result<()> {
        const FIRST: &str = "the parameters that it gave first";
        let is_same = |slot: &Slot| {
            let now =
                parameters.iter().find(|parameter| parameter.name == slot.name).map(|parameter| &parameter.tensor);
            now.is_some_and(|now| {
                let first = |tensor: &Tensor| (tensor.data_ptr(), tensor.kind(), tensor.size());
                now.defined() && first(now) == first(&slot.parameter)
            })
        };
        if let Some(slot) = self.slots.iter().find(|slot| !is_same(slot)) {
            return Err(Error::new(format!("the method has put another tensor into the place of `{}`", slot.name))
                .expected(FIRST)
                .help("change a parameter in place, without a gradient: the optimiser goes on with the first tensor"));
        }
        let is_new = |parameter: &&Parameter| self.slots.iter().all(|slot| slot.name != parameter.name);
        match parameters.iter().find(is_new) {
            Some(added) => Err(Error::new(format!("the method has added the parameter `{}`", added.name))
                .expected(FIRST)
                .help("make all parameters before the first step: later ones are not trained")),
            None => Ok(()),
        }
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

    /// Copies the parameters and what their rules remember; returns the steps of each rule, and whether there is a
    /// gradient, by parameter.
    pub(super) fn remember(&self, tensors: &mut State) -> BTreeMap<String, (u64, bool)> {
        let mut numbers = BTreeMap::new();
        for slot in &self.slots {
            let (steps, memory) = match &slot.rule {
                Rule::Sgd(rule) => (0, rule.memory()),
                Rule::Adam(rule) => rule.memory(),
            };
            tensors.push((format!("parameter/{}", slot.name), slot.parameter.detach().copy()));
            let named = |(what, tensor): (&str, &Tensor)| (format!("{what}/{}", slot.name), tensor.copy());
            tensors.extend(memory.into_iter().map(named));
            numbers.insert(slot.name.clone(), (steps, slot.parameter.grad().defined()));
        }
        numbers
    }

    /// Goes on from what was remembered.
    pub(super) fn recall(&mut self, tensors: &BTreeMap<&str, &Tensor>, numbers: &Numbers) -> Result<()> {
        if numbers.parameters.len() != self.slots.len() || numbers.scaler.is_some() != self.scaler.is_some() {
            return Err(foreign("it has other parameters"));
        }
        for slot in &mut self.slots {
            let known = numbers.parameters.get(&slot.name).copied();
            let (steps, has_gradient) = known.ok_or_else(|| foreign(&format!("it has no `{}`", slot.name)))?;
            let device = slot.parameter.device();
            let find = |what: &str| {
                let tensor = tensors.get(format!("{what}/{}", slot.name).as_str()).copied();
                tensor.map(|tensor| tensor.to_device(device).copy())
            };
            let parameter = find("parameter").filter(|found| found.size() == slot.parameter.size());
            let parameter = parameter.ok_or_else(|| foreign(&format!("`{}` differs", slot.name)))?;
            no_grad(|| slot.parameter.copy_(&parameter));
            let moments = [find("first"), find("second"), find("largest")];
            match &mut slot.rule {
                Rule::Sgd(rule) => rule.velocity = find("velocity"),
                Rule::Adam(rule) => {
                    let [first, second, largest] = moments;
                    rule.recall(
                        steps,
                        first.zip(second).zip(largest).map(|((first, second), largest)| [first, second, largest]),
                    );
                }
            }
            if has_gradient {
                // A parameter that gets no gradient in a later step moves all the same, by its momentum, once it has had one.
                with_grad(|| (&slot.parameter * 0.0).sum(None::<tch::Kind>)).f_backward()?;
            }
        }
        self.scaler = numbers.scaler.map(GradScaler::recall);
        self.course.recall(numbers.course);
        Ok(())
    }

    /// What the gradient scaler remembers, if there is one.
    pub(super) fn scaler_numbers(&self) -> Option<(u32, u32, (bool, bool))> {
        self.scaler.as_ref().map(GradScaler::numbers)
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

    /// Moves every parameter that has a gradient, once the gradients are clipped if the protocol says so.
    pub fn step(&mut self, learning_rate: f64) {
        no_grad(|| {
            if let Some(norm) = self.clip_norm {
                clipping::clip(self.slots.iter().map(|slot| slot.parameter.grad()), norm);
            }
            for slot in &mut self.slots {
                slot.step(learning_rate);
            }
        });
    }
}

/// Refuses two parameters that are one tensor: each step would move it twice.
fn refuse_twins(parameters: &[Parameter]) -> Result<()> {
    for (at, one) in parameters.iter().enumerate() {
        let is_twin = |other: &&Parameter| other.tensor.numel() > 0 && other.tensor.data_ptr() == one.tensor.data_ptr();
        if let Some(other) = parameters[..at].iter().find(is_twin) {
            return Err(Error::new(format!("the parameters `{}` and `{}` are one tensor", other.name, one.name))
                .expected("each tensor once"));
        }
    }
    Ok(())
}

/// Refuses numbers that a protocol may not have, either.
fn check_numbers(name: &str, rule: &Rule) -> Result<()> {
    let not_negative =
        |option, value: f64| (option, value, value >= 0.0 && value.is_finite(), "a number that is not negative");
    let fraction = |option, value: f64| (option, value, (0.0..1.0).contains(&value), "a number from 0 on and below 1");
    let numbers = match rule {
        Rule::Sgd(Sgd { weight_decay, momentum, dampening, .. }) => vec![
            not_negative("weight_decay", *weight_decay),
            not_negative("momentum", *momentum),
            ("dampening", *dampening, dampening.is_finite(), "a finite number"),
        ],
        Rule::Adam(Adam { weight_decay, betas: [beta1, beta2], eps, .. }) => vec![
            not_negative("weight_decay", *weight_decay),
            fraction("beta1", *beta1),
            fraction("beta2", *beta2),
            not_negative("eps", *eps),
        ],
    };
    match numbers.into_iter().find(|(_, _, is_sound, _)| !is_sound) {
        Some((option, value, _, expected)) => {
            Err(Error::new(format!("the parameter `{name}` has the `{option}` {value}")).expected(expected))
        }
        None => Ok(()),
    }
}

impl Slot {
    fn new(parameter: Parameter, protocol: &ResolvedProtocol) -> Result<Self> {
        let Parameter { name, tensor, group, optimiser, options } = parameter;
        if !tensor.requires_grad() {
            return Err(Error::new(format!("the parameter `{name}` does not require a gradient")));
        }
        let of_group = protocol.groups.get(&group).cloned().unwrap_or_default();
        let own = match optimiser.as_str() {
            "" => protocol.optimiser,
            "sgd" => OptimiserKind::Sgd,
            "adam" => OptimiserKind::Adam,
            "adamw" => OptimiserKind::AdamW,
            _ => {
                return Err(Error::new(format!("the parameter `{name}` asks for the optimiser `{optimiser}`"))
                    .expected("`sgd`, `adam`, `adamw`, or an empty string for the protocol's optimiser"));
            }
        };
        let GroupPatch { optimiser, lr_scale, weight_decay, momentum, betas, eps } = of_group;
        let kind = optimiser.unwrap_or(own);
        let mut rate_scale = 1.0;
        let mut own_decay = protocol.weight_decay;
        let mut sgd = Sgd::new(protocol.momentum, protocol.dampening, protocol.nesterov);
        let mut adam = Adam::new(protocol.betas.unwrap_or(BETAS), protocol.eps.unwrap_or(EPS), protocol.amsgrad);
        for (option, value) in options {
            // What the group's optimiser does not know is a matter of the parameter's own.
            match (own, option.as_str()) {
                (_, "lr_scale") => rate_scale = value,
                (_, "weight_decay") => own_decay = value,
                (OptimiserKind::Sgd, "momentum") => sgd.momentum = value,
                (OptimiserKind::Sgd, "dampening") => sgd.dampening = value,
                (OptimiserKind::Adam | OptimiserKind::AdamW, "beta1") => adam.betas[0] = value,
                (OptimiserKind::Adam | OptimiserKind::AdamW, "beta2") => adam.betas[1] = value,
                (OptimiserKind::Adam | OptimiserKind::AdamW, "eps") => adam.eps = value,
                _ => {
                    let expected = match own {
                        OptimiserKind::Sgd => "`lr_scale`, `weight_decay`, `momentum` or `dampening`",
                        _ => "`lr_scale`, `weight_decay`, `beta1`, `beta2` or `eps`",
                    };
                    return Err(Error::new(format!("the parameter `{name}` has the unknown option `{option}`"))
                        .expected(expected));
                }
            }
        }
        if !(rate_scale.is_finite() && rate_scale >= 0.0) {
            return Err(Error::new(format!("the parameter `{name}` has the `lr_scale` {rate_scale}"))
                .expected("a number that is not negative"));
        }
        let weight_decay = weight_decay.unwrap_or(own_decay);
        let rule = match kind {
            OptimiserKind::Sgd => {
                sgd.momentum = momentum.unwrap_or(sgd.momentum);
                sgd.weight_decay = weight_decay;
                Rule::Sgd(sgd)
            }
            OptimiserKind::Adam | OptimiserKind::AdamW => {
                adam.betas = betas.unwrap_or(adam.betas);
                adam.eps = eps.unwrap_or(adam.eps);
                adam.weight_decay = weight_decay;
                adam.is_decoupled = kind == OptimiserKind::AdamW;
                Rule::Adam(adam)
            }
        };
        check_numbers(&name, &rule)?;
        Ok(Self { name, parameter: tensor, rate_scale: lr_scale.unwrap_or(rate_scale), rule })
    }

    fn watched(&self) -> Watched<'_> {
        Watched { name: &self.name, tensor: &self.parameter, moves: self.rate_scale != 0.0 }
    }

    fn step(&mut self, learning_rate: f64) {
        let gradient = self.parameter.grad();
        if !gradient.defined() {
            return;
        }
        let rate = learning_rate * self.rate_scale;
        match &mut self.rule {
            Rule::Sgd(rule) => rule.step(&mut self.parameter, &gradient, rate),
            Rule::Adam(rule) => rule.step(&mut self.parameter, &gradient, rate),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Kind;

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
            let mut sgd = Optimiser::new(vec![Parameter::new("ctx", context.shallow_clone())], &protocol()).unwrap();
            for (rate, gradient) in steps {
                sgd.zero_grad();
                (&context * tensor(gradient)).sum(None::<Kind>).backward();
                sgd.step(rate * 2.0_f64.powi(-16));
            }
            assert_eq!(context, tensor(parameter), "{kind:?}");
            let Rule::Sgd(rule) = &sgd.slots[0].rule else { panic!("the protocol says SGD") };
            let found = rule.velocity.as_ref().unwrap();
            assert_eq!((found.kind(), found), (kind, &tensor(velocity)));
        }
    }

    /// A step with scaled gradients equals one with the gradients, and is skipped if one of them is not finite.
    #[test]
    fn scaled_steps_are_plain_ones_or_none() {
        let parameter = || Tensor::from_slice(&[0.5_f32, -2.0]).set_requires_grad(true);
        let [plain, mixed] = [parameter(), parameter()];
        let sgd =
            |tensor: &Tensor| Optimiser::new(vec![Parameter::new("ctx", tensor.shallow_clone())], &protocol()).unwrap();
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
            learning_rate: 0.002,
            momentum: 0.9,
            weight_decay: 131.0 * 2.0_f64.powi(-18),
            ..ResolvedProtocol::default()
        }
    }
}
