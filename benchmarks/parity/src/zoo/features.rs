//! Methods that are compared on given features, without an image tower.

use super::file::Weights;
use super::towers::Pair;
use crate::check::{Check, norm_error, number_error};
use crate::fixtures::Tensors;
use crate::methods::Create;
use nemesis_core::backbone::{Backbone, ClassPrompts};
use nemesis_core::method::{self, Batch, ClassPosition, FeatureSet, Host, LogLevel, Method, Task};
use nemesis_core::train::{Recompute, Services};
use nemesis_core::{Error, Result};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::sync::atomic::AtomicBool;
use tch::{Kind, Tensor, no_grad};

/// A file whose cases are of this kind.
#[derive(Debug, Deserialize)]
pub(super) struct Given<C> {
    /// Class names by label, as data sets spell them.
    pub(super) class_names: Vec<String>,
    /// The checkpoints.
    pub(super) weights: Weights,
    /// What was run.
    pub(super) cases: Vec<C>,
}

/// A task on a file's text tower.
#[derive(Debug)]
pub(super) struct Scene {
    towers: Pair,
    prompts: ClassPrompts,
    cancelled: AtomicBool,
    task: Task,
}

impl Scene {
    /// The task of these classes.
    ///
    /// # Errors
    ///
    /// When a class name is too long.
    pub(super) fn new(towers: &Pair, class_names: Vec<String>, template: &str, epochs: u64) -> Result<Self> {
        let spec = towers.text.spec();
        let task = Task {
            template: template.to_owned(),
            width: spec.width,
            embed_dim: spec.embed_dim,
            logit_scale: towers.logit_scale,
            device: spec.device,
            kind: spec.kind,
            precision: "fp32".to_owned(),
            epochs,
            class_names,
        };
        let prompts = towers.text.class_prompts(&task.class_names, 0)?;
        Ok(Self { towers: towers.clone(), prompts, cancelled: AtomicBool::new(false), task })
    }

    /// The host's services.
    pub(super) fn services(&self) -> Services<'_> {
        Services::new(&*self.towers.text, &self.prompts, 0, Recompute::Never, &self.cancelled)
    }

    /// A method for the task.
    ///
    /// # Errors
    ///
    /// When it cannot be created.
    pub(super) fn create(
        &self,
        create: &mut Create<'_>,
        id: &str,
        options: &Value,
        host: &dyn Host,
    ) -> Result<Box<dyn Method>> {
        let options = options.as_object().cloned().unwrap_or_else(Map::new);
        create(id, &self.task, &options, host)
    }
}

/// A host that has given text features, for files that do not say which prompts they are of.
pub(super) struct GivenTexts<'a> {
    /// Everything else.
    pub(super) services: &'a Services<'a>,
    /// Features `[classes, embed_dim]`.
    pub(super) texts: Tensor,
}

impl Host for GivenTexts<'_> {
    fn encode_strings(&self, _prompts: &[String]) -> method::Result<Tensor> {
        Ok(self.texts.shallow_clone())
    }

    fn encode_contexts(&self, contexts: &Tensor, position: ClassPosition) -> method::Result<Tensor> {
        self.services.encode_contexts(contexts, position)
    }

    fn embed_text(&self, text: &str) -> method::Result<Tensor> {
        self.services.embed_text(text)
    }

    fn backward(&self, loss: &Tensor) -> method::Result<()> {
        self.services.backward(loss)
    }

    fn gradients(&self, loss: &Tensor, inputs: &[&Tensor]) -> method::Result<Vec<Tensor>> {
        self.services.gradients(loss, inputs)
    }

    fn random(&self, purpose: &str, index: u64, count: usize) -> Vec<u64> {
        self.services.random(purpose, index, count)
    }

    fn report(&self, name: &str, value: &Tensor) {
        self.services.report(name, value);
    }

    fn cancelled(&self) -> bool {
        self.services.cancelled()
    }

    fn log(&self, level: LogLevel, message: &str) {
        self.services.log(level, message);
    }
}

