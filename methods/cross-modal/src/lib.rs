//! Cross-modal adaptation: a linear classifier that learns from texts as it learns from images (Lin et al.,
//! "Multimodality Helps Unimodality: Cross-Modal Few-Shot Learning with Multimodal Models", CVPR 2023; `train.py` and
//! `engine/` of its code, `linzhiqiu/cross_modal_adaptation`).
//!
//! CLIP puts images and texts into one space, so each prompt of a class is one more training sample of it. For features `x`
//! of an image or a text, the classifier's rows `w`, one a class, and `s = exp(logit)`:
//!
//! ```text
//! logits = s x/‖x‖ wᵀ
//! loss   = mean of the cross-entropy over as many images as texts
//! ```
//!
//! (equation 5 of the paper). The rows are not normalised. They start from the text features `t` of each class, the mean over
//! its prompts made of length one; with `init: random`, as PyTorch's `nn.Linear` does. Each step sees the texts after those
//! of the step before, in an order that is drawn again when all were seen.
//!
//! With `head: adapter`, a bottleneck comes before the rows, which CLIP-Adapter has, too: for `y = x/‖x‖`,
//!
//! ```text
//! logits = s (ρ ReLU(ReLU(y W₁ᵀ) W₂ᵀ) + (1 − ρ) y) wᵀ
//! ```
//!
//! As in the authors' code, what is mixed is not normalised again. `modality: image` leaves the texts out: the paper's
//! uni-modal baseline.
//!
//! The authors use the prompts of Tip-Adapter: the data set's own, and on ImageNet the seven of OpenAI (`templates:
//! ensemble-7`). Departures:
//!
//! * They train with each of two learning rates, three weight decays and two batch sizes, look at validation images every
//!   100 steps, and keep the best. Here a training has one protocol, a point of their grid, and what its last step has
//!   left: 0.001, 0.01, and 8 samples, 4 of which are images. `batch_size` counts images, and as many texts come with
//!   them. The grid is that of `head: linear`; theirs for the adapter has smaller learning rates and other decays, so that
//!   `head: adapter` needs a protocol of your own.
//! * They train on a centre crop of each image, and in the paper also on its mirror image. Here it is the centre crop alone,
//!   the default of their code.
//! * They refuse a batch that has at least as many texts as there are. Here it has all of them, each once.
//! * Their factor `s` is 100 for every backbone (`logit` is its logarithm), and so it is here.

mod texts;

use nemesis_sdk::adapter::Bottleneck;
use nemesis_sdk::learned::{leaf, load};
use nemesis_sdk::parameters::linear;
use nemesis_sdk::prompt::{cross_entropy, unit};
use nemesis_sdk::serde::{Deserialize, Serialize};
use nemesis_sdk::tch::{Device, Kind, Tensor};
use nemesis_sdk::templates::Templates;
use nemesis_sdk::{
    About, Augmentation, Batch, Error, FeatureSet, Host, Method, Needs, Optimisation, OptimiserKind, OptionValue,
    Parameter, Plugin, ProtocolPatch, Result, ScheduleKind, ScheduleUnit, State, Task, WarmupKind,
};
use texts::Texts;

nemesis_sdk::options! {
    /// The options of cross-modal adaptation, with the authors' defaults.
    pub struct Options {
        /// What is learned: a `linear` classifier, or an `adapter` before it as well.
        pub head: Head = Head::Linear,
        /// Where the classifier starts: from the text features (`zero-shot`), or `random`.
        pub init: Init = Init::ZeroShot,
        /// What it learns from: images and texts (`cross`), or images only (`image`).
        pub modality: Modality = Modality::Cross,
        /// Logarithm of the factor on logits.
        pub logit: f64 = 4.60517,
        /// How much of the mixed features comes from the adapter, from 0 to 1.
        pub ratio: f64 = 0.2,
        /// How many times narrower than the features the adapter is inside.
        pub reduction: u64 = 4,
        /// Templates of the texts; the authors use `ensemble-7` for ImageNet.
        pub templates: Templates = Templates::Single,
    }
}

