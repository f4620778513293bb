//! What a method says about how it is trained: its published optimiser, schedule, batch size and length.
//!
//! ```no_run
//! # use nemesis_sdk::ProtocolPatch;
//! fn protocol() -> ProtocolPatch {
//!     ProtocolPatch { batch_size: Some(128), epochs: Some(100.into()), ..ProtocolPatch::default() }
//! }
//! ```

use serde::de::{MapAccess, Visitor, value::MapAccessDeserializer};
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// The optimisers of `torch.optim` that the host offers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OptimiserKind {
    /// Stochastic gradient descent, with momentum, dampening and Nesterov's rule.
    #[default]
    Sgd,
    /// Adam. The weight decay is added to the gradient.
    Adam,
    /// Adam with decoupled weight decay.
    AdamW,
}

/// How the learning rate falls after the warm-up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ScheduleKind {
    /// Half a cosine from the learning rate to `minimum_learning_rate`.
    #[default]
    Cosine,
    /// Not at all.
    Constant,
    /// Multiplied by `gamma` every `step_size` epochs, or at each of the `milestones`.
    Step,
}

/// What a schedule counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ScheduleUnit {
    /// Epochs: the rate is the same in all steps of an epoch.
    #[default]
    Epoch,
    /// Optimiser steps.
    Step,
}

/// The learning rate of the warm-up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WarmupKind {
    /// Always `warmup_learning_rate`.
    #[default]
    Constant,
    /// First `warmup_learning_rate`, then rising in proportion to the count towards the learning rate.
    Linear,
}

/// What is done to training images before they are encoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Augmentation {
    /// A random crop and a random flip.
    #[default]
    CropsAndFlips,
    /// Nothing: they are prepared like test images.
    None,
}

/// What a training leaves: the last parameters, or an average of those at the end of each epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AverageKind {
    /// The last parameters.
    #[default]
    None,
    /// An exponential moving average with `average_decay`.
    Moving,
    /// Weights from a Gaussian over the epochs, counted from 1, with `average_mean` and `average_deviation`.
    Gaussian,
}

/// A number of epochs by shots: the entry with the largest number of shots not above the one asked for applies. A
/// single number stands for any number of shots.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Epochs(pub BTreeMap<u32, u64>);

impl Epochs {
    /// The number of epochs for so many shots, if there is one.
    pub fn for_shots(&self, shots: u32) -> Option<u64> {
        self.0.range(..=shots).next_back().map(|(_, epochs)| *epochs)
    }

    /// Whether no number is given.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<u64> for Epochs {
    fn from(epochs: u64) -> Self {
        Self(BTreeMap::from([(1, epochs)]))
    }
}

impl<'de> Deserialize<'de> for Epochs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NumberOrMap;

        impl<'de> Visitor<'de> for NumberOrMap {
            type Value = Epochs;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number of epochs, or a map from shots to epochs")
            }

            fn visit_u64<E>(self, epochs: u64) -> Result<Epochs, E> {
                Ok(Epochs::from(epochs))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Epochs, A::Error> {
                BTreeMap::deserialize(MapAccessDeserializer::new(map)).map(Epochs)
            }
        }

        deserializer.deserialize_any(NumberOrMap)
    }
}

/// Settings of a group of parameters, in place of the protocol's and of what the parameters ask for themselves.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GroupPatch {
    /// The optimiser.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub optimiser: Option<OptimiserKind>,
    /// A factor on the learning rate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lr_scale: Option<f64>,
    /// The weight decay.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight_decay: Option<f64>,
    /// The momentum of SGD.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub momentum: Option<f64>,
    /// The decay rates of Adam's two averages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub betas: Option<[f64; 2]>,
    /// What is added to Adam's denominator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub eps: Option<f64>,
}

