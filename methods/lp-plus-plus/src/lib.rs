//! LP++: a linear probe that blends in each class's text score (Huang, Shakeri et al., "LP++: A Surprisingly Strong
//! Linear Probe for Few-Shot CLIP", CVPR 2024; `methods/linear_probe_p2.py` of its code).
//!
//! For unit image features `f` (N of them, stacked as `F`), unit text features `t`, a class's weight `w`, bias `b` and
//! blending factor `α`, there is no scale on the logits:
//!
//! ```text
//! logitₖ = f wₖ + bₖ + αₖ (f tₖ)
//! ```
//!
//! All data are one batch, and step sizes follow from them:
//!
//! - `wₖ` starts as the sum of the class's features (the paper says mean), `b` at random as in `nn.Linear`. Both take
//!   steps of 4N / λ, λ the largest eigenvalue of `Fᵀ F`, with momentum 0.9.
//! - Each `αₖ` starts at 250 times the mean over classes of a class's mean text score, and takes a step of
//!   N / (4 maxₖ Σᵢ (fᵢ tₖ)²) in every tenth epoch.
//! - Of 300 epochs the last one of the best on validation images counts, or the last one if there are none.
//!
//! The authors' code never clears the gradient of `α`: each of its steps is along the sum of the gradients of all epochs
//! so far. Their published numbers were made that way; `never_clear_alpha_gradient` does it here. Their tables average
//! over ten few-shot samples, whose validation images are as many as the training images; here there are at most four
//! of each class. Their code needs the same number of images of each class. The factor in `α`'s start cancels the number,
//! so ours does not.

use nemesis_sdk::learned::{leaf, load};
use nemesis_sdk::parameters::linear;
use nemesis_sdk::prompt::{cross_entropy, unit};
use nemesis_sdk::tch::{Device, Kind, Tensor, no_grad, with_grad};
use nemesis_sdk::templates::{Average, ClassTexts, Templates};
use nemesis_sdk::{
    About, Batch, Error, FeatureSet, Host, Method, Needs, Optimisation, Parameter, Plugin, Result, State, Task,
};

nemesis_sdk::options! {
    /// The options of LP++, with the authors' defaults.
    pub struct Options {
        /// Number of steps, each over all images.
        pub train_epoch: u64 = 300,
        /// The blending factors move in every so many epochs.
        pub alpha_every: u64 = 10,
        /// Reproduces the authors' code, where the gradient of the blending factors is never cleared: it adds up over
        /// all epochs.
        pub never_clear_alpha_gradient: bool = false,
        /// Whether the best epoch on validation images counts; otherwise the last one does.
        pub choose_epoch: bool = true,
        /// Templates of the text features; the authors use `ensemble-7` for ImageNet.
        pub templates: Templates = Templates::Single,
    }
}

/// A linear classifier beside the one made of text.
#[derive(Debug)]
pub struct LpPlusPlus {
    /// `[classes, embed_dim]`.
    weight: Tensor,
    /// `[classes]`.
    bias: Tensor,
    /// `[1, classes]`, as in the authors' code.
    alpha: Tensor,
    texts: ClassTexts,
    options: Options,
    /// Unit features and labels of the validation images.
    validation: Option<(Tensor, Tensor)>,
}

const WEIGHT: &str = "weight";
const BIAS: &str = "bias";
const ALPHA: &str = "alpha";
const MOMENTUM: f64 = 0.9;

impl Plugin for LpPlusPlus {
    type Options = Options;

    const ABOUT: About = About {
        id: "lp-plus-plus",
        label: "LP++",
        summary: "a linear probe that blends in each class's text score, with step sizes from the data",
        paper: Some("Huang et al., LP++: A Surprisingly Strong Linear Probe for Few-Shot CLIP, CVPR 2024"),
        needs: Needs { validation: true, ..Needs::FEATURES },
        optimisation: Optimisation::Fit,
    };

    fn create(task: Task, options: Options, host: &dyn Host) -> Result<Self> {
        if options.alpha_every == 0 {
            return Err(Error::option("alpha_every", "there must be at least one epoch between steps"));
        }
        let classes = task.class_names.len() as i64;
        let zeros = |shape: &[i64]| leaf(&Tensor::zeros(shape, (Kind::Float, Device::Cpu)), &task);
        Ok(Self {
            weight: zeros(&[classes, task.embed_dim]),
            bias: leaf(&linear(&[classes], task.embed_dim, host, "bias", 0), &task),
            alpha: zeros(&[1, classes]),
            texts: ClassTexts::new(&task, &options.templates, Average::OfUnits),
            options,
            validation: None,
        })
    }
}

/// The sizes of the steps, which follow from the data.
#[derive(Clone, Copy, Debug, PartialEq)]
struct StepSizes {
    weight: f64,
    alpha: f64,
}

impl LpPlusPlus {
    /// Logits of unit features and their text scores.
    fn compare(&self, features: &Tensor, scores: &Tensor) -> Result<Tensor> {
        Ok(features.f_matmul(&self.weight.tr())? + &self.bias + &self.alpha * scores)
    }

