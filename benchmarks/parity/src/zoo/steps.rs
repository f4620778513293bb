//! The steps of a case, taken with our plugin, optimiser and schedule.

use super::file::{Case, File};
use super::replay::Replay;
use super::subject::Subject;
use super::towers::Pair;
use crate::fixtures::Tensors;
use crate::methods::Create;
use nemesis_core::backbone::Backbone;
use nemesis_core::method::{Batch, FeatureSet, Method, Needs, Task};
use nemesis_core::train::{Optimiser, Recompute, Services, WeightAverage, step};
use nemesis_core::{Error, Result};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::atomic::AtomicBool;
use tch::{Kind, Tensor, no_grad};

/// Tensors by our names.
pub(super) type Named = BTreeMap<String, Tensor>;

/// What our method makes of a case.
#[derive(Debug)]
pub(super) struct Taken {
    /// Logits of the first batch, before any step.
    pub(super) logits: Tensor,
    /// The same as the authors' first step has them, if that is not how a method evaluates: with dropout, or with texts
    /// behind the images.
    pub(super) in_training: Option<Tensor>,
    /// The steps.
    pub(super) steps: Vec<Step>,
    /// What was learned in the end: an average over epochs, if the protocol asks for one.
    pub(super) learned: Named,
    /// Logits of the first batch with that.
    pub(super) after: Tensor,
}

/// One step.
#[derive(Debug)]
pub(super) struct Step {
    /// The learning rate.
    pub(super) rate: f64,
    /// The loss before the step.
    pub(super) loss: f64,
    /// The last tensor reported under each name.
    pub(super) reports: Named,
    /// The gradients that the optimiser got.
    pub(super) gradients: Named,
    /// What was learned after the step.
    pub(super) state: Named,
}

/// Takes all steps of a case.
///
/// # Errors
///
/// When our side cannot compute it.
pub(super) fn take(
    subject: &dyn Subject,
    file: &File,
    case: &Case,
    golden: &Tensors,
    towers: &Pair,
    create: &mut Create<'_>,
) -> Result<Taken> {
    let class_names = subject.class_names(file);
    let classes = towers.text.class_prompts(&class_names, 0)?;
    let cancelled = AtomicBool::new(false);
    let services = Services::new(&*towers.text, &classes, 0, Recompute::Never, &cancelled);
    // For those whose descriptor asks for them; a model of two checkpoints has none to offer.
    let services = services.with_towers(Needs { towers: Rc::ptr_eq(&towers.text, &towers.image), ..Needs::FEATURES });
    let task = task(subject, class_names, case, towers)?;
    let options = subject.options(case)?;
    let batches = Batches::new(case, golden, towers)?;
    let mut method = create(subject.method(), &task, &options, &services)?;
    let mut in_training = None;
    if let Some(mut drawn) = subject.drawn(case, golden)? {
        if !drawn.masks.is_empty() {
            // By a method of its own, since a method may keep features until what it learned changes.
            let method = create(subject.method(), &task, &options, &services)?;
            let mut replay = Replay { method, drawn };
            start(&mut replay, subject, case, golden)?;
            in_training = Some(no_grad(|| replay.dropped_out(&batches.at(0)?, &services).map_err(Error::from))?);
            drawn = replay.drawn;
        }
        method = Box::new(Replay { method, drawn });
    }
    start(&mut *method, subject, case, golden)?;

    if subject.prepares() {
        let first = batches.at(0)?;
        let features = first.features.as_ref().map(Tensor::shallow_clone).unwrap_or_default();
        method.prepare(&FeatureSet { features, labels: first.labels }, None, &services)?;
    }
    let protocol = subject.protocol(case);
    let mut optimiser = Optimiser::new(method.parameters()?, &protocol)?;
    let logits = no_grad(|| method.logits(&batches.at(0)?, &services).map_err(Error::from))?;
    let _ = services.end_step();
    let mut steps = Vec::with_capacity(case.trace.len());
    let mut average = WeightAverage::new(&protocol);
    for number in 0..case.trace.len() {
        let batch = batches.at(number)?;
        let rate = protocol.learning_rate(batch.step, case.steps_per_epoch());
        let loss = step(&mut *method, &mut optimiser, rate, &batch, &services)?;
        let reports = services.end_step().into_iter().filter_map(|(name, mut all)| Some((name, all.pop()?)));
        let gradients = method.parameters()?.into_iter().map(|p| (p.name, p.tensor.grad()));
        steps.push(Step {
            rate,
            loss,
            reports: reports.collect(),
            gradients: gradients.filter(|(_, g)| g.defined()).map(|(name, g)| (name, g.copy())).collect(),
            state: copied(method.state()?),
        });
        let ends = case.trace.get(number + 1).is_none_or(|next| next.epoch > batch.epoch);
        if let Some(average) = average.as_mut().filter(|_| ends) {
            average.end_epoch(batch.epoch, method.parameters()?.iter().map(|parameter| &parameter.tensor));
        }
    }
    if let Some(average) = average {
        average.replace(method.parameters()?.iter().map(|parameter| &parameter.tensor));
    }
    let learned = copied(method.state()?);
    let after = no_grad(|| method.logits(&batches.at(0)?, &services).map_err(Error::from))?;
    Ok(Taken { logits, in_training, steps, learned, after })
}

