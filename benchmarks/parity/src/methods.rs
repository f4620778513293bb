//! `methods.json` and `methods.safetensors`: every method's logits, gradient, and path over some steps.

use super::check::{Check, differing, largest, norm_error, number_error};
use super::fixtures::{Fixtures, Tensors};
use super::schedule;
use nemesis_core::backbone::Backbone;
use nemesis_core::engine::clean_names;
use nemesis_core::method::{Batch, Host, Method, Task};
use nemesis_core::train::{self, Recompute, ResolvedProtocol, Services, step};
use nemesis_core::{Error, Result};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use tch::{Kind, Tensor, no_grad};

/// Creates a method by its id: by loading its plugin, for instance.
pub type Create<'a> = dyn FnMut(&str, &Task, &Map<String, Value>, &dyn Host) -> Result<Box<dyn Method>> + 'a;

#[derive(Deserialize)]
struct Case {
    id: usize,
    method: String,
    options: Map<String, Value>,
    class_names: Vec<String>,
    epochs: u64,
    steps: u64,
    optimizer: Optimiser,
    schedule: Schedule,
    trace: Vec<TracedStep>,
}

#[derive(Deserialize)]
struct Optimiser {
    name: String,
    momentum: f64,
    weight_decay: f64,
    dampening: f64,
    nesterov: bool,
}

#[derive(Deserialize)]
struct Schedule {
    base_lr: f64,
    warmup_epochs: u64,
    warmup_lr: f64,
}

/// One step of a path, golden or ours.
#[derive(Debug, Deserialize)]
struct TracedStep {
    epoch: u64,
    lr: f64,
    omega: f64,
    cross_entropy: f64,
    norm_loss: f64,
    loss: f64,
    alpha_pan: Vec<f64>,
}

/// What a method computes from the golden inputs.
struct Path {
    logits0: Tensor,
    grad0: Tensor,
    trace: Vec<TracedStep>,
    ctx_final: Tensor,
}

pub(super) fn checks(fixtures: &Fixtures, clip: &dyn Backbone, create: &mut Create<'_>) -> Result<Vec<Check>> {
    let cases: Vec<Case> = fixtures.json("methods.json")?;
    let golden = fixtures.tensors("methods.safetensors")?;
    let mut checks = Vec::new();
    for case in &cases {
        let path = path(case, &golden, clip, create);
        let mut check = |what: &str, tolerance: f64, error: &dyn Fn(&Path) -> Result<f64>| {
            let error = path.as_ref().map_err(Error::clone).and_then(error);
            checks.push(Check::relative(case.name(what), error, tolerance));
        };
        let of = |what: &str| golden.get(&case.tensor(what));
        check("logits0", 1e-4, &|path| Ok(norm_error(&path.logits0, &of("logits0")?)));
        check("grad0", 1e-3, &|path| Ok(norm_error(&path.grad0, &of("grad0")?)));
        check("losses", 1e-4, &|path| {
            let losses = |step: &TracedStep| [step.cross_entropy, step.norm_loss, step.loss];
            Ok(case.largest_error(path, losses))
        });
        check("learning rates", schedule::TOLERANCE, &|path| Ok(case.largest_error(path, |step| [step.lr])));
        check("omega", schedule::TOLERANCE, &|path| Ok(case.largest_error(path, |step| [step.omega])));
        check("ctx_final", 1e-3, &|path| Ok(norm_error(&path.ctx_final, &of("ctx_final")?)));
        let alphas = |trace: &[TracedStep]| trace.iter().flat_map(|step| step.alpha_pan.clone()).collect::<Vec<f64>>();
        let wrong =
            path.as_ref().map_err(Error::clone).map(|path| differing(&alphas(&path.trace), &alphas(&case.trace)));
        checks.push(Check::exact(case.name("alpha"), wrong));
    }
    Ok(checks)
}

/// Takes the golden steps with the method, from the golden context.
fn path(case: &Case, golden: &Tensors, clip: &dyn Backbone, create: &mut Create<'_>) -> Result<Path> {
    let context = golden.get(&case.tensor("ctx0"))?;
    let features = golden.get(&case.tensor("image_features"))?;
    let labels = golden.get(&case.tensor("labels"))?;
    let vectors = context.size()[context.dim() - 2] as usize;
    let classes = clip.class_prompts(&case.class_names, vectors)?;
    let cancelled = AtomicBool::new(false);
    let services = Services::new(clip, &classes, 0, Recompute::Never, &cancelled);
    let (id, options) = case.plugin();
    let mut method = create(id, &task(clip, &case.class_names, case.epochs), &options, &services)?;
    method.load_state(&vec![("ctx".to_owned(), context)])?;

    let protocol = case.protocol()?;
    let mut optimiser = train::Optimiser::new(method.parameters()?, &protocol)?;
    let batch = |step: u64| Batch {
        items: (0..labels.size()[1] as u64).collect(),
        labels: labels.get(step as i64),
        features: Some(features.get(step as i64)),
        dense: None,
        pixels: None,
        epoch: step * case.epochs / case.steps,
        epochs: case.epochs,
        step,
        steps: case.steps,
    };
    let logits0 = no_grad(|| method.logits(&batch(0), &services))?;
    let mut grad0 = None;
    let mut trace = Vec::new();
    for number in 0..case.steps {
        let batch = batch(number);
        let rate = protocol.learning_rate(batch.epoch, 1);
        let loss = step(&mut *method, &mut optimiser, rate, &batch, &services)?;
        if grad0.is_none() {
            grad0 = Some(context_of(method.parameters()?.into_iter().map(|p| (p.name, p.tensor.grad().copy())))?);
        }
        trace.push(TracedStep::reported(batch.epoch, rate, loss, &services.end_step(), vectors)?);
    }
    let ctx_final = context_of(method.state()?)?;
    Ok(Path { logits0, grad0: grad0.ok_or_else(|| Error::new("a path without steps"))?, trace, ctx_final })
}

