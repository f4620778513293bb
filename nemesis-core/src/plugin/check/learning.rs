//! Checks of parameters, losses and gradients.

use super::stage::Stage;
use super::subject::{CLASSES, Finding, Step, Stop, Subject, close, ensure, failed, finite, skipped};
use crate::method::{Batch, FeatureSet, Method};
use crate::train::{Recompute, ResolvedProtocol, Seen, TrainingInputs, train};
use std::collections::BTreeSet;
use tch::{Device, Kind, Tensor, no_grad};

pub(super) fn parameters(subject: &Subject) -> Finding {
    let (stage, method, _) = subject.scene()?;
    let (first, again) = (method.parameters()?, method.parameters()?);
    if subject.learns_by_gradients().is_ok() {
        ensure(!first.is_empty(), || "the method has none".to_owned())?;
    }
    let mut names = BTreeSet::new();
    let task = stage.task();
    for parameter in &first {
        let (name, tensor) = (&parameter.name, &parameter.tensor);
        ensure(!name.is_empty() && names.insert(name), || format!("the name `{name}` is empty or appears twice"))?;
        ensure(tensor.is_leaf() && tensor.requires_grad(), || {
            format!("`{name}` is not a leaf that requires a gradient")
        })?;
        let (kind, device) = (tensor.kind(), tensor.device());
        ensure(kind == task.kind && device == task.device, || {
            format!("`{name}` is {kind:?} on {device:?}, but the task is {:?} on {:?}", task.kind, task.device)
        })?;
    }
    let same = first.len() == again.len()
        && first.iter().zip(&again).all(|(one, two)| {
            one.name == two.name
                && one.tensor.data_ptr() == two.tensor.data_ptr()
                && one.tensor.size() == two.tensor.size()
        });
    ensure(same, || "a second call returns different ones".to_owned())
}

pub(super) fn same_seed(subject: &Subject) -> Finding {
    let stage = Stage::new(CLASSES, Kind::Double);
    let batch = stage.batch(8, 0, subject.needs()?);
    let services = stage.services(3, Recompute::Never);
    let (mut one, mut two) = (subject.method(&stage, 3)?, subject.method(&stage, 3)?);
    for (a, b) in one.parameters()?.iter().zip(two.parameters()?) {
        ensure(a.tensor == b.tensor, || format!("the parameter `{}` starts with different values", a.name))?;
    }
    subject.learns_by_gradients()?;
    let (a, b) = (Step::take(&mut one, &batch, &services)?, Step::take(&mut two, &batch, &services)?);
    ensure(a.loss == b.loss, || format!("the loss is {:?} once and {:?} the other time", a.loss, b.loss))?;
    ensure(a.gradients == b.gradients, || "the gradients differ".to_owned())
}

pub(super) fn instances(subject: &Subject) -> Finding {
    subject.learns_by_gradients()?;
    let (stage, mut alone, batch) = subject.scene()?;
    let services = stage.services(1, Recompute::Never);
    let expected = Step::take(&mut alone, &batch, &services)?;
    let mut one = subject.method(&stage, 1)?;
    let mut two = subject.method(&stage, 2)?;
    for mut parameter in two.parameters()? {
        let elsewhere = direction(&parameter.tensor) + 0.25;
        no_grad(|| parameter.tensor.copy_(&elsewhere));
    }
    Step::take(&mut two, &stage.batch(8, 1, subject.needs()?), &services)?;
    let found = Step::take(&mut one, &batch, &services)?;
    ensure(close(&expected.loss, &found.loss, 1e-12), || {
        format!("with a second instance in the process the loss is {:?}, without it {:?}", found.loss, expected.loss)
    })
}

