//! The key-value cache of Tip-Adapter (Zhang et al., "Tip-Adapter: Training-free Adaption of CLIP for Few-shot
//! Classification", ECCV 2022; `main.py` and `utils.py` of its code): few-shot images as keys, their classes as values.
//!
//! For unit vectors `f` (image), `k` (keys) and `w` (class texts), one-hot values `v` and a scale `s`:
//!
//! ```text
//! logits = s f wᵀ + α exp(−β (1 − f kᵀ)) v
//! ```
//!
//! The authors search β and α on validation images. Theirs are all of a data set's; ours are the few-shot validation
//! sample's. No test image is looked at.

use crate::learned::find;
use crate::norm::at_least_zero;
use crate::prompt::unit;
use crate::templates::{Average, ClassTexts, Templates};
use crate::{Error, FeatureSet, Host, LogLevel, Result, State, Task};
use tch::{Device, Kind, Tensor, no_grad};

/// [Options](crate::options) that begin with those of a cache, under the authors' names.
///
/// The struct has a function `cache` that returns them as [`CacheOptions`].
#[macro_export]
macro_rules! cache_options {
    ($(#[$attribute:meta])* $visibility:vis struct $Options:ident { $($fields:tt)* }) => {
        $crate::options! {
            $(#[$attribute])*
            $visibility struct $Options {
                /// β where it is not searched.
                pub init_beta: f64 = 1.0,
                /// α where it is not searched.
                pub init_alpha: f64 = 1.17,
                /// Whether β and α are searched on validation images.
                pub search_hp: bool = true,
                /// Ends of the ranges of β and α that are searched; they start at 0.1, and the ends are left out.
                pub search_scale: [f64; 2] = [7.0, 3.0],
                /// How many values of β and α are searched.
                pub search_step: [u64; 2] = [200, 20],
                /// Factor on the text classifier's cosines, whatever the backbone's is.
                pub logit_scale: f64 = 100.0,
                /// Templates of the text features; the authors use `ensemble-7` for ImageNet.
                pub templates: $crate::templates::Templates = $crate::templates::Templates::Single,
                $($fields)*
            }
        }

        impl $Options {
            /// The options of the cache.
            $visibility fn cache(&self) -> $crate::cache::CacheOptions {
                $crate::cache::CacheOptions {
                    init: $crate::cache::Balance { beta: self.init_beta, alpha: self.init_alpha },
                    search_hp: self.search_hp,
                    search_scale: self.search_scale,
                    search_step: self.search_step,
                    logit_scale: self.logit_scale,
                    templates: self.templates.clone(),
                }
            }
        }
    };
}

/// What [`cache_options`] declares.
#[derive(Clone, Debug)]
pub struct CacheOptions {
    /// β and α where they are not searched.
    pub init: Balance,
    /// Whether they are searched.
    pub search_hp: bool,
    /// The ends of their ranges.
    pub search_scale: [f64; 2],
    /// How many values are tried.
    pub search_step: [u64; 2],
    /// The factor on the text classifier's cosines.
    pub logit_scale: f64,
    /// The templates of the text features.
    pub templates: Templates,
}

/// The cache but for its keys, which Tip-Adapter-F trains.
#[derive(Debug)]
pub struct Cache {
    texts: ClassTexts,
    /// One-hot values `[images, classes]`.
    values: Tensor,
    init: Balance,
    grid: Option<Grid>,
    logit_scale: f64,
    validation: Option<Validation>,
}

/// Images that β and α are searched on.
#[derive(Debug)]
struct Validation {
    /// Features `[images, embed_dim]` of length one.
    features: Tensor,
    /// The text classifier's logits `[images, classes]`.
    text_logits: Tensor,
    labels: Tensor,
}

/// The names of values and balance in a state. Values are stored as `[classes, images]`: what has a row for each class is
/// never used for others.
const VALUES: &str = "cache_values";
const BALANCE: &str = "beta_alpha";

impl Cache {
    /// A cache of no images.
    ///
    /// # Errors
    ///
    /// When an option is out of its range.
    pub fn new(task: &Task, options: &CacheOptions) -> Result<Self> {
        let grid = Grid::checked(options.search_scale, options.search_step)?;
        Ok(Self {
            texts: ClassTexts::new(task, &options.templates, Average::OfUnits),
            values: Tensor::zeros([0, task.class_names.len() as i64], (task.kind, task.device)),
            init: Balance {
                beta: at_least_zero("init_beta", options.init.beta)?,
                alpha: at_least_zero("init_alpha", options.init.alpha)?,
            },
            grid: options.search_hp.then_some(grid),
            logit_scale: at_least_zero("logit_scale", options.logit_scale)?,
            validation: None,
        })
    }

    /// Takes the few-shot images in, and returns their keys `[images, embed_dim]`. `val` are the images that β and α are
    /// searched on.
    ///
    /// # Errors
    ///
    /// When labels and features do not fit, or a prompt is too long.
    pub fn fill(&mut self, train: &FeatureSet, val: Option<&FeatureSet>, host: &dyn Host) -> Result<Tensor> {
        no_grad(|| {
            let (classes, kind) = (self.values.size()[1] as usize, self.values.kind());
            self.values = values(&train.labels, classes, kind)?;
            self.validation = None;
            match val.filter(|_| self.grid.is_some()) {
                Some(val) => {
                    let features = unit(&val.features);
                    let text_logits = self.text_logits(&features, host)?;
                    let labels = val.labels.shallow_clone();
                    self.validation = Some(Validation { features, text_logits, labels });
                }
                None if self.grid.is_some() => {
                    let Balance { beta, alpha } = self.init;
                    host.log(
                        LogLevel::Warn,
                        &format!("there are no validation images, so beta stays {beta} and alpha {alpha}"),
                    );
                }
                None => {}
            }
            keys(train)
        })
    }

    /// β and α where they are not searched.
    pub fn initial(&self) -> Balance {
        self.init
    }

    /// β and α as the search finds them for these keys; the initial ones if there is nothing to search on, or nothing is
    /// found.
    ///
    /// # Errors
    ///
    /// When the keys do not fit.
    pub fn balance(&self, keys: &Tensor) -> Result<Balance> {
        let (Some(grid), Some(Validation { features, text_logits, labels })) = (self.grid, &self.validation) else {
            return Ok(self.init);
        };
        let affinity = no_grad(|| features.f_matmul(&keys.tr()))?;
        Ok(search(grid, text_logits, &affinity, &self.values, labels)?.unwrap_or(self.init))
    }

    /// Logits `[images, classes]` of features `[images, embed_dim]`, which need not be of length one.
    ///
    /// # Errors
    ///
    /// When the shapes do not fit, or a prompt is too long.
    pub fn logits(&self, features: &Tensor, keys: &Tensor, balance: Balance, host: &dyn Host) -> Result<Tensor> {
        let features = unit(features);
        let cached = cache_logits(&features.f_matmul(&keys.tr())?, &self.values, balance.beta)?;
        Ok(self.text_logits(&features, host)? + cached * balance.alpha)
    }

    fn text_logits(&self, features: &Tensor, host: &dyn Host) -> Result<Tensor> {
        Ok(features.f_matmul(&self.texts.features(host)?.tr())? * self.logit_scale)
    }

    /// What there is to store, with keys `[images, embed_dim]` under `name`.
    pub fn state(&self, name: &str, keys: &Tensor, balance: Balance) -> State {
        let balance = Tensor::from_slice(&[balance.beta, balance.alpha]);
        vec![
            (name.to_owned(), keys.detach()),
            (VALUES.to_owned(), self.values.tr().contiguous()),
            (BALANCE.to_owned(), balance),
        ]
    }

    /// Takes stored values in, and returns the keys and the balance. Nothing is searched any more.
    ///
    /// # Errors
    ///
    /// When a tensor is missing, or they do not fit each other or the task.
    pub fn load(&mut self, state: &State, name: &str, width: i64) -> Result<(Tensor, Balance)> {
        let (keys, values, balance) = (find(state, name)?, find(state, VALUES)?, find(state, BALANCE)?);
        let classes = self.values.size()[1];
        let images = values.size().last().copied().unwrap_or_default();
        for (name, found, wanted) in
            [(VALUES, values, vec![classes, images]), (name, keys, vec![images, width]), (BALANCE, balance, vec![2])]
        {
            let found = found.size();
            if found != wanted {
                return Err(Error::new(format!(
                    "the stored `{name}` has the shape {found:?}, but the method's has {wanted:?}"
                )));
            }
        }
        let numbers = Vec::<f64>::try_from(balance.to_device(Device::Cpu).to_kind(Kind::Double))?;
        let like = |stored: &Tensor| stored.to_device(self.values.device()).to_kind(self.values.kind());
        let (keys, values) = (like(keys), like(&values.tr().contiguous()));
        (self.values, self.validation) = (values, None);
        Ok((keys, Balance { beta: numbers[0], alpha: numbers[1] }))
    }
}

/// The sharpness β and the weight α of the cache.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Balance {
    /// How fast a key's influence falls with its distance from the image.
    pub beta: f64,
    /// The weight of the cache beside the text classifier.
    pub alpha: f64,
}

/// The values that a search tries: for β and α each, `steps` of them from 0.1 in equal distances up to, but without,
/// `scale`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Grid {
    /// The largest β and α, which are not tried themselves (`search_scale`).
    pub scale: [f64; 2],
    /// How many values of β and α there are (`search_step`).
    pub steps: [u64; 2],
}