macro_rules! choice {
    ($(#[$doc:meta])* $Name:ident: $kind:literal; $($(#[$of:meta])* $Choice:ident),+) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(crate = "nemesis_sdk::serde", rename_all = "kebab-case")]
        pub enum $Name { $($(#[$of])* $Choice),+ }

        impl OptionValue for $Name {
            fn kind() -> String {
                $kind.to_owned()
            }
        }
    };
}

choice! {
    /// What is learned (`--classifier_head`).
    Head: "`linear` or `adapter`";
    /// A classifier.
    Linear,
    /// A bottleneck, and a classifier of what it makes of features.
    Adapter
}

choice! {
    /// Where the classifier starts (`--classifier_init`).
    Init: "`zero-shot` or `random`";
    /// From the text features.
    ZeroShot,
    /// As a linear layer does.
    Random
}

choice! {
    /// What the classifier learns from (`--modality`).
    Modality: "`cross` or `image`";
    /// Images, and as many texts.
    Cross,
    /// Images.
    Image
}

/// A classifier of images and texts.
#[derive(Debug)]
pub struct CrossModal {
    /// `[classes, embed_dim]`.
    weight: Tensor,
    adapter: Option<Bottleneck>,
    texts: Texts,
    options: Options,
    scale: f64,
}

/// The names of the bottleneck's weights in the authors' checkpoints.
const DOWN: &str = "head.0.fc.0.weight";
const UP: &str = "head.0.fc.2.weight";

impl Plugin for CrossModal {
    type Options = Options;

    const RESUMES: bool = true;

    const ABOUT: About = About {
        id: "cross-modal",
        label: "Cross-modal",
        summary: "a linear classifier that learns from texts as it learns from images",
        paper: Some("Lin et al., Multimodality Helps Unimodality: Cross-Modal Few-Shot Learning, CVPR 2023"),
        needs: Needs::FEATURES,
        optimisation: Optimisation::Host,
    };

    /// A point of the grid for linear classifiers in `engine/optimizer/default.py`.
    fn protocol() -> ProtocolPatch {
        ProtocolPatch {
            optimiser: Some(OptimiserKind::AdamW),
            learning_rate: Some(0.001),
            weight_decay: Some(0.01),
            schedule: Some(ScheduleKind::Cosine),
            schedule_unit: Some(ScheduleUnit::Step),
            warmup: Some(WarmupKind::Linear),
            warmup_steps: Some(50),
            warmup_learning_rate: Some(1e-5),
            batch_size: Some(4),
            steps: Some(12_800),
            augmentation: Some(Augmentation::None),
            ..ProtocolPatch::default()
        }
    }

    fn create(task: Task, options: Options, host: &dyn Host) -> Result<Self> {
        if !(0.0..=1.0).contains(&options.ratio) {
            return Err(Error::option("ratio", format_args!("{} is not a number from 0 to 1", options.ratio)));
        }
        let scale = options.logit.exp();
        if !scale.is_finite() || scale <= 0.0 {
            return Err(Error::option("logit", format_args!("{} is not the logarithm of a factor", options.logit)));
        }
        let shape = [task.class_names.len() as i64, task.embed_dim];
        let start = match options.init {
            // The text features are put in when training begins.
            Init::ZeroShot => Tensor::zeros(shape, (Kind::Double, Device::Cpu)),
            Init::Random => linear(&shape, task.embed_dim, host, "classifier", 0),
        };
        let adapter = match options.head {
            Head::Linear => None,
            Head::Adapter => Some(Bottleneck::new(&task, options.reduction, host)?),
        };
        Ok(Self { weight: leaf(&start, &task), adapter, texts: Texts::new(&task, &options.templates), options, scale })
    }
}

impl CrossModal {
    /// Logits `[samples, classes]` of features `[samples, embed_dim]`, of images or texts.
    fn logits_of(&self, features: &Tensor) -> Result<Tensor> {
        let features = unit(features);
        let features = match &self.adapter {
            None => features,
            Some(adapter) => {
                let ratio = self.options.ratio;
                adapter.forward(&features)?.relu() * ratio + features * (1.0 - ratio)
            }
        };
        Ok(features.f_matmul(&self.weight.tr())? * self.scale)
    }

    /// What is learned, by the authors' names.
    fn learned(&self) -> Vec<(&'static str, &Tensor)> {
        match &self.adapter {
            None => vec![("head.weight", &self.weight)],
            Some(Bottleneck { down, up }) => vec![(DOWN, down), (UP, up), ("head.1.weight", &self.weight)],
        }
    }
}

impl Method for CrossModal {
    fn parameters(&self) -> Result<Vec<Parameter>> {
        Ok(self.learned().into_iter().map(|(name, tensor)| Parameter::new(name, tensor.shallow_clone())).collect())
    }

    fn loss(&mut self, batch: &Batch, host: &dyn Host) -> Result<Tensor> {
        let (features, labels) = (batch.features()?, &batch.labels);
        if self.options.modality == Modality::Image {
            return cross_entropy(&self.logits_of(features)?, labels, host);
        }
        let texts = self.texts.batch(batch.step, features.size()[0], host)?;
        let features = Tensor::f_cat(&[features, &texts.features], 0)?;
        let labels = Tensor::f_cat(&[labels, &texts.labels], 0)?;
        cross_entropy(&self.logits_of(&features)?, &labels, host)
    }

    fn logits(&mut self, batch: &Batch, _host: &dyn Host) -> Result<Tensor> {
        self.logits_of(batch.features()?)
    }

    fn state(&self) -> Result<State> {
        Ok(self.learned().into_iter().map(|(name, tensor)| (name.to_owned(), tensor.detach())).collect())
    }

    fn load_state(&mut self, state: &State) -> Result<()> {
        self.learned().into_iter().try_for_each(|(name, tensor)| load(state, name, tensor))
    }

    fn prepare(&mut self, _train: &FeatureSet, _val: Option<&FeatureSet>, host: &dyn Host) -> Result<()> {
        if self.options.init == Init::ZeroShot {
            let start = unit(self.texts.means(host)?);
            nemesis_sdk::tch::no_grad(|| self.weight.copy_(&start));
        }
        Ok(())
    }
}

nemesis_sdk::export_method!(CrossModal);

#[cfg(test)]
mod tests;
