//! How training is run: a protocol for all methods of a table, which a method, a suite or a user can change in part.

mod differences;
mod parts;
mod precision;
mod resolved;

pub use precision::Precision;
pub use resolved::ResolvedProtocol;
pub(super) use resolved::{BETAS, EPS};

use crate::method::{
    Augmentation, AverageKind, Epochs, GroupPatch, OptimiserKind, ProtocolPatch, ScheduleKind, ScheduleUnit, WarmupKind,
};
use crate::note::Note;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A named protocol, as written in `benchmarks/protocols/*.yaml`.
///
/// Its parts have the names, and the meaning, of [`ProtocolPatch`](crate::method::ProtocolPatch).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Protocol {
    /// The name shown under every table made with it.
    pub name: String,
    /// Differences from the published code, one sentence each, shown with the table. [`Precision::note`] covers those
    /// due to the precision.
    #[serde(default)]
    pub deviations: Vec<Note>,
    /// The parts that no method's published protocol changes. A suite's entry and the command line still do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub overrides: Vec<String>,
    /// The optimiser.
    pub optimiser: OptimiserKind,
    /// The peak learning rate.
    pub learning_rate: f64,
    /// The momentum of SGD, which has no default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub momentum: Option<f64>,
    /// The dampening of SGD's momentum; 0 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dampening: Option<f64>,
    /// Whether SGD looks ahead, by Nesterov's rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nesterov: Option<bool>,
    /// The decay rates of Adam's two averages; 0.9 and 0.999 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub betas: Option<[f64; 2]>,
    /// What is added to Adam's denominator; 1e-8 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eps: Option<f64>,
    /// Whether Adam divides by the largest second moment so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amsgrad: Option<bool>,
    /// The weight decay.
    pub weight_decay: f64,
    /// The largest 2-norm of all gradients together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clip_norm: Option<f64>,
    /// How the learning rate falls; a cosine by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<ScheduleKind>,
    /// What the schedule counts; epochs by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule_unit: Option<ScheduleUnit>,
    /// Where a cosine ends; 0 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minimum_learning_rate: Option<f64>,
    /// How many epochs (or steps) are between two reductions of a `step` schedule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step_size: Option<u64>,
    /// The epochs (or steps) at which a `step` schedule reduces the rate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub milestones: Option<Vec<u64>>,
    /// The factor of a reduction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gamma: Option<f64>,
    /// The kind of warm-up; constant by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warmup: Option<WarmupKind>,
    /// The length of the warm-up in epochs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warmup_epochs: Option<u64>,
    /// The length of the warm-up in steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warmup_steps: Option<u64>,
    /// The learning rate of a constant warm-up, and of the first epoch (or step) of a linear one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warmup_learning_rate: Option<f64>,
    /// Images per step.
    pub batch_size: u64,
    /// Whether a partial last batch is left out if there is a whole one, as by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drop_last: Option<bool>,
    /// The number of epochs, or numbers by shots.
    #[serde(default, skip_serializing_if = "Epochs::is_empty")]
    pub epochs: Epochs,
    /// Epochs of data sets that have a number of their own, whatever the shots.
    #[serde(default)]
    pub epochs_by_dataset: BTreeMap<String, u64>,
    /// The number of optimiser steps, in place of epochs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steps: Option<u64>,
    /// The number of optimiser steps for each shot, in place of epochs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steps_per_shot: Option<u64>,
    /// How many augmented views of an image there are; epoch `e` uses view `e mod views`. Without it every epoch has a
    /// view of its own, as published.
    #[serde(default)]
    pub views: Option<u64>,
    /// What is done to training images; random crops and flips by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub augmentation: Option<Augmentation>,
    /// Settings of groups of parameters, by the groups' names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub groups: BTreeMap<String, GroupPatch>,
    /// What is averaged over epochs to give the result; nothing by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub average: Option<AverageKind>,
    /// The decay of a moving average.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub average_decay: Option<f64>,
    /// The mean of a Gaussian average, in epochs counted from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub average_mean: Option<f64>,
    /// The standard deviation of a Gaussian average, in epochs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub average_deviation: Option<f64>,
    /// The numeric type of all computation.
    pub precision: Precision,
    /// Threads per worker. By default, all cores are divided among the workers.
    #[serde(default)]
    pub threads: Option<usize>,
    /// Options for every method that has them; the suite's override them.
    #[serde(default)]
    pub method_options: serde_json::Map<String, serde_json::Value>,
    /// What holds for single methods, by their ids, over what they publish.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub methods: BTreeMap<String, OfMethod>,
}

/// What a protocol says of one method. A suite's entry and the command line win over it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OfMethod {
    /// Options.
    #[serde(default, skip_serializing_if = "serde_json::Map::is_empty")]
    pub options: serde_json::Map<String, serde_json::Value>,
    /// Parts of the protocol.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Box<ProtocolPatch>>,
}