/// The tensor `ctx` among those of a method.
fn context_of(tensors: impl IntoIterator<Item = (String, Tensor)>) -> Result<Tensor> {
    let context = tensors.into_iter().find(|(name, _)| name == "ctx").map(|(_, tensor)| tensor);
    context.ok_or_else(|| Error::new("the method has no tensor `ctx`"))
}

/// The task of learning these classes.
pub fn task(clip: &dyn Backbone, class_names: &[String], epochs: u64) -> Task {
    let spec = clip.spec();
    Task {
        class_names: clean_names(class_names),
        template: "a photo of a {}.".to_owned(),
        width: spec.width,
        embed_dim: spec.embed_dim,
        logit_scale: spec.logit_scale,
        device: spec.device,
        kind: spec.kind,
        precision: "fp32".to_owned(),
        epochs,
    }
}

impl Case {
    fn name(&self, what: &str) -> String {
        format!("methods, case {} {}, {what}", self.id, self.method)
    }

    fn tensor(&self, what: &str) -> String {
        format!("case{}.{what}", self.id)
    }

    /// The plugin's id, and its options. The golden values leave out what is off; the authors' schedule is on.
    fn plugin(&self) -> (&str, Map<String, Value>) {
        // The mix of both norm losses is an option of Nemesis-PAN.
        let id = if self.method == "nemesis" { "nemesis-pan" } else { &self.method };
        let mut options = self.options.clone();
        if id != "coop" {
            options.entry("omega").or_insert_with(|| "none".into());
        }
        (id, options)
    }

    fn protocol(&self) -> Result<ResolvedProtocol> {
        let Optimiser { name, momentum, weight_decay, dampening, nesterov } = &self.optimizer;
        if name != "sgd" || *dampening != 0.0 || *nesterov {
            return Err(Error::new(format!("the optimiser `{name}`, dampening {dampening}, Nesterov {nesterov}"))
                .expected("plain SGD with momentum"));
        }
        Ok(ResolvedProtocol {
            name: "parity".to_owned(),
            learning_rate: self.schedule.base_lr,
            momentum: *momentum,
            weight_decay: *weight_decay,
            warmup_epochs: self.schedule.warmup_epochs,
            warmup_learning_rate: self.schedule.warmup_lr,
            batch_size: 1,
            epochs: self.epochs,
            ..ResolvedProtocol::default()
        })
    }

    /// The largest error of some numbers over all steps; infinite when a step is missing or in another epoch.
    fn largest_error<const N: usize>(&self, path: &Path, of: impl Fn(&TracedStep) -> [f64; N]) -> f64 {
        let epochs = |trace: &[TracedStep]| trace.iter().map(|step| step.epoch).collect::<Vec<u64>>();
        if epochs(&path.trace) != epochs(&self.trace) {
            return f64::INFINITY;
        }
        let steps = path.trace.iter().zip(&self.trace);
        largest(steps.flat_map(|(found, golden)| {
            of(found).into_iter().zip(of(golden)).map(|(found, golden)| number_error(found, golden))
        }))
    }
}

impl TracedStep {
    /// A step of ours, from what the method reported. What does not apply to a method is not reported.
    fn reported(
        epoch: u64,
        lr: f64,
        loss: f64,
        reports: &BTreeMap<String, Vec<Tensor>>,
        vectors: usize,
    ) -> Result<Self> {
        let numbers = |name: &str| match reports.get(name).and_then(|tensors| tensors.last()) {
            Some(tensor) => Ok(Some(Vec::<f64>::try_from(tensor.to_kind(Kind::Double).flatten(0, -1))?)),
            None => Ok::<_, Error>(None),
        };
        let number = |name: &str, absent: f64| Ok::<_, Error>(numbers(name)?.map_or(absent, |all| all[0]));
        Ok(Self {
            epoch,
            lr,
            omega: number("omega", 1.0)?,
            cross_entropy: number("cross_entropy", f64::NAN)?,
            norm_loss: number("norm_loss", 0.0)?,
            loss,
            alpha_pan: numbers("alpha")?.unwrap_or_else(|| vec![0.0; vectors]),
        })
    }
}
