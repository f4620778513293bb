//! Linear probe: multinomial logistic regression on the image features (Radford et al., "Learning Transferable Visual
//! Models From Natural Language Supervision", ICML 2021). The search for its regularisation is that of the LP++ authors'
//! comparison (`methods/linear_probe.py` in their code), after CLIP's appendix A.3.
//!
//! For unit image features `f` of class `y`, a weight `W` and an intercept `b`, it minimises
//!
//! ```text
//! ½ ‖W‖² + C Σ cross-entropy(W f + b, y)
//! ```
//!
//! with L-BFGS from zero, as scikit-learn does: until no element of the gradient of the mean objective exceeds `tol`. For
//! two classes, scikit-learn has a single weight vector, whose penalty is twice this; so has ours.
//!
//! `C` is searched on validation images: the best of seven powers of ten, the first if several are, then `num_step` rounds
//! in the two decades around it. The first tries both ends, and each of the others, seven by default, halves what lies
//! between them, towards the better end, the left one in a tie. With a `c` of your own, nothing is searched. Without
//! validation images `C` is 0.316, which CLIP's authors publish. What differs from the search's authors: they have as many
//! validation images of each class as training images, here there are at most four.

mod lbfgs;

use lbfgs::{Limits, minimise};
use nemesis_sdk::learned::{leaf, load};
use nemesis_sdk::prompt::unit;
use nemesis_sdk::tch::{Device, Kind, Reduction, Tensor, no_grad};
use nemesis_sdk::{
    About, Batch, Error, FeatureSet, Host, LogLevel, Method, Needs, Optimisation, Parameter, Plugin, Result, State,
    Task,
};

nemesis_sdk::options! {
    /// The options of the linear probe, with the defaults of its published search.
    pub struct Options {
        /// Inverse weight of the regularisation; searched on validation images if it is not given.
        pub c: Option<f64> = None,
        /// Number of rounds of the search around the best power of ten, the first of which tries both ends, and each of the
        /// others halves what lies between them.
        pub num_step: u64 = 8,
        /// Largest number of iterations of L-BFGS.
        pub max_iter: u64 = 1000,
        /// Largest element of the gradient at which L-BFGS stops.
        pub tol: f64 = 1e-4,
    }
}

/// A linear classifier on unit features.
#[derive(Debug)]
pub struct LinearProbe {
    /// `[classes, embed_dim]`.
    coef: Tensor,
    /// `[classes]`.
    intercept: Tensor,
    options: Options,
    validation: Option<FeatureSet>,
}

/// What scikit-learn calls them, but for its trailing underscore.
const COEF: &str = "coef";
const INTERCEPT: &str = "intercept";

/// The `C` that CLIP's authors found on ImageNet.
const CLIPS_C: f64 = 0.316;
/// The exponents of ten that are tried first, in this order.
const EXPONENTS: [f64; 7] = [6.0, 4.0, 2.0, 0.0, -2.0, -4.0, -6.0];
/// The intercept of a class without images, which is never predicted.
const NEVER: f64 = -1e4;

impl Plugin for LinearProbe {
    type Options = Options;

    const ABOUT: About = About {
        id: "linear-probe",
        label: "Linear probe",
        summary: "logistic regression on the image features, its regularisation searched on validation images",
        paper: Some("Radford et al., Learning Transferable Visual Models From Natural Language Supervision, ICML 2021"),
        needs: Needs { validation: true, ..Needs::FEATURES },
        optimisation: Optimisation::Fit,
    };

    fn create(task: Task, options: Options, _host: &dyn Host) -> Result<Self> {
        for (name, value) in [("c", options.c.unwrap_or(1.0)), ("tol", options.tol)] {
            if !(value > 0.0 && value.is_finite()) {
                return Err(Error::option(name, format_args!("{value} is not a number above 0")));
            }
        }
        if options.num_step == 0 {
            return Err(Error::option("num_step", "there must be at least one round"));
        }
        let classes = task.class_names.len() as i64;
        let zeros = |shape: &[i64]| leaf(&Tensor::zeros(shape, (Kind::Float, Device::Cpu)), &task);
        Ok(Self { coef: zeros(&[classes, task.embed_dim]), intercept: zeros(&[classes]), options, validation: None })
    }
}