/// Features and labels under these names.
///
/// # Errors
///
/// When there are none.
pub(super) fn set(golden: &Tensors, features: &str, labels: &str) -> Result<FeatureSet> {
    Ok(FeatureSet { features: golden.get(features)?, labels: golden.get(labels)?.to_kind(Kind::Int64) })
}

/// A batch of given features.
pub(super) fn batch(features: Tensor, labels: &Tensor, step: u64, epoch: u64, epochs: u64) -> Batch {
    Batch {
        items: (0..features.size()[0] as u64).collect(),
        labels: labels.to_kind(Kind::Int64),
        features: Some(features),
        dense: None,
        pixels: None,
        epoch,
        epochs,
        step,
        steps: epochs,
    }
}

/// What a method says of given features.
///
/// # Errors
///
/// When it cannot say it.
pub(super) fn logits(method: &mut dyn Method, features: &Tensor, host: &dyn Host) -> Result<Tensor> {
    let none = Tensor::zeros([0], (Kind::Int64, features.device()));
    let batch = batch(features.shallow_clone(), &none, 0, 0, 0);
    Ok(no_grad(|| method.logits(&batch, host))?)
}

/// How many of some logits are highest for the label.
///
/// # Errors
///
/// When the shapes do not fit.
pub(super) fn right(logits: &Tensor, labels: &Tensor) -> Result<i64> {
    Ok(i64::try_from(logits.argmax(-1, false).f_eq_tensor(labels)?.sum(Kind::Int64))?)
}

/// The tensor of this name in what a method has learned.
///
/// # Errors
///
/// When there is none.
pub(super) fn learned(method: &dyn Method, name: &str) -> Result<Tensor> {
    let found = method.state()?.into_iter().find(|(known, _)| known == name);
    found.map(|(_, tensor)| tensor.copy()).ok_or_else(|| Error::new(format!("the method learns no `{name}`")))
}

/// Puts tensors in place of what a method has learned.
///
/// # Errors
///
/// When it learns none of these names, or they have other shapes.
pub(super) fn replace(method: &mut dyn Method, tensors: &[(&str, Tensor)]) -> Result<()> {
    let mut state = method.state()?;
    for (name, tensor) in tensors {
        let slot = state.iter_mut().find(|(known, _)| known == name);
        let slot = slot.ok_or_else(|| Error::new(format!("the method learns no `{name}`")))?;
        slot.1 = tensor.shallow_clone();
    }
    Ok(method.load_state(&state)?)
}

/// Collects the checks of a case.
pub(super) struct Checks {
    name: String,
    /// What was compared so far.
    pub(super) all: Vec<Check>,
}

impl Checks {
    pub(super) fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), all: Vec::new() }
    }

    /// Compares a tensor.
    pub(super) fn tensor(&mut self, what: &str, tolerance: f64, ours: Result<Tensor>, golden: &Tensor) {
        let error = ours.map(|ours| norm_error(&ours, golden));
        self.all.push(Check::relative(format!("{}, {what}", self.name), error, tolerance));
    }

    /// Compares numbers, each relative to itself.
    pub(super) fn numbers(&mut self, what: &str, tolerance: f64, ours: Result<Vec<f64>>, golden: &[f64]) {
        let error = ours.map(|ours| {
            if ours.len() != golden.len() {
                return f64::INFINITY;
            }
            crate::check::largest(ours.iter().zip(golden).map(|(ours, golden)| number_error(*ours, *golden)))
        });
        self.all.push(Check::relative(format!("{}, {what}", self.name), error, tolerance));
    }

    /// Compares an accuracy in percent, which leaves no room, with how many of so many were right.
    pub(super) fn accuracy(&mut self, what: &str, right: Result<(i64, i64)>, golden: f64) {
        let differing = right.map(|(right, of)| {
            let golden = (golden / 100.0 * of as f64).round() as i64;
            right.abs_diff(golden) as usize
        });
        self.all.push(Check::exact(format!("{}, {what}", self.name), differing));
    }
}
