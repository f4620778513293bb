//! A protocol with nothing left open: for one data set, one number of shots and one method.

use super::Protocol;
use crate::method::{Augmentation, AverageKind, GroupPatch, OptimiserKind, ScheduleKind, ScheduleUnit, WarmupKind};
use crate::shots::in_words;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A protocol resolved for a data set and a number of shots. It is part of a training's id.
///
/// What was added later is not written if it has the value that all trainings had before, so that ids stay.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResolvedProtocol {
    /// The protocol's name.
    pub name: String,
    /// The optimiser.
    pub optimiser: OptimiserKind,
    /// The peak learning rate.
    pub learning_rate: f64,
    /// The momentum of SGD; 0 for other optimisers.
    pub momentum: f64,
    /// The dampening of SGD's momentum.
    #[serde(default, skip_serializing_if = "is_default")]
    pub dampening: f64,
    /// Whether SGD looks ahead, by Nesterov's rule.
    #[serde(default, skip_serializing_if = "is_default")]
    pub nesterov: bool,
    /// The decay rates of Adam's two averages; none for SGD.
    #[serde(default, skip_serializing_if = "is_default")]
    pub betas: Option<[f64; 2]>,
    /// What is added to Adam's denominator; none for SGD.
    #[serde(default, skip_serializing_if = "is_default")]
    pub eps: Option<f64>,
    /// Whether Adam divides by the largest second moment so far.
    #[serde(default, skip_serializing_if = "is_default")]
    pub amsgrad: bool,
    /// The weight decay: added to the gradient by SGD and Adam, decoupled by `AdamW`.
    pub weight_decay: f64,
    /// The largest 2-norm of all gradients together, if it is bounded.
    #[serde(default, skip_serializing_if = "is_default")]
    pub clip_norm: Option<f64>,
    /// How the learning rate falls after the warm-up.
    #[serde(default, skip_serializing_if = "is_default")]
    pub schedule: ScheduleKind,
    /// What the schedule counts.
    #[serde(default, skip_serializing_if = "is_default")]
    pub schedule_unit: ScheduleUnit,
    /// Where a cosine ends.
    #[serde(default, skip_serializing_if = "is_default")]
    pub minimum_learning_rate: f64,
    /// How many epochs (or steps) are between two reductions of a `step` schedule.
    #[serde(default, skip_serializing_if = "is_default")]
    pub step_size: Option<u64>,
    /// The epochs (or steps) at which a `step` schedule reduces the rate.
    #[serde(default, skip_serializing_if = "is_default")]
    pub milestones: Vec<u64>,
    /// The factor of a reduction; none for other schedules.
    #[serde(default, skip_serializing_if = "is_default")]
    pub gamma: Option<f64>,
    /// The kind of warm-up.
    #[serde(default, skip_serializing_if = "is_default")]
    pub warmup: WarmupKind,
    /// How many first epochs run at the warm-up learning rate.
    pub warmup_epochs: u64,
    /// How many first steps do, if the warm-up goes by steps.
    #[serde(default, skip_serializing_if = "is_default")]
    pub warmup_steps: u64,
    /// The learning rate of a constant warm-up, and of the first epoch (or step) of a linear one.
    pub warmup_learning_rate: f64,
    /// Images per step.
    pub batch_size: u64,
    /// Whether a partial last batch is left out if there is a whole one.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub drop_last: bool,
    /// The number of epochs. The last one is not finished if there is a number of `steps`.
    pub epochs: u64,
    /// The number of optimiser steps, if it is not that of whole epochs.
    #[serde(default, skip_serializing_if = "is_default")]
    pub steps: Option<u64>,
    /// The number of augmented views, at most `epochs`.
    pub views: u64,
    /// What is done to training images.
    #[serde(default, skip_serializing_if = "is_default")]
    pub augmentation: Augmentation,
    /// Settings of groups of parameters, by the groups' names.
    #[serde(default, skip_serializing_if = "is_default")]
    pub groups: BTreeMap<String, GroupPatch>,
    /// What is averaged over epochs to give the result.
    #[serde(default, skip_serializing_if = "is_default")]
    pub average: AverageKind,
    /// The decay of a moving average.
    #[serde(default, skip_serializing_if = "is_default")]
    pub average_decay: Option<f64>,
    /// The mean of a Gaussian average, in epochs counted from 1.
    #[serde(default, skip_serializing_if = "is_default")]
    pub average_mean: Option<f64>,
    /// The standard deviation of a Gaussian average, in epochs.
    #[serde(default, skip_serializing_if = "is_default")]
    pub average_deviation: Option<f64>,
}

/// `torch.optim`'s defaults.
pub(in crate::compute::train) const BETAS: [f64; 2] = [0.9, 0.999];
pub(in crate::compute::train) const EPS: f64 = 1e-8;

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

fn yes() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes fields by reference")]
fn is_yes(value: &bool) -> bool {
    *value
}

impl Default for ResolvedProtocol {
    /// One epoch of plain SGD at a constant rate of 0.01, without a warm-up, in batches of 32: to be filled in where no
    /// file says how to train.
    fn default() -> Self {
        Self {
            name: "default".to_owned(),
            optimiser: OptimiserKind::Sgd,
            learning_rate: 0.01,
            momentum: 0.0,
            dampening: 0.0,
            nesterov: false,
            betas: None,
            eps: None,
            amsgrad: false,
            weight_decay: 0.0,
            clip_norm: None,
            schedule: ScheduleKind::Cosine,
            schedule_unit: ScheduleUnit::Epoch,
            minimum_learning_rate: 0.0,
            step_size: None,
            milestones: Vec::new(),
            gamma: None,
            warmup: WarmupKind::Constant,
            warmup_epochs: 0,
            warmup_steps: 0,
            warmup_learning_rate: 0.0,
            batch_size: 32,
            drop_last: true,
            epochs: 1,
            steps: None,
            views: 1,
            augmentation: Augmentation::CropsAndFlips,
            groups: BTreeMap::new(),
            average: AverageKind::None,
            average_decay: None,
            average_mean: None,
            average_deviation: None,
        }
    }
}