    /// The text scores `[images, classes]` of unit features.
    fn scores(&self, features: &Tensor, host: &dyn Host) -> Result<Tensor> {
        Ok(features.f_matmul(&self.texts.features(host)?.tr())?)
    }

    /// Sets weight and blending factors to where training starts: class sums, and the mean text score.
    fn start(&mut self, features: &Tensor, scores: &Tensor, labels: &Tensor) -> Result<()> {
        no_grad(|| {
            let of_class = labels.f_one_hot(self.weight.size()[0])?.to_kind(features.kind());
            self.weight.copy_(&of_class.tr().f_matmul(features)?);
            let images = of_class.sum_dim_intlist([0i64].as_slice(), false, None::<Kind>);
            let own = (&of_class * scores).sum_dim_intlist([0i64].as_slice(), false, None::<Kind>);
            // Classes without an image have no score.
            let shown = images.gt(0.0).sum(Kind::Int64).clamp_min(1);
            let mean = (own / images.clamp_min(1.0)).sum(None::<Kind>) / shown * 250.0;
            self.alpha.copy_(&mean.expand_as(&self.alpha));
            Ok(())
        })
    }

    fn gradients(&self, loss: &Tensor, host: &dyn Host) -> Result<[Tensor; 3]> {
        let found = host.gradients(loss, &[&self.weight, &self.bias, &self.alpha])?;
        found.try_into().map_err(|_| Error::new("the host returned a different number of gradients"))
    }
}

impl StepSizes {
    fn of(features: &Tensor, scores: &Tensor) -> Result<Self> {
        let images = features.size()[0] as f64;
        let precise = features.to_kind(Kind::Double);
        // Both products have the same largest eigenvalue.
        let is_wide = features.size()[0] < features.size()[1];
        let square = if is_wide { precise.f_matmul(&precise.tr())? } else { precise.tr().f_matmul(&precise)? };
        let largest = f64::try_from(square.f_linalg_eigvalsh("L")?.max())?;
        let sums = scores.to_kind(Kind::Double).square().sum_dim_intlist([0i64].as_slice(), false, None::<Kind>);
        Ok(Self { weight: 4.0 * images / largest, alpha: images / (4.0 * f64::try_from(sums.max())?) })
    }
}

impl Method for LpPlusPlus {
    fn parameters(&self) -> Result<Vec<Parameter>> {
        let named = |name: &str, tensor: &Tensor| Parameter::new(name, tensor.shallow_clone());
        Ok(vec![named(WEIGHT, &self.weight), named(BIAS, &self.bias), named(ALPHA, &self.alpha)])
    }

    fn loss(&mut self, batch: &Batch, host: &dyn Host) -> Result<Tensor> {
        cross_entropy(&self.logits(batch, host)?, &batch.labels, host)
    }

    fn logits(&mut self, batch: &Batch, host: &dyn Host) -> Result<Tensor> {
        let features = unit(batch.features()?);
        self.compare(&features, &self.scores(&features, host)?)
    }

    fn state(&self) -> Result<State> {
        let named = |name: &str, tensor: &Tensor| (name.to_owned(), tensor.detach().copy());
        Ok(vec![named(WEIGHT, &self.weight), named(BIAS, &self.bias), named(ALPHA, &self.alpha)])
    }

    fn load_state(&mut self, state: &State) -> Result<()> {
        load(state, WEIGHT, &self.weight)?;
        load(state, BIAS, &self.bias)?;
        load(state, ALPHA, &self.alpha)
    }

    fn prepare(&mut self, train: &FeatureSet, val: Option<&FeatureSet>, host: &dyn Host) -> Result<()> {
        let features = unit(&train.features);
        self.start(&features, &self.scores(&features, host)?, &train.labels)?;
        self.validation =
            val.filter(|_| self.options.choose_epoch).map(|val| (unit(&val.features), val.labels.shallow_clone()));
        Ok(())
    }

    fn fit(&mut self, train: &FeatureSet, host: &dyn Host) -> Result<()> {
        let features = unit(&train.features);
        let scores = self.scores(&features, host)?;
        let sizes = StepSizes::of(&features, &scores)?;
        let of_validation = match self.validation.take() {
            Some((features, labels)) => Some((self.scores(&features, host)?, features, labels)),
            None => None,
        };
        let mut velocity: Option<[Tensor; 2]> = None;
        let mut of_alpha = self.alpha.zeros_like();
        let mut best: (i64, Option<State>) = (-1, None);
        for epoch in 1..=self.options.train_epoch {
            if host.cancelled() {
                return Err(Error::cancelled());
            }
            let loss = with_grad(|| cross_entropy(&self.compare(&features, &scores)?, &train.labels, host))?;
            let [weight, bias, alpha] = self.gradients(&loss, host)?;
            of_alpha = if self.options.never_clear_alpha_gradient { of_alpha + alpha } else { alpha };
            let moving = match velocity.take() {
                None => [weight, bias],
                Some([old_weight, old_bias]) => [old_weight * MOMENTUM + weight, old_bias * MOMENTUM + bias],
            };
            no_grad(|| {
                for (parameter, velocity) in [&self.weight, &self.bias].into_iter().zip(&moving) {
                    let _ = parameter.data().subtract_(&(velocity * sizes.weight));
                }
                if epoch % self.options.alpha_every == 0 {
                    let _ = self.alpha.data().subtract_(&(&of_alpha * sizes.alpha));
                }
            });
            velocity = Some(moving);
            if let Some((scores, features, labels)) = &of_validation {
                let logits = no_grad(|| self.compare(features, scores))?;
                let right = i64::try_from(logits.argmax(-1, false).f_eq_tensor(labels)?.sum(Kind::Int64))?;
                if right >= best.0 {
                    best = (right, Some(self.state()?));
                }
            }
        }
        best.1.map_or(Ok(()), |state| self.load_state(&state))
    }
}