/// Declares [`ProtocolPatch`] and the list of its keys.
macro_rules! patch {
    ($($(#[doc = $help:literal])+ $key:ident: $type:ty),+ $(,)?) => {
        /// Parts of a protocol, every one of which may be left open.
        ///
        /// A method publishes one with [`Plugin::protocol`](crate::Plugin::protocol); a suite's entry and the command
        /// line give others. The later source wins, key by key.
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct ProtocolPatch {
            $(
                $(#[doc = $help])+
                #[serde(skip_serializing_if = "Option::is_none")]
                pub $key: Option<$type>,
            )+
        }

        impl ProtocolPatch {
            /// The names of all parts, which are the keys in YAML.
            pub const KEYS: &'static [&'static str] = &[$(stringify!($key)),+];

            /// Takes out the parts with these names.
            #[must_use]
            pub fn without(mut self, keys: &[&str]) -> Self {
                $(if keys.contains(&stringify!($key)) {
                    self.$key = None;
                })+
                self
            }
        }
    };
}

patch! {
    /// The optimiser: `sgd`, `adam` or `adamw`.
    optimiser: OptimiserKind,
    /// The peak learning rate.
    learning_rate: f64,
    /// The momentum of SGD.
    momentum: f64,
    /// The dampening of SGD's momentum.
    dampening: f64,
    /// Whether SGD looks ahead, by Nesterov's rule.
    nesterov: bool,
    /// The decay rates of Adam's two averages, by default 0.9 and 0.999.
    betas: [f64; 2],
    /// What is added to Adam's denominator, by default 1e-8.
    eps: f64,
    /// Whether Adam divides by the largest second moment so far.
    amsgrad: bool,
    /// The weight decay: added to the gradient by SGD and Adam, decoupled by `AdamW`.
    weight_decay: f64,
    /// The largest 2-norm of all gradients together; longer ones are shortened to it.
    clip_norm: f64,
    /// How the learning rate falls: `cosine`, `constant` or `step`.
    schedule: ScheduleKind,
    /// What the schedule counts: `epoch` or `step`.
    schedule_unit: ScheduleUnit,
    /// Where a cosine ends.
    minimum_learning_rate: f64,
    /// How many epochs (or steps) are between two reductions of a `step` schedule.
    step_size: u64,
    /// The epochs (or steps) at which a `step` schedule reduces the rate.
    milestones: Vec<u64>,
    /// The factor of a reduction.
    gamma: f64,
    /// The kind of warm-up: `constant` or `linear`.
    warmup: WarmupKind,
    /// The length of the warm-up in epochs.
    warmup_epochs: u64,
    /// The length of the warm-up in steps.
    warmup_steps: u64,
    /// The learning rate of a constant warm-up, and of the first epoch (or step) of a linear one.
    warmup_learning_rate: f64,
    /// Images per step.
    batch_size: u64,
    /// Whether a partial last batch is left out if there is a whole one.
    drop_last: bool,
    /// The number of epochs, or numbers by shots.
    epochs: Epochs,
    /// Epochs of data sets that have a number of their own, whatever the shots.
    epochs_by_dataset: BTreeMap<String, u64>,
    /// The number of optimiser steps, in place of epochs.
    steps: u64,
    /// The number of optimiser steps for each shot, in place of epochs.
    steps_per_shot: u64,
    /// How many augmented views of an image there are; epoch `e` uses view `e mod views`.
    views: u64,
    /// What is done to training images: `crops-and-flips` or `none`.
    augmentation: Augmentation,
    /// Settings of groups of parameters, by the groups' names.
    groups: BTreeMap<String, GroupPatch>,
    /// What is averaged over epochs to give the result: `none`, `moving` or `gaussian`.
    average: AverageKind,
    /// The decay of a moving average.
    average_decay: f64,
    /// The mean of a Gaussian average, in epochs counted from 1.
    average_mean: f64,
    /// The standard deviation of a Gaussian average, in epochs.
    average_deviation: f64,
}

impl ProtocolPatch {
    /// Whether it leaves everything open.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_left_open_is_not_written() {
        assert_eq!(serde_json::to_value(ProtocolPatch::default()).unwrap(), json!({}));
        let patch = ProtocolPatch {
            optimiser: Some(OptimiserKind::AdamW),
            epochs: Some(5.into()),
            augmentation: Some(Augmentation::CropsAndFlips),
            ..ProtocolPatch::default()
        };
        let written = json!({ "optimiser": "adamw", "epochs": { "1": 5 }, "augmentation": "crops-and-flips" });
        assert_eq!(serde_json::to_value(&patch).unwrap(), written);
        assert_eq!(serde_json::from_value::<ProtocolPatch>(written).unwrap(), patch);
        assert_eq!(patch.clone().without(&["epochs", "augmentation", "optimiser"]), ProtocolPatch::default());
        assert!(!patch.is_empty());
    }

    #[test]
    fn epochs_are_a_number_or_go_by_shots() {
        let read = |value| serde_json::from_value::<ProtocolPatch>(json!({ "epochs": value })).unwrap().epochs.unwrap();
        assert_eq!(read(json!(5)).for_shots(16), Some(5));
        let by_shots = read(json!({ "2": 100, "8": 200 }));
        assert_eq!([1, 2, 4, 16].map(|shots| by_shots.for_shots(shots)), [None, Some(100), Some(100), Some(200)]);
    }

    #[test]
    fn unknown_keys_are_refused() {
        let error = serde_json::from_value::<ProtocolPatch>(json!({ "learning_rat": 1 })).unwrap_err();
        assert!(error.to_string().contains("learning_rat"), "{error}");
        let error = serde_json::from_value::<ProtocolPatch>(json!({ "groups": { "text": { "lr": 1 } } })).unwrap_err();
        assert!(error.to_string().contains("lr_scale"), "{error}");
    }
}