/// Weight and intercept in double precision.
#[derive(Debug)]
struct Fitted {
    coef: Tensor,
    intercept: Tensor,
}

impl LinearProbe {
    /// The minimum for a value of `C`.
    fn minimum(&self, train: &Prepared, c: f64, host: &dyn Host) -> Result<Fitted> {
        let limits = Limits { iterations: self.options.max_iter, gradient: self.options.tol };
        let start = Tensor::zeros([train.shown, train.features.size()[1] + 1], train.options());
        let objective = |point: &Tensor| {
            if host.cancelled() {
                return Err(Error::cancelled());
            }
            train.objective(point, c)
        };
        train.spread(&minimise(&start, limits, objective)?, self.coef.size()[0])
    }

    /// The exponent of ten in the best `C`, and what was fitted with it.
    fn search(&self, train: &Prepared, val: &FeatureSet, host: &dyn Host) -> Result<(f64, Fitted)> {
        let features = unit(&val.features).to_kind(Kind::Double);
        let try_out = |exponent: f64| -> Result<(i64, Fitted)> {
            let fitted = self.minimum(train, 10f64.powf(exponent), host)?;
            let logits = features.f_matmul(&fitted.coef.tr())? + &fitted.intercept;
            let right = logits.argmax(-1, false).f_eq_tensor(&val.labels)?.sum(Kind::Int64);
            Ok((i64::try_from(right)?, fitted))
        };
        let mut peak = (-1, 0.0);
        for exponent in EXPONENTS {
            let (right, _) = try_out(exponent)?;
            if right > peak.0 {
                peak = (right, exponent);
            }
        }
        let (mut left, mut right) = (peak.1 - 1.0, peak.1 + 1.0);
        let (mut of_left, mut of_right) = (try_out(left)?, try_out(right)?);
        for step in 1..self.options.num_step {
            let middle = f64::midpoint(left, right);
            if of_left.0 < of_right.0 {
                (left, of_left) = (middle, try_out(middle)?);
            } else {
                (right, of_right) = (middle, try_out(middle)?);
            }
            host.log(LogLevel::Debug, &format!("step {step}: C between 1e{left:.3} and 1e{right:.3}"));
        }
        Ok(if of_left.0 < of_right.0 { (right, of_right.1) } else { (left, of_left.1) })
    }
}

/// Training data as the objective needs them: in double precision, with classes that have images only.
#[derive(Debug)]
struct Prepared {
    /// Unit features `[images, embed_dim]`.
    features: Tensor,
    /// One-hot labels `[images, shown]`.
    targets: Tensor,
    /// The classes that have images, `[shown]`.
    classes: Tensor,
    shown: i64,
}

impl Prepared {
    fn new(train: &FeatureSet, classes: i64) -> Result<Self> {
        let rows = train.labels.size()[0];
        let features = unit(&train.features.f_narrow(0, 0, rows)?).to_kind(Kind::Double);
        let targets = train.labels.f_one_hot(classes)?.to_kind(Kind::Double);
        let classes = targets.sum_dim_intlist(0, false, Kind::Double).nonzero().squeeze_dim(-1);
        Ok(Self { features, targets: targets.index_select(1, &classes), shown: classes.size()[0], classes })
    }

    fn options(&self) -> (Kind, Device) {
        (Kind::Double, self.features.device())
    }