nemesis_sdk::export_method!(LpPlusPlus);

#[cfg(test)]
mod tests {
    use super::*;
    use nemesis_sdk::testing::ToyHost;

    fn sample(host: &ToyHost, images: usize, step: u64) -> FeatureSet {
        let Batch { features, labels, .. } = host.batch(images, step);
        FeatureSet { features: features.unwrap(), labels }
    }

    fn trained(options: Options, val: Option<&FeatureSet>, host: &ToyHost) -> LpPlusPlus {
        let mut method = LpPlusPlus::create(host.task(), options, host).unwrap();
        let train = sample(host, 24, 0);
        method.prepare(&train, val, host).unwrap();
        method.fit(&train, host).unwrap();
        method
    }

    fn number(tensor: Tensor) -> f64 {
        f64::try_from(tensor).unwrap()
    }

    fn loss(method: &mut LpPlusPlus, host: &ToyHost) -> f64 {
        number(method.loss(&host.batch(24, 0), host).unwrap())
    }

    #[test]
    fn it_starts_from_class_sums_and_the_mean_text_score() {
        let host = ToyHost::new(4);
        let train = sample(&host, 24, 0);
        let method = trained(Options { train_epoch: 0, ..Options::default() }, None, &host);
        let features = unit(&train.features);
        let scores = method.scores(&features, &host).unwrap();
        let labels = Vec::<i64>::try_from(&train.labels).unwrap();
        let mut means = 0.0;
        for class in 0..4 {
            let rows: Vec<i64> = (0i64..).zip(&labels).filter(|(_, label)| **label == class).map(|(i, _)| i).collect();
            let rows = Tensor::from_slice(&rows);
            let sum = features.index_select(0, &rows).sum_dim_intlist([0i64].as_slice(), false, Kind::Double);
            assert!(method.weight.get(class).allclose(&sum, 1e-12, 1e-12, false));
            means += number(scores.index_select(0, &rows).select(1, class).mean(Kind::Double)) / 4.0;
        }
        assert!(number((&method.alpha - 250.0 * means).abs().max()) < 1e-9);
    }

    #[test]
    fn step_sizes_bound_the_curvature() {
        let host = ToyHost::new(4);
        // More images than dimensions, and fewer.
        for images in [24, 3] {
            let features = unit(&sample(&host, images, 0).features);
            let sizes = StepSizes::of(&features, &features).unwrap();
            let largest = number(features.tr().matmul(&features).linalg_eigvalsh("L").max());
            assert!((sizes.weight - 4.0 * images as f64 / largest).abs() < 1e-9);
        }
    }

    #[test]
    fn training_lowers_the_loss_and_the_never_cleared_gradient_goes_another_way() {
        let host = ToyHost::new(4);
        let options = |train_epoch, never_clear_alpha_gradient| Options {
            train_epoch,
            never_clear_alpha_gradient,
            ..Options::default()
        };
        let start = loss(&mut trained(options(0, false), None, &host), &host);
        let mut cleared = trained(options(40, false), None, &host);
        assert!(loss(&mut cleared, &host) < start);
        let added_up = trained(options(40, true), None, &host);
        assert_ne!(cleared.alpha, added_up.alpha);
        // Until their first step the factors have no gradient to add up.
        assert_eq!(trained(options(9, false), None, &host).weight, trained(options(9, true), None, &host).weight);
    }

    #[test]
    fn the_last_of_the_best_epochs_on_validation_images_counts() {
        let host = ToyHost::new(4);
        let val = sample(&host, 30, 3);
        let right = |method: &mut LpPlusPlus| {
            let logits = no_grad(|| method.logits(&host.batch(30, 3), &host)).unwrap();
            i64::try_from(logits.argmax(-1, false).eq_tensor(&val.labels).sum(Kind::Int64)).unwrap()
        };
        let mut by_epoch: Vec<_> =
            (1..=12).map(|train_epoch| trained(Options { train_epoch, ..Options::default() }, None, &host)).collect();
        let best = by_epoch.iter_mut().map(&right).max().unwrap();
        let expected = by_epoch.iter_mut().rev().find_map(|method| (right(method) == best).then_some(&method.weight));
        let chosen = trained(Options { train_epoch: 12, ..Options::default() }, Some(&val), &host);
        assert_eq!(Some(&chosen.weight), expected);
    }
}
