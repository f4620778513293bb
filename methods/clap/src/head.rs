//! What is trained: prototypes, or one of the authors' forms of other methods.

use nemesis_sdk::adapter::Bottleneck;
use nemesis_sdk::cache::{cache_logits, values};
use nemesis_sdk::learned::{find, leaf, load};
use nemesis_sdk::random::normals;
use nemesis_sdk::serde::{Deserialize, Serialize};
use nemesis_sdk::tch::{Device, Kind, Tensor, no_grad};
use nemesis_sdk::{Error, FeatureSet, Host, OptionValue, Parameter, Result, State, Task};

/// What is trained, and where it starts (`TRAINER.ADAPTER.INIT`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(crate = "nemesis_sdk::serde", rename_all = "kebab-case")]
pub enum Init {
    /// Prototypes from the text features (`ZS`).
    Zs,
    /// Random prototypes (`RANDOM`).
    Random,
    /// A residual on the text features, from zero, at half its size (`TR`).
    Tr,
    /// A bottleneck on the image features (`ClipA`).
    ClipA,
    /// The keys of a cache (`TipA-f-`).
    TipAF,
}

impl OptionValue for Init {
    fn kind() -> String {
        "`zs`, `random`, `tr`, `clip-a` or `tip-a-f`".to_owned()
    }
}

impl Init {
    /// Whether there is a prototype for each class, which a constraint can hold.
    pub(crate) fn has_prototypes(self) -> bool {
        matches!(self, Self::Zs | Self::Random)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Zs => "zs",
            Self::Random => "random",
            Self::Tr => "tr",
            Self::ClipA => "clip-a",
            Self::TipAF => "tip-a-f",
        }
    }
}

/// The authors' constants: the residual's size; the adapter's share and narrowness.
const RESIDUAL_SCALE: f64 = 0.5;
const RATIO: f64 = 0.2;
const REDUCTION: u64 = 4;

/// Names in the authors' checkpoints.
const PROTOTYPES: &str = "adapter.prototypes";
const DOWN: &str = "adapter.mlp.0.weight";
const UP: &str = "adapter.mlp.2.weight";
const KEYS: &str = "adapter.cache_keys";
/// Stored as `[classes, images]`: what has a row for each class is never used for others.
const VALUES: &str = "adapter.cache_values";

/// What is trained.
#[derive(Debug)]
pub(crate) struct Head {
    init: Init,
    /// Prototypes or residual `[classes, embed_dim]`, a leaf.
    prototypes: Tensor,
    adapter: Option<Bottleneck>,
    /// Keys `[images, embed_dim]`, a leaf, and one-hot values `[images, classes]`.
    keys: Tensor,
    values: Tensor,
    task: Task,
}

impl Head {
    pub(crate) fn new(init: Init, task: &Task, host: &dyn Host) -> Result<Self> {
        let (classes, width) = (task.class_names.len() as i64, task.embed_dim);
        let zeros = |rows: i64, columns: i64| Tensor::zeros([rows, columns], (Kind::Float, Device::Cpu));
        let prototypes = if init == Init::Random {
            // `kaiming_normal_`: the variance is 2 / inputs.
            let draws = normals((classes * width) as usize, |bits| host.random("prototypes", 0, bits));
            Tensor::from_slice(&draws).view([classes, width]) * (2.0 / width as f64).sqrt()
        } else {
            zeros(classes, width)
        };
        Ok(Self {
            init,
            prototypes: leaf(&prototypes, task),
            adapter: (init == Init::ClipA).then(|| Bottleneck::new(task, REDUCTION, host)).transpose()?,
            keys: leaf(&zeros(0, width), task),
            values: zeros(0, classes).to_kind(task.kind).to_device(task.device),
            task: task.clone(),
        })
    }

    /// The prototypes `[classes, embed_dim]`, if there are any.
    pub(crate) fn prototypes(&self) -> &Tensor {
        &self.prototypes
    }

