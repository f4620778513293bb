//! CLAP: a linear probe that starts from the text features and is held near them, class by class (Silva-Rodríguez et
//! al., "A Closer Look at the Few-Shot Adaptation of Large Vision-Language Models", CVPR 2024; `trainers/adapters.py` of
//! its code). Without the constraint it is that paper's ZS-LP.
//!
//! For image features `f`, the backbone's factor `s`, text features `t` as they leave the tower, and prototypes `w` that
//! start from `t`, one a class:
//!
//! ```text
//! logits = s f/‖f‖ (w/‖w‖)ᵀ
//! loss   = cross-entropy + mean over classes (λₖ ‖wₖ − tₖ‖²)
//! ```
//!
//! The multiplier `λₖ` is the mean probability that the initial classifier gives class `k` on its own few-shot images,
//! over twenty augmented views. It stays fixed; the constraint `l2-adaptative` (the authors' spelling) updates it after
//! every epoch by the augmented Lagrangian: `λ ← max(0, λ + ρ d)`, then `ρ ← d`, with `d` the squared distance and ρ
//! zero at first, so that the first update changes nothing. The paper's experiments keep it fixed.
//!
//! The authors encode twenty augmented views beforehand and draw every batch of 256 from all of them. Here each epoch
//! shows one view of each image; the method's protocol has as many views. They use the data set's own template, and on
//! ImageNet seven more (`templates: ensemble-8`). Their class names keep their underscores, ours have spaces.
//!
//! `init` has the authors' baselines under the same loop. They are not the methods they are named after: `tr` is
//! `TaskRes` with SGD, `clip-a` is CLIP-Adapter; `tip-a-f` is Tip-Adapter-F, whose affinity uses image features that are
//! not normalised and keys that are.

mod constraint;
mod head;

use constraint::{Constraint, Multipliers};
use head::{Head, Init};
use nemesis_sdk::prompt::cross_entropy;
use nemesis_sdk::tch::{Kind, Tensor, no_grad};
use nemesis_sdk::templates::{Average, ClassTexts, Templates};
use nemesis_sdk::{
    About, Batch, Error, FeatureSet, Host, Method, Needs, Optimisation, OptimiserKind, Parameter, Plugin,
    ProtocolPatch, Result, State, Task,
};

nemesis_sdk::options! {
    /// The options of CLAP, with the authors' defaults.
    pub struct Options {
        /// What is trained, and where it starts: `zs` for prototypes from the text features, `random` for random ones;
        /// `tr`, `clip-a` and `tip-a-f` for the authors' forms of other methods.
        pub init: Init = Init::Zs,
        /// What holds the prototypes near the text features; `none` for ZS-LP.
        pub constraint: Constraint = Constraint::L2,
        /// Templates of the text features; the authors use `ensemble-8` for ImageNet.
        pub templates: Templates = Templates::Single,
    }
}

/// Prototypes, one a class, and what holds them near the text features.
#[derive(Debug)]
pub struct Clap {
    head: Head,
    constraint: Constraint,
    multipliers: Multipliers,
    texts: ClassTexts,
    logit_scale: f64,
    /// The epoch of the last loss, to know when one has ended.
    epoch: u64,
}

/// How often the authors augment and encode each image.
const VIEWS: u64 = 20;

impl Plugin for Clap {
    type Options = Options;

    const ABOUT: About = About {
        id: "clap",
        label: "CLAP",
        summary: "a linear probe that starts from the text features and is held near them, class by class",
        paper: Some("Silva-Rodríguez et al., A Closer Look at the Few-Shot Adaptation of Large VLMs, CVPR 2024"),
        needs: Needs { views: VIEWS, ..Needs::FEATURES },
        optimisation: Optimisation::Host,
    };

    /// `configs/trainers/SGD_lr1e-1_B256_ep300.yaml`.
    fn protocol() -> ProtocolPatch {
        ProtocolPatch {
            optimiser: Some(OptimiserKind::Sgd),
            learning_rate: Some(0.1),
            momentum: Some(0.9),
            weight_decay: Some(0.0),
            warmup_epochs: Some(1),
            warmup_learning_rate: Some(1e-5),
            batch_size: Some(256),
            epochs: Some(300.into()),
            views: Some(VIEWS),
            ..ProtocolPatch::default()
        }
    }

    fn create(task: Task, options: Options, host: &dyn Host) -> Result<Self> {
        if options.constraint != Constraint::None && !options.init.has_prototypes() {
            let init = options.init;
            return Err(Error::option(
                "constraint",
                format_args!("with `init: {}` there are no prototypes to hold, so it must be `none`", init.name()),
            ));
        }
        Ok(Self {
            head: Head::new(options.init, &task, host)?,
            constraint: options.constraint,
            multipliers: Multipliers::zeros(&task),
            texts: ClassTexts::new(&task, &options.templates, Average::OfFeatures),
            logit_scale: task.logit_scale,
            epoch: 0,
        })
    }
}

impl Clap {
    fn logits_of(&self, features: &Tensor, host: &dyn Host) -> Result<Tensor> {
        self.head.logits(features, self.texts.features(host)?, self.logit_scale)
    }

    /// How far each prototype is from its class's text features, as the constraint measures it: `[classes]`.
    fn distances(&self, host: &dyn Host) -> Result<Tensor> {
        self.constraint.distances(self.head.prototypes(), self.texts.features(host)?)
    }
}

impl Method for Clap {
    fn parameters(&self) -> Result<Vec<Parameter>> {
        Ok(self.head.parameters())
    }

    fn loss(&mut self, batch: &Batch, host: &dyn Host) -> Result<Tensor> {
        if self.constraint == Constraint::L2Adaptative && batch.epoch > self.epoch {
            // The authors' step at the end of every epoch; after the last one it would change nothing.
            let distances = no_grad(|| self.distances(host))?;
            self.multipliers.update(&distances);
        }
        self.epoch = batch.epoch;
        let cross_entropy = cross_entropy(&self.logits_of(batch.features()?, host)?, &batch.labels, host)?;
        if self.constraint == Constraint::None {
            return Ok(cross_entropy);
        }
        let constraint = (&self.multipliers.lambda * self.distances(host)?).mean(None::<Kind>);
        host.report("constraint", &constraint);
        host.report("multiplier", &self.multipliers.lambda.mean(None::<Kind>));
        Ok(cross_entropy + constraint)
    }

    fn logits(&mut self, batch: &Batch, host: &dyn Host) -> Result<Tensor> {
        self.logits_of(batch.features()?, host)
    }

    fn state(&self) -> Result<State> {
        let mut state = self.head.state();
        if self.constraint != Constraint::None {
            state.extend(self.multipliers.state());
        }
        Ok(state)
    }

    fn load_state(&mut self, state: &State) -> Result<()> {
        self.head.load(state)?;
        if self.constraint != Constraint::None {
            self.multipliers.load(state)?;
        }
        Ok(())
    }

    fn prepare(&mut self, train: &FeatureSet, _val: Option<&FeatureSet>, host: &dyn Host) -> Result<()> {
        self.epoch = 0;
        self.head.start(train, self.texts.features(host)?)?;
        if self.constraint != Constraint::None {
            let views = train.by_view()?.size()[0];
            let logits = no_grad(|| self.logits_of(&train.features, host))?;
            self.multipliers = Multipliers::of(self.constraint, &logits, &train.labels.repeat([views]))?;
        }
        Ok(())
    }
}

nemesis_sdk::export_method!(Clap);

#[cfg(test)]
mod tests;