    /// The objective divided by `C` and the number of images, and its gradient, at `[shown, embed_dim + 1]`: weights with
    /// the intercept in the last column.
    fn objective(&self, point: &Tensor, c: f64) -> Result<(f64, Tensor)> {
        let (images, width) = (self.features.size()[0] as f64, self.features.size()[1]);
        let (weight, intercept) = (point.narrow(1, 0, width), point.narrow(1, width, 1));
        let weight_of_penalty = if self.shown == 2 { 2.0 } else { 1.0 } / (c * images);
        let logits = self.features.f_matmul(&weight.tr())? + intercept.tr();
        let log_probabilities = logits.log_softmax(-1, None::<Kind>);
        let loss = -(&log_probabilities * &self.targets).sum(None::<Kind>) / images;
        let penalty = weight.square().sum(None::<Kind>) * (0.5 * weight_of_penalty);
        let residual = (log_probabilities.exp() - &self.targets) / images;
        let of_weight = residual.tr().f_matmul(&self.features)? + weight * weight_of_penalty;
        let of_intercept = residual.sum_dim_intlist([0i64].as_slice(), false, None::<Kind>).unsqueeze(-1);
        Ok((f64::try_from(loss + penalty)?, Tensor::f_cat(&[of_weight, of_intercept], 1)?))
    }

    /// A point with the classes without images put back.
    fn spread(&self, point: &Tensor, classes: i64) -> Result<Fitted> {
        let width = self.features.size()[1];
        let all = |columns: i64, value: f64| Tensor::full([classes, columns], value, self.options());
        let coef = all(width, 0.0).f_index_copy(0, &self.classes, &point.narrow(1, 0, width))?;
        let intercept = all(1, NEVER).f_index_copy(0, &self.classes, &point.narrow(1, width, 1))?;
        Ok(Fitted { coef, intercept: intercept.squeeze_dim(-1) })
    }
}

impl Method for LinearProbe {
    fn parameters(&self) -> Result<Vec<Parameter>> {
        let named = |name: &str, tensor: &Tensor| Parameter::new(name, tensor.shallow_clone());
        Ok(vec![named(COEF, &self.coef), named(INTERCEPT, &self.intercept)])
    }

    fn loss(&mut self, batch: &Batch, host: &dyn Host) -> Result<Tensor> {
        Ok(self.logits(batch, host)?.f_cross_entropy_loss::<Tensor>(&batch.labels, None, Reduction::Mean, -100, 0.0)?)
    }

    fn logits(&mut self, batch: &Batch, _host: &dyn Host) -> Result<Tensor> {
        Ok(unit(batch.features()?).f_matmul(&self.coef.tr())? + &self.intercept)
    }

    fn state(&self) -> Result<State> {
        Ok(vec![(COEF.to_owned(), self.coef.detach()), (INTERCEPT.to_owned(), self.intercept.detach())])
    }

    fn load_state(&mut self, state: &State) -> Result<()> {
        load(state, COEF, &self.coef)?;
        load(state, INTERCEPT, &self.intercept)
    }

    fn prepare(&mut self, _train: &FeatureSet, val: Option<&FeatureSet>, _host: &dyn Host) -> Result<()> {
        self.validation =
            val.map(|val| FeatureSet { features: val.features.shallow_clone(), labels: val.labels.shallow_clone() });
        Ok(())
    }

    fn fit(&mut self, train: &FeatureSet, host: &dyn Host) -> Result<()> {
        no_grad(|| {
            let train = Prepared::new(train, self.coef.size()[0])?;
            let fitted = match (self.options.c, self.validation.take()) {
                (Some(c), _) => self.minimum(&train, c, host)?,
                (None, Some(val)) => {
                    let (exponent, fitted) = self.search(&train, &val, host)?;
                    host.log(LogLevel::Info, &format!("C is 1e{exponent:.3}"));
                    fitted
                }
                (None, None) => {
                    host.log(
                        LogLevel::Warn,
                        &format!("there are no validation images, so C is {CLIPS_C}, CLIP's value for ImageNet"),
                    );
                    self.minimum(&train, CLIPS_C, host)?
                }
            };
            self.coef.copy_(&fitted.coef);
            self.intercept.copy_(&fitted.intercept);
            Ok(())
        })
    }
}

nemesis_sdk::export_method!(LinearProbe);

#[cfg(test)]
mod tests {
    use super::*;
    use nemesis_sdk::testing::ToyHost;

    fn sample(host: &ToyHost, images: usize, step: u64) -> FeatureSet {
        let Batch { features, labels, .. } = host.batch(images, step);
        FeatureSet { features: features.unwrap(), labels }
    }

