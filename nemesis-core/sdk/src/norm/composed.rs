//! The norm loss as a part of any method that learns context vectors (`trainers/coop_nemesis.py` and
//! `trainers/plot_nemesis.py` of the authors' code).

use super::{NormLossKind, NormLossOptions, Positions, at_least_zero, norm_loss, position_norms, report_context_norm};
use crate::corruption::rescaled_copies;
use crate::random::sample_without_replacement;
use crate::{Batch, Error, Host, Result, Task};
use tch::{Kind, Tensor, no_grad};

/// A norm loss with its options.
#[derive(Clone, Copy, Debug)]
pub struct NormLoss {
    options: NormLossOptions,
    /// Whether the authors' code tries positions in a different precision from training.
    mixed: bool,
}

impl NormLoss {
    /// The norm loss of contexts with this many `vectors`; `None` if the options ask for none.
    ///
    /// # Errors
    ///
    /// When an option is out of its range, or is set although there is no norm loss; the message names it.
    pub fn new(options: NormLossOptions, vectors: usize, task: &Task) -> Result<Option<Self>> {
        if options.kind == NormLossKind::None {
            return if options == NormLossOptions::default() { Ok(None) } else { Err(unused(&options)) };
        }
        at_least_zero("alpha", options.alpha)?;
        at_least_zero("alpha_pan", options.alpha_pan.unwrap_or_default())?;
        if !(0.0..=1.0).contains(&options.beta) {
            return Err(Error::option("beta", format_args!("{} is not between 0 and 1", options.beta)));
        }
        if !(0.0..1.0).contains(&options.tau) {
            return Err(Error::option("tau", format_args!("{} is not between 0 and 1", options.tau)));
        }
        let count = options.positions.count();
        if count == 0 || count > vectors {
            let why = format_args!("{count} positions cannot be drawn from {vectors} context vectors");
            return Err(Error::option("positions", why));
        }
        Ok(Some(Self { options, mixed: task.precision == "amp" }))
    }

    /// The weighted norm loss of a step, a scalar with a graph, to be added to the method's own loss. Also reports
    /// `norm_loss`, `omega`, `context_norm`, and for [`NormLossKind::Pan`] the coefficient of each position as `alpha`.
    ///
    /// `context` is the trained tensor `[…, vectors, width]`, and `logits` are those of the step. `logits_of` gives the
    /// logits `[copies, images, classes]` of corrupted contexts `[copies, …, vectors, width]`; it is called only for
    /// [`NormLossKind::Pan`], without gradient.
    ///
    /// # Errors
    ///
    /// When the logits cannot be computed.
    pub fn loss(
        &self,
        context: &Tensor,
        batch: &Batch,
        logits: &Tensor,
        host: &dyn Host,
        logits_of: &dyn Fn(&Tensor) -> Result<Tensor>,
    ) -> Result<Tensor> {
        let norms = position_norms(context, self.options.norm);
        let vectors = norms.size().last().copied().unwrap_or(0);
        let uniform = Tensor::full([vectors], self.options.alpha, (context.kind(), context.device()));
        let (norm_loss, aware) = if self.options.kind == NormLossKind::Pan {
            let beta = self.options.beta;
            let aware = no_grad(|| self.aware(context, vectors as usize, batch, logits, host, logits_of))?;
            (norm_loss(&uniform, &norms)? * beta + norm_loss(&aware, &norms)? * (1.0 - beta), Some(aware))
        } else {
            (norm_loss(&uniform, &norms)?, None)
        };
        let omega = self.options.omega.weight(batch.epoch, batch.epochs);
        host.report("norm_loss", &norm_loss);
        host.report("omega", &Tensor::from(omega));
        if let Some(aware) = aware {
            host.report("alpha", &aware);
        }
        report_context_norm(context, host);
        Ok(norm_loss * omega)
    }