/// Keys `[images, embed_dim]` of length one: the features of each image, averaged over views before they are
/// normalised.
///
/// # Errors
///
/// When the numbers of features and labels do not fit.
pub fn keys(train: &FeatureSet) -> Result<Tensor> {
    Ok(unit(&train.by_view()?.f_mean_dim(Some([0i64].as_slice()), false, train.features.kind())?))
}

/// One-hot values `[images, classes]`.
///
/// # Errors
///
/// When a label is not a class.
pub fn values(labels: &Tensor, classes: usize, kind: Kind) -> Result<Tensor> {
    Ok(labels.f_one_hot(classes as i64)?.to_kind(kind))
}

/// What the cache adds to the logits, before its weight: `[images, classes]`, from the cosines `[images, keys]` of images
/// and keys.
///
/// # Errors
///
/// When the shapes do not fit.
pub fn cache_logits(affinity: &Tensor, values: &Tensor, beta: f64) -> Result<Tensor> {
    Ok(((affinity * beta) - beta).exp().f_matmul(values)?)
}

/// The first β and α of `grid`, β in the outer loop, with the highest accuracy on images of known class, given the
/// text classifier's logits `[images, classes]` and the cosines `[images, keys]`; `None` if no image is ever classified
/// right.
///
/// # Errors
///
/// When the shapes do not fit.
pub fn search(
    grid: Grid,
    text_logits: &Tensor,
    affinity: &Tensor,
    values: &Tensor,
    labels: &Tensor,
) -> Result<Option<Balance>> {
    no_grad(|| {
        let alphas = grid.values(1);
        let column = Tensor::from_slice(&alphas).to_kind(text_logits.kind()).to_device(text_logits.device());
        let column = column.view([-1, 1, 1]);
        let (mut best, mut found) = (0, None);
        for beta in grid.values(0) {
            // All values of alpha at once: `[alphas, images, classes]`.
            let logits = text_logits + &column * cache_logits(affinity, values, beta)?;
            let right = logits.argmax(-1, false).f_eq_tensor(labels)?.sum_dim_intlist(-1, false, Kind::Int64);
            for (right, alpha) in Vec::<i64>::try_from(right)?.into_iter().zip(&alphas) {
                if right > best {
                    (best, found) = (right, Some(Balance { beta, alpha: *alpha }));
                }
            }
        }
        Ok(found)
    })
}