    /// Sets what starts from the data or the text features.
    pub(crate) fn start(&mut self, train: &FeatureSet, text: &Tensor) -> Result<()> {
        match self.init {
            Init::Zs => no_grad(|| self.prototypes.copy_(text)),
            Init::TipAF => {
                let by_view = train.by_view()?;
                let mean = by_view.f_mean_dim(Some([0i64].as_slice()), false, by_view.kind())?;
                self.keys = leaf(&mean, &self.task);
                self.values = values(&train.labels, self.task.class_names.len(), self.task.kind)?;
            }
            Init::Random | Init::Tr | Init::ClipA => {}
        }
        Ok(())
    }

    /// Logits `[images, classes]` of features `[images, embed_dim]`, given text features `[classes, embed_dim]`; neither
    /// is normalised.
    pub(crate) fn logits(&self, features: &Tensor, text: &Tensor, scale: f64) -> Result<Tensor> {
        let compare = |features: &Tensor, prototypes: &Tensor| -> Result<Tensor> {
            Ok(unit_or_zero(features).f_matmul(&unit_or_zero(prototypes).tr())? * scale)
        };
        match (self.init, &self.adapter) {
            (Init::Tr, _) => compare(features, &(text + &self.prototypes * RESIDUAL_SCALE)),
            (Init::ClipA, Some(adapter)) => {
                let adapted = adapter.forward(features)?.relu();
                compare(&(adapted * RATIO + features * (1.0 - RATIO)), text)
            }
            (Init::TipAF, _) => {
                let affinity = features.f_matmul(&unit_or_zero(&self.keys).tr())?;
                Ok(compare(features, text)? + cache_logits(&affinity, &self.values, 1.0)?)
            }
            _ => compare(features, &self.prototypes),
        }
    }

    fn trained(&self) -> Vec<(&'static str, &Tensor)> {
        match (self.init, &self.adapter) {
            (Init::ClipA, Some(adapter)) => vec![(DOWN, &adapter.down), (UP, &adapter.up)],
            (Init::TipAF, _) => vec![(KEYS, &self.keys)],
            _ => vec![(PROTOTYPES, &self.prototypes)],
        }
    }

    pub(crate) fn parameters(&self) -> Vec<Parameter> {
        self.trained().into_iter().map(|(name, tensor)| Parameter::new(name, tensor.shallow_clone())).collect()
    }

    pub(crate) fn state(&self) -> State {
        let mut state: State =
            self.trained().into_iter().map(|(name, tensor)| (name.to_owned(), tensor.detach())).collect();
        if self.init == Init::TipAF {
            state.push((VALUES.to_owned(), self.values.tr().contiguous()));
        }
        state
    }

    pub(crate) fn load(&mut self, state: &State) -> Result<()> {
        if self.init != Init::TipAF {
            return self.trained().into_iter().try_for_each(|(name, tensor)| load(state, name, tensor));
        }
        let (keys, values) = (find(state, KEYS)?, find(state, VALUES)?);
        let (classes, width) = (self.task.class_names.len() as i64, self.task.embed_dim);
        let images = values.size().last().copied().unwrap_or_default();
        for (name, found, wanted) in [(VALUES, values, [classes, images]), (KEYS, keys, [images, width])] {
            let found = found.size();
            if found != wanted {
                return Err(Error::new(format!(
                    "the stored `{name}` has the shape {found:?}, but the method's has {wanted:?}"
                )));
            }
        }
        self.keys = leaf(keys, &self.task);
        self.values = values.tr().contiguous().to_device(self.task.device).to_kind(self.task.kind);
        Ok(())
    }
}

/// Vectors divided by their 2-norm. One of zeros stays zero, where training may pass through.
fn unit_or_zero(vectors: &Tensor) -> Tensor {
    vectors / vectors.norm_scalaropt_dim(2.0, [-1i64].as_slice(), true).clamp_min(1e-12)
}