    /// The same for prompts in several layers, each `[vectors, width]`: a position is that of all layers together, and norms
    /// are summed over layers, as over the prompts of PLOT. `logits_of` gives the logits `[images, classes]` of the prompts
    /// of all layers.
    ///
    /// # Errors
    ///
    /// When the logits cannot be computed, or the layers differ in size.
    pub fn loss_of_layers(
        &self,
        prompts: &[Tensor],
        batch: &Batch,
        logits: &Tensor,
        host: &dyn Host,
        logits_of: &dyn Fn(&[Tensor]) -> Result<Tensor>,
    ) -> Result<Tensor> {
        let of_copies = |contexts: &Tensor| {
            let copies = contexts.unbind(0).into_iter().map(|copy| logits_of(&copy.unbind(0)));
            Ok(Tensor::f_stack(&copies.collect::<Result<Vec<_>>>()?, 0)?)
        };
        self.loss(&Tensor::f_stack(prompts, 0)?, batch, logits, host, &of_copies)
    }

    /// The coefficient of each position in this step `[vectors]`: the weight if corruption helped, otherwise zero
    /// (`update_alpha`).
    fn aware(
        &self,
        context: &Tensor,
        vectors: usize,
        batch: &Batch,
        logits: &Tensor,
        host: &dyn Host,
        logits_of: &dyn Fn(&Tensor) -> Result<Tensor>,
    ) -> Result<Tensor> {
        let alpha = Tensor::zeros([vectors as i64], (context.kind(), context.device()));
        if self.options.beta >= 1.0 {
            return Ok(alpha);
        }
        let drawn = sample_without_replacement(vectors, self.options.positions.count(), |bits| {
            host.random("positions", batch.step, bits)
        });
        let chosen = match self.options.positions {
            Positions::Random(_) => Tensor::ones([drawn.len() as i64], (Kind::Bool, context.device())),
            Positions::Tried(_) => self.helped(context, &drawn, batch, logits, logits_of)?,
        };
        let index: Vec<i64> = drawn.iter().map(|position| *position as i64).collect();
        let index = Tensor::from_slice(&index).to_device(context.device());
        let weight = self.options.alpha_pan.unwrap_or(self.options.alpha);
        Ok(alpha.f_index_copy(0, &index, &(chosen.to_kind(context.kind()) * weight))?)
    }

    /// For each of `positions`, whether strictly more images of the batch are classified correctly with its vector
    /// times tau, one position at a time (`inference_batch`). The uncorrupted logits are those of the training pass,
    /// and all corrupted copies are encoded at once. In mixed precision, however, the authors' code tries positions
    /// outside of autocast, so the training pass does not compare with the corrupted copies.
    fn helped(
        &self,
        context: &Tensor,
        positions: &[usize],
        batch: &Batch,
        logits: &Tensor,
        logits_of: &dyn Fn(&Tensor) -> Result<Tensor>,
    ) -> Result<Tensor> {
        let corrupted = logits_of(&rescaled_copies(context, positions, self.options.tau)?)?;
        let uncorrupted = self.mixed.then(|| logits_of(&context.unsqueeze(0))).transpose()?;
        let logits = uncorrupted.as_ref().unwrap_or(logits);
        let right = |logits: &Tensor| {
            let predicted = logits.argmax(-1, false);
            predicted.eq_tensor(&batch.labels).sum_dim_intlist([-1i64].as_slice(), false, Kind::Int64)
        };
        Ok(right(&corrupted).gt_tensor(&right(logits)))
    }
}