pub(super) fn single_precision(subject: &Subject) -> Finding {
    let stage = Stage::new(CLASSES, Kind::Float);
    let batch = stage.batch(8, 0, subject.needs()?);
    let services = stage.services(1, Recompute::Never);
    let mut method = subject.method(&stage, 1)?;
    for parameter in method.parameters()? {
        let kind = parameter.tensor.kind();
        ensure(kind == Kind::Float, || format!("the parameter `{}` is {kind:?}", parameter.name))?;
    }
    let logits = method.logits(&batch, &services)?;
    ensure(finite(&logits)?, || "the logits are not finite".to_owned())?;
    if subject.learns_by_gradients().is_ok() {
        let step = Step::take(&mut method, &batch, &services)?;
        ensure(finite(&step.loss)?, || format!("the loss is {:?}", step.loss))?;
    }
    Ok(())
}

pub(super) fn loss(subject: &Subject) -> Finding {
    subject.learns_by_gradients()?;
    let (stage, mut method, batch) = subject.scene()?;
    let loss = method.loss(&batch, &stage.services(1, Recompute::Never))?;
    ensure(loss.numel() == 1 && loss.dim() == 0, || format!("it has the shape {:?}", loss.size()))?;
    ensure(finite(&loss)?, || format!("it is {loss:?}"))?;
    ensure(loss.requires_grad(), || "it has no autograd graph".to_owned())
}

pub(super) fn gradients_reach(subject: &Subject) -> Finding {
    let step = first_step(subject)?;
    if step.by_itself {
        return skipped("the method fills gradients itself: see `gradients-filled`");
    }
    step.ensure_reached()
}

pub(super) fn gradients_filled(subject: &Subject) -> Finding {
    let step = first_step(subject)?;
    if !step.by_itself {
        return skipped("the method leaves gradients to the host: see `gradients-reach`");
    }
    match step.ensure_reached() {
        Err(Stop::Failed(why)) => failed(format!(
            "after `compute_gradients`, {why}. It must call the host's `backward`, or store what the host's \
             `gradients` returns in `grad` (in Rust with `gradients::fill`)"
        )),
        other => other,
    }
}

/// The first step of a method that learns by gradients.
fn first_step(subject: &Subject) -> Finding<Step> {
    subject.learns_by_gradients()?;
    let (stage, mut method, batch) = subject.scene()?;
    Step::take(&mut method, &batch, &stage.services(1, Recompute::Never))
}

pub(super) fn gradients_exact(subject: &Subject) -> Finding {
    const STEP: f64 = 1e-5;
    const TOLERANCE: f64 = 1e-4;
    subject.learns_by_gradients()?;
    let (stage, mut method, batch) = subject.scene()?;
    let services = stage.services(1, Recompute::Never);
    let step = Step::take(&mut method, &batch, &services)?;
    if step.by_itself {
        return skipped("the method fills gradients itself, and they need not be those of its loss");
    }
    for (parameter, gradient) in step.parameters.iter().zip(&step.gradients) {
        let mut tensor = parameter.tensor.shallow_clone();
        let start = tensor.detach().copy();
        let direction = direction(&start);
        let mut loss_at = |distance: f64| -> Finding<f64> {
            no_grad(|| tensor.copy_(&(&start + &direction * distance)));
            Ok(f64::try_from(method.loss(&batch, &services)?)?)
        };
        let numeric = (loss_at(STEP)? - loss_at(-STEP)?) / (2.0 * STEP);
        loss_at(0.0)?;
        let exact = f64::try_from((gradient * &direction).sum(Kind::Double))?;
        ensure((numeric - exact).abs() <= TOLERANCE * exact.abs().max(1e-3), || {
            let name = &parameter.name;
            format!(
                "along one direction of `{name}`, the loss changes by {numeric:.6}, but its gradient says {exact:.6}"
            )
        })?;
    }
    Ok(())
}

/// A fixed, asymmetric direction of length one.
fn direction(like: &Tensor) -> Tensor {
    let count = like.numel() as i64;
    let angles = Tensor::arange(count, (Kind::Double, like.device())) * 1.7 + 0.3;
    let direction = angles.sin().view(like.size().as_slice());
    &direction / direction.norm()
}