impl Protocol {
    /// Resolves what depends on the data set, the shots and how many images are trained on. What the optimiser, the
    /// schedule or the average does not use is left out.
    ///
    /// # Errors
    ///
    /// When a part is missing or has a value that nothing can be trained with; [`Error::option`] is the part.
    pub fn resolve(&self, dataset: &str, shots: u32, images: u64) -> Result<ResolvedProtocol> {
        self.check()?;
        let mut resolved = ResolvedProtocol {
            name: self.name.clone(),
            optimiser: self.optimiser,
            learning_rate: self.learning_rate,
            weight_decay: self.weight_decay,
            clip_norm: self.clip_norm,
            schedule: self.schedule.unwrap_or_default(),
            schedule_unit: self.schedule_unit.unwrap_or_default(),
            warmup: self.warmup.unwrap_or_default(),
            warmup_epochs: self.warmup_epochs.unwrap_or(0),
            warmup_steps: self.warmup_steps.unwrap_or(0),
            warmup_learning_rate: self.warmup_learning_rate.unwrap_or(0.0),
            batch_size: self.batch_size,
            drop_last: self.drop_last.unwrap_or(true),
            augmentation: self.augmentation.unwrap_or_default(),
            groups: self.groups.clone(),
            average: self.average.unwrap_or_default(),
            ..ResolvedProtocol::default()
        };
        match resolved.optimiser {
            OptimiserKind::Sgd => {
                resolved.momentum = self.momentum.unwrap_or(0.0);
                resolved.dampening = self.dampening.unwrap_or(0.0);
                resolved.nesterov = self.nesterov.unwrap_or(false);
            }
            OptimiserKind::Adam | OptimiserKind::AdamW => {
                resolved.betas = Some(self.betas.unwrap_or(BETAS));
                resolved.eps = Some(self.eps.unwrap_or(EPS));
                resolved.amsgrad = self.amsgrad.unwrap_or(false);
            }
        }
        match resolved.schedule {
            ScheduleKind::Cosine => resolved.minimum_learning_rate = self.minimum_learning_rate.unwrap_or(0.0),
            ScheduleKind::Constant => resolved.schedule_unit = ScheduleUnit::default(),
            ScheduleKind::Step => {
                resolved.step_size = self.step_size;
                resolved.milestones = self.milestones.clone().unwrap_or_default();
                resolved.gamma = self.gamma;
            }
        }
        match resolved.average {
            AverageKind::None => {}
            AverageKind::Moving => resolved.average_decay = self.average_decay,
            AverageKind::Gaussian => {
                (resolved.average_mean, resolved.average_deviation) = (self.average_mean, self.average_deviation);
            }
        }
        (resolved.epochs, resolved.steps) = self.length(dataset, shots, resolved.steps_per_epoch(images))?;
        resolved.views = match resolved.augmentation {
            Augmentation::CropsAndFlips => self.views.unwrap_or(resolved.epochs).clamp(1, resolved.epochs.max(1)),
            Augmentation::None => 1,
        };
        Ok(resolved)
    }

    /// The number of epochs, and that of steps if it is not that of whole epochs.
    fn length(&self, dataset: &str, shots: u32, steps_per_epoch: u64) -> Result<(u64, Option<u64>)> {
        if let Some(epochs) = self.epochs_by_dataset.get(dataset) {
            return Ok((*epochs, None));
        }
        let steps = match (self.steps, self.steps_per_shot) {
            (Some(steps), _) => Some(steps),
            (None, Some(_)) if shots == u32::MAX => {
                return Err(Error::new(format!(
                    "the protocol `{}` counts steps per shot, and `--shots all` is not a number of shots",
                    self.name
                ))
                .about("steps_per_shot")
                .help("give a number of `epochs` or `steps` instead"));
            }
            (None, Some(steps)) => Some(steps.saturating_mul(u64::from(shots))),
            (None, None) => None,
        };
        if let Some(steps) = steps {
            return Ok((steps.div_ceil(steps_per_epoch.max(1)), Some(steps)));
        }
        let epochs = self.epochs.for_shots(shots).ok_or_else(|| {
            Error::new(format!("the protocol `{}` has no number of epochs for {}", self.name, in_words(shots)))
                .about("epochs")
                .help("add an entry to `epochs` in the protocol")
        })?;
        Ok((epochs, None))
    }
}

impl ResolvedProtocol {
    /// How many steps an epoch over `images` has. With `drop_last`, a partial last batch is left out if there is a
    /// whole one (`dassl/data/data_manager.py`).
    pub fn steps_per_epoch(&self, images: u64) -> u64 {
        if self.drop_last && images >= self.batch_size {
            images / self.batch_size
        } else {
            images.div_ceil(self.batch_size)
        }
    }

    /// The augmented view of a zero-based `epoch`; none if images are prepared like test images.
    pub fn view(&self, epoch: u64) -> Option<u64> {
        (self.augmentation == Augmentation::CropsAndFlips).then(|| epoch % self.views.max(1))
    }

    /// How many steps a training on `images` has.
    pub fn total_steps(&self, images: u64) -> u64 {
        self.steps.unwrap_or(self.epochs * self.steps_per_epoch(images))
    }
}

/// The names of the parts that say how long training takes; a source that gives one takes the place of all.
pub(super) const LENGTH: [&str; 4] = ["epochs", "epochs_by_dataset", "steps", "steps_per_shot"];