/// The error for options without a norm loss that they could apply to.
fn unused(options: &NormLossOptions) -> Error {
    let default = NormLossOptions::default();
    let unlike = [
        ("alpha", options.alpha.to_bits() != default.alpha.to_bits()),
        ("alpha_pan", options.alpha_pan != default.alpha_pan),
        ("beta", options.beta.to_bits() != default.beta.to_bits()),
        ("tau", options.tau.to_bits() != default.tau.to_bits()),
        ("positions", options.positions != default.positions),
        ("norm", options.norm != default.norm),
    ];
    let name = unlike.iter().find(|(_, unlike)| *unlike).map_or("omega", |(name, _)| name);
    Error::option(name, "has no effect without a norm loss; set `norm_loss` to `pen` or `pan`")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::ToyHost;

    const PEN: NormLossOptions = NormLossOptions {
        kind: NormLossKind::Pen,
        alpha: 2.0,
        alpha_pan: None,
        beta: 0.0,
        tau: 0.5,
        positions: Positions::Tried(3),
        norm: super::super::NormKind::Two,
        omega: crate::omega::Omega::None,
    };

    fn value(tensor: &Tensor) -> f64 {
        f64::try_from(tensor).unwrap()
    }

    /// Logits under which copy `i` classifies `i` images correctly.
    fn better_and_better(batch: &Batch) -> impl Fn(&Tensor) -> Result<Tensor> + '_ {
        |contexts| {
            let right = batch.labels.one_hot(4).to_kind(Kind::Double);
            let images = Tensor::arange(batch.labels.size()[0], (Kind::Int64, tch::Device::Cpu)).unsqueeze(-1);
            let copies: Vec<_> = (0..contexts.size()[0])
                .map(|copy| (&right * 2.0 - 1.0) * images.lt(copy).to_kind(Kind::Double))
                .collect();
            // Wrong is: the class before the right one.
            let wrong = right.roll([1], [1]) * 0.5;
            Ok(Tensor::stack(&copies, 0) + wrong)
        }
    }

    #[test]
    fn the_uniform_loss_needs_no_other_logits() {
        let host = ToyHost::new(4);
        let (context, batch) = (Tensor::from_slice(&[3.0, 4.0, 0.0, 1.0]).view([2, 2]), host.batch(5, 1));
        let loss = NormLoss::new(PEN, 3, &host.task()).unwrap().unwrap();
        let never = |_: &Tensor| Err(Error::new("not for this loss"));
        assert!((value(&loss.loss(&context, &batch, &Tensor::new(), &host, &never).unwrap()) - 6.0).abs() < 1e-12);
        let names: Vec<String> = host.take_reports().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["norm_loss", "omega", "context_norm"]);
    }

    #[test]
    fn only_positions_that_help_get_the_aware_loss_and_a_mix_adds_both() {
        let host = ToyHost::new(4);
        let batch = host.batch(5, 0);
        // Two prompts of three vectors, whose norms are 1 to 6.
        let context = Tensor::from_slice(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).view([2, 3, 1]);
        // The step itself classifies one image correctly, so that only the last copy is better.
        let logits = better_and_better(&batch)(&Tensor::zeros([2], (Kind::Double, tch::Device::Cpu))).unwrap().get(1);
        let loss = |options| {
            let loss = NormLoss::new(options, 3, &host.task()).unwrap().unwrap();
            let loss = loss.loss(&context, &batch, &logits, &host, &better_and_better(&batch)).unwrap();
            let alpha = host.take_reports().into_iter().find(|(name, _)| name == "alpha").unwrap().1;
            (value(&loss), Vec::<f64>::try_from(alpha).unwrap())
        };
        let pan = NormLossOptions { kind: NormLossKind::Pan, alpha_pan: Some(10.0), ..PEN };
        let (aware, alpha) = loss(pan);
        let helped = alpha.iter().position(|alpha| *alpha > 0.0).unwrap();
        assert_eq!(alpha.iter().filter(|alpha| **alpha > 0.0).count(), 1);
        // The norms of the position in both prompts, times the weight.
        let wanted = 10.0 * (2.0 * helped as f64 + 5.0);
        assert!((aware - wanted).abs() < 1e-12, "{aware} {wanted}");
        let (mixed, _) = loss(NormLossOptions { beta: 0.25, ..pan });
        assert!((mixed - (0.25 * 2.0 * 21.0 / 3.0 + 0.75 * wanted)).abs() < 1e-12);
    }

    #[test]
    fn options_are_checked_and_never_ignored() {
        let task = ToyHost::new(4).task();
        let message = |options| NormLoss::new(options, 2, &task).unwrap_err().to_string();
        assert_eq!(message(PEN), "option `positions`: 3 positions cannot be drawn from 2 context vectors");
        assert_eq!(message(NormLossOptions { tau: 1.0, ..PEN }), "option `tau`: 1 is not between 0 and 1");
        let none = NormLossOptions { kind: NormLossKind::None, ..PEN };
        assert_eq!(
            message(none),
            "option `alpha`: has no effect without a norm loss; set `norm_loss` to `pen` or `pan`"
        );
        let omega = NormLossOptions { omega: crate::omega::Omega::None, ..NormLossOptions::default() };
        assert!(message(omega).starts_with("option `omega`: has no effect"));
        assert!(NormLoss::new(NormLossOptions::default(), 2, &task).unwrap().is_none());
    }
}