impl Grid {
    fn values(self, which: usize) -> Vec<f64> {
        let (scale, steps) = (self.scale[which], self.steps[which]);
        (0..steps).map(|i| i as f64 * (scale - 0.1) / steps as f64 + 0.1).collect()
    }

    /// Checks values that options gave: each scale above 0.1, and at least one step.
    ///
    /// # Errors
    ///
    /// When one is not; the message names `search_scale` or `search_step`.
    pub fn checked(scale: [f64; 2], steps: [u64; 2]) -> Result<Self> {
        if let Some(wrong) = scale.iter().find(|scale| !(**scale > 0.1 && scale.is_finite())) {
            return Err(Error::option("search_scale", format_args!("{wrong} is not a number above 0.1")));
        }
        if steps.contains(&0) {
            return Err(Error::option("search_step", "there must be at least one step"));
        }
        Ok(Self { scale, steps })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::ToyHost;

    fn features(images: usize, step: u64) -> Tensor {
        unit(&ToyHost::new(3).batch(images, step).features.unwrap())
    }

    #[test]
    fn keys_are_the_units_of_means_over_views() {
        let (one, two) = (features(4, 0) * 3.0, features(4, 1));
        let labels = Tensor::from_slice(&[0i64, 1, 2, 0]);
        let train = FeatureSet { features: Tensor::cat(&[&one, &two], 0), labels };
        assert!(keys(&train).unwrap().allclose(&unit(&(one + two)), 1e-12, 1e-12, false));
        let odd = FeatureSet { features: features(5, 0), labels: train.labels };
        assert_eq!(keys(&odd).unwrap_err().to_string(), "5 features are not a number of views of 4 images");
    }

    #[test]
    fn the_grid_leaves_out_its_upper_end_and_the_search_keeps_the_first_best() {
        let grid = Grid { scale: [7.0, 3.0], steps: [200, 20] };
        let (betas, alphas) = (grid.values(0), grid.values(1));
        assert_eq!((betas[0], betas.len(), alphas.len()), (0.1, 200, 20));
        assert!((alphas[19] - 2.855).abs() < 1e-12 && betas[199] < 7.0);

        // One by one, as the authors do it.
        let grid = Grid { scale: [7.0, 3.0], steps: [20, 10] };
        let (images, keys) = (features(30, 2), features(6, 3));
        let labels = ToyHost::new(3).batch(30, 2).labels;
        let values = values(&Tensor::from_slice(&[0i64, 0, 1, 1, 2, 2]), 3, Kind::Double).unwrap();
        let text = images.matmul(&features(3, 5).tr());
        let affinity = images.matmul(&keys.tr());
        let (mut best, mut expected) = (0, None);
        for beta in grid.values(0) {
            for alpha in &grid.values(1) {
                let logits = &text + cache_logits(&affinity, &values, beta).unwrap() * *alpha;
                let right = i64::try_from(logits.argmax(-1, false).eq_tensor(&labels).sum(Kind::Int64)).unwrap();
                if right > best {
                    (best, expected) = (right, Some(Balance { beta, alpha: *alpha }));
                }
            }
        }
        assert!(expected.is_some());
        assert_eq!(search(grid, &text, &affinity, &values, &labels).unwrap(), expected);
    }
}