/// Tensors that later steps leave alone.
fn copied(tensors: impl IntoIterator<Item = (String, Tensor)>) -> Named {
    tensors.into_iter().map(|(name, tensor)| (name, tensor.copy())).collect()
}

/// Puts the parameters that a case starts from in place of the method's own.
fn start(method: &mut dyn Method, subject: &dyn Subject, case: &Case, golden: &Tensors) -> Result<()> {
    let mut state = method.state()?;
    let prefix = case.tensor("init.");
    let mut found = false;
    for (name, tensor) in golden.iter().filter_map(|(name, tensor)| Some((name.strip_prefix(&prefix)?, tensor))) {
        let Some(own) = subject.parameter(name) else { continue };
        let known: Vec<_> = state.iter().map(|(name, _)| name.clone()).collect();
        let slot = state.iter_mut().find(|(name, _)| *name == own).ok_or_else(|| {
            Error::new(format!("the method learns no `{own}`")).expected(format!("one of {}", known.join(", ")))
        })?;
        slot.1 = tensor.shallow_clone();
        found = true;
    }
    if !found {
        return Err(Error::new(format!("there are no tensors `{prefix}…` to start from")));
    }
    Ok(method.load_state(&state)?)
}

fn task(subject: &dyn Subject, class_names: Vec<String>, case: &Case, towers: &Pair) -> Result<Task> {
    let spec = towers.text.spec();
    Ok(Task {
        class_names,
        template: subject.template(case)?,
        width: spec.width,
        embed_dim: spec.embed_dim,
        logit_scale: case.number("logit_scale").unwrap_or(towers.logit_scale),
        device: spec.device,
        kind: spec.kind,
        precision: "fp32".to_owned(),
        epochs: case.epochs(),
    })
}

/// The batches of a case, encoded by the image tower.
struct Batches<'a> {
    case: &'a Case,
    towers: &'a Pair,
    images: Tensor,
    labels: Tensor,
}

impl<'a> Batches<'a> {
    fn new(case: &'a Case, golden: &Tensors, towers: &'a Pair) -> Result<Self> {
        let labels = golden.get(&case.tensor("labels")).or_else(|_| golden.get("labels"))?.to_kind(Kind::Int64);
        let images = golden.get("images")?;
        let steps = case.trace.len() as i64;
        if images.size()[0] < steps || labels.size()[0] < steps {
            return Err(Error::new(format!("case {} has {steps} steps", case.id)).expected("a batch for each of them"));
        }
        Ok(Self { case, towers, images, labels })
    }

    fn at(&self, step: usize) -> Result<Batch> {
        let pixels = self.images.get(step as i64);
        let (features, dense) = self.towers.image.encode_places(&pixels)?;
        let traced = &self.case.trace[step];
        Ok(Batch {
            items: (0..pixels.size()[0] as u64).collect(),
            labels: self.labels.get(step as i64),
            features: Some(features),
            dense: Some(dense),
            pixels: Some(pixels),
            epoch: traced.epoch,
            epochs: self.case.epochs(),
            step: step as u64,
            steps: self.case.trace.len() as u64,
        })
    }
}