pub(super) fn graph_cuts(subject: &Subject) -> Finding {
    subject.learns_by_gradients()?;
    let (stage, mut whole, batch) = subject.scene()?;
    let mut cut = subject.method(&stage, 1)?;
    let expected = Step::take(&mut whole, &batch, &stage.services(1, Recompute::Never))?;
    let found = Step::take(&mut cut, &batch, &stage.services(1, Recompute::Chunks(2)));
    let found = match found {
        Ok(found) => found,
        Err(Stop::Failed(why)) => {
            return failed(format!("{why}; gradients must come only from the host's `backward` and `gradients`"));
        }
        Err(other) => return Err(other),
    };
    for ((parameter, one), two) in expected.parameters.iter().zip(&expected.gradients).zip(&found.gradients) {
        ensure(close(one, two, 1e-8), || {
            format!(
                "the gradient of `{}` differs when the host recomputes text features: it must come only from the \
                 host's `backward` and `gradients`",
                parameter.name
            )
        })?;
    }
    Ok(())
}

pub(super) fn two_gradients(subject: &Subject) -> Finding {
    subject.learns_by_gradients()?;
    let (stage, mut whole, _) = subject.scene()?;
    let mut cut = subject.method(&stage, 1)?;
    let needs = subject.needs()?;
    for step in 0..3 {
        let batch = stage.batch(8, step, needs);
        let expected = Step::take(&mut whole, &batch, &stage.services(1, Recompute::Never))?;
        if !expected.by_itself {
            return skipped("the method leaves gradients to the host");
        }
        let found = Step::take(&mut cut, &batch, &stage.services(1, Recompute::Chunks(3)))?;
        for (one, two) in expected.gradients.iter().zip(&found.gradients) {
            ensure(finite(one)? && close(one, two, 1e-8), || {
                format!("in step {step}, a gradient differs when the host recomputes text features")
            })?;
        }
    }
    Ok(())
}

pub(super) fn training(subject: &Subject) -> Finding {
    // The trainer would refuse it, for a reason that another check reports.
    if subject.learns_by_gradients().is_ok() && first_step(subject).is_ok_and(|step| step.ensure_reached().is_err()) {
        return skipped("gradients do not reach the parameters: see `gradients-reach` and `gradients-filled`");
    }
    let stage = Stage::new(CLASSES, Kind::Double);
    let services = stage.services(1, Recompute::Never);
    let plugin = subject.plugin()?;
    let needs = plugin.descriptor().needs;
    let mut method = subject.method(&stage, 1)?;
    let protocol = ResolvedProtocol {
        name: "check".to_owned(),
        momentum: 0.9,
        weight_decay: 5e-4,
        warmup_epochs: 1,
        warmup_learning_rate: 1e-3,
        batch_size: 4,
        epochs: 3,
        views: 3,
        ..ResolvedProtocol::default()
    };
    let labels: Vec<u32> = (0..10).map(|image| image % CLASSES as u32).collect();
    let images = |epoch| stage.batch(labels.len(), epoch, needs);
    let validation = || {
        let Batch { features, labels, .. } = stage.batch(5, 9, needs);
        features.map(|features| FeatureSet { features, labels })
    };
    let mut inputs = TrainingInputs {
        needs,
        features: &mut |epoch| Ok(images(epoch).features()?.shallow_clone()),
        seen: &|epoch, places| {
            let places = Tensor::from_slice(&places.iter().map(|place| *place as i64).collect::<Vec<_>>());
            let Batch { features, dense, pixels, .. } = images(epoch);
            let [features, dense, pixels] =
                [features, dense, pixels].map(|all| all.map(|all| all.index_select(0, &places)));
            Ok(Seen { features, dense, pixels })
        },
        labels: &labels,
        validation: needs.validation.then(validation).flatten(),
        seed: 1,
        device: Device::Cpu,
    };
    let optimisation = plugin.descriptor().optimisation;
    let history = train(&mut method, optimisation, &protocol, &mut inputs, &services, &mut |_, _| Ok(()))?;
    for record in &history {
        for (name, values) in &record.reported {
            ensure(values.len() <= 1024, || {
                format!("it reports {} numbers as `{name}`; at most 1024 are allowed", values.len())
            })?;
        }
    }
    Ok(())
}
