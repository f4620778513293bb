//! A file of golden values, and its cases.

use nemesis_core::method::OptimiserKind;
use nemesis_core::train::ResolvedProtocol;
use nemesis_core::{Error, Result};
use serde::Deserialize;
use serde_json::{Map, Value};

/// `METHOD.json`.
#[derive(Debug, Deserialize)]
pub(super) struct File {
    /// Class names by label, as data sets spell them.
    pub(super) class_names: Vec<String>,
    /// The checkpoints.
    pub(super) weights: Weights,
    /// What was run.
    pub(super) cases: Vec<Case>,
}

/// The checkpoints of a file.
#[derive(Debug, Deserialize)]
pub(super) struct Weights {
    /// Whose text tower is used.
    pub(super) text: String,
    /// Whose image tower is used.
    pub(super) image: String,
    /// Whose factor on cosines is used, if not that of `text`.
    pub(super) logit_scale: Option<String>,
}

/// One run of the authors' code.
#[derive(Debug, Deserialize)]
pub(super) struct Case {
    /// Its number.
    pub(super) id: usize,
    /// The peak learning rate, unless the optimiser says.
    base_lr: Option<f64>,
    optimizer: Optimizer,
    /// What was logged in each step.
    pub(super) trace: Vec<Traced>,
    max_epoch: Option<u64>,
    /// Whatever else the method's authors can set.
    #[serde(flatten)]
    settings: Map<String, Value>,
}

/// What was logged in a step.
#[derive(Debug, Deserialize)]
pub(super) struct Traced {
    /// The epoch, counted from zero; always zero if the authors' code counts steps.
    #[serde(default)]
    pub(super) epoch: u64,
    /// The learning rate.
    pub(super) lr: f64,
    #[serde(flatten)]
    values: Map<String, Value>,
}

/// As PyTorch has it.
#[derive(Debug, Deserialize)]
pub(super) struct Optimizer {
    name: OptimiserKind,
    lr: Option<f64>,
    #[serde(default)]
    momentum: f64,
    weight_decay: f64,
    #[serde(default)]
    dampening: f64,
    #[serde(default)]
    nesterov: bool,
    betas: Option<[f64; 2]>,
    eps: Option<f64>,
    #[serde(default)]
    amsgrad: bool,
}

impl Optimizer {
    /// A protocol that optimises by it, without a learning rate.
    pub(super) fn protocol(&self) -> ResolvedProtocol {
        let Self { name, lr: _, momentum, weight_decay, dampening, nesterov, betas, eps, amsgrad } = *self;
        ResolvedProtocol {
            name: "parity".to_owned(),
            optimiser: name,
            momentum,
            weight_decay,
            dampening,
            nesterov,
            betas,
            eps,
            amsgrad,
            ..ResolvedProtocol::default()
        }
    }
}

impl Case {
    /// A setting that the case must have.
    ///
    /// # Errors
    ///
    /// When it has none of this name.
    pub(super) fn setting(&self, name: &str) -> Result<&Value> {
        self.settings.get(name).ok_or_else(|| Error::new(format!("case {} has no `{name}`", self.id)))
    }

    /// Options that are settings: ours with the names of theirs.
    ///
    /// # Errors
    ///
    /// When one of the settings is missing.
    pub(super) fn options(&self, names: &[(&str, &str)]) -> Result<Map<String, Value>> {
        names.iter().map(|(ours, theirs)| Ok(((*ours).to_owned(), self.setting(theirs)?.clone()))).collect()
    }

    /// A setting that is a number.
    ///
    /// # Errors
    ///
    /// When it has none of this name, or it is not a number.
    pub(super) fn number(&self, name: &str) -> Result<f64> {
        let value = self.setting(name)?;
        value
            .as_f64()
            .ok_or_else(|| Error::new(format!("`{name}` of case {} is {value}", self.id)).expected("a number"))
    }

    /// A setting that is text, if it is there and not null.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.settings.get(name)?.as_str()
    }

    /// Whether a setting is there and true.
    pub(super) fn flag(&self, name: &str) -> bool {
        self.settings.get(name).and_then(Value::as_bool).unwrap_or(false)
    }

    /// The name of one of its tensors.
    pub(super) fn tensor(&self, what: &str) -> String {
        format!("case{}.{what}", self.id)
    }

    /// The number of epochs.
    pub(super) fn epochs(&self) -> u64 {
        self.max_epoch.or_else(|| self.trace.last().map(|step| step.epoch + 1)).unwrap_or(0)
    }

    /// How many steps an epoch has.
    pub(super) fn steps_per_epoch(&self) -> u64 {
        self.trace.iter().filter(|step| step.epoch == 0).count() as u64
    }

    /// The protocol of its optimiser, with Dassl's schedule: one epoch of warm-up at 1e-5, then a cosine.
    pub(super) fn protocol(&self) -> ResolvedProtocol {
        ResolvedProtocol {
            learning_rate: self.base_lr.or(self.optimizer.lr).unwrap_or(f64::NAN),
            warmup_epochs: 1,
            warmup_learning_rate: 1e-5,
            epochs: self.epochs(),
            ..self.optimizer.protocol()
        }
    }
}

impl Traced {
    /// What was logged under the first of some names.
    pub(super) fn number(&self, names: &[&str]) -> Option<f64> {
        names.iter().find_map(|name| self.values.get(*name)?.as_f64())
    }

    /// A list of numbers that was logged under a name.
    pub(super) fn numbers(&self, name: &str) -> Option<Vec<f64>> {
        self.values.get(name)?.as_array()?.iter().map(Value::as_f64).collect()
    }
}