    fn trained(options: Options, train: &FeatureSet, val: Option<&FeatureSet>, host: &ToyHost) -> LinearProbe {
        let mut method = LinearProbe::create(host.task(), options, host).unwrap();
        method.prepare(train, val, host).unwrap();
        method.fit(train, host).unwrap();
        method
    }

    fn right(method: &mut LinearProbe, host: &ToyHost) -> i64 {
        let batch = host.batch(40, 3);
        let logits = no_grad(|| method.logits(&batch, host)).unwrap();
        i64::try_from(logits.argmax(-1, false).eq_tensor(&batch.labels).sum(Kind::Int64)).unwrap()
    }

    #[test]
    fn autograd_finds_no_slope_at_the_minimum() {
        for (classes, twice) in [(4, 1.0), (2, 2.0)] {
            let host = ToyHost::new(classes);
            let train = sample(&host, 24, 0);
            let options = Options { c: Some(0.316), tol: 1e-12, ..Options::default() };
            let mut method = trained(options, &train, None, &host);
            let sum = method.loss(&host.batch(24, 0), &host).unwrap() * 24.0;
            let objective = sum * 0.316 + method.coef.square().sum(Kind::Double) * (0.5 * twice);
            host.backward(&objective).unwrap();
            for parameter in method.parameters().unwrap() {
                let slope = f64::try_from(parameter.tensor.grad().abs().max()).unwrap();
                assert!(slope < 1e-7, "{}: {slope}", parameter.name);
            }
        }
    }

    #[test]
    fn the_search_is_at_least_as_good_as_the_powers_of_ten() {
        let host = ToyHost::new(4);
        let (train, val) = (sample(&host, 24, 0), sample(&host, 40, 3));
        let coarse = EXPONENTS.map(|exponent| {
            let options = Options { c: Some(10f64.powf(exponent)), ..Options::default() };
            right(&mut trained(options, &train, None, &host), &host)
        });
        let mut searched = trained(Options::default(), &train, Some(&val), &host);
        assert!(right(&mut searched, &host) > *coarse.iter().min().unwrap());
        assert!(host.logged().iter().any(|line| line.starts_with("C is 1e")));
    }

    #[test]
    fn a_class_without_images_is_never_predicted_and_disturbs_no_other() {
        let host = ToyHost::new(5);
        let train = sample(&ToyHost::new(4), 24, 0);
        let options = || Options { c: Some(10.0), tol: 1e-12, ..Options::default() };
        let five = trained(options(), &train, None, &host);
        let four = trained(options(), &train, None, &ToyHost::new(4));
        assert!(five.coef.narrow(0, 0, 4).allclose(&four.coef, 1e-6, 1e-9, false));
        assert!((f64::try_from(five.intercept.get(4)).unwrap() - NEVER).abs() < 1e-9);
    }

    /// Each round fits once, but for the first, which fits at both ends.
    #[test]
    fn a_search_has_at_least_one_round() {
        let host = ToyHost::new(4);
        let options = |num_step| Options { num_step, ..Options::default() };
        let error = LinearProbe::create(host.task(), options(0), &host).unwrap_err();
        assert_eq!(error.to_string(), "option `num_step`: there must be at least one round");
        let (train, val) = (sample(&host, 24, 0), sample(&host, 40, 3));
        for num_step in [1, 3] {
            let before = host.logged().len();
            trained(options(num_step), &train, Some(&val), &host);
            let halvings = host.logged()[before..].iter().filter(|line| line.starts_with("step ")).count() as u64;
            assert_eq!(halvings, num_step - 1);
        }
    }

    #[test]
    fn without_validation_images_a_warning_names_the_value_used() {
        let host = ToyHost::new(4);
        let train = sample(&host, 24, 0);
        let used = trained(Options::default(), &train, None, &host);
        assert_eq!(host.logged(), ["there are no validation images, so C is 0.316, CLIP's value for ImageNet"]);
        assert_eq!(used.coef, trained(Options { c: Some(0.316), ..Options::default() }, &train, None, &host).coef);
    }
}
